// The updates of optimizers as their sources define them, with the roundings that the shaders may make.
import type { optim } from '../../src/node/index.ts'
import { gamma } from '../support/close.ts'
import {
  type Approx,
  atLeast0,
  constant,
  exactly,
  larger,
  minus,
  negate,
  over,
  plus,
  root,
  signOf,
  times,
  ZERO,
} from '../support/running_error.ts'
import type { Element, ElementRule, TensorRule } from './torch_cases.ts'

const one = (gradient: Approx, p: Approx, { maximize, weightDecay }: { maximize: boolean; weightDecay: number }) => {
  const g = maximize ? negate(gradient) : gradient
  return weightDecay === 0 ? g : plus(g, times(constant(weightDecay), p))
}

/** keep · before + (1 − keep) · value² */
const squares = (keep: number, before: Approx, value: Approx) =>
  plus(times(constant(keep), before), times(times(constant(1 - keep), value), value))
/** before + take · (value − before) */
const towards = (take: number, before: Approx, value: Approx) =>
  plus(before, times(constant(take), minus(value, before)))

export const adam: ElementRule = (element, gradient, options, t) => {
  const given = options as unknown as Required<optim.AdamOptions>
  const { lr, betas, eps, amsgrad } = given
  const { exp_avg = ZERO, exp_avg_sq = ZERO, max_exp_avg_sq = ZERO } = element.state
  const g = one(gradient, element.p, given)
  const mean = towards(1 - betas[0], exp_avg, g)
  const square = squares(betas[1], exp_avg_sq, g)
  const largest = amsgrad ? larger(max_exp_avg_sq, square) : square
  const divisor = plus(over(root(largest), constant(Math.sqrt(1 - betas[1] ** t))), constant(eps))
  element.p = minus(element.p, times(constant(lr / (1 - betas[0] ** t)), over(mean, divisor)))
  element.state = { exp_avg: mean, exp_avg_sq: square, ...(amsgrad && { max_exp_avg_sq: largest }) }
}

export const rmsprop: ElementRule = (element, gradient, options) => {
  const given = options as unknown as Required<optim.RMSpropOptions>
  const { lr, alpha, eps, momentum, centered } = given
  const { square_avg = ZERO, grad_avg = ZERO, momentum_buffer = ZERO } = element.state
  const g = one(gradient, element.p, given)
  const square = squares(alpha, square_avg, g)
  const mean = towards(1 - alpha, grad_avg, g)
  const variance = centered ? atLeast0(minus(square, times(mean, mean))) : square
  const step = over(g, plus(root(variance), constant(eps)))
  const buffer = momentum > 0 ? plus(times(constant(momentum), momentum_buffer), step) : step
  element.p = minus(element.p, times(constant(lr), buffer))
  element.state = {
    square_avg: square,
    ...(centered && { grad_avg: mean }),
    ...(momentum > 0 && { momentum_buffer: buffer }),
  }
}

export const adadelta: ElementRule = (element, gradient, options) => {
  const given = options as unknown as Required<optim.AdadeltaOptions>
  const { lr, rho, eps } = given
  const { square_avg = ZERO, acc_delta = ZERO } = element.state
  const g = one(gradient, element.p, given)
  const square = squares(rho, square_avg, g)
  const rootOf = (x: Approx) => root(plus(x, constant(eps)))
  const delta = times(over(rootOf(acc_delta), rootOf(square)), g)
  element.p = minus(element.p, times(constant(lr), delta))
  element.state = { square_avg: square, acc_delta: squares(rho, acc_delta, delta) }
}

export const lion: ElementRule = (element, gradient, options) => {
  const { lr, betas, weightDecay } = options as unknown as Required<optim.LionOptions>
  const { exp_avg = ZERO } = element.state
  const sign = signOf(towards(1 - betas[0], exp_avg, gradient))
  element.p = minus(times(element.p, constant(1 - lr * weightDecay)), times(constant(lr), sign))
  element.state = { exp_avg: towards(1 - betas[1], exp_avg, gradient) }
}

