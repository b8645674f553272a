// conv2d. Where nn.Sequential fuses it with ReLU and pooling, conv2d_relu_max_pool2d.ts runs instead.
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { requireOptions, tooMany } from '../tensor/options.ts'
import { pair, type Shape, ShapeError, type ShapeLine, sizeOf, whole } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { maySlice, planCorrelate, sizesOf, tuneCorrelate, tuneWeight, weightParts } from './conv2d_tuning.ts'
import { correlateDepthwise, isDepthwise } from './depthwise.ts'
import { full } from './fill.ts'
import * as wgsl from './generated/wgsl.ts'
import { addPart, sumOfParts } from './sum_parts.ts'
import { groupsFor, outputSize, requireRank, requireTensors, requireType, withScratch } from './support.ts'
import { tunedFor } from './tuned.ts'

/** Options of {@link conv2d}. All but groups are a number or [height, width]: stride 1, padding 0, dilation 1 unless given. */
export interface Conv2dOptions {
  readonly stride?: number | readonly number[]
  readonly padding?: number | readonly number[]
  readonly dilation?: number | readonly number[]
  /** Groups of channels, each with as many of the filters; 1 unless given. */
  readonly groups?: number
}

type Pair = readonly [number, number]

/** Options as a kernel has them: of each axis, and the groups. */
export interface ConvAttributes<Axes = Pair> {
  readonly stride: Axes
  readonly padding: Axes
  readonly dilation: Axes
  readonly groups: number
}

const file = new KernelFile('conv2d', wgsl.conv2d)

/** Parts of sums, for kernels that have none. */
export const WHOLE = { pieces: 0, pieceRows: 0, segments: 0, firstPart: 0, parts: 0, lanes: 0 }

/** Numbers of the kernels for a convolution of `input` to `output`, whichever of them is computed. */
export function paramsOf(input: Shape, weight: Shape, output: Shape, attributes: ConvAttributes, bias: boolean) {
  const [N, C, H, W] = input as [number, number, number, number]
  const [F, CG, KH, KW] = weight as [number, number, number, number]
  const [SH, SW] = attributes.stride
  const [PH, PW] = attributes.padding
  const [DH, DW] = attributes.dilation
  const [OH, OW] = [output[2]!, output[3]!]
  const hasBias = bias ? 1 : 0
  const sizes = { N, C, H, W, F, KH, KW, OH, OW, SH, SW, PH, PW, DH, DW, hasBias }
  return { ...sizes, CG, FG: F / attributes.groups, firstBlock: 0, blocks: 0, in0: 0, ins: 0, ...WHOLE }
}
type Params = ReturnType<typeof paramsOf>

/** What was tuned for a layer. Files of tunings have layers of one group. */
function tunedConv(gpu: Gpu, entryPoint: string, params: Params) {
  return params.CG === params.C ? tunedFor(gpu, `conv2d.${entryPoint}`, () => sizesOf(params)) : undefined
}

/**
 * What forward and backward_input have in common: pack the weights, then correlate `src` with them into `dst`. Errors about
 * memory name `operation`.
 */
