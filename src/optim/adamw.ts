// Adam with decoupled weight decay.
import { KernelFile } from '../gpu/kernel.ts'
import * as wgsl from '../kernels/generated/wgsl.ts'
import { checkOptions } from './check.ts'
import { Optimizer, type OptimizerState, type Parameters, type ParamGroup, type Rule } from './optimizer.ts'

/** Options of {@link AdamW}, as torch.optim.AdamW has them. */
export interface AdamWOptions {
  /** Learning rate, 0 or more; 1e-3 unless given. */
  lr?: number
  /** What the averages of the gradient and of its square keep at every step, each 0 or more and below 1; [0.9, 0.999]. */
  betas?: readonly [number, number]
  /** Added to the root of the second average; 1e-8. */
  eps?: number
  /** The share of a parameter, times the rate, that is taken off before the update; 0.01. */
  weightDecay?: number
  /** Whether the largest second average so far is used; false. */
  amsgrad?: boolean
  /** Whether the objective is to rise; false. */
  maximize?: boolean
}

/** Parameters that share their options. */
export type AdamWGroup = ParamGroup & Required<AdamWOptions>

/** The state of an AdamW: `state` holds `expAvg`, `expAvgSq` and, with amsgrad, `maxExpAvgSq`. */
export type AdamWState = OptimizerState<AdamWGroup>

const file = new KernelFile('adam', wgsl.adam)

export const adamStep = file.entry('step')
export const adamStepAmsgrad = file.entry('step_amsgrad')

const PLAIN = { name: 'without amsgrad', kernel: adamStep, state: ['expAvg', 'expAvgSq'] } as const
const AMSGRAD = { name: 'with amsgrad', kernel: adamStepAmsgrad, state: ['expAvg', 'expAvgSq', 'maxExpAvgSq'] } as const

const rule: Rule<AdamWGroup> = {
  name: 'optim.AdamW',
  defaults: { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.01, amsgrad: false, maximize: false },
  states: AMSGRAD.state,
  initial: 0,
  countsSteps: true,

  check(group) {
    checkOptions('optim.AdamW', group, { flags: ['amsgrad', 'maximize'], amounts: ['lr', 'eps', 'weightDecay'] })
    const { betas } = group
    const isBeta = (beta: unknown) => typeof beta === 'number' && beta >= 0 && beta < 1
    if (Array.isArray(betas) && betas.length === 2 && betas.every(isBeta)) return
    throw new RangeError(`optim.AdamW: betas must be two numbers, each 0 or more and below 1, not ${String(betas)}`)
  },

  variant: ({ amsgrad }) => (amsgrad ? AMSGRAD : PLAIN),

  // The corrections are powers: float64 has them more exactly than a shader.
  settings({ lr, betas: [beta1, beta2], eps, weightDecay, maximize }, t) {
    const stepSize = lr / (1 - beta1 ** t)
    const root = Math.sqrt(1 - beta2 ** t)
    return [stepSize, 1 - lr * weightDecay, 1 - beta1, beta2, 1 - beta2, eps, root, maximize ? 1 : 0]
  },
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019), as
 * torch.optim.AdamW computes it: θ ← θ (1 − lr · weightDecay) − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + eps). As in PyTorch,
 * t counts the steps of each parameter.
 */
export class AdamW extends Optimizer<AdamWGroup> {
  /** Throws TypeError or RangeError for options that torch.optim.AdamW refuses, and for a parameter that is listed twice. */
  constructor(params: Parameters<AdamWGroup>, options: AdamWOptions = {}) {
    super(rule, params, options)
  }
}
