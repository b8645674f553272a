// convTranspose2d: the transpose of conv2d, whose kernels it runs the other way round.
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { requireOptions, tooMany } from '../tensor/options.ts'
import { pair, type Shape, ShapeError, type ShapeLine, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import {
  type Conv2dOptions,
  type ConvAttributes,
  correlate,
  paramsOf,
  requireDividing,
  weightGradients,
} from './conv2d.ts'
import { full } from './fill.ts'
import { sumTo } from './reduce.ts'
import { requireRank, requireTensors, requireType } from './support.ts'

const NAME = 'convTranspose2d'
const BACKWARD = "convTranspose2d's backward"

/** Options of {@link convTranspose2d}: those of conv2d, and how much larger the output is than the least; 0 unless given. */
export interface ConvTranspose2dOptions extends Conv2dOptions {
  readonly outputPadding?: number | readonly number[]
}

interface Attributes extends ConvAttributes {
  readonly outputPadding: readonly [number, number]
}

const AXES = ['height', 'width'] as const

/** Throws ShapeError where output padding would be rows, or columns, that are a step of the convolution or more. */
export function requireOutputPadding(
  name: string,
  outputPadding: readonly number[],
  { stride, dilation }: Pick<ConvAttributes, 'stride' | 'dilation'>,
): void {
  for (const [i, more] of outputPadding.entries()) {
    if (more < Math.max(stride[i]!, dilation[i]!)) continue
    const sentence = `outputPadding ${more} must be less than the stride ${stride[i]} or the dilation ${dilation[i]}`
    throw new ShapeError(name, sentence)
  }
}

function shapeOf([input, weight, bias]: readonly [Tensor, Tensor, Tensor | null], attributes: Attributes): Shape {
  const { stride, padding, outputPadding, dilation, groups } = attributes
  requireType(NAME, 'input', input)
  requireType(NAME, 'weight', weight)
  if (bias) requireType(NAME, 'bias', bias)
  requireOutputPadding(NAME, outputPadding, attributes)
  const weightLetters = groups === 1 ? 'C F KH KW' : 'C F/groups KH KW'
  requireRank(NAME, 'input', input.shape, 4, 'N C H W')
  requireRank(NAME, 'weight', weight.shape, 4, weightLetters)
  const lines: ShapeLine[] = [
    ['input', input.shape, 'N C H W'],
    ['weight', weight.shape, weightLetters],
  ]
  const [N, C, ...sizes] = input.shape as [number, number, number, number]
  const [channels, filters, ...kernel] = weight.shape as [number, number, number, number]
  requireDividing(NAME, groups, { channels: C }, lines)
  if (channels !== C) throw new ShapeError(NAME, `weight takes ${channels} input channels, input has ${C}`, lines)
  if (kernel.includes(0)) throw new ShapeError(NAME, 'the kernel has no elements', lines)
  if (sizes.includes(0)) throw new ShapeError(NAME, 'the input has no rows or no columns', lines)
  const F = filters * groups
  if (bias && (bias.shape.length !== 1 || bias.shape[0] !== F)) {
    const sentence = `bias must have one value for each of the ${F} filters`
    throw new ShapeError(NAME, sentence, [...lines, ['bias', bias.shape, 'F']])
  }
  const out = AXES.map((axis, i) => {
    const least = (sizes[i]! - 1) * stride[i]! - 2 * padding[i]! + dilation[i]! * (kernel[i]! - 1) + 1
    const size = least + outputPadding[i]!
    if (size < 1)
      throw new ShapeError(NAME, `with padding ${padding[i]} nothing is left of the output's ${axis}`, lines)
    return size
  })
  return [N, F, ...out]
}

/** Its convolution is the one that would make `input` of `out`: each is where the other's gradient would be. */
const convTranspose2dOp: Op<readonly [Tensor, Tensor, Tensor | null], Attributes> = {
  name: 'convTranspose2d',

  shape: shapeOf,

  multiplyAdds: ([input, weight]) => sizeOf(input.shape) * sizeOf(weight.shape.slice(1)),

  forward(gpu, [input, weight, bias], attributes, shape) {
    const out = empty(gpu, shape, 'float32', NAME)
    if (out.size === 0) return { out, saved: [input, weight] }
    const run = (x: Tensor, w: Tensor) => {
      const params = paramsOf(shape, w.shape, x.shape, attributes, bias !== null)
      correlate(gpu, NAME, params, 'backward_input', x.storage, w.storage, bias?.storage ?? null, out)
    }
    if (input.size > 0) run(input, weight)
    else {
      // Without input channels every sum is empty and the output is the bias: with it, a channel of zeros has that output.
      const { groups } = attributes
      const of = ([first, , ...rest]: Shape, channels: number) => [first!, channels, ...rest]
      const zeros = [full(gpu, of(input.shape, groups), 0), full(gpu, [groups, ...weight.shape.slice(1)], 0)] as const
      run(...zeros)
      for (const t of zeros) t.dispose() // nobody else knows them, and there need not be a scope
    }
    return { out, saved: [input, weight] }
  },

  backward(gpu, dy, saved, attributes, [needsInput, needsWeight, needsBias], grad) {
    const [input, weight] = saved as [Tensor, Tensor]
    const zeros = (shape: Shape) => full(gpu, shape, 0)
    const db = needsBias ? sumTo(dy, [dy.shape[1]!, 1, 1]).reshape([dy.shape[1]!]) : null
    if (dy.size === 0 || input.size === 0) {
      return [needsInput ? zeros(input.shape) : null, needsWeight ? zeros(weight.shape) : null, db]
    }
    const params = paramsOf(dy.shape, weight.shape, input.shape, attributes, false)
    let dx: Tensor | null = null
    if (needsInput) {
      dx = empty(gpu, input.shape, 'float32', NAME)
      correlate(gpu, BACKWARD, params, 'forward', dy.storage, weight.storage, null, dx)
    }
    let dw: Tensor | null = null
    if (needsWeight) {
      dw = grad(1)
      weightGradients(gpu, BACKWARD, params, dy.storage, input.storage, dw, null)
    }
    return [dx, dw, db]
  },
}

/**
 * The transpose of a convolution (as PyTorch's conv_transpose2d): input [N, C, H, W], weight [C, F / groups, KH, KW], bias [F] or
 * null → [N, F, OH, OW], OH = (H − 1)·stride − 2·padding + dilation·(KH − 1) + outputPadding + 1. Every input cell adds its value
 * times the kernel to the window that conv2d with these options would make it from. `outputPadding` is less than the stride or
 * the dilation. Throws ShapeError when the sizes do not fit.
 */
export function convTranspose2d(
  input: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvTranspose2dOptions = {},
): Tensor {
  if (arguments.length > 4) throw tooMany(arguments, 'convTranspose2d(input, weight, bias, options)')
  requireTensors(NAME, bias === null ? { input, weight } : { input, weight, bias })
  requireOptions(NAME, options, ['stride', 'padding', 'outputPadding', 'dilation', 'groups'])
  const stride = pair(NAME, 'stride', options.stride ?? 1, 1)
  const padding = pair(NAME, 'padding', options.padding ?? 0, 0)
  const outputPadding = pair(NAME, 'outputPadding', options.outputPadding ?? 0, 0)
  const dilation = pair(NAME, 'dilation', options.dilation ?? 1, 1)
  const attributes = { stride, padding, outputPadding, dilation, groups: options.groups ?? 1 }
  return apply(convTranspose2dOp, [input, weight, bias], attributes)
}
