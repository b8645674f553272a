// Float64 arrays with error bounds, of which the reference is made.
import { gamma, SMALLEST_NORMAL } from './close.ts'

/** A dense row-major array in float64. */
export interface Ref {
  shape: number[]
  data: Float64Array
}

/**
 * What a reference computes. `magnitude` is the same formula over absolute values: Σ|terms| of each element.
 * `roundings` is the most float32 roundings that any term passes on its way into an element, in whatever order the
 * additions are made. `bound` is the largest error of a float32 computation of the same formula from the same inputs.
 */
export interface Result extends Ref {
  magnitude: Float64Array
  roundings: number
  bound: Float64Array
}

/** Height and width. */
export type Pair = readonly [number, number]

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1)
}

/** An array of zeros, or of a copy of `values`. Throws if there are not as many values as the shape holds. */
export function ref(shape: readonly number[], values?: ArrayLike<number>): Ref {
  const size = sizeOf(shape)
  if (values !== undefined && values.length !== size) {
    throw new Error(`A reference of shape [${shape.join(', ')}] needs ${size} values, got ${values.length}`)
  }
  return { shape: [...shape], data: values === undefined ? new Float64Array(size) : Float64Array.from(values) }
}

/**
 * Attaches the error bound γ(roundings) · magnitude. Each rounding may also fall below the smallest normal number,
 * where a device may answer zero: one such number a rounding is added for that.
 */
export function withBound(value: Ref, magnitude: Float64Array, roundings: number): Result {
  const factor = gamma(roundings)
  const bound = magnitude.map((m) => factor * m + roundings * SMALLEST_NORMAL)
  return { ...value, magnitude, roundings, bound }
}

/** A result that no rounding touches: float32 must give exactly this. */
export function exact(value: Ref): Result {
  return withBound(value, value.data.map(Math.abs), 0)
}

export function requireShape(what: string, actual: readonly number[], expected: readonly number[]): void {
  if (actual.length !== expected.length || actual.some((n, i) => n !== expected[i])) {
    throw new Error(`${what}: shape [${actual.join(', ')}] instead of [${expected.join(', ')}]`)
  }
}
