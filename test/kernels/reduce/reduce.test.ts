// What only reductions promise: NaN and ties, what has no elements, digits of variances, products with zeros, captured steps.
import { beforeAll, describe, expect, it } from 'vitest'
import {
  argmax,
  argmin,
  capture,
  cumsum,
  logSumExp,
  max,
  mean,
  min,
  norm,
  prod,
  std,
  sum,
  type Tensor,
  var as variance,
} from '../../../src/node/index.ts'
import { inBothClasses } from '../../support/adapter_class.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf } from '../../support/check.ts'
import { parameter, tensor, testGpu, values } from '../../support/gpu.ts'

beforeAll(testGpu)

const { NaN: nan, POSITIVE_INFINITY: inf } = Number

/** A result and, for a gradient of ones, the input's. */
async function run(fn: (x: Tensor) => Tensor, x: readonly number[], shape: readonly number[] = [x.length]) {
  const input = parameter(x, shape)
  const out = fn(input)
  out.backward(tensor(new Float32Array(out.size).fill(1), out.shape))
  return { out: [...(await values(out))], gradient: [...(await values(input.grad))] }
}

describe('shapes', () => {
  it.each([
    [undefined, false, []],
    [[], false, []],
    [undefined, true, [1, 1, 1]],
    [1, false, [2, 4]],
    [-1, true, [2, 3, 1]],
    [[2, 0], false, [3]],
    [[0, -1], true, [1, 3, 1]],
  ] as const)('of dim %j with keepDim %j', (dim, keepDim, shape) => {
    expect(sum(tensor(new Float32Array(24), [2, 3, 4]), dim, { keepDim }).shape).toEqual(shape)
  })

  it('of a scalar: dimension 0 is there', async () => {
    for (const dim of [undefined, 0, -1]) expect(await sum(tensor(3), dim).item()).toBe(3)
    expect(max(tensor(3), 0, { keepDim: true }).shape).toEqual([])
    expect(await argmax(tensor(3), 0).item()).toBe(0)
  })
})

describe('no elements', () => {
  it('have a sum of 0, a product of 1, a mean that is NaN', async () => {
    const x = tensor([], [2, 0])
    expect([...(await values(sum(x, 1)))]).toEqual([0, 0])
    expect([...(await values(prod(x, 1)))]).toEqual([1, 1])
    expect([...(await values(mean(x, 1)))]).toEqual([nan, nan])
    expect(await variance(x).item()).toBeNaN()
    expect([...(await values(norm(x, { dim: 1 })))]).toEqual([0, 0])
    expect(await logSumExp(x).item()).toBe(-inf)
  })

  it('are no matter where they are not reduced', () => {
    expect(max(tensor([], [0, 3]), 1).shape).toEqual([0])
    expect(argmax(tensor([], [0, 3]), 1).shape).toEqual([0])
  })
})

describe('the largest and the smallest', () => {
  it('share their gradient', async () => {
    expect(await run(max, [1, 3, 3, 2])).toEqual({ out: [3], gradient: [0, 0.5, 0.5, 0] })
    expect(await run(min, [-0, 0, 4, 0, 0])).toEqual({ out: [-0], gradient: [0.25, 0.25, 0, 0.25, 0.25] })
    expect((await run((x) => norm(x, { p: inf }), [-4, 1, 4, 0])).gradient).toEqual([-0.5, 0, 0.5, 0])
  })

  it('are NaN where there is one, whatever its bits are, and it has the gradient', async () => {
    for (const bits of [0x7fc00000, 0xffc00000, 0x7fc12345, 0xff800001]) {
      const [one] = new Float32Array(Uint32Array.of(bits).buffer)
      const x = [inf, one!, -inf, 1]
      for (const fn of [max, min]) expect(await run(fn, x)).toEqual({ out: [nan], gradient: [0, 1, 0, 0] })
    }
  })

  it('are found among infinities', async () => {
    expect((await run(max, [-inf, -inf])).out).toEqual([-inf])
    expect((await run(min, [inf, 1e30, inf])).out).toEqual([1e30].map(Math.fround))
    expect((await run(max, [-inf, -1e38, -1e-38])).out).toEqual([-1e-38].map(Math.fround))
  })
})

