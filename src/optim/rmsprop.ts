// RMSprop: steps divided by the root of a running average of squared gradients.
import { KernelFile } from '../gpu/kernel.ts'
import * as wgsl from '../kernels/generated/wgsl.ts'
import { tooMany } from '../tensor/options.ts'
import { checkOptions } from './check.ts'
import {
  Optimizer,
  type OptimizerState,
  type Parameters,
  type ParamGroup,
  type Rule,
  type Variant,
} from './optimizer.ts'

/** Options of {@link RMSprop}, as torch.optim.RMSprop has them. */
export interface RMSpropOptions {
  /** Learning rate, 0 or more; 1e-2 unless given. */
  lr?: number
  /** What the average of the squares keeps at every step, from 0 to 1; 0.99. */
  alpha?: number
  /** Added to the root of the average; 1e-8. */
  eps?: number
  /** What is added to the gradient, times the parameter; 0. */
  weightDecay?: number
  /** What is kept of the steps before; 0. */
  momentum?: number
  /** Whether the variance of the gradient is used in place of its mean square; false. */
  centered?: boolean
  /** Whether the objective is to rise; false. */
  maximize?: boolean
}

/** Parameters that share their options. */
export type RMSpropGroup = ParamGroup & Required<RMSpropOptions>

/** The state of an RMSprop: `state` holds `squareAvg`, `gradAvg` if centered, and `momentumBuffer` with momentum. */
export type RMSpropState = OptimizerState<RMSpropGroup>

const file = new KernelFile('rmsprop', wgsl.rmsprop)

export const rmspropStep = file.entry('step')

const [AVERAGE, CENTRE, MOMENTUM] = ['squareAvg', 'gradAvg', 'momentumBuffer'] as const

/** By whether there is momentum, then by whether it is centered. */
const VARIANTS: readonly (readonly [Variant, Variant])[] = [
  [
    { name: 'without momentum', kernel: rmspropStep, state: [AVERAGE] },
    { name: 'centered without momentum', kernel: file.entry('step_centered'), state: [AVERAGE, CENTRE] },
  ],
  [
    { name: 'with momentum', kernel: file.entry('step_momentum'), state: [AVERAGE, MOMENTUM] },
    {
      name: 'centered with momentum',
      kernel: file.entry('step_centered_momentum'),
      state: [AVERAGE, CENTRE, MOMENTUM],
    },
  ],
]

const rule: Rule<RMSpropGroup> = {
  name: 'optim.RMSprop',
  defaults: { lr: 1e-2, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false, maximize: false },
  states: [AVERAGE, CENTRE, MOMENTUM],
  initial: 0,
  countsSteps: false,

  check(group) {
    checkOptions('optim.RMSprop', group, {
      flags: ['centered', 'maximize'],
      amounts: ['lr', 'eps', 'weightDecay', 'momentum'],
      shares: ['alpha'],
    })
  },

  variant: ({ momentum, centered }) => VARIANTS[momentum === 0 ? 0 : 1]![centered ? 1 : 0],

  settings({ lr, alpha, eps, weightDecay, momentum, maximize }) {
    return [lr, alpha, 1 - alpha, eps, weightDecay, momentum, maximize ? 1 : 0]
  },
}

/**
 * RMSprop (Tieleman and Hinton, lecture 6.5 of "Neural Networks for Machine Learning", 2012), as torch.optim.RMSprop computes
 * it: v ← α v + (1 − α) g², θ ← θ − lr · g / (√v + eps), where g has the weight decay in it. Centered, v is less the square of
 * the average gradient; with momentum the quotient is added to what is kept of those before. Where rounding makes a variance
 * negative it is taken as 0; PyTorch's is NaN there.
 */
export class RMSprop extends Optimizer<RMSpropGroup> {
  /** Throws TypeError or RangeError for options that do not fit, and for a parameter that is listed twice. */
  constructor(params: Parameters<RMSpropGroup>, options: RMSpropOptions = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'optim.RMSprop(params, options)')
    super(rule, params, options)
  }
}
