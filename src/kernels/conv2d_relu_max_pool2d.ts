// An optimization: convolution, ReLU and 2 × 2 max pooling in one. conv2d, relu and max_pool2d define it.
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { requireOptions, tooMany } from '../tensor/options.ts'
import { pair, type Shape, ShapeError, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type Conv2dOptions, type ConvAttributes, conv2d, conv2dShape, WHOLE, zeroChannel } from './conv2d.ts'
import { tuneFused } from './conv2d_relu_max_pool2d_tuning.ts'
import { sizesOf, weightParts } from './conv2d_tuning.ts'
import { full } from './fill.ts'
import * as wgsl from './generated/wgsl.ts'
import { maxPool2d } from './max_pool2d.ts'
import { sumOfParts, TERMS } from './sum_parts.ts'
import { groupsFor, requireTensors } from './support.ts'
import { tunedFor } from './tuned.ts'
import { relu } from './unary.ts'

const NAME = 'conv2dReluMaxPool2d'

/** Elements of a weight that is packed; a larger one is left to the operations in turn. */
const LARGEST_WEIGHT = 2 ** 20

const file = new KernelFile('conv2d_relu_max_pool2d', wgsl.conv2d_relu_max_pool2d)

/** All that the kernels are called with; `output` is the pooled shape. */
function plan(
  gpu: Gpu,
  [input, weight, output]: readonly [Shape, Shape, Shape],
  { stride, padding, dilation }: ConvAttributes,
  bias: boolean,
) {
  const [N, C, H, W] = input as [number, number, number, number]
  const [F, , KH, KW] = weight as [number, number, number, number]
  const [, , OH, OW] = output as [number, number, number, number]
  const [[SH, SW], [PH, PW], [DH, DW]] = [stride, padding, dilation]
  const params = { N, C, H, W, F, KH, KW, OH, OW, SH, SW, PH, PW, DH, DW, hasBias: bias ? 1 : 0, ...WHOLE }
  const unitSteps = SH === 1 && SW === 1 && DH === 1 && DW === 1
  const tuned = (entryPoint: string) => tunedFor(gpu, `conv2d_relu_max_pool2d.${entryPoint}`, () => sizesOf(params))
  const chosen = { ...tuned('forward'), ...tuned('backward_input'), ...tuned('backward_weight') }
  const tune = tuneFused({ C, F, KH, KW, W, OH, OW, PH, PW }, unitSteps, gpu.info.adapterClass, chosen)
  return { params, tune }
}
type Plan = ReturnType<typeof plan>

/** The `// tune` numbers that an entry point looks at: others would make variants that differ in nothing. */
function pick(tune: Plan['tune'], ...names: (keyof Plan['tune'])[]) {
  return Object.fromEntries(names.map((name) => [name, tune[name]]))
}

/** The weights in the order in which forward and backward read them. */
function packWeights(gpu: Gpu, { params, tune }: Plan, w: Tensor): Tensor {
  // As a uniform buffer the whole declared 64 KiB must be there.
  const floats = Math.max(4 * tune.quads, 16_384)
  const packed = empty(gpu, [floats], 'float32', `${NAME} weights`)
  const bindings = { params, weight: w.storage, packed: packed.storage }
  gpu.emit(file.entry('pack', pick(tune, 'OCB', 'DX_C')), bindings, groupsFor(tune.quads))
  return packed
}

function forward(gpu: Gpu, { params, tune }: Plan, x: Tensor, w: Tensor, b: Tensor | null, out: Tensor, won: Tensor) {
  const kernel = file.entry('forward', pick(tune, 'RUN', 'KW_FIXED', 'PADDED', 'WEIGHTS_UNIFORM', 'OCB'))
  const weights = { weights_large: w.storage, weights_small: w.storage }
  const inputs = { params, x: x.storage, ...weights, bias: b?.storage ?? null }
  const blocks = Math.ceil(params.F / tune.OCB)
  const threads = params.N * params.OH * Math.ceil(params.OW / tune.RUN)
  gpu.emit(kernel, { ...inputs, out: out.storage, winner_out: won.storage }, groupsFor(threads) * blocks)
}

