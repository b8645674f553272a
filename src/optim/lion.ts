// Lion: steps of one length, along the sign of an average gradient.
import { KernelFile } from '../gpu/kernel.ts'
import * as wgsl from '../kernels/generated/wgsl.ts'
import { tooMany } from '../tensor/options.ts'
import { checkBetas, checkOptions } from './check.ts'
import { Optimizer, type OptimizerState, type Parameters, type ParamGroup, type Rule } from './optimizer.ts'

/** Options of {@link Lion}. */
export interface LionOptions {
  /** Learning rate, 0 or more, which is the length of every element's step; 1e-4 unless given. */
  lr?: number
  /** What the average keeps for the step, and what it keeps for the steps to come, each 0 or more and below 1; [0.9, 0.99]. */
  betas?: readonly [number, number]
  /** The share of a parameter, times the rate, that is taken off before the update; 0. */
  weightDecay?: number
}

/** Parameters that share their options. */
export type LionGroup = ParamGroup & Required<LionOptions>

/** The state of a Lion: `state.expAvg` holds the average gradients. */
export type LionState = OptimizerState<LionGroup>

export const lionStep = new KernelFile('lion', wgsl.lion).entry('step')

const STEP = { name: 'Lion', kernel: lionStep, state: ['expAvg'] } as const

const rule: Rule<LionGroup> = {
  name: 'optim.Lion',
  defaults: { lr: 1e-4, betas: [0.9, 0.99], weightDecay: 0 },
  states: STEP.state,
  initial: 0,
  countsSteps: false,

  check(group) {
    checkOptions('optim.Lion', group, { amounts: ['lr', 'weightDecay'] })
    checkBetas('optim.Lion', group.betas)
  },

  variant: () => STEP,

  settings: ({ lr, betas: [beta1, beta2], weightDecay }) => [lr, 1 - lr * weightDecay, 1 - beta1, 1 - beta2],
}

/**
 * Lion (Chen et al., "Symbolic Discovery of Optimization Algorithms", NeurIPS 2023, algorithm 2), as its authors' code
 * computes it: θ ← θ (1 − lr · weightDecay) − lr · sign(β₁ m + (1 − β₁) g), m ← β₂ m + (1 − β₂) g. The sign of 0 is 0. Its
 * rates are a third to a tenth of AdamW's, its weight decay as many times larger.
 */
export class Lion extends Optimizer<LionGroup> {
  /** Throws TypeError or RangeError for options that do not fit, and for a parameter that is listed twice. */
  constructor(params: Parameters<LionGroup>, options: LionOptions = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'optim.Lion(params, options)')
    super(rule, params, options)
  }
}
