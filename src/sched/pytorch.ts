// The schedules of torch.optim.lr_scheduler under PyTorch's names, in closed form.
// The rate of t = 0, 1, 2 … does not depend on what was asked before. PyTorch computes most of them by a recursion on the
// optimizer's rate, which carries on a rate set by hand or by a second scheduler; otherwise the two agree except for
// rounding, unless a docstring says more. `lr` is the optimizer's rate at the start (PyTorch's initial_lr). Errors are as
// in chapter.ts.
import type { Args, Options, Schedule } from './kinds.ts'
import { readOptions, schedule } from './options.ts'

const LR = { kind: 'number', base: true } as const
const GAMMA = { kind: 'number', default: 0.1 } as const

export const STEP_LR = { stepSize: { kind: 'length' }, gamma: GAMMA, lr: LR } as const satisfies Args
/**
 * Options of {@link stepLR}.
 * @interface
 */
export type StepLROptions = Options<typeof STEP_LR>

/** η₀ γ^⌊t / stepSize⌋. PyTorch: StepLR. */
export function stepLR(options: StepLROptions): Schedule {
  const values = readOptions('stepLR', STEP_LR, options)
  const { lr, gamma, stepSize } = values
  return schedule('stepLR', STEP_LR, values, (t) => lr * gamma ** Math.floor(t / stepSize))
}

export const MULTI_STEP_LR = { milestones: { kind: 'milestones' }, gamma: GAMMA, lr: LR } as const satisfies Args
/**
 * Options of {@link multiStepLR}.
 * @interface
 */
export type MultiStepLROptions = Options<typeof MULTI_STEP_LR>

/** η₀ γ^(number of milestones ≤ t): the chapter's multiStep with PyTorch's argument order. PyTorch: MultiStepLR. */
export function multiStepLR(options: MultiStepLROptions): Schedule {
  const values = readOptions('multiStepLR', MULTI_STEP_LR, options)
  const { lr, gamma, milestones } = values
  const rate = (t: number): number => lr * gamma ** (milestones.findLastIndex((milestone) => milestone <= t) + 1)
  return schedule('multiStepLR', MULTI_STEP_LR, values, rate)
}

export const CONSTANT_LR = {
  factor: { kind: 'fraction', default: 1 / 3 },
  totalIters: { kind: 'count', default: 5 },
  lr: LR,
} as const satisfies Args
/**
 * Options of {@link constantLR}.
 * @interface
 */
export type ConstantLROptions = Options<typeof CONSTANT_LR>

/**
 * t < totalIters: η₀ factor; then η₀. PyTorch: ConstantLR, in closed form. PyTorch's recursion divides by the factor to
 * return to η₀, so it fails with factor 0 and never returns with totalIters 0; the closed form does neither.
 */
export function constantLR(options: ConstantLROptions): Schedule {
  const values = readOptions('constantLR', CONSTANT_LR, options)
  const { lr, factor, totalIters } = values
  return schedule('constantLR', CONSTANT_LR, values, (t) => (t < totalIters ? lr * factor : lr))
}

export const LINEAR_LR = {
  startFactor: { kind: 'positiveFraction', default: 1 / 3 },
  endFactor: { kind: 'fraction', default: 1 },
  totalIters: { kind: 'length', default: 5 },
  lr: LR,
} as const satisfies Args
/**
 * Options of {@link linearLR}.
 * @interface
 */
export type LinearLROptions = Options<typeof LINEAR_LR>

/** η₀ (f_s + (f_e − f_s) min(t, T)/T). PyTorch: LinearLR. */
export function linearLR(options: LinearLROptions): Schedule {
  const values = readOptions('linearLR', LINEAR_LR, options)
  const { lr, startFactor, endFactor, totalIters } = values
  return schedule('linearLR', LINEAR_LR, values, (t) =>
    t >= totalIters ? lr * endFactor : lr * (startFactor + ((endFactor - startFactor) * t) / totalIters),
  )
}

export const EXPONENTIAL_LR = { gamma: { kind: 'number' }, lr: LR } as const satisfies Args
/**
 * Options of {@link exponentialLR}.
 * @interface
 */
export type ExponentialLROptions = Options<typeof EXPONENTIAL_LR>

/** η₀ γ^t. PyTorch: ExponentialLR. */
export function exponentialLR(options: ExponentialLROptions): Schedule {
  const values = readOptions('exponentialLR', EXPONENTIAL_LR, options)
  const { lr, gamma } = values
  return schedule('exponentialLR', EXPONENTIAL_LR, values, (t) => lr * gamma ** t)
}

export const POLYNOMIAL_LR = {
  totalIters: { kind: 'length', default: 5 },
  power: { kind: 'number', default: 1 },
  lr: LR,
} as const satisfies Args
/**
 * Options of {@link polynomialLR}.
 * @interface
 */