/** What moves y and z at the last of the rates: η and c, from those of all steps. */
function progress(
  options: Record<string, unknown>,
  correctionAt: (t: number) => number,
): { rate: number; share: number } {
  const { rates, warmupSteps, r, weightLrPower } = options as Record<string, number> & { rates: readonly number[] }
  let [sum, largest, rate, share] = [0, 0, 0, 0]
  for (const [k, lr] of rates.entries()) {
    rate = lr * (k < warmupSteps! ? (k + 1) / warmupSteps! : 1) * correctionAt(k + 1)
    largest = Math.max(largest, rate)
    const weight = (k + 1) ** r! * largest ** weightLrPower!
    sum += weight
    share = sum === 0 ? 0 : weight / sum
  }
  return { rate, share }
}

/** Moves y and z along a direction, and finds x between them. */
function move(
  element: Element,
  direction: Approx,
  { rate, share, beta, weightDecay }: { rate: number; share: number; beta: number; weightDecay: number },
): void {
  const y = element.p
  const { z = y } = element.state
  const d = weightDecay === 0 ? direction : plus(direction, times(constant(weightDecay), y))
  const pull = times(constant(rate * (beta * (1 - share) - 1)), d)
  element.p = plus(plus(y, times(constant(share), minus(z, y))), pull)
  element.state.z = minus(z, times(constant(rate), d))
  element.state.x = towards(1 - 1 / beta, element.p, element.state.z)
}

export const scheduleFreeSGD: ElementRule = (element, gradient, options) => {
  const { momentum, weightDecay } = options as unknown as Required<optim.ScheduleFreeSGDOptions>
  move(element, gradient, { ...progress(options, () => 1), beta: momentum, weightDecay })
}

export const scheduleFreeAdamW: ElementRule = (element, gradient, options) => {
  const { betas, eps, weightDecay } = options as unknown as Required<optim.ScheduleFreeAdamWOptions>
  const square = squares(betas[1], element.state.exp_avg_sq ?? ZERO, gradient)
  const direction = over(gradient, plus(root(square), constant(eps)))
  const now = progress(options, (t) => Math.sqrt(1 - betas[1] ** t))
  element.state.exp_avg_sq = square
  move(element, direction, { ...now, beta: betas[0], weightDecay })
}

/** √Σx²: a thread adds up 16 squares, 64 threads make the sum of a row of 1024, and 64 threads that of all rows. */
function norm(all: readonly Approx[]): Approx {
  let sum = { value: 0, error: 0 }
  for (const x of all) {
    const square = times(x, x)
    sum = { value: sum.value + square.value, error: sum.error + square.error }
  }
  const additions = 16 + 64 + Math.ceil(all.length / 1024 / 64) + 64
  return root({ value: sum.value, error: sum.error + gamma(additions) * (sum.value + sum.error) })
}

export const lars: TensorRule = (elements, gradients, options) => {
  const { lr, momentum, dampening, weightDecay, nesterov, trustCoefficient, eps } =
    options as unknown as Required<optim.LARSOptions>
  const [ofP, ofG] = [norm(elements.map(({ p }) => p)), norm(gradients)]
  const divisor = plus(plus(ofG, times(constant(weightDecay), ofP)), constant(eps))
  const isZero = ofP.value === 0 || ofG.value === 0
  const local = isZero ? exactly(1) : over(times(constant(trustCoefficient), ofP), divisor)
  for (const [i, element] of elements.entries()) {
    const g = weightDecay === 0 ? gradients[i]! : plus(gradients[i]!, times(constant(weightDecay), element.p))
    const d = times(local, g)
    let step = d
    if (momentum > 0) {
      const before = element.state.momentum_buffer
      const b = before ? plus(times(constant(momentum), before), times(constant(1 - dampening), d)) : d
      element.state.momentum_buffer = b
      step = nesterov ? plus(d, times(constant(momentum), b)) : b
    }
    element.p = minus(element.p, times(constant(lr), step))
  }
}

