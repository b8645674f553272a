// What only the functions of one element promise: kinks, NaN by its bits, what overflows, tails, and large arguments of sine and cosine.
import { beforeAll, describe, expect, it } from 'vitest'
import * as library from '../../../src/node/index.ts'
import { type Tensor, tensor } from '../../../src/node/index.ts'
import { bitsOf } from '../../support/check.ts'
import { parameter, testGpu, values } from '../../support/gpu.ts'

beforeAll(testGpu)

const { NaN: nan, POSITIVE_INFINITY: inf } = Number

async function run(fn: (x: Tensor) => Tensor, x: readonly number[]) {
  const input = parameter(x, [x.length])
  const out = fn(input)
  out.backward(tensor(x.map(() => 1)))
  return { out: [...(await values(out))], gradient: [...(await values(input.grad))] }
}

describe('at kinks, PyTorch’s gradient', () => {
  it.each([
    ['abs', library.abs, 0],
    ['sign', library.sign, 0],
    ['relu', library.relu, 0],
    ['leakyRelu', (x: Tensor) => library.leakyRelu(x, 0.25), 0.25],
    ['elu', (x: Tensor) => library.elu(x, 0.5), 0.5],
    ['sqrt', library.sqrt, inf],
    ['silu', library.silu, 0.5],
  ] as const)('%s', async (_, fn, slope) => {
    expect((await run(fn, [0])).gradient).toEqual([slope])
  })

  it('clamp passes the gradient at its bounds, and gives max where min is larger', async () => {
    const at = (min: number, max: number) => (x: Tensor) => library.clamp(x, { min, max })
    expect(await run(at(-1, 1), [-1, 1, 1.5])).toEqual({ out: [-1, 1, 1], gradient: [1, 1, 0] })
    expect((await run(at(2, 1), [0, 1.5, 3])).out).toEqual([1, 1, 1])
  })
})

describe('infinities', () => {
  it.each([
    ['relu', library.relu, [inf, 0], [1, 0]],
    ['silu', library.silu, [inf, nan], [nan, nan]],
    ['gelu', library.gelu, [inf, nan], [nan, nan]],
    ['softplus', library.softplus, [inf, 0], [1, 0]],
    ['tanh', library.tanh, [1, -1], [0, 0]],
    ['exp', library.exp, [inf, 0], [inf, 0]],
    ['log', library.log, [inf, nan], [0, -0]],
    ['sqrt', library.sqrt, [inf, nan], [0, nan]],
    ['sin', library.sin, [nan, nan], [nan, nan]],
    ['reciprocal', library.reciprocal, [0, -0], [-0, -0]],
  ] as const)('of either sign: %s', async (_, fn, out, gradient) => {
    expect(await run(fn, [inf, -inf])).toEqual({ out: [...out], gradient: [...gradient] })
  })

  it('come of 0: log, rsqrt and reciprocal', async () => {
    expect((await run(library.log, [0])).out).toEqual([-inf])
    expect((await run(library.log1p, [-1])).out).toEqual([-inf])
    expect((await run(library.rsqrt, [0])).out).toEqual([inf])
    expect((await run(library.reciprocal, [0, -0])).out).toEqual([inf, -inf])
  })
})

it('a NaN keeps its bits', async () => {
  const bits = Uint32Array.of(0x7fc12345, 0xffc00001)
  for (const fn of [library.exp, library.tanh, library.sin, library.gelu, library.neg, library.sign]) {
    expect(await bitsOf(fn(tensor(new Float32Array(bits.buffer))))).toEqual(bits)
  }
})

describe('where the plain formula would overflow or lose its digits', () => {
  const large = [88, 89, 100, 128, 1000, 1e30, 3e38]
  it.each([
    ['silu', library.silu],
    ['gelu', library.gelu],
    ['gelu, tanh', (x: Tensor) => library.gelu(x, { approximate: 'tanh' })],
    ['softplus', library.softplus],
  ] as const)('%s is x on the right and vanishes on the left', async (_, fn) => {
    expect(await run(fn, large)).toEqual({ out: large.map(Math.fround), gradient: large.map(() => 1) })
    const left = await run(
      fn,
      large.map((v) => -v),
    )
    for (const v of [...left.out, ...left.gradient]) expect(Math.abs(v)).toBeLessThan(1e-36)
  })

  it('sigmoid and its gradient at ±100', async () => {
    const { out, gradient } = await run(library.sigmoid, [100, -100])
    expect(out[0]).toBe(1)
    for (const v of [out[1]!, ...gradient]) expect(Math.abs(v)).toBeLessThan(1e-37)
  })

  it('log1p and expm1 keep small numbers', async () => {
    for (const fn of [library.log1p, library.expm1]) expect((await run(fn, [1e-30])).out).toEqual([Math.fround(1e-30)])
  })

  it('gelu keeps the digits of its left tail', async () => {
    expect((await run(library.gelu, [-5])).out[0]! / -1.4332578e-6).toBeCloseTo(1, 5)
  })
})

it('sine and cosine of large numbers have all their digits', async () => {
  const x = [1e5, 12345.678, 1e10, 3e38, -1e22, 355, 2 ** 24 + 2].map(Math.fround)
  for (const [fn, right] of [
    [library.sin, Math.sin],
    [library.cos, Math.cos],
  ] as const) {
    const { out } = await run(fn, x)
    for (const [i, v] of out.entries()) expect(Math.abs(v / right(x[i]!) - 1)).toBeLessThan(10 * 2 ** -24)
  }
})

it('refuses options that are none', () => {
  const x = tensor([1])
  expect(() => library.leakyRelu(x, 'a' as never)).toThrow('leakyRelu: negativeSlope must be a number, not a string')
  expect(() => library.elu(x, nan)).toThrow('elu: alpha must be a number, not NaN')
  expect(() => library.clamp(x, {})).toThrow('clamp: give min, max or both')
  expect(() => library.gelu(x, { approximate: 'erf' as never })).toThrow(
    "gelu: approximate must be 'none' or 'tanh', not 'erf'",
  )
})
