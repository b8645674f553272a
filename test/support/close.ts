// Compares float32 results with float64 ones, each within a bound of its own.

/** Unit roundoff of float32: a correctly rounded operation is off by at most this, relative to its result. */
export const UNIT_ROUNDOFF = 2 ** -24

/** The smallest normal float32. WGSL lets a device replace anything smaller by zero. */
export const SMALLEST_NORMAL = 2 ** -126

/** From here on float32 rounds to infinity: half a unit above its largest number. */
const OVERFLOW = 2 ** 128 - 2 ** 103

/**
 * γ(k) = k·u / (1 − k·u): bounds the relative error of a product of k factors (1 + δ), |δ| ≤ u
 * (N. Higham, Accuracy and Stability of Numerical Algorithms, lemma 3.1). A sum of n products, in whatever order,
 * is off by at most γ(n) · Σ|terms|.
 */
export function gamma(k: number, u: number = UNIT_ROUNDOFF): number {
  if (!(k >= 0 && k * u < 1)) throw new RangeError(`gamma: k must be from 0 up to 1/u, got ${k}`)
  return (k * u) / (1 - k * u)
}

/**
 * What a number may be off by whose float64 value PyTorch gives, and whose float32 value PyTorch has so far away from it. We may be
 * 16 times as far: our sums have another order, and WGSL's exp, log and quotients are off by several ULP, PyTorch's by one.
 */
export function boundBesidePytorch(float32Deviation: number, value: number): number {
  return 16 * float32Deviation + 4 * UNIT_ROUNDOFF * Math.abs(value)
}

/** What `expectClose` compares with: bare values, or values with a shape that failure messages then use. */
export type Expected = Float64Array | { shape: readonly number[]; data: Float64Array }

/** The largest allowed difference of each element. */
export type Bound = Float64Array | ((index: number) => number)

function describeIndex(index: number, shape: readonly number[] | null): string {
  if (shape === null) return `index ${index}`
  const parts: number[] = []
  let rest = index
  for (const n of [...shape].reverse()) {
    parts.unshift(rest % n)
    rest = Math.floor(rest / n)
  }
  return `[${parts.join(', ')}] (index ${index})`
}

/** How far outside the bound a value lies: at most 1 is inside, Infinity is a NaN or an infinity in the wrong place. */
function excess(actual: number, expected: number, bound: number): number {
  if (Number.isNaN(expected)) return Number.isNaN(actual) ? 0 : Infinity
  if (Number.isNaN(actual)) return Infinity
  if (actual === expected) return 0
  if (Math.abs(expected) === Infinity) return Infinity
  // A finite float64 may be out of float32's range; then the infinity of its sign is the right answer.
  if (Math.abs(actual) === Infinity) {
    return Math.sign(actual) === Math.sign(expected) && Math.abs(expected) + bound >= OVERFLOW ? 0 : Infinity
  }
  return bound > 0 ? Math.abs(actual - expected) / bound : Infinity
}

/**
 * Holds every element of `actual` to within its bound of `expected`. NaN matches nothing but an expected NaN, an
 * infinity nothing but an expected infinity of the same sign (or a value that float32 cannot hold).
 * Throws an Error that names the worst element, both values and the bound.
 */
export function expectClose(actual: Float32Array, expected: Expected, bound: Bound, what: string): void {
  const values = expected instanceof Float64Array ? expected : expected.data
  const shape = expected instanceof Float64Array ? null : expected.shape
  if (actual.length !== values.length) {
    throw new Error(`${what}: ${actual.length} values instead of ${values.length}`)
  }
  if (typeof bound !== 'function' && bound.length !== values.length) {
    throw new Error(`${what}: ${bound.length} bounds for ${values.length} values`)
  }
  const boundAt = typeof bound === 'function' ? bound : (i: number) => bound[i]!
  let wrong = 0
  let worst = -1
  let worstExcess = 1
  values.forEach((value, i) => {
    const allowed = boundAt(i)
    if (Number.isFinite(value) && !(allowed >= 0 && allowed < Infinity)) {
      throw new Error(`${what}: the bound at ${describeIndex(i, shape)} is ${allowed}`)
    }
    const measured = excess(actual[i]!, value, allowed)
    if (measured > 1) wrong++
    if (measured > worstExcess) {
      worst = i
      worstExcess = measured
    }
  })
  if (wrong === 0) return
  throw new Error(
    `${what}: ${wrong} of ${values.length} values out of bounds, the worst at ${describeIndex(worst, shape)}: ` +
      `${actual[worst]} instead of ${values[worst]}, bound ${boundAt(worst)}`,
  )
}
