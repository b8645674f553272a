// Losses as objects, which hold their options: `new MSELoss().forward(input, target)`.
import {
  type CrossEntropyOptions,
  crossEntropy,
  type NLLLossOptions,
  nllLoss,
  readCrossEntropy,
  readNLL,
} from '../kernels/class_losses.ts'
import type { Labels } from '../kernels/labels.ts'
import {
  type BCELossOptions,
  type BCEWithLogitsLossOptions,
  bceLoss,
  bceWithLogitsLoss,
  type HuberLossOptions,
  huberLoss,
  type KLDivLossOptions,
  klDivLoss,
  type LossOptions,
  l1Loss,
  mseLoss,
  readBCE,
  readBCEWithLogits,
  readHuber,
  readKLDiv,
  readLoss,
  readSmoothL1,
  type SmoothL1LossOptions,
  smoothL1Loss,
} from '../kernels/losses.ts'
import { tooMany } from '../tensor/options.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** mseLoss as an object. */
export class MSELoss {
  readonly #options: LossOptions

  constructor(options: LossOptions = {}) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.MSELoss(options)')
    this.#options = readLoss('nn.MSELoss', options)
  }

  /** The loss of an input for a target of the same shape. */
  forward(input: Tensor, target: Tensor): Tensor {
    return mseLoss(input, target, this.#options)
  }
}

/** l1Loss as an object. */
export class L1Loss {
  readonly #options: LossOptions

  constructor(options: LossOptions = {}) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.L1Loss(options)')
    this.#options = readLoss('nn.L1Loss', options)
  }

  /** The loss of an input for a target of the same shape. */
  forward(input: Tensor, target: Tensor): Tensor {
    return l1Loss(input, target, this.#options)
  }
}

/** smoothL1Loss as an object. */
export class SmoothL1Loss {
  readonly #options: SmoothL1LossOptions

  constructor(options: SmoothL1LossOptions = {}) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.SmoothL1Loss(options)')
    this.#options = readSmoothL1('nn.SmoothL1Loss', options)
  }

  /** The loss of an input for a target of the same shape. */
  forward(input: Tensor, target: Tensor): Tensor {
    return smoothL1Loss(input, target, this.#options)
  }
}

/** huberLoss as an object. */
export class HuberLoss {
  readonly #options: HuberLossOptions

  constructor(options: HuberLossOptions = {}) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.HuberLoss(options)')
    this.#options = readHuber('nn.HuberLoss', options)
  }

  /** The loss of an input for a target of the same shape. */
  forward(input: Tensor, target: Tensor): Tensor {
    return huberLoss(input, target, this.#options)
  }
}

/** bceLoss as an object. */
export class BCELoss {
  readonly #options: BCELossOptions

  constructor(options: BCELossOptions = {}) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.BCELoss(options)')
    this.#options = readBCE('nn.BCELoss', options)
  }

  /** The loss of an input for a target of the same shape. */
  forward(input: Tensor, target: Tensor): Tensor {
    return bceLoss(input, target, this.#options)
  }
}

/** bceWithLogitsLoss as an object. */
export class BCEWithLogitsLoss {
  readonly #options: BCEWithLogitsLossOptions

  constructor(options: BCEWithLogitsLossOptions = {}) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.BCEWithLogitsLoss(options)')
    this.#options = readBCEWithLogits('nn.BCEWithLogitsLoss', options)
  }

  /** The loss of an input for a target of the same shape. */
  forward(input: Tensor, target: Tensor): Tensor {
    return bceWithLogitsLoss(input, target, this.#options)
  }
}

/** klDivLoss as an object. */
export class KLDivLoss {
  readonly #options: KLDivLossOptions

  constructor(options: KLDivLossOptions = {}) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.KLDivLoss(options)')
    this.#options = readKLDiv('nn.KLDivLoss', options)
  }

  /** The loss of an input for a target of the same shape. */
  forward(input: Tensor, target: Tensor): Tensor {
    return klDivLoss(input, target, this.#options)
  }
}

/** nllLoss as an object. */
export class NLLLoss {
  readonly #options: NLLLossOptions

  constructor(options: NLLLossOptions = {}) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.NLLLoss(options)')
    this.#options = readNLL('nn.NLLLoss', options)
  }

  /** The loss of logarithms of probabilities [N, C, …] for labels [N, …]. */
  forward(input: Tensor, target: Labels): Tensor {
    return nllLoss(input, target, this.#options)
  }
}

/** crossEntropy as an object. */
export class CrossEntropyLoss {
  readonly #options: CrossEntropyOptions

  constructor(options: CrossEntropyOptions = {}) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.CrossEntropyLoss(options)')
    this.#options = readCrossEntropy('nn.CrossEntropyLoss', options)
  }

  /** The loss of logits [N, C, …] for labels [N, …], or for probabilities [N, C, …]. */
  forward(logits: Tensor, target: Labels): Tensor {
    return crossEntropy(logits, target, this.#options)
  }
}
