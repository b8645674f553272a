// What only batchNorm promises: running statistics, large means, NaN in its channel, padded batches.
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type BatchNormOptions,
  batchNorm,
  capture,
  detectAnomaly,
  gradcheck,
  ImageBatches,
  noGrad,
  scope,
  type Tensor,
} from '../../../src/node/index.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf, dispose, expectTensor, tensorOf } from '../../support/check.ts'
import { expectClose } from '../../support/close.ts'
import { type Gpu, messageOf, parameter, tensor, testGpu, values } from '../../support/gpu.ts'
import { type Ref, ref, sizeOf } from '../../support/ref.ts'
import { batchNormBackward, batchNorm as batchNormReference, batchNormRunning } from './reference.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const EPS = Math.fround(1e-5)
const random = (shape: number[], seed: number) => ref(shape, fill(sizeOf(shape), seed, 'normal'))

/** Running statistics as a layer begins with them, and a count. */
function fresh(channels: number) {
  return {
    runningMean: tensor(new Float32Array(channels), [channels]),
    runningVar: tensor(new Float32Array(channels).fill(1), [channels]),
    numBatchesTracked: tensor(new Int32Array(1), []),
  }
}

const count = async (t: Tensor) => (await t.data())[0]

describe('running statistics', () => {
  it.each([0.1, 0.75, 1, 0, null])('move towards the batch by momentum %s, the count by one', async (momentum) => {
    const shapes = [
      [33, 3, 2, 2],
      [2, 3, 9, 3],
      [70, 3],
    ]
    const state = fresh(3)
    let [mean, variance] = [ref([3]), ref([3], [1, 1, 1])]
    for (const [i, shape] of shapes.entries()) {
      const x = random(shape, i)
      scope(() => batchNorm(tensorOf(x), { ...state, training: true, momentum }))
      const expected = batchNormRunning(x, mean, variance, momentum === null ? 1 / (i + 1) : Math.fround(momentum))
      await expectTensor(state.runningMean, expected.mean, `mean after ${i + 1}`)
      await expectTensor(state.runningVar, expected.variance, `variance after ${i + 1}`)
      expect(await count(state.numBatchesTracked)).toBe(i + 1)
      // The next batch starts from float32's own.
      ;[mean, variance] = [ref([3], await values(state.runningMean)), ref([3], await values(state.runningVar))]
    }
    dispose(...Object.values(state))
  })

  it('move under noGrad too, and without a count', async () => {
    const { numBatchesTracked, ...state } = fresh(2)
    const x = random([4, 2, 3], 5)
    scope(() => noGrad(() => batchNorm(tensorOf(x), { ...state, training: true })))
    const expected = batchNormRunning(x, ref([2]), ref([2], [1, 1]), Math.fround(0.1))
    await expectTensor(state.runningMean, expected.mean, 'mean')
    await expectTensor(state.runningVar, expected.variance, 'variance')
    dispose(numBatchesTracked, ...Object.values(state))
  })

  it('stay as they are in evaluation, and by an empty batch', async () => {
    const state = fresh(2)
    scope(() => batchNorm(tensorOf(random([4, 2], 1)), { ...state, training: true }))
    const before = await Promise.all([bitsOf(state.runningMean), bitsOf(state.runningVar)])
    scope(() => batchNorm(tensorOf(random([4, 2], 2)), state))
    scope(() => batchNorm(tensorOf(ref([0, 2, 3])), { ...state, training: true }))
    expect(await Promise.all([bitsOf(state.runningMean), bitsOf(state.runningVar)])).toEqual(before)
    expect(await count(state.numBatchesTracked)).toBe(1)
    dispose(...Object.values(state))
  })

  it('of more channels than one workgroup has threads are all there', async () => {
    const state = fresh(600)
    const x = random([3, 600], 8)
    scope(() => batchNorm(tensorOf(x), { ...state, training: true, momentum: null }))
    const expected = batchNormRunning(x, ref([600]), ref([600], new Float64Array(600).fill(1)), 1)
    await expectTensor(state.runningMean, expected.mean, 'mean')
    await expectTensor(state.runningVar, expected.variance, 'variance')
    dispose(...Object.values(state))
  })

  it('captured move as eager, bit for bit', async () => {
    const xs = [random([40, 3, 5], 1), random([40, 3, 5], 2)].map((x) => tensorOf(x))
    const weight = parameter([1, 2, 3], [3])
    const dy = tensorOf(random([40, 3, 5], 9))
    for (const momentum of [0.1, null]) {
      const run = (state: ReturnType<typeof fresh>) => {
        for (const x of xs) batchNorm(x, { ...state, weight, training: true, momentum }).backward(dy)
      }
      const [eager, captured] = [fresh(3), fresh(3)]
      const found = async (state: ReturnType<typeof fresh>) => [
        await bitsOf(state.runningMean),
        await bitsOf(state.runningVar),
        await count(state.numBatchesTracked),
        [...(await weight.grad!.data())],
      ]
      for (let i = 0; i < 3; i++) {
        weight.grad = null
        scope(() => run(eager))
      }
      const expected = await found(eager)
      weight.grad = null
      const plan = capture(() => {
        weight.grad = null
        run(captured)
      })
      plan.run(3)
      expect(await found(captured)).toEqual(expected)
      expect(expected[2]).toBe(6)
      plan.dispose()
      dispose(...Object.values(eager), ...Object.values(captured))
    }
    dispose(...xs, weight, dy)
  })
})