describe('argmax and argmin', () => {
  const places = async (t: Tensor) => [...(await t.data())]

  it('give the first of equal ones, as int32', async () => {
    const x = tensor([1, 3, 3, 0, 0, 2, -0, 0], [2, 4])
    expect(argmax(x, 1).dtype).toBe('int32')
    expect(await places(argmax(x, 1))).toEqual([1, 1])
    expect(await places(argmin(x, -1))).toEqual([3, 0])
    expect(await places(argmax(x, 0))).toEqual([0, 0, 0, 0])
    expect(await places(argmax(x))).toEqual([1])
    expect(argmax(x, undefined, { keepDim: true }).shape).toEqual([1, 1])
    expect(argmin(x, 0, { keepDim: true }).shape).toEqual([1, 4])
    expect(argmin(parameter([1], [1])).requiresGrad).toBe(false)
  })

  it('give the first NaN', async () => {
    const x = tensor([5, nan, 7, nan, -inf, inf], [1, 6])
    expect(await places(argmax(x, 1))).toEqual([1])
    expect(await places(argmin(x, 1))).toEqual([1])
  })

  it('take long rows as short ones: NaN, infinities, both zeros, what lies behind the last element', async () => {
    const row = (value: number, others: Readonly<Record<number, number>>, size = 64) =>
      Array.from({ length: size }, (_, i) => others[i] ?? value)
    const rows = [row(5, { 9: nan, 40: nan }), row(-1, { 13: -0, 22: 0 }), row(-inf, {}), row(inf, { 63: 7 })]
    const x = tensor(rows.flat(), [4, 64])
    // In memory of whole vectors.
    const long = tensor(row(-2, { 450: -1, 300: -3 }, 451))
    const found = await inBothClasses(async () => [
      await places(argmax(x, 1)),
      await places(argmin(x, 1)),
      await places(argmax(long)),
      await places(argmin(long)),
    ])
    expect(found.cpu).toEqual([[9, 13, 0, 0], [9, 0, 0, 63], [450], [300]])
    expect(found.gpu).toEqual(found.cpu)
  })

  it.each<[number[], number | undefined]>([
    [[3, 700, 2], 1],
    [[5000], undefined],
    [[2, 4097], 1],
    [[130, 40], 0],
    [[7, 11, 13], undefined],
  ])('of %j along %j are those of a loop', async (shape, dim) => {
    const size = shape.reduce((a, b) => a * b, 1)
    const data = fill(size, 3, 'normal').map((v) => Math.round(50 * v))
    const inner = dim === undefined ? 1 : shape.slice(dim + 1).reduce((a, b) => a * b, 1)
    const R = dim === undefined ? size : shape[dim]!
    const best = (better: (a: number, b: number) => boolean) =>
      Array.from({ length: size / R }, (_, result) => {
        const at = (r: number) => data[Math.floor(result / inner) * R * inner + r * inner + (result % inner)]!
        let found = 0
        for (let r = 1; r < R; r++) if (better(at(r), at(found))) found = r
        return found
      })
    const x = tensor(data, shape)
    const both = async () => [await places(argmax(x, dim)), await places(argmin(x, dim))]
    const { cpu, gpu } = await inBothClasses(both)
    expect(cpu).toEqual([best((a, b) => a > b), best((a, b) => a < b)])
    expect(gpu).toEqual(cpu)
  })

  it('refuse what has no elements, integers and lists of dimensions', () => {
    expect(() => argmax(tensor([], [2, 0]), 1)).toThrow(
      'argmax: the input has no elements along the dimensions that are reduced\n  input [2, 0]',
    )
    expect(() => argmin(tensor(Int32Array.of(1)))).toThrow('argmin: input must be float32, it is int32')
    expect(() => argmax(tensor([1]), [0] as never)).toThrow('argmax: dim [0] is not a dimension of the tensor')
    expect(() => argmax(1 as never)).toThrow('argmax: input must be a tensor, not a number')
    expect(() => argmax(tensor([1]), 0, { keepdim: true } as never)).toThrow(
      'argmax: unknown option keepdim; known: keepDim',
    )
  })
})

describe('variances', () => {
  it('of equal numbers are 0, however large, and the standard deviation has no gradient there', async () => {
    for (const v of [10_000.1, -3e7, 0.1, 1e30, 7]) {
      for (const n of [3, 100, 1000]) {
        const x = new Array<number>(n).fill(Math.fround(v))
        expect((await run(variance, x)).out, `${n} of ${v}`).toEqual([0])
        const { out, gradient } = await run(std, x)
        expect([...new Set([...out, ...gradient])].map(Math.abs), `${n} of ${v}`).toEqual([0])
      }
    }
  })

  it('of numbers that are large and close have their digits', async () => {
    const x = Array.from({ length: 1000 }, (_, i) => 1e6 + (i % 2))
    expect((await run((t) => variance(t, 0, { correction: 0 }), x)).out).toEqual([0.25])
  })

  it('of one element are NaN, and infinite where the correction leaves nothing to divide by', async () => {
    expect((await run(variance, [3])).out).toEqual([nan])
    expect((await run((x) => variance(x, 0, { correction: 0 }), [3])).out).toEqual([0])
    expect((await run((x) => variance(x, 0, { correction: 2 }), [3, 4])).out).toEqual([inf])
    expect((await run((x) => std(x, 0, { correction: 5 }), [3, 4])).out).toEqual([inf])
  })
})

