import { beforeAll, describe, expect, it } from 'vitest'
import { ImageBatches, manualSeed, nn, optim, type Tensor } from '../../src/node/index.ts'
import { isRecorded } from '../../src/train/history.ts'
import { type HistoryRecord, run } from '../../src/train/index.ts'
import { bitsOf } from '../support/check.ts'
import { testGpu } from '../support/gpu.ts'

beforeAll(testGpu)

const [STEPS, EPOCHS] = [120, 2]

class Small extends nn.Module {
  readonly classify = new nn.Linear(784, 3)

  override forward(x: Tensor): Tensor {
    return this.classify.forward(x.flatten())
  }
}

/** Batches of two images, the last of one. */
function batches() {
  const count = 2 * STEPS - 1
  const images = Uint8Array.from({ length: count * 784 }, (_, i) => (i * 41) % 256)
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 3)
  return new ImageBatches({ images, labels, count, channels: 1, height: 28, width: 28, classes: [] }, { batchSize: 2 })
}

/** Trains; every pause reads the sums, or goes on at once. */
async function train(options: { capture?: boolean; pauses?: readonly number[] }) {
  manualSeed(4)
  const net = new Small()
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 })
  const set = batches()
  const records: HistoryRecord[] = []
  const paused: number[] = []
  const batchesSeen: number[] = []
  const rates: number[] = []
  await run({
    net,
    optimizer,
    train: set,
    test: set,
    epochs: EPOCHS,
    seed: 1,
    rates: { schedule: (t) => 0.01 / (t + 1), per: 'step', timing: 'before-epoch', lr: 0.1 },
    capture: options.capture ?? true,
    pauseAfter: (step) => options.pauses?.includes(step) ?? false,
    onPause: async ({ step, position }) => {
      if ((await position()).step !== step) throw new Error('the position is another')
      paused.push(step)
    },
    onBatch: ({ step, lr }) => {
      batchesSeen.push(step)
      rates.push(lr)
    },
    onRecord: (record) => void records.push(record),
  })
  const parameters = await Promise.all(net.parameters().map(bitsOf))
  for (const part of [optimizer, net, set]) part.dispose()
  return { records, parameters, paused, batchesSeen, rates }
}

describe('a run', () => {
  it('has the same bits and records, captured or not, wherever it pauses', async () => {
    const captured = await train({})
    const eager = await train({ capture: false, pauses: [3, 4] })
    const everywhere = await train({ pauses: Array.from({ length: STEPS * EPOCHS }, (_, i) => i + 1) })
    for (const other of [eager, everywhere]) {
      expect(other.parameters).toEqual(captured.parameters)
      expect(other.records).toEqual(captured.records)
    }
    expect(everywhere.paused).toEqual(Array.from({ length: STEPS * EPOCHS }, (_, i) => i + 1))
  })

  it('stops where it is asked to, at every record and at the end of an epoch, and tells of every step once', async () => {
    const { paused, records, batchesSeen, rates } = await train({ pauses: [7, STEPS + 1] })
    expect(paused).toEqual([7, STEPS, STEPS + 1, 2 * STEPS])
    const recorded = Array.from({ length: STEPS }, (_, i) => i).filter(isRecorded)
    const expected = [0, STEPS].flatMap((before) => [...recorded.map((i) => before + i + 1), before + STEPS])
    expect(records.map(({ step }) => step)).toEqual(expected)
    expect(batchesSeen).toEqual(Array.from({ length: STEPS * EPOCHS }, (_, i) => i + 1))
    expect(rates).toEqual(Array.from({ length: STEPS * EPOCHS }, (_, t) => 0.01 / (t + 1)))
  })
})
