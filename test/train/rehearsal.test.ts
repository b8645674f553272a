// biome-ignore-all lint/suspicious/noFocusedTests: fit is what is tested
// Batches that do not fit a network are refused before anything is computed: those of the test set, and the last of an epoch.
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { fit, ImageBatches, lrFind, manualSeed, nn, optim, updateBatchNorm } from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { testGpu } from '../support/gpu.ts'

beforeAll(async () => void (await testGpu()))

const made: ImageBatches[] = []
afterEach(() => {
  for (const batches of made.splice(0)) batches.dispose()
})

/** A set of `count` square images, with labels below `classes`. */
function batches(count: number, { side = 4, classes = 3, batchSize = 4 } = {}): ImageBatches {
  const images = Uint8Array.from({ length: count * side * side }, (_, i) => (i * 37) % 256)
  const labels = Uint8Array.from({ length: count }, (_, i) => (count - 1 - i) % classes)
  const set = new ImageBatches(
    { images, labels, count, channels: 1, height: side, width: side, classes: [] },
    { batchSize },
  )
  made.push(set)
  return set
}

function network(norm: boolean) {
  manualSeed(1)
  const layers = [new nn.Flatten(), new nn.Linear(16, 3), ...(norm ? [new nn.BatchNorm1d(3)] : [])]
  const net = new nn.Sequential(...layers)
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.5, momentum: 0.5 })
  const bits = () => Promise.all([...net.stateDict().values()].map(bitsOf))
  return { net, optimizer, bits }
}

const LAST = `the last batch, of 1 of 4 rows, can't be trained on; leave it out by take(set, 8), or take another batchSize: batchNorm: in training every channel needs more than one value; the input has one
  input [1, 3]  N C
Take larger batches, or net.eval() to use the running ones.`
const SIDE = `the test set does not fit the network: linear: weight takes 16 input features, input has 25
  input  [4, 25]  N I
  weight [3, 16]  O I`
const LABEL =
  'the test set does not fit the network: crossEntropy: label 6 is not a class; logits have 3 classes, 0 to 2'

const CASES: [string, boolean, () => { train: ImageBatches; test: ImageBatches }, string][] = [
  ['a label in the last test batch', false, () => ({ train: batches(8), test: batches(7, { classes: 7 }) }), LABEL],
  ['test images of another size', false, () => ({ train: batches(8), test: batches(8, { side: 5 }) }), SIDE],
  ['a last batch of one row, with batch norm', true, () => ({ train: batches(9), test: batches(8) }), LAST],
]

describe.each([true, false])('fit, captured: %s: refused before the first update', (capture) => {
  // Without capture the first would take one call more, and the network may count its calls.
  it.each(CASES.slice(capture ? 0 : 1))('%s', async (_, norm, data, text) => {
    const { net, optimizer, bits } = network(norm)
    const before = await bits()
    const saved: string[] = []
    const none = () => Promise.resolve()
    const store = {
      save: async (name: string) => void saved.push(name),
      load: none,
      list: async () => [],
      remove: none,
    }
    const onProgress = () => void saved.push('an update')
    const running = fit(net, {
      data: data(),
      optimizer,
      epochs: 2,
      capture,
      callbacks: [{ onProgress }],
      checkpoint: { store: store as never },
    })
    await expect(running).rejects.toThrow(new Error(`fit: ${text}`))
    expect([saved, await bits(), net.training]).toEqual([[], before, true])
  })

  it.each<[string, () => nn.Module[], () => { train: ImageBatches; test: ImageBatches }]>([
    [
      'test images of another size, for a network that takes any',
      () => [new nn.AdaptiveAvgPool2d(4), new nn.Flatten(), new nn.Linear(16, 3)],
      () => ({ train: batches(8), test: batches(5, { side: 6 }) }),
    ],
    [
      'a last test batch of one row, with batch norm',
      () => [new nn.Flatten(), new nn.Linear(16, 3), new nn.BatchNorm1d(3)],
      () => ({ train: batches(10), test: batches(9) }),
    ],
    [
      'a last batch of one row',
      () => [new nn.Flatten(), new nn.Linear(16, 3)],
      () => ({ train: batches(9), test: batches(9) }),
    ],
  ])('but not %s', async (_, layers, data) => {
    const net = new nn.Sequential(...layers())
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
    const { epochs, testAcc } = await fit(net, { data: data(), optimizer, epochs: 1, capture })
    expect([epochs, testAcc >= 0]).toEqual([1, true])
  })
})

it('a network that is not captured is called no more often than its loop would, unless there is reason to', async () => {
  const { net, optimizer } = network(false)
  const calls: (readonly [size: number, training: boolean])[] = []
  const forward = net.forward.bind(net)
  net.forward = (x) => {
    calls.push([x.shape[0]!, net.training])
    return forward(x)
  }
  await fit(net, { data: { train: batches(10), test: batches(5) }, optimizer, epochs: 1, capture: false })
  expect(calls).toEqual([
    [4, true],
    [4, true],
    [2, true],
    [4, false],
    [1, false],
  ])
})

it('a network that reads in its forward is not rehearsed: it is refused where it fails', async () => {
  const { net, optimizer } = network(false)
  const forward = net.forward.bind(net)
  net.forward = (x) => {
    x.data().catch(() => undefined)
    return forward(x)
  }
  const data = { train: batches(8), test: batches(8, { side: 5 }) }
  await expect(fit(net, { data, optimizer, epochs: 1, capture: false })).rejects.toThrow(/^linear: weight takes 16/)
})

it('lrFind and updateBatchNorm refuse a last batch of one row too, and leave the statistics', async () => {
  const { net, optimizer, bits } = network(true)
  const before = await bits()
  const train = batches(9)
  expect(() => updateBatchNorm(net, train)).toThrow(new Error(`updateBatchNorm: ${LAST}`))
  await expect(lrFind({ net, optimizer, train })).rejects.toThrow(new Error(`lrFind: ${LAST}`))
  expect([await bits(), train.position]).toEqual([before, 0])
  const { points } = await lrFind({ net, optimizer, train, steps: 2, maxLr: 0.01 })
  expect(points).toHaveLength(2)
})