export function correlate(
  gpu: Gpu,
  operation: string,
  params: Params,
  direction: 'forward' | 'backward_input',
  src: Storage,
  weight: Storage,
  bias: Storage | null,
  dst: Tensor,
) {
  if (isDepthwise(params)) {
    correlateDepthwise(gpu, params, direction, src, weight, bias, dst)
    return
  }
  const { N, F, CG, FG, KH, KW } = params
  const [inChannels, outChannels] = direction === 'forward' ? [CG, FG] : [FG, CG]
  const [OH, OW] = [dst.shape[2]!, dst.shape[3]!]
  const unitStep = params.SW === 1 && params.DW === 1
  const layer = { inChannels, outChannels, KH, KW, OH, OW, groups: F / FG }
  const { adapterClass } = gpu.info
  const slices = maySlice(N * OH * OW * F * CG * KH * KW, adapterClass)
  const tuned = tunedConv(gpu, direction, params)
  const tune = tuneCorrelate(layer, { unitStep, slices }, adapterClass, tuned)
  const { blocks, blocksPacked, blocksADispatch, channels, quadsOfBlock, floats } = planCorrelate(layer, tune)
  const { WG, ...numbers } = tune
  const pack = file.entry(`pack_${direction}`, numbers, { WG })
  const kernel = file.entry(direction, numbers, { WG })
  const groups = groupsFor(N * OH * Math.ceil(OW / tune.PX), WG)
  /** What a number of input channels of each group add. */
  const run = (packed: Storage, part: Params, bias: Storage | null, out: Storage) => {
    const bytesOfBlock = 16 * quadsOfBlock(part.ins)
    for (let packFrom = 0; packFrom < blocks; packFrom += blocksPacked) {
      const end = Math.min(packFrom + blocksPacked, blocks)
      const range = { ...part, firstBlock: packFrom, blocks: end - packFrom }
      gpu.emit(pack, { params: range, weight, packed }, groupsFor(range.blocks * quadsOfBlock(part.ins), WG))
      for (let firstBlock = packFrom; firstBlock < end; firstBlock += blocksADispatch) {
        const count = Math.min(blocksADispatch, end - firstBlock)
        const at = bytesOfBlock * (firstBlock - packFrom)
        const weights = packed.part(at, packed.byteLength - at)
        const inputs = {
          params: { ...range, firstBlock, blocks: count },
          weights_small: weights,
          weights_large: weights,
        }
        gpu.emit(kernel, { ...inputs, src, dst: out, bias }, groups * count)
        weights.release()
      }
    }
  }
  withScratch(gpu, operation, floats, (packed) => {
    run(packed, { ...params, ins: Math.min(channels, inChannels) }, bias, dst.storage)
    if (channels >= inChannels) return
    // What further channels add follows by itself, so that no accumulator adds more than so many terms.
    withScratch(gpu, operation, dst.size, (others) => {
      for (let in0 = channels; in0 < inChannels; in0 += channels) {
        const ins = Math.min(channels, inChannels - in0)
        run(packed, { ...params, hasBias: 0, in0, ins }, null, others)
        addPart(gpu, others, dst.storage, dst.size)
      }
    })
  })
}

/** Gradients of weight and bias: the sums over parts of the batch's rows, then those added in order. */
export function weightGradients(
  gpu: Gpu,
  operation: string,
  params: Params,
  x: Storage,
  dy: Storage,
  dw: Tensor,
  db: Tensor | null,
): void {
  const { F, CG, FG, KH, KW, OH, OW, SW, DW } = params
  const groups = F / FG
  const layer = { inChannels: CG, outChannels: FG, KH, KW, OH, OW, groups }
  const tune = tuneWeight(layer, SW === DW, gpu.info.adapterClass, tunedConv(gpu, 'backward_weight', params))
  const { WG, ...numbers } = tune
  const { LANES, DW_OC, DW_TY, DW_TX } = tune
  const tiles = groups * Math.ceil(FG / DW_OC) * CG * Math.ceil(KH / DW_TY) * Math.ceil(KW / DW_TX)
  const { cut, plan } = weightParts({ ...params, C: CG }, tune)
  const kernel = file.entry('backward_weight', numbers, { WG })
  const write = ([partial]: readonly Storage[], firstPart: number, parts: number) => {
    const lanes = Math.min(LANES, parts)
    const range = { ...params, ...cut, firstPart, parts, lanes }
    const threads = Math.ceil(parts / lanes) * lanes * tiles
    gpu.emit(kernel, { params: range, src: x, dy, partial: partial! }, groupsFor(threads, WG))
  }
  sumOfParts(gpu, operation, plan, write, ([sums], parts) => {
    const reduced = { params: { ...params, parts }, sums: sums!, dw: dw.storage }
    const weights = F * CG * KH * KW
    if (db) gpu.emit(file.entry('reduce'), { ...reduced, db: db.storage }, groupsFor(weights + F))
    else gpu.emit(file.entry('reduce_weight'), reduced, groupsFor(weights))
  })
}

