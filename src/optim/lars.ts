// LARS: SGD whose rate for each parameter is in proportion to its norm over that of its gradient.
import { emitLars, larsStep, larsStepMomentum } from '../kernels/layer_wise.ts'
import { UNSET } from '../kernels/update.ts'
import { tooMany } from '../tensor/options.ts'
import { checkNesterov, checkOptions } from './check.ts'
import {
  Optimizer,
  type OptimizerState,
  type Parameters,
  type ParamGroup,
  type Rule,
  type Variant,
} from './optimizer.ts'

/** Options of {@link LARS}; all except the rate have a default. */
export interface LARSOptions {
  /** Learning rate, 0 or more, by which every local rate is multiplied. */
  lr: number
  /** What is kept of the steps before; 0. */
  momentum?: number
  /** What is taken off a step as it comes into the momentum; 0. */
  dampening?: number
  /** λ: what is added to the gradient, times the parameter; 0. */
  weightDecay?: number
  /** Whether the step looks ahead by the momentum; false. */
  nesterov?: boolean
  /** η: how far a parameter may move, as a part of its norm; 0.001. */
  trustCoefficient?: number
  /** Added to the divisor of the local rate; 1e-8. */
  eps?: number
}

/** Parameters that share their options. */
export type LARSGroup = ParamGroup & Required<LARSOptions>

/** The state of a LARS: `state.momentumBuffer` holds the momentum buffers. */
export type LARSState = OptimizerState<LARSGroup>

const PLAIN: Variant = { name: 'without momentum', kernel: larsStep, state: [], emit: emitLars(larsStep) }
const MOMENTUM: Variant = {
  name: 'with momentum',
  kernel: larsStepMomentum,
  state: ['momentumBuffer'],
  emit: emitLars(larsStepMomentum),
}

const rule: Rule<LARSGroup> = {
  name: 'optim.LARS',
  defaults: {
    lr: undefined,
    momentum: 0,
    dampening: 0,
    weightDecay: 0,
    nesterov: false,
    trustCoefficient: 0.001,
    eps: 1e-8,
  },
  states: MOMENTUM.state,
  initial: UNSET,
  countsSteps: false,

  check(group) {
    const amounts = ['lr', 'momentum', 'weightDecay', 'trustCoefficient', 'eps']
    checkOptions('optim.LARS', group, { flags: ['nesterov'], amounts, shares: ['dampening'] })
    checkNesterov('optim.LARS', group)
  },

  variant: ({ momentum }) => (momentum === 0 ? PLAIN : MOMENTUM),

  settings({ lr, momentum, dampening, weightDecay, nesterov, trustCoefficient, eps }) {
    return [lr, momentum, 1 - dampening, weightDecay, nesterov ? 1 : 0, trustCoefficient, eps, 0]
  },
}

/**
 * Layer-wise adaptive rate scaling (You, Gitman and Ginsburg, "Large Batch Training of Convolutional Networks", 2017): SGD
 * along d = η ‖θ‖ / (‖g‖ + λ ‖θ‖ + eps) · (g + λ θ), each parameter with its own norms, b ← momentum · b + (1 − dampening) d,
 * θ ← θ − lr · b. The rate is outside of the buffer, as in PyTorch's SGD; the paper has it inside, which differs where the
 * rate changes. Where ‖θ‖ or ‖g‖ is 0, the local rate is 1.
 *
 * The paper leaves biases and the parameters of normalization to plain SGD: give them to another optimizer. A step takes three
 * dispatches.
 */
export class LARS extends Optimizer<LARSGroup> {
  /** Throws TypeError or RangeError for options that do not fit, and for a parameter that is listed twice. */
  constructor(params: Parameters<LARSGroup>, options: Partial<LARSOptions> = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'optim.LARS(params, options)')
    super(rule, params, options)
  }
}
