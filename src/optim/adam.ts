// Adam: steps along the average gradient, divided by the root of the average square.
import { KernelFile } from '../gpu/kernel.ts'
import * as wgsl from '../kernels/generated/wgsl.ts'
import { tooMany } from '../tensor/options.ts'
import { checkBetas, checkOptions } from './check.ts'
import { Optimizer, type OptimizerState, type Parameters, type ParamGroup, type Rule } from './optimizer.ts'

/** Options of {@link Adam}, as torch.optim.Adam has them. */
export interface AdamOptions {
  /** Learning rate, 0 or more; 1e-3 unless given. */
  lr?: number
  /** What the averages of the gradient and of its square keep at every step, each 0 or more and below 1; [0.9, 0.999]. */
  betas?: readonly [number, number]
  /** Added to the root of the second average; 1e-8. */
  eps?: number
  /** What is added to the gradient, times the parameter; 0. */
  weightDecay?: number
  /** Whether the largest second average so far is used; false. */
  amsgrad?: boolean
  /** Whether the objective is to rise; false. */
  maximize?: boolean
}

/** Parameters that share their options. */
export type AdamGroup = ParamGroup & Required<AdamOptions>

/** The state of an Adam: `state` holds `expAvg`, `expAvgSq` and, with amsgrad, `maxExpAvgSq`. */
export type AdamState = OptimizerState<AdamGroup>

const file = new KernelFile('adam', wgsl.adam)

export const adamStep = file.entry('step')
export const adamStepAmsgrad = file.entry('step_amsgrad')

const PLAIN = { name: 'without amsgrad', kernel: adamStep, state: ['expAvg', 'expAvgSq'] } as const
const AMSGRAD = { name: 'with amsgrad', kernel: adamStepAmsgrad, state: ['expAvg', 'expAvgSq', 'maxExpAvgSq'] } as const

/** Adam's rule; where `decoupled`, weight decay shrinks the parameters and leaves the gradients alone. */
export function adamRule(name: string, decoupled: boolean): Rule<AdamGroup> {
  return {
    name,
    defaults: {
      lr: 1e-3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay: decoupled ? 0.01 : 0,
      amsgrad: false,
      maximize: false,
    },
    states: AMSGRAD.state,
    initial: 0,
    countsSteps: true,

    check(group) {
      checkOptions(name, group, { flags: ['amsgrad', 'maximize'], amounts: ['lr', 'eps', 'weightDecay'] })
      checkBetas(name, group.betas)
    },

    variant: ({ amsgrad }) => (amsgrad ? AMSGRAD : PLAIN),

    // The corrections are powers: float64 has them more exactly than a shader.
    settings({ lr, betas: [beta1, beta2], eps, weightDecay, maximize }, t) {
      const stepSize = lr / (1 - beta1 ** t)
      const root = Math.sqrt(1 - beta2 ** t)
      const [keep, decay] = decoupled ? [1 - lr * weightDecay, 0] : [1, weightDecay]
      return [stepSize, keep, 1 - beta1, beta2, 1 - beta2, eps, root, maximize ? 1 : 0, decay]
    },
  }
}

const rule = adamRule('optim.Adam', false)

/**
 * Adam (Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015), as torch.optim.Adam computes it:
 * θ ← θ − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + eps), where the gradient that m and v average has the weight decay in it;
 * AdamW has it apart. As in PyTorch, t counts the steps of each parameter.
 */
export class Adam extends Optimizer<AdamGroup> {
  /** Throws TypeError or RangeError for options that torch.optim.Adam refuses, and for a parameter that is listed twice. */
  constructor(params: Parameters<AdamGroup>, options: AdamOptions = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'optim.Adam(params, options)')
    super(rule, params, options)
  }
}