/** An axis of what is convolved: the letters of its size and of the kernel's, and its name. */
export type ConvAxis = readonly [letter: string, kernel: string, name: string]

const IMAGE: readonly ConvAxis[] = [
  ['H', 'KH', 'height'],
  ['W', 'KW', 'width'],
]

/** Throws ShapeError for groups that are not a whole number or do not divide the channels or filters. */
export function requireDividing(
  operation: string,
  groups: number,
  counts: Readonly<Record<string, number>>,
  lines: readonly ShapeLine[] = [],
): void {
  whole(operation, 'groups', groups, 1)
  for (const [name, count] of Object.entries(counts)) {
    if (count % groups === 0) continue
    throw new ShapeError(operation, `${groups} groups do not divide the ${count} ${name}`, lines)
  }
}

/** The shape of a convolution's output, and the lines that show its inputs in errors. Throws what `operation` refuses. */
export function convShape(
  operation: string,
  axes: readonly ConvAxis[],
  [input, weight, bias]: readonly [Tensor, Tensor, Tensor | null],
  { stride, padding, dilation, groups }: ConvAttributes<readonly number[]>,
): { shape: Shape; lines: readonly ShapeLine[] } {
  requireType(operation, 'input', input)
  requireType(operation, 'weight', weight)
  if (bias) requireType(operation, 'bias', bias)
  const letters = ['N', 'C', ...axes.map(([letter]) => letter)].join(' ')
  const weightLetters = ['F', groups === 1 ? 'C' : 'C/groups', ...axes.map(([, kernel]) => kernel)].join(' ')
  requireRank(operation, 'input', input.shape, 2 + axes.length, letters)
  requireRank(operation, 'weight', weight.shape, 2 + axes.length, weightLetters)
  const lines: ShapeLine[] = [
    ['input', input.shape, letters],
    ['weight', weight.shape, weightLetters],
  ]
  const [N, C, ...sizes] = input.shape as [number, number, ...number[]]
  const [F, channels, ...kernel] = weight.shape as [number, number, ...number[]]
  requireDividing(operation, groups, { channels: C, filters: F }, lines)
  if (channels * groups !== C) {
    const taken = groups === 1 ? `${channels} input channels` : `${channels} input channels in each of ${groups} groups`
    throw new ShapeError(operation, `weight takes ${taken}, input has ${C}`, lines)
  }
  if (kernel.includes(0)) throw new ShapeError(operation, 'the kernel has no elements', lines)
  if (bias && (bias.shape.length !== 1 || bias.shape[0] !== F)) {
    const sentence = `bias must have one value for each of the ${F} filters`
    throw new ShapeError(operation, sentence, [...lines, ['bias', bias.shape, 'F']])
  }
  const out = axes.map(([, , axis], i) => {
    const step = { stride: stride[i]!, padding: padding[i]!, dilation: dilation[i]! }
    return outputSize(operation, { input: sizes[i]!, kernel: kernel[i]!, ...step, axis }, lines)
  })
  return { shape: [N, F, ...out], lines }
}

/** The shape of conv2d's output, as convShape gives it. */
export function conv2dShape(
  operation: string,
  inputs: readonly [Tensor, Tensor, Tensor | null],
  attributes: ConvAttributes,
): { shape: Shape; lines: readonly ShapeLine[] } {
  return convShape(operation, IMAGE, inputs, attributes)
}

const BACKWARD = "conv2d's backward"

