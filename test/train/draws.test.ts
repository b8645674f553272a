// biome-ignore-all lint/suspicious/noFocusedTests: fit is what is tested
// Training with dropout: captured, called anew, and written out; and what must leave the draws where they stood.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  capture,
  crossEntropy,
  earlyStopping,
  evaluate,
  type FitOptions,
  fit,
  ImageBatches,
  lrFind,
  manualSeed,
  maxPool2d,
  nn,
  optim,
  permutation,
  randn,
  scope,
  type Tensor,
  updateBatchNorm,
  warmUp,
} from '../../src/node/index.ts'
import { defaultGenerator } from '../../src/tensor/random.ts'
import { valuesOf } from '../../src/train/index.ts'
import { warmUpRun } from '../../src/train/warm_up.ts'
import { mulberry32 } from '../support/arbitraries.ts'
import { testGpu } from '../support/gpu.ts'

/** Batches of 4, the last one of 3. */
function batches(count: number, seed: number): ImageBatches {
  const next = mulberry32(seed)
  const images = Uint8Array.from({ length: count * 784 }, () => next() % 256)
  const labels = Uint8Array.from({ length: count }, () => next() % 10)
  return new ImageBatches({ images, labels, count, channels: 1, height: 28, width: 28, classes: [] }, { batchSize: 4 })
}

/** Two draws in training, and one in every mode. */
class Drawing extends nn.Module {
  readonly first = new nn.Dropout(0.2)
  readonly classify = new nn.Linear(16, 10)
  readonly second = new nn.Dropout()

  override forward(x: Tensor): Tensor {
    const y = this.first.forward(maxPool2d(x, { kernelSize: 7 }).flatten())
    return this.second.forward(this.classify.forward(y.add(randn([16]).mul(0.1))))
  }
}

let data: Record<'train' | 'test', ImageBatches>
beforeAll(async () => {
  await testGpu()
  data = { train: batches(23, 1), test: batches(6, 2) }
})
afterAll(() => {
  for (const set of Object.values(data)) set.dispose()
})

function start() {
  manualSeed(3)
  const net = new Drawing()
  return { net, optimizer: new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 }) }
}

const EPOCHS = 2

async function byFit(options: Partial<FitOptions> = {}) {
  const { net, optimizer } = start()
  const { history } = await fit(net, { data, optimizer, epochs: EPOCHS, seed: 7, ...options })
  return { history, values: await valuesOf(net, optimizer, 0), draws: defaultGenerator().draws }
}

/** The loop of `fit`, written out. */
async function byHand(step: (train: () => void) => () => void) {
  const { net, optimizer } = start()
  const { train } = data
  const run = step(() => {
    const { images, labels } = train.next()
    optimizer.zeroGrad()
    crossEntropy(net.forward(images), labels).backward()
    optimizer.step()
  })
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    train.setOrder(permutation(7, epoch, train.size))
    train.position = 0
    for (let i = 0; i < train.length; i++) run()
  }
  return { values: await valuesOf(net, optimizer, 0), draws: defaultGenerator().draws }
}

describe('fit of a network with dropout', () => {
  it('has the same bits captured, not captured, and written out: every step drew anew', async () => {
    const { history, ...fitted } = await byFit()
    expect(await byFit({ capture: false })).toEqual({ history, ...fitted })
    expect(fitted.draws).toBe(3 * 6 * EPOCHS)
    expect(await byHand((train) => () => scope(train))).toEqual(fitted)
  })

  it('depends on the seed of manualSeed, and on the draws made before', async () => {
    const { values } = await byFit()
    const other = start()
    randn([1]).dispose()
    await fit(other.net, { data, optimizer: other.optimizer, epochs: EPOCHS, seed: 7 })
    expect(await valuesOf(other.net, other.optimizer, 0)).not.toEqual(values)
  })

  it('does not depend on evaluations, nor on restored weights: early stopping', async () => {
    const { values } = await byFit({ data: data.train })
    expect((await byFit()).values).toEqual(values)
    const onEpoch = async (_: unknown, { net }: { net: nn.Module }) => {
      await evaluate(net, data.test)
    }
    expect((await byFit({ callbacks: [{ onEpoch }] })).values).toEqual(values)
    const stopping = () => [earlyStopping({ metric: 'testLoss', patience: 1, minDelta: 10 })]
    const stopped = await byFit({ callbacks: stopping() })
    expect(stopped).toEqual(await byFit({ callbacks: stopping(), capture: false }))
    expect(stopped.history.filter(({ kind }) => kind === 'epoch')).toHaveLength(2)
  })
})

describe('draws are where they were after', () => {
  const stands = async (run: (made: ReturnType<typeof start>) => unknown) => {
    const made = start()
    defaultGenerator().draws = 11
    await run(made)
    expect(defaultGenerator().draws).toBe(11)
  }

  it('evaluate', () => stands(({ net }) => evaluate(net, data.test)))
  it('lrFind', () => stands(({ net, optimizer }) => lrFind({ net, optimizer, train: data.train })))
  it('updateBatchNorm', () =>
    stands(({ net }) => {
      // Without a layer that is normalized nothing is run.
      const normed = new nn.Sequential(net, new nn.BatchNorm1d(10))
      updateBatchNorm(normed, data.train)
    }))
  it('a summary', () => stands(({ net }) => net.summary([2, 1, 28, 28])))
  it('warmUp and a capture', () =>
    stands(async ({ net, optimizer }) => {
      data.train.position = 0
      await warmUp(() => net.forward(data.train.next().images))
      await warmUpRun({ net, optimizer, ...data })
      capture(() => net.forward(data.train.next().images)).dispose()
    }))
})

it('a plan refuses a changed probability, and fit captures again', async () => {
  const layer = new nn.Dropout(0.5)
  const x = randn([4])
  const plan = capture(() => layer.forward(x))
  layer.p = 0.25
  expect(() => plan.run()).toThrow(
    'plan.run: the p of an nn.Dropout is 0.25 now, and was 0.5 when the plan was captured; capture again, or put it back',
  )
  layer.p = 0.5
  plan.run()
  plan.dispose()
  const changing = (capture: boolean) => {
    const onEpoch = (_: unknown, { net }: { net: nn.Module }) => {
      if (net instanceof Drawing) net.second.p = 0.1
    }
    return byFit({ capture, callbacks: [{ onEpoch }] })
  }
  expect(await changing(true)).toEqual(await changing(false))
})
