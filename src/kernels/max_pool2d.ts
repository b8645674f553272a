// maxPool2d: the largest value of each window.
import { KernelFile } from '../gpu/kernel.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { gradEnabled } from '../tensor/modes.ts'
import { requireOptions, tooMany } from '../tensor/options.ts'
import { pair, type Shape, ShapeError, type ShapeLine } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import * as wgsl from './generated/wgsl.ts'
import { groupsFor, groupsForElements, outputSize, requireRank, requireTensors, requireType } from './support.ts'

const file = new KernelFile('max_pool2d', wgsl.max_pool2d)
const forward = file.entry('forward')
const forwardPairs = file.entry('forward_pairs')
const forwardPairsValues = file.entry('forward_pairs_values')
const backward = file.entry('backward')
const backwardDisjoint = file.entry('backward_disjoint')

/** Options of {@link maxPool2d}, each a number or [height, width]: the stride is the kernel size, the padding 0 unless given. */
export interface MaxPool2dOptions {
  readonly kernelSize: number | readonly number[]
  readonly stride?: number | readonly number[]
  readonly padding?: number | readonly number[]
}

interface Attributes {
  readonly kernel: readonly [number, number]
  readonly stride: readonly [number, number]
  readonly padding: readonly [number, number]
  readonly input: Shape
}

function paramsOf({ kernel, stride, padding, input }: Attributes, out: Shape) {
  const [N, C, H, W] = input as [number, number, number, number]
  const [KH, KW] = kernel
  const [SH, SW] = stride
  const [PH, PW] = padding
  return { planes: N * C, H, W, OH: out[2]!, OW: out[3]!, KH, KW, SH, SW, PH, PW }
}

type Params = ReturnType<typeof paramsOf>

/** Windows of a row that one thread takes, as the kernel's `const STRIP` says. */
const STRIP = 8

const groupsForStrips = ({ planes, OH, OW }: Params) => groupsFor(planes * OH * Math.ceil(OW / STRIP))

/** Whether windows are of 2 × 2, side by side, and every one begins where a pair of the row's cells does. */
const inPairs = ({ KH, KW, SH, SW, PH, PW, W }: Params) =>
  [KH, KW, SH, SW].every((size) => size === 2) && PH === 0 && PW === 0 && W % 2 === 0

const maxPool2dOp: Op<readonly [Tensor], Attributes> = {
  name: 'maxPool2d',

  shape([x], { kernel, stride, padding }) {
    requireType('maxPool2d', 'input', x)
    requireRank('maxPool2d', 'input', x.shape, 4, 'N C H W')
    const [N, C, H, W] = x.shape as [number, number, number, number]
    const lines: ShapeLine[] = [['input', x.shape, 'N C H W']]
    if (H === 0 || W === 0) throw new ShapeError('maxPool2d', 'the input has no rows or no columns to pool', lines)
    const sizes = [H, W].map((input, i) => {
      if (2 * padding[i]! > kernel[i]!) {
        const sentence = `padding ${padding[i]} is more than half of the kernel size ${kernel[i]}: a window could be empty`
        throw new ShapeError('maxPool2d', sentence)
      }
      const axis = i === 0 ? 'height' : 'width'
      const window = { input, kernel: kernel[i]!, stride: stride[i]!, padding: padding[i]!, dilation: 1, axis }
      return outputSize('maxPool2d', window, lines)
    })
    return [N, C, ...sizes]
  },

  forward(gpu, [x], attributes, shape) {
    const out = empty(gpu, shape, 'float32', 'maxPool2d')
    const params = paramsOf(attributes, shape)
    const groups = groupsForStrips(params)
    const pairs = inPairs(params)
    if (pairs && !(gradEnabled() && x.requiresGrad)) {
      // Nobody will ask for the winners.
      gpu.emit(forwardPairsValues, { params, out: out.storage, x_pairs: x.storage }, groups)
      return { out, saved: [] }
    }
    const winner = empty(gpu, shape, 'int32', 'maxPool2d winners')
    const bindings = { params, out: out.storage, winner_out: winner.storage }
    if (pairs) gpu.emit(forwardPairs, { ...bindings, x_pairs: x.storage }, groups)
    else gpu.emit(forward, { ...bindings, x: x.storage }, groups)
    return { out, saved: [winner] }
  },

  backward(gpu, dy, [winner], attributes) {
    const dx = empty(gpu, attributes.input, 'float32', 'maxPool2d')
    const params = paramsOf(attributes, dy.shape)
    const bindings = { params, dy: dy.storage, winner: winner!.storage, dx: dx.storage }
    const disjoint = params.KH <= params.SH && params.KW <= params.SW && dy.size > 0
    if (disjoint) gpu.emit(backwardDisjoint, bindings, groupsForStrips(params))
    else gpu.emit(backward, bindings, groupsForElements(dx.size))
    return [dx]
  },
}

/**
 * The largest value of each window. Input [N, C, H, W] → [N, C, OH, OW] with OH = ⌊(H + 2·padding − kernelSize) / stride⌋ + 1.
 * The gradient goes to the first maximum in row-major order. NaN wins over any number. Cells of the padding never win;
 * padding is at most half of the kernel size. `stride` is the kernel size unless given. Numbers or [height, width].
 */
export function maxPool2d(x: Tensor, options: MaxPool2dOptions): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'maxPool2d(x, options)')
  requireTensors('maxPool2d', { input: x })
  requireOptions('maxPool2d', options, ['kernelSize', 'stride', 'padding'])
  const kernel = pair('maxPool2d', 'kernelSize', options.kernelSize, 1)
  const stride = pair('maxPool2d', 'stride', options.stride ?? options.kernelSize, 1)
  const padding = pair('maxPool2d', 'padding', options.padding ?? 0, 0)
  return apply(maxPool2dOp, [x], { kernel, stride, padding, input: x.shape })
}
