// The learning-rate policies of "Learning Rate Scheduling" (Dive into Deep Learning) in closed form.
// Each is a pure function of t = 0, 1, 2 …: any order, any number of times, the same values. All of them throw a
// RangeError for a t that is not an integer ≥ 0, a RangeError for an option out of its range, and a TypeError for an
// unknown or missing one.
import { type Args, check, type Schedule } from './kinds.ts'
import { readOptions, schedule } from './options.ts'

export const CONSTANT = { lr: { kind: 'number', base: true } } as const satisfies Args

/** η at every t. */
export function constant(lr: number): Schedule {
  check('constant', 'lr', 'number', lr)
  return schedule('constant', CONSTANT, { lr }, () => lr)
}

export type SquareRootOptions = { readonly lr?: number }

export const SQUARE_ROOT = { lr: { kind: 'number', default: 0.1, base: true } } as const satisfies Args

/** η (t + 1)^−½. */
export function squareRoot(options: SquareRootOptions = {}): Schedule {
  const values = readOptions('squareRoot', SQUARE_ROOT, options)
  return schedule('squareRoot', SQUARE_ROOT, values, (t) => values.lr / Math.sqrt(t + 1))
}

export type FactorOptions = {
  readonly factor?: number
  /** The lowest rate. */
  readonly stopFactorLr?: number
  /** The rate before t = 0; the rate at t = 0 is already multiplied once. */
  readonly baseLr?: number
}

export const FACTOR = {
  factor: { kind: 'number', default: 1 },
  stopFactorLr: { kind: 'number', default: 1e-7 },
  baseLr: { kind: 'number', default: 0.1, base: true },
} as const satisfies Args

/** max(η_min, η₀ α^(t + 1)). The exponent is t + 1: the first rate is η₀ α, not η₀. */
export function factor(options: FactorOptions = {}): Schedule {
  const values = readOptions('factor', FACTOR, options)
  return schedule('factor', FACTOR, values, (t) =>
    Math.max(values.stopFactorLr, values.baseLr * values.factor ** (t + 1)),
  )
}

export type MultiStepOptions = {
  readonly lr: number
  /** The t at which the rate is multiplied, in ascending order; one given twice counts twice. */
  readonly milestones: readonly number[]
  readonly gamma?: number
}

export const MULTI_STEP = {
  lr: { kind: 'number', base: true },
  milestones: { kind: 'milestones' },
  gamma: { kind: 'number', default: 0.1 },
} as const satisfies Args

/** η₀ γ^(number of milestones ≤ t). A milestone at 0 applies from the start. */
export function multiStep(options: MultiStepOptions): Schedule {
  const values = readOptions('multiStep', MULTI_STEP, options)
  return schedule('multiStep', MULTI_STEP, values, (t) => {
    let passed = 0
    for (const milestone of values.milestones) if (milestone <= t) passed += 1
    return values.lr * values.gamma ** passed
  })
}

export type CosineOptions = {
  /** T, an integer ≥ 1: the final rate is reached at t = T, including the warm-up, and kept. */
  readonly maxUpdate: number
  readonly baseLr?: number
  readonly finalLr?: number
  /** w, at most T. With w = T there is no decay: the final rate applies from t = T on. */
  readonly warmupSteps?: number
  readonly warmupBeginLr?: number
}

export const COSINE = {
  maxUpdate: { kind: 'length' },
  baseLr: { kind: 'number', default: 0.01, base: true },
  finalLr: { kind: 'number', default: 0 },
  warmupSteps: { kind: 'count', default: 0 },
  warmupBeginLr: { kind: 'number', default: 0 },
} as const satisfies Args

/**
 * t < w: η_b + (η₀ − η_b) t/w; w ≤ t < T: η_T + (η₀ − η_T)(1 + cos(π (t − w)/(T − w)))/2; then η_T. This equals
 * `warmup` of w steps before a cosine with T − w. SGDR, Loshchilov and Hutter 2016, without restarts.
 */
export function cosine(options: CosineOptions): Schedule {
  const values = readOptions('cosine', COSINE, options)
  const { maxUpdate, baseLr, finalLr, warmupSteps, warmupBeginLr } = values
  if (warmupSteps > maxUpdate) {
    throw new RangeError(`cosine: warmupSteps must be at most maxUpdate = ${maxUpdate}, got ${warmupSteps}`)
  }
  return schedule('cosine', COSINE, values, (t) => {
    if (t < warmupSteps) return ramp(warmupBeginLr, baseLr, t, warmupSteps)
    if (t >= maxUpdate) return finalLr
    const angle = (Math.PI * (t - warmupSteps)) / (maxUpdate - warmupSteps)
    return finalLr + ((baseLr - finalLr) * (1 + Math.cos(angle))) / 2
  })
}

export type PolynomialOptions = {
  /** T, an integer ≥ 1: the final rate is reached at t = T and kept. */
  readonly maxUpdate: number
  readonly baseLr?: number
  readonly finalLr?: number
  readonly power?: number
}

export const POLYNOMIAL = {
  maxUpdate: { kind: 'length' },
  baseLr: { kind: 'number', default: 0.01, base: true },
  finalLr: { kind: 'number', default: 0 },
  power: { kind: 'number', default: 2 },
} as const satisfies Args

/** t ≤ T: η_T + (η₀ − η_T)(1 − t/T)^p; then η_T. */
export function polynomial(options: PolynomialOptions): Schedule {
  const values = readOptions('polynomial', POLYNOMIAL, options)
  const { maxUpdate, baseLr, finalLr, power } = values
  return schedule('polynomial', POLYNOMIAL, values, (t) => {
    if (t > maxUpdate) return finalLr
    return finalLr + (baseLr - finalLr) * (1 - t / maxUpdate) ** power
  })
}

/** The straight line from `begin` at t = 0 to `end` at t = steps. */
export function ramp(begin: number, end: number, t: number, steps: number): number {
  return begin + ((end - begin) * t) / steps
}