const conv2dOp: Op<readonly [Tensor, Tensor, Tensor | null], ConvAttributes> = {
  name: 'conv2d',

  shape: (inputs, attributes) => conv2dShape('conv2d', inputs, attributes).shape,

  multiplyAdds: ([, weight], _, shape) => sizeOf(shape) * sizeOf(weight.shape.slice(1)),

  forward(gpu, [input, weight, bias], attributes, shape) {
    const out = empty(gpu, shape, 'float32', 'conv2d')
    if (out.size === 0) return { out, saved: [input, weight] }
    const run = (x: Tensor, w: Tensor) => {
      const params = paramsOf(x.shape, w.shape, shape, attributes, bias !== null)
      correlate(gpu, 'conv2d', params, 'forward', x.storage, w.storage, bias?.storage ?? null, out)
    }
    if (input.shape[1]! > 0) run(input, weight)
    else {
      // Without input channels every sum is empty and the output is the bias: with it, a channel of zeros has that output.
      const zeros = zeroChannel(gpu, input, weight, attributes.groups)
      run(...zeros)
      for (const t of zeros) t.dispose() // nobody else knows them, and there need not be a scope
    }
    return { out, saved: [input, weight] }
  },

  backward(gpu, dy, saved, attributes, [needsInput, needsWeight, needsBias], grad) {
    const [input, weight] = saved as [Tensor, Tensor]
    const params = paramsOf(input.shape, weight.shape, dy.shape, attributes, false)
    let dx: Tensor | null = null
    if (needsInput) {
      dx = dy.size === 0 ? full(gpu, input.shape, 0) : empty(gpu, input.shape, 'float32', 'conv2d')
      if (dy.size > 0 && dx.size > 0) {
        correlate(gpu, BACKWARD, params, 'backward_input', dy.storage, weight.storage, null, dx)
      }
    }
    if (!needsWeight && !needsBias) return [dx, null, null]
    if (dy.size === 0) return [dx, full(gpu, weight.shape, 0), full(gpu, [weight.shape[0]!], 0)]
    if (input.shape[1] === 0) {
      const [x, w] = zeroChannel(gpu, input, weight, attributes.groups)
      const db = empty(gpu, [w.shape[0]!], 'float32', 'conv2d')
      const dw = empty(gpu, w.shape, 'float32', 'conv2d')
      const zeros = paramsOf(x.shape, w.shape, dy.shape, attributes, false)
      weightGradients(gpu, BACKWARD, zeros, x.storage, dy.storage, dw, db)
      return [dx, empty(gpu, weight.shape, 'float32', 'conv2d'), db]
    }
    const dw = grad(1)
    const db = needsBias ? grad(2) : null
    weightGradients(gpu, BACKWARD, params, input.storage, dy.storage, dw, db)
    return [dx, dw, db]
  },
}

/** An input and a weight of one channel of zeros, in each group, for those that have none. */
export function zeroChannel(gpu: Gpu, input: Tensor, weight: Tensor, groups = 1): [Tensor, Tensor] {
  const [N, , H, W] = input.shape as [number, number, number, number]
  const [F, , KH, KW] = weight.shape as [number, number, number, number]
  return [full(gpu, [N, groups, H, W], 0), full(gpu, [F, 1, KH, KW], 0)]
}

/**
 * Convolution (cross-correlation) of input [N, C, H, W] with weight [F, C / groups, KH, KW] and bias [F] or null →
 * [N, F, OH, OW], OH = ⌊(H + 2·padding − dilation·(KH − 1) − 1) / stride⌋ + 1. Options are numbers or [height, width]. Of several
 * groups, the first F / groups filters see the first C / groups channels, the next filters the next channels, and so on; with C
 * groups it is called depthwise. Throws ShapeError when the sizes do not fit.
 */
export function conv2d(input: Tensor, weight: Tensor, bias: Tensor | null = null, options: Conv2dOptions = {}): Tensor {
  if (arguments.length > 4) throw tooMany(arguments, 'conv2d(input, weight, bias, options)')
  requireTensors('conv2d', bias === null ? { input, weight } : { input, weight, bias })
  requireOptions('conv2d', options, ['stride', 'padding', 'dilation', 'groups'])
  const stride = pair('conv2d', 'stride', options.stride ?? 1, 1)
  const padding = pair('conv2d', 'padding', options.padding ?? 0, 0)
  const dilation = pair('conv2d', 'dilation', options.dilation ?? 1, 1)
  return apply(conv2dOp, [input, weight, bias], { stride, padding, dilation, groups: options.groups ?? 1 })
}
