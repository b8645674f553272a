// biome-ignore-all lint/suspicious/noFocusedTests: fit is what is tested
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  crossEntropy,
  ImageBatches,
  type ImageDataset,
  manualSeed,
  maxPool2d,
  nn,
  optim,
  permutation,
  sched,
  scope,
  type Tensor,
} from '../../src/node/index.ts'
import { fit, momentumAt } from '../../src/train/index.ts'
import { mulberry32 } from '../support/arbitraries.ts'
import { testGpu } from '../support/gpu.ts'

const next = mulberry32(1)
const images = Uint8Array.from({ length: 11 * 784 }, () => next() % 256)
const labels = Uint8Array.from({ length: 11 }, () => next() % 10)
const set: ImageDataset = { images, labels, count: 11, channels: 1, height: 28, width: 28, classes: [] }

/** 170 parameters. */
class Small extends nn.Module {
  readonly classify = new nn.Linear(16, 10)

  override forward(x: Tensor): Tensor {
    return this.classify.forward(maxPool2d(x, { kernelSize: 7 }).flatten())
  }
}

let [train, test]: ImageBatches[] = []
beforeAll(async () => {
  await testGpu()
  ;[train, test] = [new ImageBatches(set, { batchSize: 1 }), new ImageBatches(set, { batchSize: 4 })]
})
afterAll(() => {
  for (const batches of [train!, test!]) batches.dispose()
})

/** The optimizer's own momentum is none: the schedule's is in force from the first step on. */
function start() {
  manualSeed(3)
  const net = new Small()
  return { net, optimizer: new optim.SGD(net.parameters(), { lr: 9 }) }
}

const bitsOf = async (net: nn.Module) =>
  (await Promise.all(net.parameters().map((p) => p.data()))).flatMap((d) => [...d])
/** Many for a submit, once it is known how short they are. */
const STEPS = 11
const schedule = sched.oneCycleLR({ maxLr: 0.1, totalSteps: 2 * STEPS })

it.each(['step', 'epoch'] as const)(
  'a momentum per %s is that of the loop written out, captured or not',
  async (per) => {
    const hand = start()
    for (let step = 0; step < 2 * STEPS; step++) {
      const epoch = Math.floor(step / STEPS)
      if (step % STEPS === 0) train!.setOrder(permutation(5, epoch, 11))
      train!.position = step % STEPS
      const t = per === 'step' ? step : epoch
      Object.assign(hand.optimizer.paramGroups[0]!, { lr: schedule(t), momentum: schedule.momentum!(t) })
      scope(() => {
        const batch = train!.next()
        hand.optimizer.zeroGrad()
        crossEntropy(hand.net.forward(batch.images), batch.labels).backward()
        hand.optimizer.step()
      })
    }
    const want = await bitsOf(hand.net)
    for (const capture of [true, false]) {
      const own = start()
      const { net, optimizer } = own
      const data = { train: train!, test: test! }
      await fit(net, { data, optimizer, epochs: 2, seed: 5, schedule, schedulePer: per, capture })
      expect(await bitsOf(own.net)).toEqual(want)
    }
  },
)

it('momentumAt: after-epoch has the first momentum twice; undefined where the schedule has none', () => {
  const momenta = { momentum: (t: number): number => 10 + t }
  const with_ = Object.assign((): number => 1, momenta)
  const at = (timing: 'before-epoch' | 'after-epoch', per: 'epoch' | 'step') =>
    [
      [0, 0],
      [0, 1],
      [1, 4],
    ].map(([epoch, step]) => momentumAt({ schedule: with_, per, timing, lr: 1 }, epoch!, step!))
  expect(at('before-epoch', 'step')).toEqual([10, 11, 14])
  expect(at('before-epoch', 'epoch')).toEqual([10, 10, 11])
  expect(at('after-epoch', 'step')).toEqual([10, 10, 13])
  expect(momentumAt({ schedule: () => 1, per: 'step', timing: 'before-epoch', lr: 1 }, 0, 0)).toBeUndefined()
})
