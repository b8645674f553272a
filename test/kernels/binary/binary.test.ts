// What only the functions of two tensors promise: comparisons, NaN, ties, division by 0, powers, one tensor used twice.
import { beforeAll, describe, expect, it } from 'vitest'
import * as library from '../../../src/node/index.ts'
import { type Operand, type Tensor, tensor } from '../../../src/node/index.ts'
import { forgetGradients } from '../../../src/tensor/tensor.ts'
import { parameter, testGpu, values } from '../../support/gpu.ts'

beforeAll(testGpu)

const { NaN: nan, POSITIVE_INFINITY: inf } = Number

async function gradientsOf(fn: (a: Operand, b: Operand) => Tensor, a: number[], b: number[]) {
  const [x, y] = [parameter(a, [a.length]), parameter(b, [b.length])]
  const out = fn(x, y)
  out.backward(tensor(a.map(() => 1)))
  return { out: [...(await values(out))], a: [...(await values(x.grad))], b: [...(await values(y.grad))] }
}

describe('comparisons', () => {
  const a = [1, 2, 3, nan, nan, inf, 0]
  const b = [2, 2, 2, 1, nan, inf, -0]
  it.each([
    ['eq', library.eq, [0, 1, 0, 0, 0, 1, 1]],
    ['ne', library.ne, [1, 0, 1, 1, 1, 0, 0]],
    ['lt', library.lt, [1, 0, 0, 0, 0, 0, 0]],
    ['le', library.le, [1, 1, 0, 0, 0, 1, 1]],
    ['gt', library.gt, [0, 0, 1, 0, 0, 0, 0]],
    ['ge', library.ge, [0, 1, 1, 0, 0, 1, 1]],
  ] as const)('%s is IEEE’s, in bytes, and passes no gradient', async (_, compare, expected) => {
    const out = compare(parameter(a, [7]), tensor(b))
    expect([out.dtype, out.requiresGrad]).toEqual(['uint8', false])
    expect([...(await out.data())]).toEqual([...expected])
  })

  it('broadcast, and take numbers on either side', async () => {
    const column = tensor([1, 2, 3], [3, 1])
    expect([...(await library.lt(column, tensor([2, 3])).data())]).toEqual([1, 1, 0, 1, 0, 0])
    expect([...(await library.gt(2, column).data())]).toEqual([1, 0, 0])
    expect([...(await library.gt(column, 2).data())]).toEqual([0, 0, 1])
  })

  it('make the condition of where, which broadcasts too', async () => {
    const x = tensor([-1, 2, -3, 4, 5], [5])
    expect([...(await values(library.where(library.gt(x, 0), x, 0)))]).toEqual([0, 2, 0, 4, 5])
    expect([...(await values(library.where(library.gt(x, 0), 1, -2)))]).toEqual([-2, 1, -2, 1, 1])
    const rows = library.where(tensor(Uint8Array.of(1, 0), [2, 1]), x, tensor([9], [1]))
    expect(rows.shape).toEqual([2, 5])
    expect([...(await values(rows))]).toEqual([-1, 2, -3, 4, 5, 9, 9, 9, 9, 9])
  })
})

describe('maximum and minimum', () => {
  it('share the gradient of equal elements by halves, and pass NaN from either side', async () => {
    expect(await gradientsOf(library.maximum, [1, 2, 3], [3, 2, 1])).toEqual({
      out: [3, 2, 3],
      a: [0, 0.5, 1],
      b: [1, 0.5, 0],
    })
    expect((await gradientsOf(library.minimum, [nan, 1], [1, nan])).out).toEqual([nan, nan])
  })
})

it('division by 0 gives infinities of the quotient’s sign, and 0 / 0 NaN', async () => {
  const out = await values(library.div(tensor([1, -1, 1, 0, inf, 1]), tensor([0, 0, -0, 0, inf, -inf])))
  expect([...out]).toEqual([inf, -inf, -inf, nan, nan, -0])
})

