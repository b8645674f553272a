// How images are cut into batches: what must not depend on it.
// biome-ignore-all lint/suspicious/noFocusedTests: fit is what is tested
import { beforeAll, describe, expect, it } from 'vitest'
import {
  crossEntropy,
  evaluate,
  type FitOptions,
  fit,
  ImageBatches,
  type ImageDataset,
  lrFind,
  manualSeed,
  nn,
  optim,
  permutation,
  type Tensor,
  tensor,
} from '../../src/node/index.ts'

import { bitsOf } from '../support/check.ts'
import { gamma } from '../support/close.ts'
import { testGpu } from '../support/gpu.ts'

beforeAll(testGpu)

const LR = 0.5
const CLASSES = 3

/** Images of 4 × 4. */
function dataset(count: number): ImageDataset {
  const images = Uint8Array.from({ length: count * 16 }, (_, i) => (i * 37) % 256)
  const labels = Uint8Array.from({ length: count }, (_, i) => i % CLASSES)
  return { images, labels, count, channels: 1, height: 4, width: 4, classes: [] }
}

/** A network that notes how many rows it is given. */
function start() {
  manualSeed(1)
  const rows: number[] = []
  class Noted extends nn.Flatten {
    override forward(x: Tensor): Tensor {
      rows.push(x.shape[0]!)
      return super.forward(x)
    }
  }
  const net = new nn.Sequential(new Noted(), new nn.Linear(16, 8), new nn.ReLU(), new nn.Linear(8, CLASSES))
  return { net, optimizer: new optim.SGD(net.parameters(), { lr: LR }), rows }
}

const stateOf = async (net: nn.Module) => await Promise.all(net.parameters().map(bitsOf))

/** The bias of the last layer after an epoch, and the bits of everything. */
async function trained(batchSize: number, count: number, options: Partial<FitOptions> = {}) {
  const { net, optimizer, rows } = start()
  const data = new ImageBatches(dataset(count), { batchSize })
  const result = await fit(net, { data, optimizer, epochs: 1, ...options })
  data.dispose()
  const bias = (await net.namedParameters().get('3.bias')!.data()) as Float32Array
  return { bias, bits: await stateOf(net), rows, result, net }
}

describe('an update of several batches', () => {
  /**
   * A bias of the last layer moves by LR times the mean of COUNT terms p − y, of magnitude at most 1. A term has the
   * same bits in any batch; its share, the sums in blocks and over batches, and the step are at most COUNT + 6
   * roundings on either side.
   */
  const within = (count: number) => LR * 2 * gamma(count + 6)

  it.each([
    [10, 4, 3],
    [10, 3, 4],
    [10, 7, 2],
    [10, 9, 5],
    [5, 3, 2],
    [7, 2, 4],
  ])('weighs every image alike: of %i images in batches of %i, %i an update', async (count, batchSize, accumulate) => {
    const whole = await trained(count, count)
    const bits = []
    for (const capture of [true, false]) {
      const parts = await trained(batchSize, count, { accumulate, capture })
      expect(parts.result.steps).toBe(1)
      for (const [i, value] of parts.bias.entries()) {
        expect(Math.abs(value - whole.bias[i]!), `bias ${i}`).toBeLessThanOrEqual(within(count))
      }
      bits.push(parts.bits)
    }
    expect(bits[0]).toEqual(bits[1])
  })

  it('does so in the last update of an epoch alone, by the loop written out', async () => {
    // Batches of 4, 4, 4 and 3: two an update.
    const data = new ImageBatches(dataset(15), { batchSize: 4 })
    const { net, optimizer } = start()
    data.setOrder(permutation(0, 0, 15))
    for (const sizes of [
      [4, 4],
      [4, 3],
    ]) {
      const total = sizes[0]! + sizes[1]!
      optimizer.zeroGrad()
      for (const size of sizes) {
        const { images, labels } = data.next()
        const loss = crossEntropy(net.forward(images), labels)
        loss.backward(tensor(size / total, []))
      }
      optimizer.step()
    }
    data.dispose()
    const want = await stateOf(net)
    for (const capture of [true, false]) {
      expect((await trained(4, 15, { accumulate: 2, capture })).bits).toEqual(want)
    }
  })
})

describe('a batch size above the size of the set', () => {
  const SIZES = [7, 8, 60_000]

  it.each([{}, { accumulate: 4 }, { capture: false }, { clipGradNorm: 0.5 }])(
    'is that size in fit, and in its evaluation: %o',
    async (options) => {
      const runs = []
      for (const batchSize of SIZES) {
        const test = new ImageBatches(dataset(5), { batchSize })
        const { net, optimizer, rows } = start()
        const train = new ImageBatches(dataset(7), { batchSize })
        const { trainSeconds: _, ...result } = await fit(net, {
          data: { train, test },
          optimizer,
          epochs: 2,
          ...options,
        })
        expect(new Set(rows)).toEqual(new Set([7, 5]))
        runs.push({ result, bits: await stateOf(net) })
        for (const part of [train, test]) part.dispose()
      }
      expect(runs[1]).toEqual(runs[0])
      expect(runs[2]).toEqual(runs[0])
    },
  )

  it('is that size in evaluate and lrFind', async () => {
    const runs = []
    for (const batchSize of SIZES) {
      const { net, optimizer, rows } = start()
      const train = new ImageBatches(dataset(7), { batchSize })
      runs.push([await evaluate(net, train), await lrFind({ net, optimizer, train, steps: 3 })])
      expect(new Set(rows)).toEqual(new Set([7]))
      train.dispose()
    }
    expect(runs[1]).toEqual(runs[0])
    expect(runs[2]).toEqual(runs[0])
  })

  it('continues a run that was saved with that size', async () => {
    const states: { settings?: unknown }[] = []
    const store = {
      save: async (_: string, state: object) => void states.push(state),
      list: async () => [],
      load: async () => states[0] as never,
      remove: async () => undefined,
    }
    const once = await trained(7, 7, { epochs: 2, checkpoint: { store } })
    const middle = states[1]!
    expect(middle).toMatchObject({ settings: { batchSize: 7 }, position: { epoch: 1 } })
    const again = await trained(60_000, 7, { epochs: 2, from: middle as never })
    expect(again.bits).toEqual(once.bits)
  })
})

describe('lrFind on a set of one batch', () => {
  it.each([
    [3, 3],
    [3, 256],
    [1, 1],
  ])('passes over it twice: %i images in batches of %i', async (count, batchSize) => {
    const { net, optimizer } = start()
    const train = new ImageBatches(dataset(count), { batchSize })
    const found = await lrFind({ net, optimizer, train, minLr: 1e-3, maxLr: 1e-2 })
    expect(found.points.map(({ lr }) => lr)).toEqual([1e-3, 1e-2])
    expect(found).toEqual(await lrFind({ net, optimizer, train, minLr: 1e-3, maxLr: 1e-2, steps: 2 }))
    await expect(lrFind({ net, optimizer, train, steps: 1 })).rejects.toThrow(
      'lrFind: steps must be an integer ≥ 2, got 1',
    )
    train.dispose()
  })
})