interface Gradient {
  readonly dy: Tensor
  readonly winner: Tensor
}

function backwardInput(gpu: Gpu, { params, tune }: Plan, w: Tensor, { dy, winner }: Gradient, dx: Tensor) {
  const names = ['RUN', 'KW_FIXED', 'WEIGHTS_UNIFORM', 'OCB', 'DX_C', 'DX_T'] as const
  const kernel = file.entry('backward_input', pick(tune, ...names, 'DX_WINDOWS', 'DX_BACK', 'DX_SHIFT', 'DX_WHOLE'))
  const weights = { weights_large: w.storage, weights_small: w.storage }
  const threads = params.N * Math.ceil(params.H / 2) * Math.ceil(params.W / tune.DX_T)
  const groups = groupsFor(threads) * Math.ceil(params.C / tune.DX_C)
  gpu.emit(kernel, { params, ...weights, dy: dy.storage, winner: winner.storage, dx: dx.storage }, groups)
}

/** Gradients of weight and bias: the sums over parts of the batch's rows, then those added in order. */
function backwardWeight(
  gpu: Gpu,
  { params, tune }: Plan,
  x: Tensor,
  { dy, winner }: Gradient,
  { dw, db }: { dw: Tensor; db: Tensor | null },
) {
  const { C, F, KH, KW } = params
  const { LANES, DW_OC, DW_TY, DW_TX } = tune
  const tiles = Math.ceil(F / DW_OC) * C * Math.ceil(KH / DW_TY) * Math.ceil(KW / DW_TX)
  const { cut, plan } = weightParts(params, tune)
  const names = ['RUN', 'KW_FIXED', 'PADDED', 'IMAGES', 'LANES', 'DW_OC', 'DW_TY', 'DW_TX'] as const
  const kernel = file.entry('backward_weight', pick(tune, ...names), { WG: tune.WG })
  const write = ([partial]: readonly Storage[], firstPart: number, parts: number) => {
    const lanes = Math.min(LANES, parts)
    const range = { ...params, ...cut, firstPart, parts, lanes }
    const threads = Math.ceil(parts / lanes) * lanes * tiles
    const inputs = { params: range, x: x.storage, dy: dy.storage, winner: winner.storage }
    gpu.emit(kernel, { ...inputs, partial: partial! }, groupsFor(threads, tune.WG))
  }
  sumOfParts(gpu, `${NAME}'s backward`, plan, write, ([sums], parts) => {
    const bindings = { params: { ...params, parts }, sums: sums!, dw: dw.storage, ...(db && { db: db.storage }) }
    const weights = F * C * KH * KW
    gpu.emit(file.entry(db ? 'reduce' : 'reduce_weight'), bindings, groupsFor(db ? weights + F : weights))
  })
}

