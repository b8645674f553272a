// Float64 numbers with the error that float32 may have made on the way to them: a formula written with these bounds itself.
import { SMALLEST_NORMAL, UNIT_ROUNDOFF } from './close.ts'

/** A number, and how far a float32 computation of it may be from it at most. */
export interface Approx {
  readonly value: number
  readonly error: number
}

/** A result of this value and of this error in its operands, rounded: `units` are of 2⁻²⁴, and half of a ULP is at most one. */
function rounded(value: number, error: number, units: number): Approx {
  // A device may answer zero below the smallest normal number.
  return { value, error: error + units * UNIT_ROUNDOFF * (Math.abs(value) + error) + SMALLEST_NORMAL }
}

/** A number that float32 has. */
export const exactly = (value: number): Approx => ({ value, error: 0 })

/** A number that was computed in float64 and is given to the device in float32. */
export const constant = (value: number): Approx => ({ value, error: Math.abs(Math.fround(value) - value) })

export const ZERO = exactly(0)

export const negate = ({ value, error }: Approx): Approx => ({ value: -value, error })

export const plus = (a: Approx, b: Approx): Approx => rounded(a.value + b.value, a.error + b.error, 1)

export const minus = (a: Approx, b: Approx): Approx => plus(a, negate(b))

export function times(a: Approx, b: Approx): Approx {
  const error = Math.abs(a.value) * b.error + a.error * Math.abs(b.value) + a.error * b.error
  return rounded(a.value * b.value, error, 1)
}

/** WGSL divides to 2.5 ULP. */
export function over(a: Approx, b: Approx): Approx {
  const least = Math.abs(b.value) - b.error
  if (!(least > 0)) throw new RangeError(`over: the divisor ${b.value} may be 0 within its error ${b.error}`)
  const quotient = a.value / b.value
  return rounded(quotient, (a.error + Math.abs(quotient) * b.error) / least, 5)
}

/** WGSL's square root is 1 / inverseSqrt, which has 2 ULP, and a division: 4.5 ULP. */
export function root({ value, error }: Approx): Approx {
  const [low, exact, high] = [Math.max(0, value - error), value, value + error].map(Math.sqrt) as [
    number,
    number,
    number,
  ]
  return rounded(exact, Math.max(exact - low, high - exact), 9)
}

/** The larger of two: as far off as the worse of them at most. */
export function larger(a: Approx, b: Approx): Approx {
  return { value: Math.max(a.value, b.value), error: Math.max(a.error, b.error) }
}

/** What is below 0 as 0. */
export function atLeast0({ value, error }: Approx): Approx {
  return { value: Math.max(0, value), error: Math.min(error, Math.max(0, value + error)) }
}

/** The sign, which is right where the error is too small to change it; 0 has none if it is off by underflow alone. */
export function signOf({ value, error }: Approx): Approx {
  if (value === 0 && error < 2 ** -100) return ZERO
  if (!(Math.abs(value) > error))
    throw new RangeError(`signOf: ${value} may have either sign within its error ${error}`)
  return exactly(Math.sign(value))
}

/** WGSL's exponential has 3 + 2·|x| ULP. */
export function exponential({ value, error }: Approx): Approx {
  const result = Math.exp(value)
  return rounded(result, result * Math.expm1(error), 2 * (3 + 2 * (Math.abs(value) + error)))
}

/** WGSL's inverse square root has 2 ULP. */
export function inverseRoot({ value, error }: Approx): Approx {
  const exact = 1 / Math.sqrt(value)
  const least = value - error
  if (!(least > 0)) throw new RangeError(`inverseRoot: the operand ${value} may be 0 within its error ${error}`)
  return rounded(exact, 1 / Math.sqrt(least) - exact, 4)
}

/** WGSL's logarithm is within 2⁻²¹ from 1/2 to 2, and has 3 ULP elsewhere. */
export function logarithm({ value, error }: Approx): Approx {
  const least = value - error
  if (!(least > 0)) throw new RangeError(`logarithm: the operand ${value} may be 0 within its error ${error}`)
  const result = Math.log(value)
  const before = Math.log(value + error) - Math.log(least)
  const near = least >= 0.5 && value + error <= 2
  return near ? { value: result, error: before + 2 ** -21 } : rounded(result, before, 6)
}

/** Σ coefficients[i] · xⁱ by Horner's rule; the coefficients are rounded to float32 first. */
export function polynomial(x: Approx, coefficients: readonly number[]): Approx {
  return coefficients.reduceRight<Approx>((sum, c) => plus(constant(c), times(x, sum)), exactly(0))
}

/** The right value, and how far from it a formula may end: by its roundings, and by what it leaves out. */
export function standsFor(value: number, formula: Approx): Approx {
  return { value, error: formula.error + Math.abs(formula.value - value) }
}
