// avgPool2d and adaptiveAvgPool2d: means of windows, in a kernel where they lie side by side, else composed of other operations.
import { KernelFile } from '../gpu/kernel.ts'
import { apply, type Op, requireTogether } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { noGrad } from '../tensor/modes.ts'
import { requireFlags, requireOptions, tooMany } from '../tensor/options.ts'
import { scope } from '../tensor/scope.ts'
import { pair, type Shape, ShapeError, type ShapeLine } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { div } from './binary.ts'
import { conv2d } from './conv2d.ts'
import { cat, slice } from './copy.ts'
import { full } from './fill.ts'
import * as wgsl from './generated/wgsl.ts'
import { mean } from './reductions.ts'
import { groupsFor, outputSize, requireRank, requireTensors, requireType } from './support.ts'

/** Options of {@link avgPool2d}; sizes are a number or [height, width]. */
export interface AvgPool2dOptions {
  readonly kernelSize: number | readonly number[]
  /** The kernel size unless given. */
  readonly stride?: number | readonly number[]
  /** Zeros around the image, at most half of the kernel size; 0 unless given. */
  readonly padding?: number | readonly number[]
  /** Whether padding counts in the number that the sum is divided by; true unless given. */
  readonly countIncludePad?: boolean
}

function check(name: string, x: Tensor): [N: number, C: number, H: number, W: number] {
  requireTensors(name, { input: x })
  requireTogether(name, [x])
  requireType(name, 'input', x)
  requireRank(name, 'input', x.shape, 4, 'N C H W')
  const [, , H, W] = x.shape
  if (H === 0 || W === 0) {
    throw new ShapeError(name, 'the input has no rows or no columns to pool', [['input', x.shape, 'N C H W']])
  }
  return x.shape as [number, number, number, number]
}

/** The options, of which `stride` is the kernel size unless given. Throws for those that do not fit. */
export function readAvgPool2d(name: string, options: AvgPool2dOptions) {
  requireOptions(name, options, ['kernelSize', 'stride', 'padding', 'countIncludePad'])
  const kernel = pair(name, 'kernelSize', options.kernelSize, 1)
  const stride = pair(name, 'stride', options.stride ?? kernel, 1)
  const padding = pair(name, 'padding', options.padding ?? 0, 0)
  for (const [i, size] of kernel.entries()) {
    if (2 * padding[i]! <= size) continue
    throw new ShapeError(name, `padding ${padding[i]} is more than half of the kernel size ${size}`)
  }
  const { countIncludePad = true } = options
  requireFlags(name, options, ['countIncludePad'])
  return { kernel, stride, padding, countIncludePad }
}

const file = new KernelFile('avg_pool2d', wgsl.avg_pool2d)
const forward = file.entry('forward')
const forwardPairs = file.entry('forward_pairs')
const backward = file.entry('backward')
const backwardPairs = file.entry('backward_pairs')

/** Windows that one thread takes, as the shader's STRIP says. */
const STRIP = 8

/** Windows side by side: their size, and how many there are, in height and width. */
interface SideBySide {
  readonly input: Shape
  readonly kernel: readonly [number, number]
  readonly windows: readonly [number, number]
}

function paramsOf({ input, kernel, windows }: SideBySide) {
  const [N, C, H, W] = input as [number, number, number, number]
  const [[KH, KW], [OH, OW]] = [kernel, windows]
  const params = { planes: N * C, H, W, OH, OW, KH, KW }
  return { params, pairs: KH === 2 && KW === 2 && W === 2 * OW, groups: groupsFor(N * C * OH * Math.ceil(OW / STRIP)) }
}

const sideBySideOp: Op<readonly [Tensor], SideBySide> = {
  name: 'avgPool2d',

  shape: (_, { input: [N, C], windows }) => [N!, C!, ...windows],

  forward(gpu, [x], attributes, shape) {
    const out = empty(gpu, shape, 'float32', 'avgPool2d')
    const { params, pairs, groups } = paramsOf(attributes)
    if (pairs) gpu.emit(forwardPairs, { params, x_pairs: x.storage, out: out.storage }, groups)
    else gpu.emit(forward, { params, x: x.storage, out: out.storage }, groups)
    return { out, saved: [] }
  },

  backward(gpu, dy, _, attributes, __, grad) {
    const dx = grad(0)
    const { params, pairs, groups } = paramsOf(attributes)
    if (pairs) gpu.emit(backwardPairs, { params, dy: dy.storage, dx_pairs: dx.storage }, groups)
    else gpu.emit(backward, { params, dy: dy.storage, dx: dx.storage }, groups)
    return [dx]
  },
}

