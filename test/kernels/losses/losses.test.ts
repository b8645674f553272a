// What only the losses promise: edges of their domains, empty batches, labels that do not count, and logits of images.
import { beforeAll, describe, expect, it } from 'vitest'
import { currentOn } from '../../../src/capture/current.ts'
import { gatherBatch } from '../../../src/kernels/gather.ts'
import {
  add,
  bceLoss,
  bceWithLogitsLoss,
  capture,
  crossEntropy,
  huberLoss,
  klDivLoss,
  l1Loss,
  logSoftmax,
  mseLoss,
  nllLoss,
  permute,
  scope,
  smoothL1Loss,
  type Tensor,
} from '../../../src/node/index.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf } from '../../support/check.ts'
import { type Gpu, parameter, tensor, testGpu, values } from '../../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const { NaN: nan, POSITIVE_INFINITY: inf } = Number

/** A loss of numbers, element by element, with the gradients of its input and its target. */
async function run(loss: (x: Tensor, t: Tensor) => Tensor, x: readonly number[], t: readonly number[]) {
  const [input, target] = [parameter(x, [x.length]), parameter(t, [t.length])]
  const out = loss(input, target)
  out.backward(tensor(new Float32Array(out.size).fill(1), out.shape))
  const read = async (of: Tensor | null) => Array.from(await values(of), (v) => v + 0) // −0 is 0
  return { out: await read(out), dx: await read(input.grad), dt: await read(target.grad) }
}

const none = { reduction: 'none' } as const

describe('a sum of losses', () => {
  it.each([4096, 4097, 9001])('is exact for integers, of %i elements', async (size) => {
    const [x, t] = [fill(size, 1, 'smallInts'), fill(size, 2, 'smallInts')]
    const loss = mseLoss(tensor(x, [size]), tensor(t, [size]), { reduction: 'sum' })
    expect(await loss.item()).toBe(x.reduce((sum, v, i) => sum + (v - t[i]!) ** 2, 0))
  })
})

describe('bceLoss', () => {
  it('cuts off its logarithms at −100, and its gradient at 1e12, as PyTorch does', async () => {
    const { out, dx, dt } = await run((x, t) => bceLoss(x, t, none), [0, 1, 1e-13, 0.25, 0, 1], [1, 0, 1, 1, 0, 1])
    expect(out.map((v) => Number(v.toFixed(3)))).toEqual([100, 100, 29.934, 1.386, 0, 0])
    expect(dx.map((v) => Number(v.toPrecision(5)))).toEqual([-1e12, 1e12, -1e12, -4, 0, 0])
    expect(dt.map((v) => Number(v.toFixed(3)))).toEqual([inf, -inf, 29.934, 1.099, inf, -inf])
  })

  it('is NaN for an input that is not a probability, and so is the gradient there', async () => {
    const { out, dx } = await run((x, t) => bceLoss(x, t, none), [-0.25, 0.5, 1.25, 1, nan], [0, 1, 1, 0, 1])
    expect(out.map(Number.isNaN)).toEqual([true, false, true, false, true])
    expect(dx.map(Number.isNaN)).toEqual([true, false, true, false, true])
  })
})

describe('bceWithLogitsLoss', () => {
  it('is exact far from 0, where a sigmoid would be 0 or 1', async () => {
    const { out, dx } = await run(
      (x, t) => bceWithLogitsLoss(x, t, none),
      [20, -20, 1e4, -1e4, 1e4, -1e4, 0],
      [1, 0, 1, 0, 0, 1, 1],
    )
    const small = Math.exp(-20)
    for (const v of out.slice(0, 2)) expect(Math.abs(v / small - 1)).toBeLessThan(1e-4)
    expect(Math.abs(dx[0]! / -small - 1)).toBeLessThan(1e-4)
    expect(Math.abs(dx[1]! / small - 1)).toBeLessThan(1e-4)
    expect(out.slice(2, 6)).toEqual([0, 0, 1e4, 1e4])
    expect(dx.slice(2)).toEqual([0, 0, 1, -1, -0.5])
    expect(out[6]).toBeCloseTo(Math.LN2, 6)
  })
})

describe('klDivLoss', () => {
  it('is 0 for a target of 0, whose own gradient is NaN, and NaN below, as in PyTorch', async () => {
    const { out, dx, dt } = await run((x, t) => klDivLoss(x, t, none), [1, 2, -1], [0, 0.5, -0.5])
    expect(out[0]).toBe(0)
    expect(out[1]).toBeCloseTo(0.5 * Math.log(0.5) - 1, 6)
    expect(out[2]).toBeNaN()
    expect(dx).toEqual([0, -0.5, 0.5])
    expect(dt[0]).toBeNaN()
    expect(dt[1]).toBeCloseTo(Math.log(0.5) + 1 - 2, 6)
  })

  it("takes a scalar's 'batchmean' as it is", async () => {
    const loss = klDivLoss(tensor(1), tensor(0.5), { reduction: 'batchmean' })
    expect(await loss.item()).toBeCloseTo(-0.8466, 4)
  })
})

