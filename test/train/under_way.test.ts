// biome-ignore-all lint/suspicious/noFocusedTests: fit is what is tested
// Two runs at once with one network, one optimizer or one set of batches: the second is refused, and the first is as without it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fit, ImageBatches, lrFind, manualSeed, nn, optim } from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { testGpu } from '../support/gpu.ts'

let one: ImageBatches
let other: ImageBatches
beforeAll(async () => {
  await testGpu()
  const images = Uint8Array.from({ length: 4 * 16 }, (_, i) => (i * 37) % 256)
  const set = { images, labels: Uint8Array.of(0, 1, 2, 0), count: 4, channels: 1, height: 4, width: 4, classes: [] }
  one = new ImageBatches(set, { batchSize: 2 })
  other = new ImageBatches(set, { batchSize: 2 })
})
afterAll(() => {
  for (const batches of [one, other]) batches.dispose()
})

const text = (who: string, its: string, label = 'weight [5, 5]') =>
  new Error(
    `${who}: another ${its} is under way with ${label} of this network; wait for it, or give each its own network and optimizer`,
  )

/** A network of three layers, of which the first is not trained, and a run of it that nothing disturbs. */
function made() {
  manualSeed(1)
  const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(16, 5), new nn.Linear(5, 5), new nn.Linear(5, 3))
  const optimizer = new optim.SGD(net.parameters().slice(2), { lr: 0.5 })
  const run = () => fit(net, { data: one, optimizer, epochs: 3 })
  return { net, optimizer, run }
}
type Made = ReturnType<typeof made>
const sgd = (module: nn.Module) => new optim.SGD(module.parameters(), { lr: 0.25 })
const layer = ({ net }: Made, i: number) => [...net.namedModules().values()][i] as nn.Module

describe('while a fit is under way another is refused that has', () => {
  it.each<[string, (first: Made) => Promise<unknown>, Error]>([
    [
      'its network and its optimizer',
      ({ net, optimizer }) => fit(net, { data: other, optimizer, epochs: 1 }),
      text('fit', 'fit'),
    ],
    ['its network', ({ net }) => fit(net, { data: other, optimizer: sgd(net), epochs: 1 }), text('fit', 'fit')],
    [
      'a part of its network',
      (first) => {
        const net = new nn.Sequential(new nn.Flatten(), layer(first, 3), new nn.Linear(5, 3))
        return fit(net, { data: other, optimizer: sgd(net), epochs: 1 })
      },
      text('fit', 'fit'),
    ],
    [
      'a layer that its network has and does not train',
      (first) => {
        const net = new nn.Sequential(new nn.Flatten(), layer(first, 2), new nn.Linear(5, 3))
        return fit(net, { data: other, optimizer: sgd(layer(first, 2)), epochs: 1 })
      },
      text('fit', 'fit', 'weight [5, 16]'),
    ],
    [
      'its network, and lrFind',
      ({ net, optimizer }) => lrFind({ net, optimizer, train: other }),
      text('lrFind', 'fit'),
    ],
    [
      'its batches, and lrFind',
      () => {
        const { net, optimizer } = made()
        return lrFind({ net, optimizer, train: one })
      },
      new Error(
        'lrFind: another fit is training on these batches; wait for it, or make second batches of the same data',
      ),
    ],
  ])('%s', async (_, second, wrong) => {
    const [alone, disturbed] = [made(), made()]
    await alone.run()
    const running = disturbed.run()
    await expect(second(disturbed)).rejects.toThrow(wrong)
    await running
    const bits = ({ net }: Made) => Promise.all(net.parameters().map(bitsOf))
    expect(await bits(disturbed)).toEqual(await bits(alone))
    await disturbed.run() // one after the other
  })

  it('not what has a layer in common that none of them trains', async () => {
    const first = made()
    const shared = layer(first, 2)
    for (const p of shared.parameters()) p.requiresGrad = false
    const running = first.run()
    const net = new nn.Sequential(new nn.Flatten(), shared, new nn.Linear(5, 3))
    await fit(net, { data: other, optimizer: sgd(net), epochs: 1 })
    await running
  })
})

it('while lrFind is under way fit and another lrFind are refused; after a run that failed none is', async () => {
  const { net, optimizer, run } = made()
  const finding = lrFind({ net, optimizer, train: other })
  await expect(run()).rejects.toThrow(text('fit', 'lrFind'))
  await expect(lrFind({ net, optimizer, train: one })).rejects.toThrow(text('lrFind', 'lrFind'))
  await finding
  const onEpoch = () => {
    throw new Error('no')
  }
  await expect(fit(net, { data: one, optimizer, epochs: 1, callbacks: [{ onEpoch }] })).rejects.toThrow('no')
  await run()
})