describe('numerics', () => {
  /** Values of ±1 and less around a mean, as float32 has them. */
  const around = (mean: number, shape: number[], seed: number) => {
    const x = random(shape, seed)
    x.data = x.data.map((v) => Math.fround(mean + v))
    return x
  }

  it.each([
    [[64, 2, 5, 5], 1e4],
    [[64, 2], 1e4],
    [[2, 2, 128], 1e5],
    [[256, 1, 9], -1e4],
  ])('of %j around %d are those of the deviations, not of the mean', async (shape, mean) => {
    const [x, dy] = [around(mean, shape, 3), random(shape, 4)]
    const input = tensor(Float32Array.from(x.data), shape, { requiresGrad: true })
    const state = fresh(shape[1]!)
    const out = batchNorm(input, { ...state, training: true, momentum: 1 })
    out.backward(tensorOf(dy))
    const expected = batchNormReference(x, null, null, { eps: EPS })
    const running = batchNormRunning(x, ref([shape[1]!]), ref([shape[1]!]), 1)
    // By E[x²] − E[x]² it would be off by more than itself.
    expect(Math.max(...expected.bound)).toBeLessThan(0.05)
    expect(running.variance.bound[0]! / running.variance.data[0]!).toBeLessThan(0.05)
    await expectTensor(out, expected, 'out')
    await expectTensor(state.runningVar, running.variance, 'variance')
    await expectTensor(state.runningMean, running.mean, 'mean')
    await expectTensor(input.grad, batchNormBackward(dy, x, null, { eps: EPS }).input, 'dx')
    // Far closer than the bound, which is for the worst of all roundings.
    const close = expected.data.map((v) => 3e-6 * Math.max(1, Math.abs(v)))
    expectClose(await values(out), expected, close, 'out, closely')
    dispose(input, out, ...Object.values(state))
  })

  it('of a channel with one value everywhere are the bias and gradients of 0', async () => {
    const x = parameter(new Float32Array(2 * 3 * 50).fill(1000.1), [2, 3, 50])
    const bias = parameter([1, -2, 0.5], [3])
    const out = batchNorm(x, { bias, training: true })
    out.backward(tensorOf(random([2, 3, 50], 1)))
    const close = (value: number) => Array.from({ length: 50 }, () => expect.closeTo(value, 3))
    const channels = [...close(1), ...close(-2), ...close(0.5)]
    expect([...(await values(out))]).toEqual([...channels, ...channels])
    dispose(x, bias, out)
  })

  it('give the same bits in evaluation whatever rows follow, and the gradients where those are 0', async () => {
    const all = random([100, 3, 20], 1)
    const dy = random([100, 3, 20], 2)
    dy.data.fill(0, 40 * 60)
    const state = fresh(3)
    const run = async (rows: number) => {
      const rowsOf = ({ data }: Ref) => ref([rows, 3, 20], data.slice(0, rows * 60))
      const [weight, bias] = [parameter([1, 2, 3], [3]), parameter([0, 1, 2], [3])]
      const out = batchNorm(tensorOf(rowsOf(all)), { ...state, weight, bias })
      out.backward(tensorOf(rowsOf(dy)))
      return [(await bitsOf(out)).slice(0, 40 * 60), await bitsOf(weight.grad), await bitsOf(bias.grad)]
    }
    const alone = await run(40)
    for (const rows of [41, 64, 100]) expect(await run(rows)).toEqual(alone)
    dispose(...Object.values(state))
  })

  it('keep a NaN in its channel, statistics included', async () => {
    const x = random([4, 3, 2], 1)
    x.data[2] = Number.NaN // of channel 1
    const state = fresh(3)
    const input = tensor(Float32Array.from(x.data), x.shape, { requiresGrad: true })
    const out = batchNorm(input, { ...state, training: true })
    out.backward(tensorOf(random([4, 3, 2], 2)))
    for (const t of [out, input.grad!]) {
      const isNan = [...(await values(t))].map(Number.isNaN)
      expect(isNan).toEqual(isNan.map((_, i) => Math.floor(i / 2) % 3 === 1))
    }
    for (const t of [state.runningMean, state.runningVar]) {
      expect([...(await values(t))].map(Number.isNaN)).toEqual([false, true, false])
    }
    dispose(input, out, ...Object.values(state))
  })

  it.each([true, false])('have the gradients of differences; training: %s', async (training) => {
    const x = parameter(fill(24, 1, 'normal'), [4, 3, 2])
    const [weight, bias] = [parameter([1, 2, -1], [3]), parameter([0, 1, 2], [3])]
    const { runningMean, runningVar, numBatchesTracked } = fresh(3)
    const options: BatchNormOptions = training ? { training } : { runningMean, runningVar }
    await gradcheck((x, weight, bias) => batchNorm(x!, { ...options, weight: weight!, bias: bias! }), [x, weight, bias])
    dispose(x, weight, bias, runningMean, runningVar, numBatchesTracked)
  })
})

