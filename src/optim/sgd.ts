// Stochastic gradient descent.
import { KernelFile } from '../gpu/kernel.ts'
import * as wgsl from '../kernels/generated/wgsl.ts'
import { UNSET } from '../kernels/update.ts'
import { shown, tooMany } from '../tensor/options.ts'
import { checkNesterov, checkOptions } from './check.ts'
import { Optimizer, type OptimizerState, type Parameters, type ParamGroup, type Rule } from './optimizer.ts'

/** Options of {@link SGD}, as torch.optim.SGD has them; all except the rate are 0 or false unless given. */
export interface SGDOptions {
  /** Learning rate, 0 or more. */
  lr: number
  momentum?: number
  dampening?: number
  weightDecay?: number
  nesterov?: boolean
  maximize?: boolean
}

/** Parameters that share their options. */
export type SGDGroup = ParamGroup & Required<SGDOptions>

/** The state of an SGD: `state.momentum` holds the momentum buffers. */
export type SGDState = OptimizerState<SGDGroup>

const file = new KernelFile('sgd', wgsl.sgd)

export const sgdStep = file.entry('step')
export const sgdStepMomentum = file.entry('step_momentum')

const PLAIN = { name: 'without momentum', kernel: sgdStep, state: [] } as const
const MOMENTUM = { name: 'with momentum', kernel: sgdStepMomentum, state: ['momentum'] } as const

const rule: Rule<SGDGroup> = {
  name: 'optim.SGD',
  defaults: { lr: undefined, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false },
  states: ['momentum'],
  initial: UNSET,
  countsSteps: false,

  check(group) {
    checkOptions('optim.SGD', group, { flags: ['nesterov', 'maximize'], amounts: ['lr', 'momentum', 'weightDecay'] })
    const { dampening } = group
    if (!Number.isFinite(dampening))
      throw new RangeError(`optim.SGD: dampening must be a number, not ${shown(dampening)}`)
    checkNesterov('optim.SGD', group)
  },

  variant: ({ momentum }) => (momentum === 0 ? PLAIN : MOMENTUM),

  settings({ lr, momentum, dampening, weightDecay, nesterov, maximize }) {
    return [lr, momentum, dampening, weightDecay, nesterov ? 1 : 0, maximize ? 1 : 0]
  },
}

/**
 * Stochastic gradient descent as torch.optim.SGD defines it, with momentum, dampening, weight decay, Nesterov momentum
 * and groups. The first step with momentum starts its buffer with the gradient itself.
 */
export class SGD extends Optimizer<SGDGroup> {
  /** Throws TypeError or RangeError for options that torch.optim.SGD refuses, and for a parameter that is listed twice. */
  constructor(params: Parameters<SGDGroup>, options: Partial<SGDOptions> = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'optim.SGD(params, options)')
    super(rule, params, options)
  }
}

/** Plain steps, for rules that are made of them. */
export const plainRule = { settings: rule.settings, variant: () => PLAIN, initial: rule.initial }
