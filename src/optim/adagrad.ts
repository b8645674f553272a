// Adagrad: steps divided by the root of the sum of all squared gradients.
import { KernelFile } from '../gpu/kernel.ts'
import * as wgsl from '../kernels/generated/wgsl.ts'
import { tooMany } from '../tensor/options.ts'
import { checkOptions } from './check.ts'
import { Optimizer, type OptimizerState, type Parameters, type ParamGroup, type Rule } from './optimizer.ts'

/** Options of {@link Adagrad}, as torch.optim.Adagrad has them. */
export interface AdagradOptions {
  /** Learning rate, 0 or more; 1e-2 unless given. */
  lr?: number
  /** By how much the rate falls: in step t it is lr / (1 + (t − 1) · lrDecay); 0. */
  lrDecay?: number
  weightDecay?: number
  /** What the sum of squares starts with; 0. */
  initialAccumulatorValue?: number
  /** Added to the root of the sum; 1e-10. */
  eps?: number
  /** Whether the objective is to rise; false. */
  maximize?: boolean
}

/** Parameters that share their options. */
export type AdagradGroup = ParamGroup & Required<AdagradOptions>

/** The state of an Adagrad: `state.sum` holds the sums of squares. */
export type AdagradState = OptimizerState<AdagradGroup>

export const adagradStep = new KernelFile('adagrad', wgsl.adagrad).entry('step')

const rule: Rule<AdagradGroup> = {
  name: 'optim.Adagrad',
  defaults: { lr: 1e-2, lrDecay: 0, weightDecay: 0, initialAccumulatorValue: 0, eps: 1e-10, maximize: false },
  states: ['sum'],
  initial: 0,
  countsSteps: true,

  check(group) {
    const amounts = ['lr', 'lrDecay', 'weightDecay', 'initialAccumulatorValue', 'eps']
    checkOptions('optim.Adagrad', group, { flags: ['maximize'], amounts })
  },

  variant: () => ({ name: 'Adagrad', kernel: adagradStep, state: ['sum'] }),

  settings({ lr, lrDecay, weightDecay, initialAccumulatorValue, eps, maximize }, t) {
    const first = t === 1 ? initialAccumulatorValue : 0
    return [lr / (1 + (t - 1) * lrDecay), weightDecay, first, eps, maximize ? 1 : 0]
  },
}

/**
 * Adagrad (Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", JMLR
 * 2011), as torch.optim.Adagrad computes it: s ← s + g², θ ← θ − lr / (1 + (t − 1) · lrDecay) · g / (√s + eps), where g has
 * the weight decay in it. As in PyTorch, t counts the steps of each parameter.
 */
export class Adagrad extends Optimizer<AdagradGroup> {
  /** Throws TypeError or RangeError for options that torch.optim.Adagrad refuses, and for a parameter that is listed twice. */
  constructor(params: Parameters<AdagradGroup>, options: AdagradOptions = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'optim.Adagrad(params, options)')
    super(rule, params, options)
  }
}
