// LAMB: Adam whose step for each parameter is as long as a share of its norm.
import { emitLamb, lambStep } from '../kernels/layer_wise.ts'
import { tooMany } from '../tensor/options.ts'
import { checkBetas, checkOptions } from './check.ts'
import {
  Optimizer,
  type OptimizerState,
  type Parameters,
  type ParamGroup,
  type Rule,
  type Variant,
} from './optimizer.ts'

/** Options of {@link LAMB}. */
export interface LAMBOptions {
  /** Learning rate, 0 or more; 1e-3 unless given. */
  lr?: number
  /** What the averages of the gradient and of its square keep at every step, each 0 or more and below 1; [0.9, 0.999]. */
  betas?: readonly [number, number]
  /** Added to the root of the second average; 1e-6. */
  eps?: number
  /** λ: what is added to the direction, times the parameter; 0.01. */
  weightDecay?: number
}

/** Parameters that share their options. */
export type LAMBGroup = ParamGroup & Required<LAMBOptions>

/** The state of a LAMB: `state` holds `expAvg` and `expAvgSq`. */
export type LAMBState = OptimizerState<LAMBGroup>

const STEP: Variant = { name: 'LAMB', kernel: lambStep, state: ['expAvg', 'expAvgSq'], emit: emitLamb }

const rule: Rule<LAMBGroup> = {
  name: 'optim.LAMB',
  defaults: { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-6, weightDecay: 0.01 },
  states: STEP.state,
  initial: 0,
  countsSteps: true,

  check(group) {
    checkOptions('optim.LAMB', group, { amounts: ['lr', 'eps', 'weightDecay'] })
    checkBetas('optim.LAMB', group.betas)
  },

  variant: () => STEP,

  // The corrections are powers: float64 has them more exactly than a shader.
  settings({ lr, betas: [beta1, beta2], eps, weightDecay }, t) {
    const root = Math.sqrt(1 - beta2 ** t)
    return [lr, 1 - beta1, beta2, 1 - beta2, eps, weightDecay, 1 / (1 - beta1 ** t), root]
  },
}

/**
 * LAMB (You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", ICLR 2020, algorithm 2):
 * d = m̂ / (√v̂ + eps) + λ θ with Adam's averages, corrected for their start at 0, and θ ← θ − lr · ‖θ‖ / ‖d‖ · d, each
 * parameter with its own norms; the paper's φ is the identity. Where ‖θ‖ or ‖d‖ is 0, their quotient counts as 1. t counts the
 * steps of each parameter. A step takes three dispatches.
 */
export class LAMB extends Optimizer<LAMBGroup> {
  /** Throws TypeError or RangeError for options that do not fit, and for a parameter that is listed twice. */
  constructor(params: Parameters<LAMBGroup>, options: LAMBOptions = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'optim.LAMB(params, options)')
    super(rule, params, options)
  }
}
