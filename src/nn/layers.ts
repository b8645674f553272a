// Layers that hold an operation and its parameters.
import { dependingOn } from '../capture/current.ts'
import { type AvgPool2dOptions, adaptiveAvgPool2d, avgPool2d, readAvgPool2d } from '../kernels/avg_pool2d.ts'
import { dropout } from '../kernels/dropout.ts'
import { type InterpolateOptions, interpolate, readInterpolation } from '../kernels/interpolate.ts'
import { linear } from '../kernels/linear.ts'
import { type MaxPool2dOptions, maxPool2d } from '../kernels/max_pool2d.ts'
import { pixelShuffle } from '../kernels/pixel_shuffle.ts'
import { requireProbability } from '../kernels/random.ts'
import { requireFlags, requireOptions, shown, tooMany } from '../tensor/options.ts'
import { pair, type Shape, ShapeError, whole } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { uniformParameter } from './init.ts'
import { Module } from './module.ts'

/** Throws ShapeError for a number of channels or features that is not one. */
export function requireCount(layer: string, name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new ShapeError(layer, `${name} must be a whole number, 1 or more, not ${shown(value)}`)
  }
}

/** Throws ShapeError for an input with another number of channels, which are dimension 1. */
export function requireOwnChannels(layer: string, channels: number, shape: Shape, letters = ''): void {
  if (shape[1] === channels) return
  const sentence = `the layer is for ${channels} channels, the input has ${shape[1]}`
  throw new ShapeError(layer, sentence, [['input', shape, letters]])
}

/** linear with weight [outFeatures, inFeatures] and bias [outFeatures], uniform in ±1/√inFeatures. */
export class Linear extends Module {
  readonly weight: Tensor
  readonly bias: Tensor | null

  constructor(inFeatures: number, outFeatures: number, options: { readonly bias?: boolean } = {}) {
    if (arguments.length > 3) throw tooMany(arguments, 'nn.Linear(inFeatures, outFeatures, options)')
    super()
    requireOptions('nn.Linear', options, ['bias'])
    requireFlags('nn.Linear', options, ['bias'])
    requireCount('nn.Linear', 'inFeatures', inFeatures)
    requireCount('nn.Linear', 'outFeatures', outFeatures)
    this.weight = uniformParameter('weight', [outFeatures, inFeatures], inFeatures)
    this.bias = (options.bias ?? true) ? uniformParameter('bias', [outFeatures], inFeatures) : null
  }

  override forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias)
  }
}

/** maxPool2d with the given window; the stride is the kernel size unless given. */
export class MaxPool2d extends Module {
  readonly options: Required<MaxPool2dOptions>

  constructor(kernelSize: number | readonly number[], options: Omit<MaxPool2dOptions, 'kernelSize'> = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'nn.MaxPool2d(kernelSize, options)')
    super()
    requireOptions('nn.MaxPool2d', options, ['stride', 'padding'])
    pair('nn.MaxPool2d', 'kernelSize', kernelSize, 1)
    const { stride = kernelSize, padding = 0 } = options
    pair('nn.MaxPool2d', 'stride', stride, 1)
    pair('nn.MaxPool2d', 'padding', padding, 0)
    this.options = { kernelSize, stride, padding }
  }

  override forward(x: Tensor): Tensor {
    return maxPool2d(x, this.options)
  }
}

/** In training mode each element is dropped with probability p, 0.5 unless given, as in dropout; in evaluation mode nothing. */
export class Dropout extends Module {
  p: number

  /** Throws RangeError unless p is from 0 to 1. */
  constructor(p = 0.5) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.Dropout(p)')
    super()
    requireProbability('nn.Dropout', p)
    this.p = p
  }

  override forward(x: Tensor): Tensor {
    const p = dependingOn(
      () => this.p,
      (then) => `the p of an nn.Dropout is ${this.p} now, and was ${then}`,
    )
    return dropout(x, { p, training: this.training })
  }
}

/** avgPool2d with the given window; the stride is the kernel size unless given. */
export class AvgPool2d extends Module {
  readonly options: Required<AvgPool2dOptions>

  constructor(kernelSize: number | readonly number[], options: Omit<AvgPool2dOptions, 'kernelSize'> = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'nn.AvgPool2d(kernelSize, options)')
    super()
    requireOptions('nn.AvgPool2d', options, ['stride', 'padding', 'countIncludePad'])
    const { stride, padding, countIncludePad } = readAvgPool2d('nn.AvgPool2d', { ...options, kernelSize })
    this.options = { kernelSize, stride, padding, countIncludePad }
  }

  override forward(x: Tensor): Tensor {
    return avgPool2d(x, this.options)
  }
}

/** adaptiveAvgPool2d to the given size, a number or [height, width]. */
export class AdaptiveAvgPool2d extends Module {
  readonly size: number | readonly number[]

  constructor(size: number | readonly number[]) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.AdaptiveAvgPool2d(size)')
    super()
    pair('nn.AdaptiveAvgPool2d', 'size', size, 1)
    this.size = size
  }

  override forward(x: Tensor): Tensor {
    return adaptiveAvgPool2d(x, this.size)
  }
}

/** interpolate to a size or by a scale. */
export class Upsample extends Module {
  readonly options: InterpolateOptions

  constructor(options: InterpolateOptions) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.Upsample(options)')
    super()
    const { scale, size, mode } = readInterpolation('nn.Upsample', options)
    this.options = scale === null ? { size: size!, mode } : { scale, mode }
  }

  override forward(x: Tensor): Tensor {
    return interpolate(x, this.options)
  }
}

/** pixelShuffle by a factor r: [N, C·r², H, W] → [N, C, H·r, W·r]. */
export class PixelShuffle extends Module {
  readonly r: number

  constructor(r: number) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.PixelShuffle(r)')
    super()
    this.r = whole('nn.PixelShuffle', 'r', r, 1)
  }

  override forward(x: Tensor): Tensor {
    return pixelShuffle(x, this.r)
  }
}

/** Joins all dimensions from `startDim` on. */
export class Flatten extends Module {
  readonly #startDim: number

  constructor(startDim = 1) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.Flatten(startDim)')
    super()
    if (!Number.isInteger(startDim))
      throw new TypeError(`nn.Flatten: startDim must be a whole number, not ${shown(startDim)}`)
    this.#startDim = startDim
  }

  override forward(x: Tensor): Tensor {
    return x.flatten(this.#startDim)
  }
}
