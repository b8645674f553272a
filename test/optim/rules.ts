// The updates of optimizers as their sources define them, with the roundings that the shaders may make.
import type { optim } from '../../src/node/index.ts'
import {
  type Approx,
  atLeast0,
  constant,
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
import type { Element, ElementRule } from './torch_cases.ts'

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