export type PolynomialLROptions = Options<typeof POLYNOMIAL_LR>

/** η₀ (1 − min(t, T)/T)^p. PyTorch: PolynomialLR. With power 0 it is η₀ throughout. */
export function polynomialLR(options: PolynomialLROptions): Schedule {
  const values = readOptions('polynomialLR', POLYNOMIAL_LR, options)
  const { lr, totalIters, power } = values
  const rate = (t: number): number => lr * (1 - Math.min(t, totalIters) / totalIters) ** power
  return schedule('polynomialLR', POLYNOMIAL_LR, values, rate)
}

export const COSINE_ANNEALING_LR = {
  tMax: { kind: 'length' },
  etaMin: { kind: 'number', default: 0 },
  lr: LR,
} as const satisfies Args
/**
 * Options of {@link cosineAnnealingLR}.
 * @interface
 */
export type CosineAnnealingLROptions = Options<typeof COSINE_ANNEALING_LR>

/**
 * η_min + (η₀ − η_min)(1 + cos(π t/T))/2: down until T, up again until 2T, and so on; `cosine` stays down.
 * PyTorch: CosineAnnealingLR (SGDR, Loshchilov and Hutter 2017, eq. 5, without restarts).
 */
export function cosineAnnealingLR(options: CosineAnnealingLROptions): Schedule {
  const values = readOptions('cosineAnnealingLR', COSINE_ANNEALING_LR, options)
  const { lr, tMax, etaMin } = values
  // Reduced to one period first: for a large angle, π t/T loses digits to rounding.
  const rate = (t: number): number => annealed([lr, etaMin], (t % (2 * tMax)) / tMax)
  return schedule('cosineAnnealingLR', COSINE_ANNEALING_LR, values, rate)
}

export const COSINE_ANNEALING_WARM_RESTARTS = {
  t0: { kind: 'length' },
  tMult: { kind: 'length', default: 1 },
  etaMin: { kind: 'number', default: 0 },
  lr: LR,
} as const satisfies Args
/**
 * Options of {@link cosineAnnealingWarmRestarts}.
 * @interface
 */
export type CosineAnnealingWarmRestartsOptions = Options<typeof COSINE_ANNEALING_WARM_RESTARTS>

/**
 * SGDR, Loshchilov and Hutter 2017, eq. 5: η_min + (η₀ − η_min)(1 + cos(π T_cur/T_i))/2, where cycle i has T_i = t0
 * tMult^i steps, T_cur of them done. PyTorch: CosineAnnealingWarmRestarts. PyTorch finds the cycle by a logarithm, which
 * rounding may make one too low at a restart; here the cycles are counted.
 */
export function cosineAnnealingWarmRestarts(options: CosineAnnealingWarmRestartsOptions): Schedule {
  const name = 'cosineAnnealingWarmRestarts'
  const values = readOptions(name, COSINE_ANNEALING_WARM_RESTARTS, options)
  const { lr, t0, tMult, etaMin } = values
  return schedule(name, COSINE_ANNEALING_WARM_RESTARTS, values, (t) => {
    if (tMult === 1) return annealed([lr, etaMin], (t % t0) / t0)
    let [since, length] = [t, t0]
    while (since >= length) {
      since -= length
      length *= tMult
    }
    return annealed([lr, etaMin], since / length)
  })
}

/** Half a cosine wave from `high` at 0 to `low` at 1, and back at 2. */
export function annealed([high, low]: readonly [high: number, low: number], part: number): number {
  return low + ((high - low) * (1 + Math.cos(Math.PI * part))) / 2
}

export const INVERSE_SQRT = { warmupSteps: { kind: 'length' }, lr: LR } as const satisfies Args
/**
 * Options of {@link inverseSqrt}.
 * @interface
 */
export type InverseSqrtOptions = Options<typeof INVERSE_SQRT>

/**
 * η min((t + 1)/w, √(w/(t + 1))): linear up to η at the w-th step, t = w − 1, then the inverse square root. Vaswani et al.
 * 2017, eq. 3, with their step t + 1 and η = (d_model w)^−½. PyTorch has no such schedule. With w = 1 it is `squareRoot`.
 */
export function inverseSqrt(options: InverseSqrtOptions): Schedule {
  const values = readOptions('inverseSqrt', INVERSE_SQRT, options)
  const { lr, warmupSteps } = values
  return schedule('inverseSqrt', INVERSE_SQRT, values, (t) => {
    const step = t + 1
    return step < warmupSteps ? (lr * step) / warmupSteps : lr * Math.sqrt(warmupSteps / step)
  })
}