/**
 * The mean of each window of an image: [N, C, H, W] → [N, C, OH, OW], where OH = ⌊(H + 2·padding − kernelSize) / stride⌋ + 1.
 * Padding counts as zeros, unless `countIncludePad` is false. PyTorch's avg_pool2d.
 *
 * Throws ShapeError for an input of other than four dimensions, or smaller than the window; TypeError for options that do not fit.
 */
export function avgPool2d(x: Tensor, options: AvgPool2dOptions): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'avgPool2d(x, options)')
  const { kernel, stride, padding, countIncludePad } = readAvgPool2d('avgPool2d', options)
  const [, C, H, W] = check('avgPool2d', x)
  const lines: ShapeLine[] = [['input', x.shape, 'N C H W']]
  const [OH, OW] = [H, W].map((input, i) => {
    const window = { input, kernel: kernel[i]!, stride: stride[i]!, padding: padding[i]!, dilation: 1 }
    return outputSize('avgPool2d', { ...window, axis: i === 0 ? 'height' : 'width' }, lines)
  }) as [number, number]
  const padded = padding[0] > 0 || padding[1] > 0
  if (!padded && kernel[0] === stride[0] && kernel[1] === stride[1]) {
    return apply(sideBySideOp, [x], { input: x.shape, kernel, windows: [OH, OW] })
  }
  return scope(() => {
    // A convolution of each channel by itself with ones.
    const weight = full(x.gpu, [C, Math.min(C, 1), ...kernel], 1)
    const sums = conv2d(x, weight, null, { stride, padding, groups: Math.max(C, 1) })
    const counts =
      countIncludePad || !padded
        ? kernel[0] * kernel[1]
        : noGrad(() => {
            const ones = full(x.gpu, [1, 1, ...kernel], 1)
            return conv2d(full(x.gpu, [1, 1, H, W], 1), ones, null, { stride, padding })
          })
    return div(sums, counts)
  })
}

/** The means of `to` parts of a dimension: part i is from ⌊i·size / to⌋ up to before ⌈(i + 1)·size / to⌉. */
function meansAlong(x: Tensor, dim: number, to: number): Tensor {
  const size = x.shape[dim]!
  if (size === to) return x
  if (size % to === 0) {
    return mean(x.reshape([...x.shape.slice(0, dim), to, size / to, ...x.shape.slice(dim + 1)]), dim + 1)
  }
  const parts = Array.from({ length: to }, (_, i) => {
    return mean(slice(x, dim, Math.floor((i * size) / to), Math.ceil(((i + 1) * size) / to)), dim, { keepDim: true })
  })
  return cat(parts, dim)
}

/**
 * Means of windows that are chosen so that the output has the given size, a number or [height, width]: [N, C, H, W] → [N, C, OH,
 * OW]. Row i is of the rows from ⌊i·H / OH⌋ up to before ⌈(i + 1)·H / OH⌉, columns likewise. PyTorch's adaptive_avg_pool2d.
 *
 * Throws ShapeError for an input of other than four dimensions, or for a size that is not a whole number, 1 or more.
 */
export function adaptiveAvgPool2d(x: Tensor, size: number | readonly number[]): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'adaptiveAvgPool2d(x, size)')
  const [OH, OW] = pair('adaptiveAvgPool2d', 'size', size, 1)
  const [, , H, W] = check('adaptiveAvgPool2d', x)
  if (OH === 1 && OW === 1) return mean(x, [2, 3], { keepDim: true })
  if (OH === H && OW === W) return x.reshape(x.shape)
  return scope(() => meansAlong(meansAlong(x, 2, OH), 3, OW))
}