describe('pow', () => {
  it.each([
    [-2, 3, -8],
    [-2, -3, -0.125],
    [-2, 2, 4],
    [-2, 0.5, nan],
    [0, 0, 1],
    [0, -1, inf],
    [-0, -3, -inf],
    [inf, -0.5, 0],
    [-inf, 3, -inf],
    [2, 100, 2 ** 100],
    [10, -45, 0],
    [-1, 1001, -1],
    [9, 0.5, 3],
  ])('of %f and %f is %f, the exponent a tensor or a number', async (x, y, expected) => {
    const both = await Promise.all([y, tensor([y])].map((e) => values(library.pow(tensor([x]), e))))
    for (const [v] of both) {
      if (Number.isFinite(expected) && expected !== 0) expect(v! / expected).toBeCloseTo(1, 4)
      else expect(Math.abs(v!) < 1e-38 ? 0 : v).toBe(expected)
    }
  })

  it('has PyTorch’s gradients at 0', async () => {
    expect(await gradientsOf(library.pow, [0, 0, 2], [0, 2, 0])).toEqual({
      out: [1, 0, 1],
      a: [0, 0, 0],
      b: [0, 0, Math.fround(Math.LN2)],
    })
  })
})

describe('comparisons of integers', () => {
  const OPERATIONS = [
    ['eq', library.eq, (a: number, b: number) => a === b],
    ['ne', library.ne, (a: number, b: number) => a !== b],
    ['lt', library.lt, (a: number, b: number) => a < b],
    ['le', library.le, (a: number, b: number) => a <= b],
    ['gt', library.gt, (a: number, b: number) => a > b],
    ['ge', library.ge, (a: number, b: number) => a >= b],
  ] as const
  /** Among them pairs that float32 does not tell apart, and the bits of NaN, infinities and the smallest numbers of float32. */
  const WHOLE = [0, 1, -1, 2, 255, 2 ** 24, 2 ** 24 + 1, 0x7fc00000, 0x7f800000, -0x800000, 2 ** 31 - 1, -(2 ** 31)]
  const whole = Int32Array.from(WHOLE.flatMap((a) => WHOLE.map(() => a)))
  const others = Int32Array.from(WHOLE.flatMap(() => WHOLE))
  const bytes = (list: Int32Array) => Uint8Array.from(list, (n) => n & 0xff)
  const bits = async (t: library.Tensor) => [t.dtype, ...t.shape, ...(await t.data())]

  it.each(OPERATIONS)('%s is exact: int32, bytes, one of each, a number', async (_, compare, holds) => {
    for (const [a, b] of [
      [whole, others],
      [bytes(whole), bytes(others)],
      [whole, bytes(others)],
      [bytes(whole), others],
    ] as const) {
      for (const n of [1, 2, 3, 5, 144]) {
        const [x, y] = [a.subarray(0, n), b.subarray(0, n)]
        const want = [...x].map((v, i) => Number(holds(v, y[i]!)))
        expect(await bits(compare(tensor(x), tensor(y)))).toEqual(['uint8', n, ...want])
      }
    }
    for (const n of WHOLE) {
      const own = Int32Array.from(WHOLE)
      expect(await bits(compare(tensor(own), n))).toEqual(['uint8', 12, ...WHOLE.map((v) => Number(holds(v, n)))])
      expect(await bits(compare(n, tensor(own)))).toEqual(['uint8', 12, ...WHOLE.map((v) => Number(holds(n, v)))])
    }
  })

  it('broadcast, and have the same bits captured', async () => {
    const [a, b] = [Int32Array.from([0, 1, 2, 3, 4, 5]), Uint8Array.of(0, 4)]
    const [x, y] = [tensor(a, [2, 3]), tensor(b, [2, 1])]
    const want = ['uint8', 2, 3, 1, 0, 0, 0, 1, 0]
    expect(await bits(library.eq(x, y))).toEqual(want)
    const plan = library.capture(() => library.eq(x, y))
    plan.run()
    expect(await bits(plan.result)).toEqual(want)
    plan.dispose()
    expect(await bits(library.ne(tensor(new Int32Array(0), [0]), tensor(new Uint8Array(1))))).toEqual(['uint8', 0])
  })

  it('tell which predictions are right', async () => {
    const logits = tensor([1, 3, 2, 5, 4, 0, 0, 0, 1], [3, 3])
    const right = library.eq(library.argmax(logits, 1), tensor(Uint8Array.of(1, 2, 2)))
    expect([...(await right.data())]).toEqual([1, 0, 1])
  })

  it('refuse floats beside integers, and numbers that are not integers of 32 bits', () => {
    const [x, y] = [tensor(Int32Array.of(1, 2)), tensor([1, 2])]
    expect(() => library.eq(x, y)).toThrow(new TypeError('eq: b must be int32 or uint8, it is float32'))
    expect(() => library.lt(y, tensor(Uint8Array.of(1, 2)))).toThrow(
      new TypeError('lt: a must be int32 or uint8, it is float32'),
    )
    for (const n of [0.5, 2 ** 31, Number.NaN]) {
      const text = `eq: the number beside integers must be a whole one of 32 bits, not ${n}`
      expect(() => library.eq(x, n)).toThrow(new RangeError(text))
    }
    expect(() => library.add(x, y)).toThrow('add: a must be float32, it is int32')
  })
})

