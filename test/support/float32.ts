// Float32 arithmetic as a device may do it, to see whether the reference's bounds hold for it.

/** A float32 sum in index order (0), backwards (1), or by halves (2): a bound is to hold for any order. */
export function sum32(terms: Float32Array, order: number): number {
  if (order === 0) return terms.reduce((s, v) => Math.fround(s + v), 0)
  if (order === 1) return terms.reduceRight((s, v) => Math.fround(s + v), 0)
  if (terms.length <= 1) return terms[0] ?? 0
  const half = terms.length >> 1
  return Math.fround(sum32(terms.subarray(0, half), 2) + sum32(terms.subarray(half), 2))
}