describe('losses of distances', () => {
  it('meet where the parabola ends, and are l1Loss for a beta of 0 or one that float32 has not', async () => {
    const [x, t] = [
      [0, 0.5, -0.5, 1, -3],
      [0, 0, 0, 0, 0],
    ]
    const smooth = (beta: number) => run((a, b) => smoothL1Loss(a, b, { beta, ...none }), x, t)
    expect(await smooth(0.5)).toMatchObject({ out: [0, 0.25, 0.25, 0.75, 2.75], dx: [0, 1, -1, 1, -1] })
    const huber = await run((a, b) => huberLoss(a, b, { delta: 0.5, ...none }), x, t)
    expect(huber).toMatchObject({ out: [0, 0.125, 0.125, 0.375, 1.375], dx: [0, 0.5, -0.5, 0.5, -0.5] })
    const l1 = await run((a, b) => l1Loss(a, b, none), x, t)
    expect(l1).toMatchObject({ out: [0, 0.5, 0.5, 1, 3], dx: [0, 1, -1, 1, -1] })
    for (const beta of [0, 1e-40]) expect(await smooth(beta)).toEqual(l1)
  })

  it('pass gradients of their slopes where the distance is infinite', async () => {
    const huber = await run((a, b) => huberLoss(a, b, { delta: 2, ...none }), [inf, -inf], [0, 0])
    expect(huber).toEqual({ out: [inf, inf], dx: [2, -2], dt: [-2, 2] })
    const smooth = await run((a, b) => smoothL1Loss(a, b, { beta: 2, ...none }), [inf, -inf], [0, 0])
    expect(smooth).toEqual({ out: [inf, inf], dx: [1, -1], dt: [-1, 1] })
  })
})

it('of no elements the mean is NaN, the sum 0 and the rest nothing', async () => {
  const losses = [mseLoss, l1Loss, smoothL1Loss, huberLoss, bceLoss, bceWithLogitsLoss, klDivLoss, crossEntropy]
  const made = () => tensor([], [0, 3])
  for (const loss of losses) {
    expect(await loss(made(), made()).item()).toBeNaN()
    expect(await loss(made(), made(), { reduction: 'sum' }).item()).toBe(0)
    expect((await values(loss(made(), made(), none))).length).toBe(0)
  }
  expect(await klDivLoss(made(), made(), { reduction: 'batchmean' }).item()).toBeNaN()
  expect(await nllLoss(made(), new Int32Array(0)).item()).toBeNaN()
  expect(await nllLoss(made(), new Int32Array(0), { reduction: 'sum' }).item()).toBe(0)
})

/** Labels that were computed on the GPU: no host has seen them. */
function unseen(labels: readonly number[]): Tensor {
  const images = tensor(new Uint8Array(labels.length), [labels.length])
  const source = {
    images: [images],
    labels: tensor(Uint8Array.from(labels)),
    index: tensor(Int32Array.from(labels.keys())),
  }
  const { labels: made } = gatherBatch(source, { first: 0, count: labels.length }, 1)
  made.storage.integerRange = null
  return made
}

