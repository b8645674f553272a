// conv1d: a convolution along one dimension, which is conv2d of images of one row.
import { requireTogether } from '../tensor/autograd.ts'
import { requireOptions, tooMany } from '../tensor/options.ts'
import { scope } from '../tensor/scope.ts'
import { whole } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { conv2d, convShape } from './conv2d.ts'
import { requireTensors } from './support.ts'

/** Options of {@link conv1d}, whole numbers: stride 1, padding 0, dilation 1 unless given. */
export interface Conv1dOptions {
  readonly stride?: number
  readonly padding?: number
  readonly dilation?: number
  /** Groups of channels, each with as many of the filters; 1 unless given. */
  readonly groups?: number
}

/** The options with their defaults. Throws for those that do not fit. */
export function readConv1d(name: string, { stride = 1, padding = 0, dilation = 1, groups = 1 }: Conv1dOptions) {
  whole(name, 'stride', stride, 1)
  whole(name, 'padding', padding, 0)
  whole(name, 'dilation', dilation, 1)
  return { stride, padding, dilation, groups }
}

/**
 * Convolution (cross-correlation) of input [N, C, L] with weight [F, C / groups, K] and bias [F] or null → [N, F, OL],
 * OL = ⌊(L + 2·padding − dilation·(K − 1) − 1) / stride⌋ + 1. Groups are those of conv2d. Throws ShapeError when the sizes do not
 * fit.
 */
export function conv1d(input: Tensor, weight: Tensor, bias: Tensor | null = null, options: Conv1dOptions = {}): Tensor {
  if (arguments.length > 4) throw tooMany(arguments, 'conv1d(input, weight, bias, options)')
  requireTensors('conv1d', bias === null ? { input, weight } : { input, weight, bias })
  requireOptions('conv1d', options, ['stride', 'padding', 'dilation', 'groups'])
  const { stride, padding, dilation, groups } = readConv1d('conv1d', options)
  requireTogether('conv1d', bias === null ? [input, weight] : [input, weight, bias])
  const axis = { stride: [stride], padding: [padding], dilation: [dilation], groups }
  const { shape } = convShape('conv1d', [['L', 'K', 'length']], [input, weight, bias], axis)
  const image = ({ shape: [a, b, length] }: Tensor) => [a!, b!, 1, length!]
  return scope(() => {
    const axes = { stride: [1, stride], padding: [0, padding], dilation: [1, dilation], groups }
    return conv2d(input.reshape(image(input)), weight.reshape(image(weight)), bias, axes).reshape(shape)
  })
}
