// Layer, group, instance and root-mean-square norm as layers: weight and bias that are trained.
import { checkNormNumbers } from '../kernels/batch_norm.ts'
import { groupNorm, instanceNorm, layerNorm, readNormalizedShape, requireGroups, rmsNorm } from '../kernels/norms.ts'
import { requireRank } from '../kernels/support.ts'
import { requireFlags, requireOptions, tooMany } from '../tensor/options.ts'
import type { Shape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { filledParameter } from './init.ts'
import { requireCount, requireOwnChannels } from './layers.ts'
import { Module } from './module.ts'
import { setting } from './setting.ts'

/** Options of {@link LayerNorm}. */
export interface LayerNormLayerOptions {
  /** Added to the variance; 1e-5 unless given. */
  readonly eps?: number
  /** Whether there are a weight and a bias; true unless given. */
  readonly elementwiseAffine?: boolean
  /** Whether there is a bias beside the weight; true unless given. */
  readonly bias?: boolean
}

/**
 * layerNorm over the last dimensions, whose sizes `normalizedShape` gives. State: weight and bias of that shape, 1 and 0 at first.
 */
export class LayerNorm extends Module {
  readonly weight: Tensor | null
  readonly bias: Tensor | null
  readonly normalizedShape: Shape
  readonly eps: number

  constructor(normalizedShape: number | Shape, options: LayerNormLayerOptions = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'nn.LayerNorm(normalizedShape, options)')
    super()
    requireOptions('nn.LayerNorm', options, ['eps', 'elementwiseAffine', 'bias'])
    const { eps = 1e-5, elementwiseAffine = true, bias = true } = options
    this.normalizedShape = readNormalizedShape('nn.LayerNorm', normalizedShape)
    checkNormNumbers('nn.LayerNorm', null, eps)
    requireFlags('nn.LayerNorm', options, ['elementwiseAffine', 'bias'])
    this.eps = eps
    this.weight = elementwiseAffine ? filledParameter('weight', this.normalizedShape, 1) : null
    this.bias = elementwiseAffine && bias ? filledParameter('bias', this.normalizedShape, 0) : null
  }

  override forward(x: Tensor): Tensor {
    return layerNorm(x, this.normalizedShape, this.weight, this.bias, setting('nn.LayerNorm', this, 'eps'))
  }
}

/** Options of {@link RMSNorm}. */
export interface RMSNormLayerOptions {
  /** Added to the mean of squares; 2⁻²³ unless given. */
  readonly eps?: number
  /** Whether there is a weight; true unless given. */
  readonly elementwiseAffine?: boolean
}

/** rmsNorm over the last dimensions, whose sizes `normalizedShape` gives. State: weight of that shape, 1 at first. */
export class RMSNorm extends Module {
  readonly weight: Tensor | null
  readonly normalizedShape: Shape
  readonly eps: number

  constructor(normalizedShape: number | Shape, options: RMSNormLayerOptions = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'nn.RMSNorm(normalizedShape, options)')
    super()
    requireOptions('nn.RMSNorm', options, ['eps', 'elementwiseAffine'])
    const { eps = 2 ** -23, elementwiseAffine = true } = options
    this.normalizedShape = readNormalizedShape('nn.RMSNorm', normalizedShape)
    checkNormNumbers('nn.RMSNorm', null, eps)
    requireFlags('nn.RMSNorm', options, ['elementwiseAffine'])
    this.eps = eps
    this.weight = elementwiseAffine ? filledParameter('weight', this.normalizedShape, 1) : null
  }

  override forward(x: Tensor): Tensor {
    return rmsNorm(x, this.normalizedShape, this.weight, setting('nn.RMSNorm', this, 'eps'))
  }
}

/** Options of {@link GroupNorm} and {@link InstanceNorm2d}. */
export interface GroupNormLayerOptions {
  /** Added to the variance; 1e-5 unless given. */
  readonly eps?: number
  /** Whether there are a weight and a bias; unless given there are in GroupNorm, and are not in InstanceNorm2d. */
  readonly affine?: boolean
}

/** groupNorm of [N, C, …], C being `numChannels`. State: weight and bias of shape [C], 1 and 0 at first. */
export class GroupNorm extends Module {
  readonly weight: Tensor | null
  readonly bias: Tensor | null
  readonly numGroups: number
  readonly eps: number
  readonly #channels: number

  constructor(numGroups: number, numChannels: number, options: GroupNormLayerOptions = {}) {
    if (arguments.length > 3) throw tooMany(arguments, 'nn.GroupNorm(numGroups, numChannels, options)')
    super()
    requireOptions('nn.GroupNorm', options, ['eps', 'affine'])
    requireCount('nn.GroupNorm', 'numChannels', numChannels)
    requireGroups('nn.GroupNorm', numGroups, numChannels)
    const { eps = 1e-5, affine = true } = options
    checkNormNumbers('nn.GroupNorm', null, eps)
    requireFlags('nn.GroupNorm', options, ['affine'])
    this.numGroups = numGroups
    this.eps = eps
    this.#channels = numChannels
    this.weight = affine ? filledParameter('weight', [numChannels], 1) : null
    this.bias = affine ? filledParameter('bias', [numChannels], 0) : null
  }

  override forward(x: Tensor): Tensor {
    requireOwnChannels('nn.GroupNorm', this.#channels, x.shape)
    return groupNorm(x, this.numGroups, this.weight, this.bias, setting('nn.GroupNorm', this, 'eps'))
  }
}

/**
 * instanceNorm of images [N, C, H, W], C being `numFeatures`. As PyTorch's it has no weight and no bias unless `affine` is true;
 * then its state is weight and bias of shape [C], 1 and 0 at first. It keeps no running statistics.
 */
export class InstanceNorm2d extends Module {
  readonly weight: Tensor | null
  readonly bias: Tensor | null
  readonly eps: number
  readonly #channels: number

  constructor(numFeatures: number, options: GroupNormLayerOptions = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'nn.InstanceNorm2d(numFeatures, options)')
    super()
    requireOptions('nn.InstanceNorm2d', options, ['eps', 'affine'])
    requireCount('nn.InstanceNorm2d', 'numFeatures', numFeatures)
    const { eps = 1e-5, affine = false } = options
    checkNormNumbers('nn.InstanceNorm2d', null, eps)
    requireFlags('nn.InstanceNorm2d', options, ['affine'])
    this.eps = eps
    this.#channels = numFeatures
    this.weight = affine ? filledParameter('weight', [numFeatures], 1) : null
    this.bias = affine ? filledParameter('bias', [numFeatures], 0) : null
  }

  override forward(x: Tensor): Tensor {
    requireRank('nn.InstanceNorm2d', 'input', x.shape, 4, 'N C H W')
    requireOwnChannels('nn.InstanceNorm2d', this.#channels, x.shape, 'N C H W')
    return instanceNorm(x, { weight: this.weight, bias: this.bias, eps: setting('nn.InstanceNorm2d', this, 'eps') })
  }
}
