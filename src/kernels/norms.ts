// Norms of each example by itself: layer, group, instance and root-mean-square norm. Where there is no kernel for the rows,
// they are composed of other operations.
import { requireTogether } from '../tensor/autograd.ts'
import { noGrad } from '../tensor/modes.ts'
import { requireOptions, shown, tooMany } from '../tensor/options.ts'
import { scope } from '../tensor/scope.ts'
import { formatShape, type Shape, ShapeError, type ShapeLine, sameShape, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { channelLine, checkChannels, checkNormNumbers, requireChannels } from './batch_norm.ts'
import { add, mul, sub } from './binary.ts'
import { isFused, type NormLayout, type NormName, normalised } from './norm.ts'
import { mean } from './reductions.ts'
import { requireTensors, requireType } from './support.ts'
import { rsqrt, square } from './unary.ts'

/** Options of {@link instanceNorm}. Tensors that are left out or null: a weight of 1, a bias of 0. */
export interface InstanceNormOptions {
  /** [C] */
  readonly weight?: Tensor | null
  /** [C] */
  readonly bias?: Tensor | null
  /** Added to the variance; 1e-5 unless given. */
  readonly eps?: number
}

type Optional = Tensor | null | undefined

const KEEP = { keepDim: true } as const

/** 1 / √(the mean of x² along `dims` + eps). */
const inverseLength = (x: Tensor, dims: readonly number[], eps: number) => rsqrt(add(mean(square(x), dims, KEEP), eps))

/** (x − mean) / √(variance + eps) along `dims`. */
function standardise(x: Tensor, dims: readonly number[], eps: number): Tensor {
  // A large mean has a large rounding error. What is left of it is small, and so is the error of its own mean. The first mean
  // needs no gradient: whatever number is subtracted first, the result is the same.
  const near = noGrad(() => mean(x, dims, KEEP))
  const moved = sub(x, near)
  const centred = sub(moved, mean(moved, dims, KEEP))
  return mul(centred, inverseLength(centred, dims, eps))
}

/** x · weight + bias, of which either may be left out. */
function scaled(x: Tensor, weight: Optional, bias: Optional): Tensor {
  const product = weight ? mul(x, weight) : x
  return bias ? add(product, bias) : product
}

/** Throws for tensors that are none, were released, are on two devices or not float32, and for an eps that is not one. */
function check(name: string, x: Tensor, weight: Optional, bias: Optional, eps: number): void {
  const given = { input: x, ...(weight != null && { weight }), ...(bias != null && { bias }) }
  requireTensors(name, given)
  requireTogether(name, Object.values(given))
  for (const [role, t] of Object.entries(given)) requireType(name, role, t)
  checkNormNumbers(name, null, eps)
}

/** A normalizedShape as a list. Throws ShapeError if it is neither a size nor a list of sizes. */
export function readNormalizedShape(name: string, given: number | Shape): Shape {
  const sizes: unknown = typeof given === 'number' ? [given] : given
  const isSize = (n: unknown) => Number.isSafeInteger(n) && (n as number) >= 0
  if (Array.isArray(sizes) && sizes.length > 0 && sizes.every(isSize)) return sizes as Shape
  const shown = Array.isArray(given) ? formatShape(given) : String(given)
  throw new ShapeError(name, `normalizedShape must be a size or a list of one or more sizes, not ${shown}`)
}

/** The dimensions that `normalizedShape` names: the last ones. Throws ShapeError where input, weight or bias do not fit it. */
function lastDims(name: string, x: Tensor, normalized: Shape, weight: Optional, bias: Optional): number[] {
  const from = x.shape.length - normalized.length
  const shape: ShapeLine = ['normalizedShape', normalized]
  if (from < 0 || !sameShape(x.shape.slice(from), normalized)) {
    throw new ShapeError(name, 'the last sizes of the input must be those of normalizedShape', [
      ['input', x.shape],
      shape,
    ])
  }
  for (const [role, t] of Object.entries({ weight, bias })) {
    if (t && !sameShape(t.shape, normalized)) {
      throw new ShapeError(name, `${role} must have the shape normalizedShape`, [[role, t.shape], shape])
    }
  }
  return normalized.map((_, i) => from + i)
}

/** Throws ShapeError for a number of groups that does not divide the channels. */
export function requireGroups(name: string, groups: number, channels: number, lines: readonly ShapeLine[] = []): void {
  if (Number.isSafeInteger(groups) && groups > 0 && channels % groups === 0) return
  const sentence = `the number of groups must be whole and divide the ${channels} channels, not ${shown(groups)}`
  throw new ShapeError(name, sentence, lines)
}

type Groups = readonly [groups: number, channels: number]

/** How the last `dims` dimensions are normalised. */
function lastLayout({ shape }: Tensor, dims: number, eps: number): NormLayout {
  const from = shape.length - dims
  return { N: sizeOf(shape.slice(0, from)), G: 1, K: sizeOf(shape.slice(from)), S: 1, eps }
}

/** Normalises the groups that the channels of each example make, then scales each channel. */
function byGroups(
  name: NormName,
  x: Tensor,
  [groups, channels]: Groups,
  weight: Optional,
  bias: Optional,
  eps: number,
): Tensor {
  const [N = 0, C = 0, ...rest] = x.shape
  const layout = { N, G: groups, K: channels, S: sizeOf(rest), eps }
  if (isFused(layout)) return normalised(name, [x, weight ?? null, bias ?? null], layout)
  const perChannel = [C, ...rest.map(() => 1)]
  const grouped = x.reshape([N, groups, channels * sizeOf(rest)])
  const normal = standardise(grouped, [2], eps).reshape(x.shape)
  return scaled(normal, weight?.reshape(perChannel), bias?.reshape(perChannel))
}

/**
 * x minus its mean, divided by √(variance + eps), times `weight` plus `bias`: over the last dimensions, whose sizes
 * `normalizedShape` gives. The variance is the biased one. weight and bias have the shape normalizedShape; without them they
 * are 1 and 0. PyTorch's layer_norm. A NaN or an infinity makes all that it is normalised with NaN.
 *
 * Throws ShapeError for shapes that do not fit; TypeError or RangeError for other arguments that do not.
 */
export function layerNorm(
  x: Tensor,
  normalizedShape: number | Shape,
  weight?: Tensor | null,
  bias?: Tensor | null,
  eps = 1e-5,
): Tensor {
  if (arguments.length > 5) throw tooMany(arguments, 'layerNorm(x, normalizedShape, weight, bias, eps)')
  check('layerNorm', x, weight, bias, eps)
  const dims = lastDims('layerNorm', x, readNormalizedShape('layerNorm', normalizedShape), weight, bias)
  const layout = lastLayout(x, dims.length, eps)
  if (isFused(layout)) return normalised('layerNorm', [x, weight ?? null, bias ?? null], layout)
  return scope(() => scaled(standardise(x, dims, eps), weight, bias))
}

/**
 * x divided by √(mean of x² + eps), times `weight`: over the last dimensions, whose sizes `normalizedShape` gives. weight has
 * that shape; without it it is 1. PyTorch's rms_norm; eps is 2⁻²³ unless given. A NaN makes all that it is normalised with NaN,
 * an infinity becomes NaN and all others of its row 0.
 *
 * Throws ShapeError for shapes that do not fit; TypeError or RangeError for other arguments that do not.
 */
export function rmsNorm(x: Tensor, normalizedShape: number | Shape, weight?: Tensor | null, eps = 2 ** -23): Tensor {
  if (arguments.length > 4) throw tooMany(arguments, 'rmsNorm(x, normalizedShape, weight, eps)')
  check('rmsNorm', x, weight, null, eps)
  const dims = lastDims('rmsNorm', x, readNormalizedShape('rmsNorm', normalizedShape), weight, null)
  const layout = lastLayout(x, dims.length, eps)
  if (isFused(layout)) return normalised('rmsNorm', [x, weight ?? null, null], layout)
  return scope(() => scaled(mul(x, inverseLength(x, dims, eps)), weight, null))
}

/**
 * Normalises [N, C, …] as `layerNorm` does, over each of `groups` groups of neighbouring channels of an example; weight and bias
 * have one value a channel, [C]. PyTorch's group_norm.
 *
 * Throws ShapeError for a number of groups that does not divide the channels, for a single group of one value, and for shapes
 * that do not fit; TypeError or RangeError for other arguments that do not.
 */
export function groupNorm(x: Tensor, groups: number, weight?: Tensor | null, bias?: Tensor | null, eps = 1e-5): Tensor {
  if (arguments.length > 5) throw tooMany(arguments, 'groupNorm(x, groups, weight, bias, eps)')
  check('groupNorm', x, weight, bias, eps)
  const [N, C] = requireChannels('groupNorm', x)
  const input = channelLine(x.shape)
  requireGroups('groupNorm', groups, C, [input])
  for (const [role, t] of Object.entries({ weight, bias })) checkChannels('groupNorm', role, t ?? null, input, C)
  if (((N * C) / groups) * sizeOf(x.shape.slice(2)) === 1) {
    throw new ShapeError('groupNorm', 'a group needs more than one value; those of the input have one', [input])
  }
  return scope(() => byGroups('groupNorm', x, [groups, C / groups], weight, bias, eps))
}

/**
 * Normalises [N, C, L] or [N, C, H, W] as `layerNorm` does, over each channel of an example; weight and bias have one value a
 * channel, [C]. PyTorch's instance_norm.
 *
 * Throws ShapeError for channels of one value, and for shapes that do not fit; TypeError or RangeError for options that do not.
 */
export function instanceNorm(x: Tensor, options: InstanceNormOptions = {}): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'instanceNorm(x, options)')
  requireOptions('instanceNorm', options, ['weight', 'bias', 'eps'])
  const { weight, bias, eps = 1e-5 } = options
  check('instanceNorm', x, weight, bias, eps)
  const [, C] = requireChannels('instanceNorm', x)
  const input = channelLine(x.shape)
  for (const [role, t] of Object.entries({ weight, bias })) checkChannels('instanceNorm', role, t ?? null, input, C)
  if (sizeOf(x.shape.slice(2)) === 1) {
    throw new ShapeError('instanceNorm', 'a channel needs more than one value; those of the input have one', [input])
  }
  return scope(() => byGroups('instanceNorm', x, [C, 1], weight, bias, eps))
}
