// linear and linearRelu: products with the transpose of a weight, plus a bias.
import { looksAcross } from '../capture/current.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { apply, type GradientOf, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { tooMany } from '../tensor/options.ts'
import { type Shape, ShapeError, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { copyColumns } from './copy.ts'
import { full } from './fill.ts'
import * as wgsl from './generated/wgsl.ts'
import {
  packedForW,
  packedForward,
  packedForX,
  planLinearBackward,
  rowsAPart,
  tuneLinearForward,
} from './linear_tuning.ts'
import { sumOfParts, TERMS, withBuffers } from './sum_parts.ts'
import { groupsFor, requireRank, requireTensors, requireType, stripsOf, withScratch } from './support.ts'
import { tunedFor } from './tuned.ts'
import { type PartOf, withParts } from './windows.ts'

const file = new KernelFile('linear', wgsl.linear)
const packForward = file.entry('pack_forward')
const forward = file.entry('forward')
const forwardDirect = file.entry('forward_direct')
const packBackward = file.entry('pack_backward')
const backward = file.entry('backward')
const backwardDirect = file.entry('backward_direct')
const reduce = file.entry('reduce')

const quads = (n: number) => Math.ceil(n / 4)
const eights = (n: number) => Math.ceil(n / 8)

/** [rows, features]: what comes before the last dimension is one batch. */
function asRows(t: Pick<Tensor, 'shape'>): [number, number] {
  return [sizeOf(t.shape.slice(0, -1)), t.shape.at(-1)!]
}

/** An input of one dimension: its dimension 0 is summed over. */
const summedOver = (input: Tensor): Tensor[] => (input.shape.length === 1 ? [input] : [])

type LinearInputs = readonly [Tensor, Tensor, Tensor | null]

function shapeOf(operation: string, [input, weight, bias]: LinearInputs): Shape {
  requireType(operation, 'input', input)
  requireType(operation, 'weight', weight)
  if (bias) requireType(operation, 'bias', bias)
  const letters = input.shape.length === 2 ? 'N I' : '… I'
  if (input.shape.length === 0) requireRank(operation, 'input', input.shape, 2, 'N I')
  requireRank(operation, 'weight', weight.shape, 2, 'O I')
  const I = input.shape.at(-1)!
  const [O, features] = weight.shape as [number, number]
  if (features !== I) {
    throw new ShapeError(operation, `weight takes ${features} input features, input has ${I}`, [
      ['input', input.shape, letters],
      ['weight', weight.shape, 'O I'],
    ])
  }
  if (bias && (bias.shape.length !== 1 || bias.shape[0] !== O)) {
    throw new ShapeError(operation, `bias must have one value for each of the ${O} output features`, [
      ['weight', weight.shape, 'O I'],
      ['bias', bias.shape, 'O'],
    ])
  }
  return [...input.shape.slice(0, -1), O]
}

/** Output features that the kernels are given at a time: their part of the weight, which begins with row `first`. */
interface Part {
  readonly first: number
  readonly count: number
  readonly weight: Storage
}

/**
 * The weight, or parts of it where it is larger than a binding: a part's outputs and their gradients are matrices of their
 * own meanwhile, and columns of the whole's are copied from and to them.
 */
function inParts({ shape, storage }: Matrix, use: (part: Part, isWhole: boolean) => void): void {
  const [O, I] = shape as [number, number]
  const rows = rowsAPart({ I, O })
  if (rows === O) {
    use({ first: 0, count: O, weight: storage }, true)
    return
  }
  for (let first = 0; first < O; first += rows) {
    const count = Math.min(rows, O - first)
    withParts([[storage, first * I, count * I]], ([weight]) => use({ first, count, weight: weight! }, false))
  }
}

function output(gpu: Gpu, [input, weight, bias]: LinearInputs, shape: Shape, relu: 0 | 1): Tensor {
  const [N, I] = asRows(input)
  const O = weight.shape[0]!
  const out = empty(gpu, shape, 'float32', 'linear')
  if (out.size === 0) return out
  inParts(weight, ({ first, count, weight }, isWhole) => {
    const params = { ...NOTHING, N, I, O: count, hasBias: bias ? 1 : 0, relu }
    const operands = { x: input.storage, weight }
    if (isWhole) return emitForward(gpu, params, operands, { bias: bias?.storage ?? null, out: out.storage })
    withParts(bias ? [[bias.storage, first, count]] : [], ([own = null]) => {
      withScratch(gpu, 'linear', N * count, (columns) => {
        emitForward(gpu, params, operands, { bias: own, out: columns })
        const from = { storage: columns, width: count, first: 0 }
        copyColumns(gpu, N, count, from, { storage: out.storage, width: O, first })
      })
    })
  })
  return out
}

function emitForward(
  gpu: Gpu,
  params: Params & { readonly relu: 0 | 1 },
  operands: Readonly<Record<'x' | 'weight', Storage>>,
  results: { readonly bias: Storage | null; readonly out: Storage },
): void {
  const { N, I, O, relu } = params
  const blocks = eights(N) * eights(O)
  const tuned = tunedFor(gpu, 'linear.forward', () => ({ N, I, O, relu }))
  const { DIRECT } = tuneLinearForward({ N, I, O }, gpu.info.adapterClass, tuned)
  if (DIRECT === 1 && I <= TERMS) {
    gpu.emit(forwardDirect, { params, ...operands, ...results }, groupsFor(blocks))
    return
  }
  withBuffers(gpu, 'linear', packedForward({ N, I, O }), ([left, right]) => {
    for (const range of ranges(I)) {
      const packed = { left_out: left!, right_out: right! }
      const strips = (quads(N) + quads(O)) * stripsOf(range.count)
      gpu.emit(packForward, { params: { ...params, ...range }, ...operands, ...packed }, groupsFor(strips))
      gpu.emit(forward, { params: { ...params, ...range }, left: left!, right: right!, ...results }, groupsFor(blocks))
    }
  })
}

/** The terms of a sum, as many at a time as one accumulator adds. */
function ranges(terms: number) {
  return Array.from({ length: Math.max(1, Math.ceil(terms / TERMS)) }, (_, i) => {
    const k0 = i * TERMS
    return { k0, count: Math.min(TERMS, terms - k0), more: i > 0 ? 1 : 0, last: k0 + TERMS >= terms ? 1 : 0 }
  })
}

/** Gradients of input, weight and bias. `grad(i)` makes the tensors for them. */
export function linearGradients(
  gpu: Gpu,
  operands: Operands,
  [needsInput, needsWeight, needsBias]: readonly boolean[],
  grad: GradientOf,
): [Tensor | null, Tensor | null, Tensor | null] {
  const { dy, input, weight, y } = operands
  const [N, I] = asRows(input)
  const O = weight.shape[0]!
  const needsParameters = needsWeight || needsBias
  // Where a sum has no terms its result is 0; nothing is left for the kernels then.
  const none = N === 0 || O === 0 || I === 0
  const result = (i: number, shape: Shape) => {
    if (none) return full(gpu, shape, 0)
    return i < 2 || needsBias ? grad(i) : empty(gpu, shape, 'float32', 'linear')
  }
  const dx = needsInput ? result(0, input.shape) : null
  const dw = needsParameters ? result(1, weight.shape) : null
  const db = !needsParameters ? null : none ? biasOnly(gpu, dy, y) : result(2, [O])
  if (!none && (dx || dw)) emitGradients(gpu, operands, dx, dw, db)
  return [dx, dw, db]
}

function emitGradients(gpu: Gpu, operands: Operands, dx: Stored | null, dw: Stored | null, db: Stored | null): void {
  const { dy, input, weight, y } = operands
  const [N, I] = asRows(input)
  const O = weight.shape[0]!
  inParts(weight, (part, isWhole) => {
    if (isWhole) return compute(gpu, operands, dx, dw, db)
    const { first, count } = part
    const results: PartOf[] =
      dw && db
        ? [
            [dw.storage, first * I, count * I],
            [db.storage, first, count],
          ]
        : []
    const columnsOf = [dy, ...(y ? [y] : [])]
    withParts(results, ([partW, partB]) => {
      withBuffers(
        gpu,
        "linear's backward",
        columnsOf.map(() => N * count),
        (columns) => {
          for (const [i, storage] of columns.entries()) {
            const from = { storage: columnsOf[i]!.storage, width: O, first }
            copyColumns(gpu, N, count, from, { storage, width: count, first: 0 })
          }
          const [ownDy, ownY = null] = columns.map((storage) => ({ storage, shape: [N, count] }))
          const own = { ...operands, dy: ownDy!, y: ownY, weight: { storage: part.weight, shape: [count, I] } }
          const [ownW, ownB] = [partW, partB].map((storage) => (storage ? { storage } : null))
          const place = { more: first > 0 ? 1 : 0, last: first + count === O ? 1 : 0 }
          compute(gpu, own, dx, ownW!, ownB!, place)
        },
      )
    })
  })
}

/**
 * How layers with a ReLU between each two share its backward: the layer after it sets its dx to 0 where its input is 0,
 * in the dispatch that computes it, and the layer before it takes that for its dy as it is. That is right only where the
 * ReLU's output goes to that one layer, and nobody sees the gradient between.
 */
export interface Link {
  /** Whether the input is a ReLU's output and its backward is this layer's part. */
  readonly masksInput: boolean
  /** Whether the layer after this one takes over the backward of this one's ReLU. */
  readonly masked: boolean
}

const ALONE: Link = { masksInput: false, masked: false }

function opOf(name: string, relu: 0 | 1): Op<LinearInputs, Link> {
  return {
    name,

    shape(inputs) {
      return shapeOf(name, inputs)
    },

    multiplyAdds: ([, weight], _, shape) => sizeOf(shape) * weight.shape[1]!,

    forward(gpu, inputs, { masked }, shape) {
      const out = output(gpu, inputs, shape, relu)
      return { out, saved: [inputs[0], inputs[1], ...(relu === 1 && !masked ? [out] : [])] }
    },

    backward(gpu, dy, [input, weight, y = null], { masksInput }, needs, grad) {
      return linearGradients(gpu, { dy, input: input!, weight: weight!, y, masksInput }, needs, grad)
    },
  }
}

const linearOp = opOf('linear', 0)
const linearReluOp = opOf('linearRelu', 1)

type Stored = Pick<Tensor, 'storage'>
type Matrix = Pick<Tensor, 'storage' | 'shape'>

interface Operands {
  readonly dy: Matrix
  readonly input: Matrix
  readonly weight: Matrix
  /** The output, where the backward of its ReLU is this layer's part. */
  readonly y: Matrix | null
  readonly masksInput: boolean
}

/** The bias's gradient for a layer without input features: a layer of one feature that is zero has the same. */
function biasOnly(gpu: Gpu, dy: Matrix, y: Matrix | null): Tensor {
  const [N, O] = asRows(dy)
  if (sizeOf(dy.shape) === 0) return full(gpu, [O], 0)
  const db = empty(gpu, [O], 'float32', 'linear')
  const input = full(gpu, [N, 1], 0)
  const weight = full(gpu, [O, 1], 0)
  compute(gpu, { dy, input, weight, y, masksInput: false }, null, full(gpu, [O, 1], 0), db)
  return db
}

/** `place`: of a part of the weight, whether its terms of dx are added to those of others, and no others follow. */
function compute(
  gpu: Gpu,
  operands: Operands,
  dx: Stored | null,
  dw: Stored | null,
  db: Stored | null,
  place?: { readonly more: number; readonly last: number },
): void {
  const { input, weight, y, masksInput } = operands
  const [N, I] = asRows(input)
  const O = weight.shape[0]!
  const relu = y ? 1 : 0
  const sizes = { N, I, O, relu }
  const tuned = { ...tunedFor(gpu, 'linear.backward', () => sizes), ...(place && { DIRECT: 0 }) }
  const need = { needX: dx !== null, needW: dw !== null }
  const { direct, together, share, plan } = planLinearBackward(sizes, need, gpu.info.adapterClass, tuned)
  const params = { ...NOTHING, ...sizes, maskX: masksInput ? 1 : 0, share }
  const emit = direct ? emitDirect : emitPacked
  const x = dx?.storage ?? null
  const rangesOfX = ranges(O).map((range) => ({ ...range, ...place })) // a part of the weight has one
  const [forX] = rangesOfX
  if (!dw || !db || !together) {
    if (dx)
      for (const range of rangesOfX)
        emit(gpu, { ...params, ...range, needX: 1 }, operands, { dx: x, dw: null, db: null })
    if (!dw || !db) return
  }
  const alongX = together && dx ? { ...forX!, needX: 1 } : { ...forX!, count: 0, needX: 0 }
  const write = (w: Storage, b: Storage, first: number, parts: number) => {
    const rows = { n0: first * share, rows: Math.min(parts * share, N - first * share), parts, needW: 1 }
    emit(gpu, { ...params, ...alongX, ...rows }, operands, { dx: together ? x : null, dw: w, db: b })
  }
  if (plan.parts === 1) write(dw.storage, db.storage, 0, 1)
  else {
    sumOfParts(
      gpu,
      "linear's backward",
      plan,
      ([w, b], first, parts) => write(w!, b!, first, parts),
      ([partial_w, partial_b], parts) => {
        const sums = { partial_w: partial_w!, partial_b: partial_b!, dw: dw.storage, db: db.storage }
        gpu.emit(reduce, { params: { ...params, parts }, ...sums }, groupsFor(O * I + O))
      },
    )
  }
}

/** Params of a dispatch that has no part in any of this. */
const NOTHING = {
  hasBias: 0,
  relu: 0,
  needX: 0,
  needW: 0,
  parts: 0,
  share: 0,
  maskX: 0,
  n0: 0,
  rows: 0,
  k0: 0,
  count: 0,
  more: 0,
  last: 1,
}

type Params = Readonly<Record<'N' | 'I' | 'O' | keyof typeof NOTHING, number>>
/** Null where nobody asks for one. */
type Results = Readonly<Record<'dx' | 'dw' | 'db', Storage | null>>

/** Threads of backward: blocks of 8 by 8, and those of the bias's gradient. */
function threadsOf({ N, I, O, needX, needW, parts }: Params, threadsOfBias: number): number {
  return needW * parts * (eights(O) * eights(I) + threadsOfBias) + needX * eights(N) * eights(I)
}

function emitDirect(gpu: Gpu, params: Params, { dy, input, weight }: Operands, results: Results): void {
  const inputs = { dy: dy.storage, x_quads: input.storage, weight_quads: weight.storage }
  gpu.emit(backwardDirect, { params, ...inputs, ...results }, groupsFor(threadsOf(params, params.O)))
}

function emitPacked(gpu: Gpu, params: Params, { dy, input, weight, y }: Operands, results: Results): void {
  const { N, I, O, needX, needW, rows, count } = params
  const [forX, forW] = [packedForX({ N, I, O: count }), packedForW({ N, I, O }, needW * rows)]
  const floats = [needX * forX[0] + forW[0], needX * forX[1] + forW[1]]
  withBuffers(gpu, "linear's backward", floats, ([left, right]) => {
    const inputs = { x: input.storage, weight: weight.storage, dy: dy.storage, y: y?.storage ?? null }
    const alongN = needW * (quads(O) + quads(I)) * stripsOf(rows)
    const alongO = needX * (quads(N) + quads(I)) * stripsOf(count)
    gpu.emit(packBackward, { params, ...inputs, left_out: left!, right_out: right! }, groupsFor(alongN + alongO))
    const packed = { left: left!, right: right! }
    gpu.emit(backward, { params, ...packed, x: input.storage, ...results }, groupsFor(threadsOf(params, quads(O))))
  })
}

/**
 * input [N, I] times the transpose of weight [O, I], plus bias [O] or null → [N, O]: PyTorch's layout. Instead of N the
 * input may have any number of dimensions, or none: [I] → [O]. The weight may be as large as a buffer, other tensors as a
 * binding: GpuError beyond. Throws ShapeError when the sizes do not fit.
 */
export function linear(input: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'linear(input, weight, bias)')
  requireTensors('linear', bias === null ? { input, weight } : { input, weight, bias })
  looksAcross('linear', weight, ...summedOver(input))
  return apply(linearOp, [input, weight, bias], ALONE)
}

/**
 * relu(linear(input, weight, bias)) in one: the same values, and the same rules for shapes. The gradient is 0 where the
 * output is.
 */
export function linearRelu(input: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'linearRelu(input, weight, bias)')
  requireTensors('linearRelu', bias === null ? { input, weight } : { input, weight, bias })
  looksAcross('linearRelu', weight, ...summedOver(input))
  return apply(linearReluOp, [input, weight, bias], ALONE)
}

/** linearRelu or linear of a layer that shares a ReLU with a neighbour. For Sequential, which knows that it has no other. */
export function linearLink(relu: boolean, input: Tensor, weight: Tensor, bias: Tensor | null, link: Link): Tensor {
  return apply(relu ? linearReluOp : linearOp, [input, weight, bias], link)
}
