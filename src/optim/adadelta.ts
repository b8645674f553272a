// Adadelta: steps as long as those before, in the units of the parameters.
import { KernelFile } from '../gpu/kernel.ts'
import * as wgsl from '../kernels/generated/wgsl.ts'
import { tooMany } from '../tensor/options.ts'
import { checkOptions } from './check.ts'
import { Optimizer, type OptimizerState, type Parameters, type ParamGroup, type Rule } from './optimizer.ts'

/** Options of {@link Adadelta}, as torch.optim.Adadelta has them. */
export interface AdadeltaOptions {
  /** What the steps are multiplied by, 0 or more; 1 unless given. */
  lr?: number
  /** What both averages keep at every step, from 0 to 1; 0.9. */
  rho?: number
  /** Added to both averages under their roots; 1e-6. */
  eps?: number
  /** What is added to the gradient, times the parameter; 0. */
  weightDecay?: number
  /** Whether the objective is to rise; false. */
  maximize?: boolean
}

/** Parameters that share their options. */
export type AdadeltaGroup = ParamGroup & Required<AdadeltaOptions>

/** The state of an Adadelta: `state` holds `squareAvg` of the gradients and `accDelta` of the steps. */
export type AdadeltaState = OptimizerState<AdadeltaGroup>

export const adadeltaStep = new KernelFile('adadelta', wgsl.adadelta).entry('step')

const STEP = { name: 'Adadelta', kernel: adadeltaStep, state: ['squareAvg', 'accDelta'] } as const

const rule: Rule<AdadeltaGroup> = {
  name: 'optim.Adadelta',
  defaults: { lr: 1, rho: 0.9, eps: 1e-6, weightDecay: 0, maximize: false },
  states: STEP.state,
  initial: 0,
  countsSteps: false,

  check(group) {
    const amounts = ['lr', 'eps', 'weightDecay']
    checkOptions('optim.Adadelta', group, { flags: ['maximize'], amounts, shares: ['rho'] })
  },

  variant: () => STEP,

  settings: ({ lr, rho, eps, weightDecay, maximize }) => [lr, rho, 1 - rho, eps, weightDecay, maximize ? 1 : 0],
}

/**
 * Adadelta (Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012), as torch.optim.Adadelta computes it:
 * v ← ρ v + (1 − ρ) g², δ = √(u + eps) / √(v + eps) · g, u ← ρ u + (1 − ρ) δ², θ ← θ − lr · δ, where g has the weight decay
 * in it.
 */
export class Adadelta extends Optimizer<AdadeltaGroup> {
  /** Throws TypeError or RangeError for options that torch.optim.Adadelta refuses, and for a parameter that is listed twice. */
  constructor(params: Parameters<AdadeltaGroup>, options: AdadeltaOptions = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'optim.Adadelta(params, options)')
    super(rule, params, options)
  }
}
