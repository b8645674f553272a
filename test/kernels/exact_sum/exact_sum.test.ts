// Sums that nothing rounds.
import { beforeAll, describe, expect, it } from 'vitest'
import { addExactly, countLoss, newSums, sumsIn } from '../../../src/kernels/exact_sum.ts'
import { lossIn, newTotals } from '../../../src/kernels/totals.ts'
import { mulberry32 } from '../../support/arbitraries.ts'
import { tensor, testGpu } from '../../support/gpu.ts'

beforeAll(testGpu)

const UNIT = 2n ** 149n
/** A float32 in units of 2^-149, exactly. */
const units = (value: number) => {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!
  const exponent = (bits >>> 23) & 0xff
  const mantissa = BigInt((bits & 0x7fffff) | (exponent > 0 ? 0x800000 : 0))
  return (bits >>> 31 ? -1n : 1n) * (mantissa << BigInt(Math.max(exponent, 1) - 1))
}

describe('addExactly', () => {
  it('adds any float32 times any weight, each element to its own sum', async () => {
    const next = mulberry32(7)
    const size = 70
    const sums = tensor(newSums(size))
    const want = Array<bigint>(size).fill(0n)
    for (const weight of [1, 32, 65535, 65536, 2 ** 31 + 7, 2 ** 32 - 1, 3]) {
      const words = Uint32Array.from({ length: size }, () => next())
      // No NaN, no infinities: their exponents become small ones. The first elements are extreme.
      for (const [i, word] of words.entries()) if (((word >>> 23) & 0xff) === 0xff) words[i] = word & 0x807fffff
      words.set([0x7f7fffff, 0xff7fffff, 1, 0x80000001, 0, 0x80000000, 0x007fffff, 0x80800000])
      const x = new Float32Array(words.buffer)
      addExactly(sums, tensor(x), weight)
      for (const [i, value] of x.entries()) want[i]! += units(value) * BigInt(weight)
    }
    const words = (await sums.data()) as Int32Array
    const got = Array.from({ length: size }, (_, i) => {
      const own = [...words.subarray(11 * i, 11 * i + 10)]
      return BigInt.asIntN(
        320,
        own.reduceRight((above, word) => (above << 32n) | BigInt(word >>> 0), 0n),
      )
    })
    expect(got).toEqual(want)
    expect(sumsIn(words)[9]).toBe(Number(want[9]) / Number(UNIT))
    expect(want.some((sum) => sum < 0n) && want.some((sum) => sum > 0n)).toBe(true)
  })

  it('gives NaN for the sums of what was not finite, and for no others', async () => {
    const sums = tensor(newSums(4))
    addExactly(sums, tensor([1, Number.NaN, 2, 3]), 2)
    addExactly(sums, tensor([1, 1, Number.NEGATIVE_INFINITY, 0.5]), 3)
    expect(sumsIn((await sums.data()) as Int32Array)).toEqual([5, Number.NaN, Number.NaN, 7.5])
  })
})

describe('countLoss', () => {
  it('counts rows and adds their losses; the first loss that is not finite is noted', async () => {
    const totals = tensor(newTotals())
    countLoss(totals, tensor(0.1), 4, 4)
    countLoss(totals, tensor(0), 0, 5) // rows alone, then their loss
    countLoss(totals, tensor(-3), 5, 0)
    const words = (await totals.data()) as Int32Array
    expect([...words.slice(0, 5)].filter((_, i) => i !== 2)).toEqual([0, 9, -1, -1])
    expect(lossIn(words)).toBe(Math.fround(0.1) * 4 - 15)
    countLoss(totals, tensor(Number.NaN), 2, 2)
    countLoss(totals, tensor(Number.POSITIVE_INFINITY), 2, 2)
    const after = (await totals.data()) as Int32Array
    expect([after[1], after[3], after[4]]).toEqual([13, 11, 1])
    expect(lossIn(after)).toBe(lossIn(words))
  })
})