const fusedOp: Op<readonly [Tensor, Tensor, Tensor | null], ConvAttributes> = {
  name: NAME,

  shape(inputs, attributes) {
    const { shape, lines } = conv2dShape(NAME, inputs, attributes)
    const [N, F, height, width] = shape as [number, number, number, number]
    if (height < 2 || width < 2) {
      throw new ShapeError(NAME, `the convolution's ${height} × ${width} cells are too few for a 2 × 2 window`, lines)
    }
    return [N, F, Math.floor(height / 2), Math.floor(width / 2)]
  },

  // Cells that no window takes are not computed.
  multiplyAdds: ([, weight], _, shape) => 4 * sizeOf(shape) * sizeOf(weight.shape.slice(1)),

  forward(gpu, [input, weight, bias], attributes, shape) {
    const out = empty(gpu, shape, 'float32', NAME)
    const run = (x: Tensor, w: Tensor) => {
      const p = plan(gpu, [x.shape, w.shape, shape], attributes, bias !== null)
      const words = [...shape.slice(0, 3), Math.ceil(shape[3]! / p.tune.RUN)]
      const winner = empty(gpu, words, 'int32', `${NAME} winners`)
      const packed = packWeights(gpu, p, w)
      if (sizeOf(words) > 0) forward(gpu, p, x, packed, bias, out, winner)
      return [winner, packed]
    }
    if (input.shape[1]! > 0) return { out, saved: [input, weight, ...run(input, weight)] }
    // Without input channels every sum is empty and z is the bias: with it, a channel of zeros has that z.
    const zeros = zeroChannel(gpu, input, weight)
    const made = run(...zeros)
    for (const t of zeros) t.dispose() // nobody else knows them, and there need not be a scope
    return { out, saved: [input, weight, ...made] }
  },

  backward(gpu, dy, saved, attributes, [needsInput, needsWeight, needsBias], grad) {
    const [input, weight, winner, packed] = saved as [Tensor, Tensor, Tensor, Tensor]
    const gradient = { dy, winner }
    const result = (i: number, shape: Shape) => (dy.size === 0 ? full(gpu, shape, 0) : grad(i))
    const dx = needsInput ? result(0, input.shape) : null
    const needsParameters = needsWeight || needsBias
    const dw = needsParameters ? result(1, weight.shape) : null
    const db = needsBias ? result(2, [weight.shape[0]!]) : null
    if (dy.size === 0) return [dx, dw, db]
    const p = plan(gpu, [input.shape, weight.shape, dy.shape], attributes, false)
    if (dx && dx.size > 0) backwardInput(gpu, p, packed, gradient, dx)
    if (dw && dw.size > 0) backwardWeight(gpu, p, input, gradient, { dw, db })
    else if (db) {
      const [x, w] = zeroChannel(gpu, input, weight)
      const none = empty(gpu, w.shape, 'float32', NAME)
      const zeros = plan(gpu, [x.shape, w.shape, dy.shape], attributes, false)
      backwardWeight(gpu, zeros, x, gradient, { dw: none, db })
    }
    return [dx, dw, db]
  },
}

/**
 * Whether one kernel does all: its sums must not have more terms than one accumulator adds, and it packs the weights for both
 * directions, several times their size.
 */
function fuses([F, C, KH, KW]: Shape): boolean {
  return Math.max(F!, C!) * KH! * KW! <= TERMS && F! * C! * KH! * KW! <= LARGEST_WEIGHT
}

/**
 * maxPool2d(relu(conv2d(input, weight, bias, options)), { kernelSize: 2 }) in one: input [N, C, H, W], weight
 * [F, C, KH, KW], bias [F] or null → [N, F, ⌊OH/2⌋, ⌊OW/2⌋] with conv2d's OH and OW. A weight of more than 2²⁰ elements, or
 * sums of more than 4,096 products, are computed by the three operations in turn; otherwise in one kernel, where the gradient goes to the first largest
 * cell of each window if it is above 0; every other cell adds nothing to any gradient, whatever infinity it would meet.
 * Throws ShapeError when the sizes do not fit.
 */
export function conv2dReluMaxPool2d(
  input: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: Omit<Conv2dOptions, 'groups'> = {},
): Tensor {
  if (arguments.length > 4) throw tooMany(arguments, 'conv2dReluMaxPool2d(input, weight, bias, options)')
  requireTensors(NAME, bias === null ? { input, weight } : { input, weight, bias })
  requireOptions(NAME, options, ['stride', 'padding', 'dilation'])
  const stride = pair(NAME, 'stride', options.stride ?? 1, 1)
  const padding = pair(NAME, 'padding', options.padding ?? 0, 0)
  const dilation = pair(NAME, 'dilation', options.dilation ?? 1, 1)
  const inputs = [input, weight, bias] as const
  const attributes = { stride, padding, dilation, groups: 1 }
  if (!fuses(weight.shape)) {
    fusedOp.shape(inputs, attributes)
    return maxPool2d(relu(conv2d(input, weight, bias, options)), { kernelSize: 2 })
  }
  return apply(fusedOp, inputs, attributes)
}
