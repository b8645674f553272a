// The totals that countedCrossEntropy adds up: how they are laid out, and what they say.
import { newWatch } from './finite.ts'

/** The words of the sum of the losses, the lowest first: a whole number in units of 2^-149, the finest of a float32. */
const SUM = [2, 5, 6, 7, 8, 9, 10, 11, 12, 13] as const
const UNIT = 2 ** -149

/** Totals of nothing: a watch as finite.ts describes it, in which [0] counts rows that are right and [1] rows. */
export const newTotals = () => Int32Array.of(...newWatch(), ...Array<number>(9).fill(0))

/** The sum of the losses in totals, rounded once, to float64. */
export function lossIn(totals: Int32Array): number {
  return exactSum(SUM.map((at) => totals[at]!))
}

/** The number that the words of a sum stand for, the lowest first, rounded once, to float64. */
export function exactSum(words: readonly number[]): number {
  const sum = words.reduceRight((above, word) => (above << 32n) | BigInt(word >>> 0), 0n)
  return Number(BigInt.asIntN(32 * words.length, sum)) * UNIT
}

/**
 * Totals from the five words that version 0.1.0 had, where [2] held the bits of the sum as a float32; null where these are
 * not such words.
 */
export function fromFiveWords(words: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> | null {
  const loss = new Float32Array(words.buffer, words.byteOffset, words.length)[2]
  if (words.length !== 5 || !Number.isFinite(loss)) return null
  const totals = newTotals()
  totals.set(words)
  let sum = BigInt(loss! / UNIT)
  for (const at of SUM) {
    totals[at] = Number(BigInt.asIntN(32, sum))
    sum >>= 32n
  }
  return totals
}