export const lamb: TensorRule = (elements, gradients, options, t) => {
  const { lr, betas, eps, weightDecay } = options as unknown as Required<optim.LAMBOptions>
  const directions = elements.map((element, i) => {
    const { exp_avg = ZERO, exp_avg_sq = ZERO } = element.state
    const mean = towards(1 - betas[0], exp_avg, gradients[i]!)
    const square = squares(betas[1], exp_avg_sq, gradients[i]!)
    element.state = { exp_avg: mean, exp_avg_sq: square }
    const divisor = plus(over(root(square), constant(Math.sqrt(1 - betas[1] ** t))), constant(eps))
    const corrected = over(times(constant(1 / (1 - betas[0] ** t)), mean), divisor)
    return plus(corrected, times(constant(weightDecay), element.p))
  })
  const [ofP, ofD] = [norm(elements.map(({ p }) => p)), norm(directions)]
  const ratio = ofP.value === 0 || ofD.value === 0 ? exactly(1) : over(ofP, ofD)
  const rate = times(constant(lr), ratio)
  for (const [i, element] of elements.entries()) element.p = minus(element.p, times(rate, directions[i]!))
}

type Matrix = readonly (readonly Approx[])[]
const transposed = (a: Matrix): Matrix => a[0]!.map((_, j) => a.map((row) => row[j]!))

/** a · bᵀ, each sum in whatever order. */
function product(a: Matrix, b: Matrix): Matrix {
  const sum = (x: readonly Approx[], y: readonly Approx[]) => {
    const terms = x.map((value, k) => times(value, y[k]!))
    const size = terms.reduce((all, { value, error }) => all + Math.abs(value) + error, 0)
    const error = terms.reduce((all, term) => all + term.error, gamma(terms.length) * size)
    return { value: terms.reduce((all, { value }) => all + value, 0), error }
  }
  return a.map((row) => b.map((other) => sum(row, other)))
}

/** √Σerror²: what bounds each error, and does not grow when a matrix is turned. */
const errorOf = (all: readonly Approx[]) => Math.sqrt(all.reduce((sum, { error }) => sum + error ** 2, 0))

/**
 * The most that one iteration enlarges √Σerror². For a polynomial q of the singular values that is the largest |q′| over
 * them, which are at most 1.2025 where they are exact, the largest value of q from 0 to there. q′ is 3.4445 at 0, −1.61 where
 * it is least, and increases from there on.
 */
function growth(error: number): number {
  const largest = (1.2025 + error) ** 2
  return Math.max(3.4445, 3.4445 - 3 * 4.775 * largest + 5 * 2.0315 * largest ** 2)
}

export const muon: TensorRule = (elements, gradients, options, _, [rows = 1, columns = 1]) => {
  const { lr, momentum, nesterov, weightDecay } = options as unknown as Required<optim.MuonOptions>
  const u = elements.map((element, i) => {
    const buffer = towards(1 - momentum, element.state.momentum_buffer ?? ZERO, gradients[i]!)
    element.state.momentum_buffer = buffer
    return nesterov ? towards(momentum, gradients[i]!, buffer) : buffer
  })
  const divisor = plus(norm(u), constant(1e-7))
  const start = u.map((value) => over(value, divisor))
  let error = errorOf(start)
  const wide = Array.from({ length: rows }, (_, i) => start.slice(i * columns, (i + 1) * columns))
  const isTall = rows > columns
  const exact = (matrix: Matrix) => matrix.map((row) => row.map(({ value }) => exactly(value)))
  let x = exact(isTall ? transposed(wide) : wide)
  const scale = Math.sqrt(Math.max(1, rows / columns))
  for (let i = 0; i < 5; i++) {
    const [a, b, c] = [3.4445, -4.775, 2.0315].map((each) => constant(i === 4 ? scale * each : each))
    const inner = product(x, x)
    const y = product(inner, transposed(x))
    const z = product(inner, transposed(y))
    const next = x.map((row, r) =>
      row.map((value, k) => plus(plus(times(a!, value), times(b!, y[r]![k]!)), times(c!, z[r]![k]!))),
    )
    error = (i === 4 ? scale : 1) * growth(error) * error + errorOf(next.flat()) // this iteration's own roundings
    x = exact(next)
  }
  const steps = (isTall ? transposed(x) : x).flat().map(({ value }) => ({ value, error }))
  for (const [i, element] of elements.entries()) {
    const kept = times(constant(1 - lr * weightDecay), element.p)
    element.p = minus(kept, times(constant(lr), steps[i]!))
  }
}