describe('products', () => {
  it('give each element the product of the others as its gradient, also beside zeros', async () => {
    expect((await run(prod, [2, 3, 4])).gradient).toEqual([12, 8, 6])
    expect((await run(prod, [2, 0, 4])).gradient.map(Math.abs)).toEqual([0, 8, 0])
    expect((await run(prod, [0, 3, -0])).gradient.map(Math.abs)).toEqual([0, 0, 0])
    expect((await run(prod, [0])).gradient).toEqual([1])
    const two = await run((x) => prod(x, 1), [2, 0, 3, 5, 0, 0], [2, 3])
    expect(two.gradient.map(Math.abs)).toEqual([0, 6, 0, 0, 0, 0])
  })
})

describe('norms', () => {
  it('have the gradient 0 where they are 0', async () => {
    for (const p of [1, 2, 3, 1.5, 0, inf, -inf, -1]) {
      const { gradient } = await run((x) => norm(x, { p }), [0, 0])
      expect(gradient.map(Math.abs), `p = ${p}`).toEqual([0, 0])
    }
  })

  it('of some powers', async () => {
    expect((await run((x) => norm(x), [3, -4])).out[0]).toBeCloseTo(5, 5)
    expect((await run((x) => norm(x, { p: 1 }), [3, -4])).out).toEqual([7])
    expect((await run((x) => norm(x, { p: 0 }), [3, 0, -4])).out).toEqual([2])
    expect((await run((x) => norm(x, { p: -inf }), [3, -4])).out).toEqual([3])
  })
})

describe('logSumExp', () => {
  it('overflows nowhere', async () => {
    const far = await run(logSumExp, [1e4, 1e4, -1e4])
    expect(far.out[0]).toBeCloseTo(1e4 + Math.LN2, 2)
    expect((await run(logSumExp, [-inf, -inf])).out).toEqual([-inf])
    expect((await run(logSumExp, [-inf, 2])).out[0]).toBeCloseTo(2, 6)
    expect((await run(logSumExp, [inf, 2])).out).toEqual([inf])
  })
})

it('cumsum passes NaN on to what follows it, and its gradient to what comes before', async () => {
  expect((await run((x) => cumsum(x, 0), [1, nan, 2])).out).toEqual([1, nan, nan])
  const x = parameter(new Float32Array(200), [200])
  const dy = new Float32Array(200).fill(1)
  dy[100] = nan
  cumsum(x, 0).backward(tensor(dy))
  const gradient = await values(x.grad)
  expect([0, 100].map((i) => gradient[i])).toEqual([nan, nan])
  expect([101, 199].map((i) => gradient[i])).toEqual([99, 1])
})

it('adds up a million numbers with an error that grows with the logarithm of their number', async () => {
  const data = fill(2 ** 20, 5, 'normal').map((v) => Math.abs(v))
  const exactly = data.reduce((a, b) => a + b, 0)
  // Four passes of 63 additions would be allowed 252 roundings; one after the other would need a million.
  expect(Math.abs((await sum(tensor(data)).item()) / exactly - 1)).toBeLessThan(252 * 2 ** -24)
})

it('a captured step has the bits of an eager one', async () => {
  const x = parameter(fill(24 * 70, 1, 'normal'), [24, 70])
  const step = () => {
    const made = [variance(x, 1), norm(x, { dim: [0] }), max(x, -1), prod(x, 1), cumsum(x, 1), logSumExp(x, 0)]
    return made.map((t) => t.detach())
  }
  const eager = await Promise.all(step().map(bitsOf))
  const plan = capture(step)
  plan.run()
  expect(await Promise.all(plan.result.map(bitsOf))).toEqual(eager)
  plan.dispose()
})

it.each([
  [[31], undefined],
  [[32], undefined],
  [[1003], undefined],
  [[4096], undefined],
  [[5001], undefined],
  [[3, 36], 1],
  [[7, 1024], 1],
  [[2, 4100], 1],
])('gives %j along %j the same bits where several threads make a result, as on a GPU', async (shape, dim) => {
  const size = shape.reduce((product, n) => product * n, 1)
  const { cpu, gpu } = await inBothClasses(async () => {
    const x = tensor(fill(size, 5, 'normal'), shape)
    const results = [sum(x, dim), mean(x, dim), max(x, dim), min(x, dim), norm(x, { dim }), variance(x, dim)]
    return Promise.all(results.map(bitsOf))
  })
  expect(gpu).toEqual(cpu)
})
