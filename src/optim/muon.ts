// Muon: steps along the orthogonalized momentum of matrices.
import { emitMuon, muonStep } from '../kernels/muon.ts'
import { tooMany } from '../tensor/options.ts'
import { Tensor } from '../tensor/tensor.ts'
import { checkOptions } from './check.ts'
import {
  Optimizer,
  type OptimizerState,
  type Parameters,
  type ParamGroup,
  type Rule,
  type Variant,
} from './optimizer.ts'

/** Options of {@link Muon}. */
export interface MuonOptions {
  /** Learning rate, 0 or more: about the size of a step's singular values; 0.02 unless given. */
  lr?: number
  /** What the average of the gradients keeps at every step, from 0 to 1; 0.95. */
  momentum?: number
  /** Whether the step looks ahead by the momentum; true. */
  nesterov?: boolean
  /** The share of a parameter, times the rate, that is taken off before the update; 0. */
  weightDecay?: number
}

/** Parameters that share their options. */
export type MuonGroup = ParamGroup & Required<MuonOptions>

/** The state of a Muon: `state.momentumBuffer` holds the average gradients. */
export type MuonState = OptimizerState<MuonGroup>

const STEP: Variant = { name: 'Muon', kernel: muonStep, state: ['momentumBuffer'], emit: emitMuon }

const rule: Rule<MuonGroup> = {
  name: 'optim.Muon',
  defaults: { lr: 0.02, momentum: 0.95, nesterov: true, weightDecay: 0 },
  states: STEP.state,
  initial: 0,
  countsSteps: false,

  check(group) {
    checkOptions('optim.Muon', group, { flags: ['nesterov'], amounts: ['lr', 'weightDecay'], shares: ['momentum'] })
    for (const p of group.params) {
      if (!(p instanceof Tensor) || p.shape.length === 2) continue
      throw new TypeError(`optim.Muon: ${p.label} is not a matrix; give it to another optimizer, such as optim.AdamW`)
    }
  },

  variant: () => STEP,

  settings: ({ lr, momentum, nesterov, weightDecay }) => {
    return [lr, 1 - lr * weightDecay, momentum, 1 - momentum, nesterov ? 1 : 0]
  },
}

/**
 * Muon (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024), as its authors' code computes it,
 * in float32: b ← momentum · b + (1 − momentum) g, u = b or, with nesterov, momentum · b + (1 − momentum) g, and
 * θ ← θ (1 − lr · weightDecay) − lr · √max(1, rows / columns) · O(u). O brings the singular values of u near 1 (0.7 … 1.2) by
 * five steps of a Newton–Schulz iteration, of three matrix products each.
 *
 * For the weights of hidden linear layers alone; biases, embeddings, the last layer and other parameters need an optimizer
 * besides, such as AdamW, which is stepped after the same `backward()`.
 */
export class Muon extends Optimizer<MuonGroup> {
  /** Throws TypeError or RangeError for options that do not fit, a parameter that is not a matrix or is listed twice. */
  constructor(params: Parameters<MuonGroup>, options: MuonOptions = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'optim.Muon(params, options)')
    super(rule, params, options)
  }
}
