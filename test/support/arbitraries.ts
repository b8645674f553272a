// Random sizes and seeds, and the sizes of a case kept within what the float64 loops take.
import fc from 'fast-check'

export { type FillKind, fill, mulberry32 } from './fill.ts'

/** Sizes at which kernels break: nothing, one, primes, and the neighbours of a tile, a subgroup and a workgroup. */
export const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 11, 13, 17, 31, 32, 33, 63, 64, 65, 96, 127, 255, 256, 257] as const

/** A case's multiply-adds stay below this, so that the float64 loops take milliseconds. */
export const MAX_WORK = 2e6

/** One of SIZES, mostly small ones, at least `min`. */
export function sizesFrom(min: number): fc.Arbitrary<number> {
  const from = (low: number, high: number) => SIZES.filter((n) => n >= Math.max(min, low) && n <= high)
  return fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...from(0, Math.max(8, min + 4))) },
    { weight: 3, arbitrary: fc.constantFrom(...from(0, 33)) },
    { weight: 1, arbitrary: fc.constantFrom(...from(0, 257)) },
  )
}

/** Any of SIZES, zero included. */
export const sizes = sizesFrom(0)

/** Replaces the largest of the sizes by the next lower one until the work fits; a size never falls below its minimum. */
export function lowerToWork<K extends string>(
  given: Record<K, number>,
  minima: Record<K, number>,
  work: (sizes: Record<K, number>) => number,
): Record<K, number> {
  const fitted = { ...given }
  const keys = Object.keys(given) as K[]
  while (work(fitted) > MAX_WORK) {
    const candidates = keys.filter((key) => fitted[key] > minima[key])
    if (candidates.length === 0) throw new Error('the smallest case exceeds MAX_WORK')
    const largest = candidates.reduce((a, b) => (fitted[b] > fitted[a] ? b : a))
    const lower = SIZES.filter((n) => n < fitted[largest]).at(-1) ?? 0
    fitted[largest] = Math.max(lower, minima[largest])
  }
  return fitted
}

/** Seeds of values. */
export const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 })
