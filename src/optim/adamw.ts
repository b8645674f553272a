// Adam with decoupled weight decay.
import { tooMany } from '../tensor/options.ts'
import { type AdamGroup, type AdamOptions, type AdamState, adamRule } from './adam.ts'
import { Optimizer, type Parameters } from './optimizer.ts'

/** Options of {@link AdamW}, as torch.optim.AdamW has them. */
export interface AdamWOptions extends AdamOptions {
  /** The share of a parameter, times the rate, that is taken off before the update; 0.01. */
  weightDecay?: number
}

/** Parameters that share their options. */
export type AdamWGroup = AdamGroup

/** The state of an AdamW: `state` holds `expAvg`, `expAvgSq` and, with amsgrad, `maxExpAvgSq`. */
export type AdamWState = AdamState

const rule = adamRule('optim.AdamW', true)

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019), as
 * torch.optim.AdamW computes it: θ ← θ (1 − lr · weightDecay) − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + eps). As in PyTorch,
 * t counts the steps of each parameter.
 */
export class AdamW extends Optimizer<AdamWGroup> {
  /** Throws TypeError or RangeError for options that torch.optim.AdamW refuses, and for a parameter that is listed twice. */
  constructor(params: Parameters<AdamWGroup>, options: AdamWOptions = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'optim.AdamW(params, options)')
    super(rule, params, options)
  }
}
