// The sum of losses over batches is exact: every float32 is added in whole numbers.
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { KernelFile } from '../../../src/gpu/kernel.ts'
import * as wgsl from '../../../src/kernels/generated/wgsl.ts'
import { fromFiveWords, lossIn, newTotals } from '../../../src/kernels/totals.ts'
import { empty } from '../../../src/node/index.ts'
import { type Tensor, tensor, testGpu } from '../../support/gpu.ts'

beforeAll(testGpu)

const reduce = new KernelFile('cross_entropy', wgsl.cross_entropy).entry('reduce')
const float = new Float32Array(1)
const word = new Uint32Array(float.buffer)

/** Adds a batch of one row whose loss is this number, of any sign. */
function add(totals: Tensor, loss: number): void {
  const { gpu } = totals
  const params = {
    N: 1,
    C: 1,
    labelBytes: 0,
    ignore: -100,
    each: 0,
    mean: 1,
    needX: 0,
    counted: 1,
    n0: 0,
    more: 0,
    last: 1,
  }
  float[0] = loss
  const rows = tensor(Int32Array.of(0, 0, word[0]! | 0, 1))
  const [out, state] = [empty(gpu, []), empty(gpu, [5])]
  const bindings = { rows: rows.storage, state: state.storage, out: out.storage, totals: totals.storage }
  gpu.emit(reduce, { params, ...bindings }, 1)
  for (const part of [rows, out, state]) part.dispose()
}

const sumOf = async (values: readonly number[]) => {
  const totals = tensor(newTotals())
  for (const value of values) add(totals, value)
  const words = (await totals.data()) as Int32Array
  expect([words[1], words[3], words[4]]).toEqual([values.length, -1, -1])
  return lossIn(words)
}

/** Exact: every float32 is a whole number of 2^-149. */
const exactly = (values: readonly number[]) => {
  return Number(values.reduce((sum, value) => sum + BigInt(value * 2 ** 149), 0n)) * 2 ** -149
}

/** A float32 that is neither subnormal, which an adapter may take for 0, nor infinite. */
const floatOf = ([sign, exponent, mantissa]: readonly [number, number, number]) => {
  word[0] = ((sign << 31) | (exponent << 23) | mantissa) >>> 0
  return float[0]!
}

describe('the sum of losses', () => {
  it('is that of whole numbers, for any floats of both signs', async () => {
    const exponents = [fc.integer({ min: 1, max: 254 }), fc.integer({ min: 120, max: 136 })]
    const value = (exponent: fc.Arbitrary<number>) => {
      const mantissa = fc.oneof(fc.nat(0x7fffff), fc.constantFrom(0, 1, 0x7fffff))
      return fc.tuple(fc.integer({ min: 0, max: 1 }), exponent, mantissa).map(floatOf)
    }
    const cases = fc.oneof(...exponents.map((e) => fc.array(value(e), { minLength: 1, maxLength: 20 })))
    await fc.assert(
      fc.asyncProperty(cases, async (values) => {
        expect(await sumOf(values)).toBe(exactly(values))
      }),
      { seed: 1, numRuns: 25 },
    )
  })

  it('carries over every word, and comes back', async () => {
    const least = 2 ** -126
    const largest = (2 - 2 ** -23) * 2 ** 127
    for (const values of [
      [least, least, 2 - 2 ** -23],
      [-least, least],
      [-least, 1],
      [1, -least, -1, least],
      Array<number>(9).fill(largest),
      [...Array<number>(5).fill(largest), ...Array<number>(5).fill(-largest), least],
      // Thirty-two ones in a row, and one more.
      ...[-126, -118, -100, -86, -54, 0, 73, 80].map((e) => [
        (2 ** 24 - 1) * 2 ** e,
        (2 ** 24 - 1) * 2 ** (e + 24),
        2 ** e,
        -(2 ** e),
        -(2 ** (e + 1)),
      ]),
    ]) {
      expect(await sumOf(values)).toBe(exactly(values))
    }
  })

  it('begins from the float32 of five words as from a sum', async () => {
    for (const value of [0, 1, 147.5, 2 ** -149, 3e38, -1e-7]) {
      float[0] = value
      const totals = fromFiveWords(Int32Array.of(3, 4, word[0]! | 0, -1, 7))!
      expect([lossIn(totals), totals[0], totals[1], totals[3], totals[4]]).toEqual([Math.fround(value), 3, 4, -1, 7])
      const more = tensor(totals)
      add(more, 2.5)
      expect(lossIn((await more.data()) as Int32Array)).toBe(exactly([Math.fround(value), 2.5]))
    }
    for (const value of [Number.NaN, Number.NEGATIVE_INFINITY]) {
      float[0] = value
      expect(fromFiveWords(Int32Array.of(0, 0, word[0]! | 0, -1, -1))).toBe(null)
    }
    for (const length of [0, 2, 4, 6]) expect(fromFiveWords(new Int32Array(length))).toBe(null)
  })
})