it('a tensor beside itself gets both gradients', async () => {
  const x = parameter([1, 2, 3], [3])
  library.mul(x, x).backward(tensor([1, 10, 100]))
  expect([...(await values(x.grad))]).toEqual([2, 40, 600])
  const y = parameter([1, 2, 3], [3])
  library.add(y, y).backward(tensor([1, 10, 100]))
  expect([...(await values(y.grad))]).toEqual([2, 20, 200])
})

it('a captured chain has the bits of the eager one', async () => {
  const [x, w] = [parameter([0.5, -1.5, 2.5, 3.5, -4.5, 5.5], [2, 3]), parameter([0.1, 0.2, 0.3], [3])]
  const dy = tensor([1, 1, 1, 1, 1, 1], [2, 3])
  const chain = () => {
    forgetGradients([x, w], 'the chain begins')
    library.div(library.mul(library.add(x, w), w), library.add(library.square(x), 1)).backward(dy)
  }
  library.scope(chain)
  // Not bitsOf: what lies past the end was another tensor's in the same step.
  const bits = () => Promise.all([x, w].map(async (t) => new Uint32Array((await t.grad!.data()).buffer)))
  const eager = await bits()
  const plan = library.capture(chain)
  plan.run()
  expect(await bits()).toEqual(eager)
  plan.dispose()
})

it('refuses more than eight dimensions, and a condition that is not bytes', () => {
  const deep = tensor(new Float32Array(2), [1, 1, 1, 1, 1, 1, 1, 1, 2])
  expect(() => library.add(deep, 1)).toThrow('add: tensors of 9 dimensions; at most 8 are possible')
  expect(() => library.where(tensor([1]), 1, tensor([1]))).toThrow('where: condition must be uint8, it is float32')
  expect(() => library.where(true as never, tensor([1]), 1)).toThrow(
    'where: the condition must be a tensor, not a boolean',
  )
})

it.each<[shape: number[], of: (v: number[]) => number[]]>([
  [[1, 1], (v) => [v.reduce((a, b) => a + b)]],
  [[2, 1], (v) => [v[0]! + v[1]! + v[2]!, v[3]! + v[4]! + v[5]!]],
  [[1, 3], (v) => [v[0]! + v[3]!, v[1]! + v[4]!, v[2]! + v[5]!]],
  [[1], (v) => [v.reduce((a, b) => a + b)]],
])('a bias of shape %j beside [2, 3] is added to every element, and its gradient is the sum', async (shape, of) => {
  const size = shape.reduce((a, b) => a * b)
  const bias = parameter(
    Array.from({ length: size }, (_, i) => 10 * (i + 1)),
    shape,
  )
  const x = parameter([1, 2, 3, 4, 5, 6], [2, 3])
  const dy = [1, 2, 4, 8, 16, 32]
  const out = library.add(x, bias)
  out.backward(tensor([dy.slice(0, 3), dy.slice(3)]))
  const row = (i: number) => (shape.length < 2 || shape[0] === 1 ? 0 : i)
  const column = (j: number) => (shape.at(-1) === 1 ? 0 : j)
  const added = [0, 1, 2, 3, 4, 5].map((n) => {
    const [i, j] = [Math.floor(n / 3), n % 3]
    return n + 1 + 10 * (row(i) * (shape.at(-1) ?? 1) + column(j) + 1)
  })
  expect([...(await values(out))]).toEqual(added)
  expect([...(await values(bias.grad))]).toEqual(of(dy))
  expect([...(await values(x.grad))]).toEqual(dy)
})