describe('labels', () => {
  it('that are all ignored leave the mean NaN, the sum 0 and the gradient 0', async () => {
    const weight = tensor([1, 2])
    for (const [reduction, expected] of [
      ['mean', [nan]],
      ['sum', [0]],
      ['none', [0, 0]],
    ] as const) {
      for (const loss of [
        (x: Tensor, t: Int32Array) => nllLoss(x, t, { reduction, ignoreIndex: 7 }),
        (x: Tensor, t: Int32Array) => crossEntropy(x, t, { reduction, ignoreIndex: 7, weight, labelSmoothing: 0.5 }),
      ]) {
        const x = parameter([1, 2, 3, 4], [2, 2])
        const out = loss(x, Int32Array.of(7, 7))
        out.backward(reduction === 'none' ? tensor([1, 1]) : null)
        expect([...(await values(out))]).toEqual(expected)
        expect(Array.from(await values(x.grad), Math.abs)).toEqual([0, 0, 0, 0])
      }
    }
  })

  it('that are not classes give NaN where the host cannot see them, ignored ones 0', async () => {
    const losses = [
      (x: Tensor, t: Tensor) => nllLoss(x, t, { ...none, ignoreIndex: 9 }),
      (x: Tensor, t: Tensor) => crossEntropy(x, t, { ...none, ignoreIndex: 9, labelSmoothing: 0.5 }),
      (x: Tensor, t: Tensor) => crossEntropy(x, t, { ...none, ignoreIndex: 9, weight: tensor([1, 1, 1]) }),
    ]
    for (const loss of losses) {
      const found = await values(loss(tensor(fill(12, 1, 'normal'), [4, 3]), unseen([1, 3, 200, 9])))
      expect([...found].map(Number.isNaN)).toEqual([false, true, true, false])
      expect(found[3]).toBe(0)
    }
  })

  it('whose ignoreIndex is -1 are told from those that are not classes', async () => {
    const found = await values(
      nllLoss(tensor(fill(9, 1, 'normal'), [3, 3]), tensor(Int32Array.of(-1, 2, -2)), { ...none, ignoreIndex: -2 }),
    )
    expect([...found].map(Number.isNaN)).toEqual([true, false, false])
  })

  it('of images give the bits of the same rows in a batch', async () => {
    const shape = [2, 3, 4, 5]
    const labels = Int32Array.from({ length: 40 }, (_, i) => (i % 7 === 0 ? -100 : i % 3))
    for (const reduction of ['mean', 'sum', 'none'] as const) {
      const [images, batch] = [parameter(fill(120, 1, 'normal'), shape), parameter(fill(120, 1, 'normal'), shape)]
      const rows = permute(batch, [0, 2, 3, 1]).reshape([40, 3])
      const outs = [crossEntropy(images, labels, { reduction }), crossEntropy(rows, labels, { reduction })] as const
      expect(outs[0].shape).toEqual(reduction === 'none' ? [2, 4, 5] : [])
      for (const out of outs) out.backward(reduction === 'none' ? tensor(fill(out.size, 3, 'normal'), out.shape) : null)
      expect(await bitsOf(outs[0])).toEqual(await bitsOf(outs[1]))
      expect(await bitsOf(images.grad)).toEqual(await bitsOf(batch.grad))
    }
  })
})

it('crossEntropy of weights that are all 1, and of probabilities that are labels, is the fused one but for roundings', async () => {
  const x = tensor(fill(120, 4, 'normal'), [40, 3])
  const labels = Int32Array.from({ length: 40 }, (_, i) => i % 3)
  const hot = tensor(
    Float32Array.from({ length: 120 }, (_, i) => (labels[Math.floor(i / 3)] === i % 3 ? 1 : 0)),
    [40, 3],
  )
  const fused = await crossEntropy(x, labels).item()
  const others = [
    crossEntropy(x, labels, { weight: tensor([1, 1, 1]) }),
    crossEntropy(x, hot),
    nllLoss(logSoftmax(x, 1), labels),
  ]
  for (const other of others) expect(Math.abs((await other.item()) - fused)).toBeLessThan(1e-6)
})

it('a captured step has the bits of an eager one', async () => {
  const made = () => {
    const x = parameter(fill(12, 1, 'normal'), [4, 3])
    const [target, weight] = [tensor(new Float32Array(12).fill(0.25), [4, 3]), tensor([0.5, 1, 2])]
    const labels = tensor(Int32Array.of(0, 2, -100, 1))
    const step = () => {
      x.grad = null
      const classes = crossEntropy(x, labels, { weight, labelSmoothing: 0.1 })
      const numbers = add(huberLoss(x, target), bceWithLogitsLoss(x, target, { posWeight: weight }))
      add(classes, numbers).backward()
    }
    return { x, step }
  }
  const [eager, captured] = [made(), made()]
  scope(eager.step)
  const plan = capture(captured.step)
  plan.run(2)
  expect(await bitsOf(captured.x.grad)).toEqual(await bitsOf(eager.x.grad))
  plan.dispose()
})

it('means and sums look across the batch: a plan with them refuses one that is filled up', () => {
  const x = tensor(fill(12, 1, 'normal'), [4, 3])
  const labels = tensor(Int32Array.of(0, 1, 2, 0))
  const across = (loss: () => Tensor) => {
    let found: string | null = null
    capture(() => {
      const recording = currentOn(gpu)!
      recording.rows.set(x.storage, 4)
      loss()
      found = recording.acrossBatch
    }).dispose()
    return found
  }
  expect(across(() => mseLoss(x, x))).toBe('mean along dim 0')
  expect(across(() => crossEntropy(x, x, { reduction: 'sum' }))).toBe('sum along dim 0')
  expect(across(() => mseLoss(x, x, none))).toBe(null)
  expect(across(() => crossEntropy(x, labels))).toBe(null)
})