it('is what an anomaly names', async () => {
  const x = tensor([1, Number.POSITIVE_INFINITY, 2, 3], [2, 2])
  await expect(detectAnomaly(() => scope(() => void batchNorm(x, { training: true })))).rejects.toThrow(
    'batchNorm, forward: its input 0, tensor [2, 2], is the first tensor with a NaN or infinite value',
  )
  x.dispose()
})

it('refuses to train on a batch filled up with zeros', () => {
  const images = Uint8Array.from({ length: 7 * 4 }, (_, i) => i)
  const set = { images, labels: new Uint8Array(7), count: 7, channels: 1, height: 2, width: 2, classes: [] }
  const batches = new ImageBatches(set, { batchSize: 3 })
  const step = (training: boolean) => {
    const state = { runningMean: tensor([0]), runningVar: tensor([1]) }
    const plan = capture(() => batchNorm(batches.next().images, { ...state, training }))
    return { plan, state }
  }
  const trained = step(true)
  expect(messageOf(() => trained.plan.run(3))).toBe(
    'ImageBatches: batchNorm in training looks across the batch, and of the 3 rows of batch 2 only 1 are images, the others ' +
      'zeros. Train with fit, which makes a separate plan for the last batch, or train on a multiple of 3 images: take(set, 6)',
  )
  const evaluated = step(false)
  evaluated.plan.run(3)
  for (const { plan, state } of [trained, evaluated]) {
    plan.dispose()
    dispose(...Object.values(state))
  }
  batches.dispose()
  expect(gpu.memory().tensors).toBeGreaterThanOrEqual(0)
})
