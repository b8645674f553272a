// biome-ignore-all lint/suspicious/noFocusedTests: fit is what is tested
import { beforeAll, describe, expect, it } from 'vitest'
import { ImageBatches, manualSeed, nn, optim, type Tensor } from '../../src/node/index.ts'
import { isRecorded } from '../../src/train/history.ts'
import { checkpointName, fit, type HistoryRecord } from '../../src/train/index.ts'
import { bitsOf } from '../support/check.ts'
import { testGpu } from '../support/gpu.ts'
import { memoryStore } from '../support/store.ts'

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

/** Trains; a callback waits for every update, or a checkpoint is saved after every so many, or neither. */
async function train(options: { capture?: boolean; every?: number; waits?: boolean }) {
  manualSeed(4)
  const net = new Small()
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 })
  const [set, test] = [batches(), batches()]
  const records: HistoryRecord[] = []
  const waited: number[] = []
  const batchesSeen: number[] = []
  const rates: number[] = []
  const { every, waits = false, capture = true } = options
  const store = memoryStore()
  await fit(net, {
    data: { train: set, test },
    optimizer,
    epochs: EPOCHS,
    seed: 1,
    schedule: (t) => 0.01 / (t + 1),
    schedulePer: 'step',
    capture,
    ...(every !== undefined && { checkpoint: { store, every, keep: 999 } }),
    callbacks: [
      {
        ...(waits && { onBatch: ({ step }) => void waited.push(step) }),
        onProgress: ({ step, lr }) => {
          batchesSeen.push(step)
          rates.push(lr)
        },
        onRecord: (record) => void records.push(record),
      },
    ],
  })
  const parameters = await Promise.all(net.parameters().map(bitsOf))
  for (const part of [optimizer, net, set, test]) part.dispose()
  return { records, parameters, waited, saved: [...store.states.keys()], batchesSeen, rates }
}

describe('a run', () => {
  it('has the same bits and records, captured or not, wherever it pauses', async () => {
    const captured = await train({})
    const eager = await train({ capture: false, every: 7 })
    const everywhere = await train({ waits: true })
    for (const other of [eager, everywhere]) {
      expect(other.parameters).toEqual(captured.parameters)
      expect(other.records).toEqual(captured.records)
    }
    expect(everywhere.waited).toEqual(Array.from({ length: STEPS * EPOCHS }, (_, i) => i + 1))
  })

  it('saves where it is asked to, records, and tells of every step once', async () => {
    const { saved, records, batchesSeen, rates } = await train({ every: 70 })
    expect(saved).toEqual([0, 70, STEPS, 140, 210, 2 * STEPS].map(checkpointName))
    const recorded = Array.from({ length: STEPS }, (_, i) => i).filter(isRecorded)
    const expected = [0, STEPS].flatMap((before) => [...recorded.map((i) => before + i + 1), before + STEPS])
    expect(records.map(({ step }) => step)).toEqual(expected)
    expect(batchesSeen).toEqual(Array.from({ length: STEPS * EPOCHS }, (_, i) => i + 1))
    expect(rates).toEqual(Array.from({ length: STEPS * EPOCHS }, (_, t) => 0.01 / (t + 1)))
  })
})
