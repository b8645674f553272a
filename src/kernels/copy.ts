// Operations that put elements in another order or place: permute, slice, cat, pad and their like.
import { looksAcross } from '../capture/current.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile, type Numbers } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty, INTEGERS } from '../tensor/create.ts'
import { requireOptions, shown, tooMany } from '../tensor/options.ts'
import { scope } from '../tensor/scope.ts'
import {
  broadcastStrides,
  dimensionOf,
  joined,
  LARGEST_RANK,
  type Shape,
  ShapeError,
  sameShape,
  sizeOf,
  stridesOf,
} from '../tensor/shape.ts'
import type { DType, Tensor } from '../tensor/tensor.ts'
import { full } from './fill.ts'
import * as wgsl from './generated/wgsl.ts'
import { sumTo } from './reduce.ts'
import { divided, groupsFor, groupsForElements, kindOf, requireTensors, requireType, WORKGROUP } from './support.ts'

const file = new KernelFile('copy', wgsl.copy)

/** The numbers of coordinates that kernels are compiled for. */
const RANKS = [1, 2, 3, 4, LARGEST_RANK] as const

/** The types that every copy moves, and those with a word for an element, to which some are limited. */
const ALL: readonly DType[] = ['float32', 'int32', 'uint8']
const WORDS: readonly DType[] = ['float32', 'int32']

/** Where elements lie: the first place, and what each coordinate adds to it. */
interface Walk {
  readonly base: number
  readonly strides: readonly number[]
}

const wholeOf = (shape: Shape): Walk => ({ base: 0, strides: stridesOf(shape) })

/** One of the coordinates that a kernel counts in; the names are those of the shader's numbers. */
interface Coordinate {
  readonly size: number
  readonly a: number
  readonly b: number
  readonly e: number
}

/** The uniform numbers of a walk over these coordinates, and the number of them that the kernel is compiled for. */
function paramsOf(coordinates: readonly Coordinate[], more: Numbers): { params: Numbers; RANK: number } {
  const RANK = RANKS.find((rank) => rank >= coordinates.length)!
  const size = coordinates.reduce((product, c) => product * c.size, 1)
  const params: Record<string, number> = { size, base: 0, out_base: 0, word: 0, diagonal: 0, ...more }
  // Coordinates that are not needed come first, before the slowest, and are always 0.
  const from = RANK - coordinates.length
  let step: number = WORKGROUP
  for (let d = LARGEST_RANK - 1; d >= 0; d--) {
    const { size, a, b, e } = coordinates[d - from] ?? { size: 1, a: 0, b: 0, e: 1 }
    params[`s${d}`] = size
    params[`w${d}`] = d > 0 ? step % size : step
    params[`a${d}`] = a >>> 0
    params[`b${d}`] = b >>> 0
    params[`e${d}`] = e
    step = Math.floor(step / size)
  }
  return { params, RANK }
}

/** Whether numbers are whole vectors of four. */
const inFours = (...numbers: readonly number[]) => numbers.every((n) => n % 4 === 0)

/** Emits out[to] = x[from] for every coordinate below `sizes`. */
function emitStrided(
  gpu: Gpu,
  sizes: Shape,
  [x, from]: readonly [Storage, Walk],
  [out, to]: readonly [Storage, Walk],
): void {
  if (sizeOf(sizes) === 0) return
  const { sizes: counts, strides } = joined(sizes, [from.strides, to.strides])
  const coordinates = counts.map((size, d): Coordinate => ({ size, a: strides[0]![d]!, b: strides[1]![d]!, e: 1 }))
  const { PER, groups } = divided(gpu, sizeOf(sizes))
  const last = coordinates.at(-1)
  const rest = coordinates.slice(0, -1)
  const fours =
    last?.a === 1 && last.b === 1 && inFours(last.size, from.base, to.base, ...rest.flatMap(({ a, b }) => [a, b]))
  if (fours) {
    const counted = [...rest.map((c) => ({ ...c, a: c.a / 4, b: c.b / 4 })), { ...last, size: last.size / 4 }]
    const { params, RANK } = paramsOf(counted, { base: from.base / 4, out_base: to.base / 4 })
    gpu.emit(file.entry('strided_4', { RANK, PER }), { params, x_4: x, out_4: out }, groups)
  } else {
    const { params, RANK } = paramsOf(coordinates, { base: from.base, out_base: to.base })
    gpu.emit(file.entry('strided', { RANK, PER }), { params, x, out }, groups)
  }
}

/** Columns of a matrix: `width` has the matrix, the range begins at `first`. */
export interface Columns {
  readonly storage: Storage
  readonly width: number
  readonly first: number
}

/** Emits so many columns of `to` as those of `from`, in as many rows. */
export function copyColumns(gpu: Gpu, rows: number, columns: number, from: Columns, to: Columns): void {
  const walk = ({ width, first }: Columns): Walk => ({ base: first, strides: [width, 1] })
  emitStrided(gpu, [rows, columns], [from.storage, walk(from)], [to.storage, walk(to)])
}

/** Emits out, in row-major order, as the elements of x that a walk finds. */
function emitWalk(gpu: Gpu, x: Tensor, walk: Walk, sizes: Shape, out: Tensor): void {
  if (x.dtype !== 'uint8') {
    emitStrided(gpu, sizes, [x.storage, walk], [out.storage, wholeOf(sizes)])
    return
  }
  const coordinates = sizes.map((size, d) => ({ size, a: walk.strides[d]!, b: 0, e: size }))
  emitBytes(gpu, coordinates, { base: walk.base }, x.storage, out.storage)
}

/** Emits bytes as the shader describes it; with `keep` those stay that come from nowhere in x. */
function emitBytes(
  gpu: Gpu,
  coordinates: readonly Coordinate[],
  more: Numbers,
  x: Storage,
  out: Storage,
  keep = false,
): void {
  const { params, RANK } = paramsOf(
    coordinates.filter(({ size }) => size !== 1),
    more,
  )
  if (params.size === 0) return
  gpu.emit(file.entry('bytes', { RANK, KEEP: keep ? 1 : 0 }), { params, x, out }, groupsForElements(params.size!))
}

/** A copy in separate memory, made by a kernel: it can be captured. */
export function copyOf(x: Tensor): Tensor {
  const out = empty(x.gpu, x.shape, x.dtype, 'copy')
  emitWalk(x.gpu, x, { base: 0, strides: [1] }, [x.size], out)
  return out
}

/** The coordinates of an output that holds a tensor of another shape behind so many places. */
function around(sizes: Shape, shape: Shape, before: readonly number[]): Coordinate[] {
  const strides = stridesOf(shape)
  return sizes.map((size, d) => ({ size, a: strides[d]!, b: before[d]!, e: shape[d]! }))
}

/** Emits out, of shape `sizes`, as x behind `before[d]` elements of these bits; as many as are left follow it. */
function emitPadded(
  gpu: Gpu,
  sizes: Shape,
  [x, shape]: readonly [Storage, Shape],
  [out, before]: readonly [Storage, readonly number[]],
  word: number,
): void {
  if (sizeOf(sizes) === 0) return
  const counted: { size: number; b: number; e: number }[] = []
  sizes.forEach((size, d) => {
    const outer = counted.at(-1)
    const own = { size, b: before[d]!, e: shape[d]! }
    // A dimension without padding lies inside of the one before it, which is then counted in its elements.
    const joins = outer && own.b === 0 && own.e === size
    if (joins) counted[counted.length - 1] = { size: outer.size * size, b: outer.b * size, e: outer.e * size }
    else counted.push(own)
  })
  const strides = stridesOf(counted.map(({ e }) => e))
  const { PER, groups } = divided(gpu, sizeOf(sizes))
  const last = counted.length - 1
  const fours = last >= 0 && inFours(counted[last]!.size, counted[last]!.b, counted[last]!.e)
  const coordinates = counted.map(({ size, b, e }, d): Coordinate => {
    if (!fours) return { size, a: strides[d]!, b, e }
    return d < last ? { size, a: strides[d]! / 4, b, e } : { size: size / 4, a: 1, b: b / 4, e: e / 4 }
  })
  const { params, RANK } = paramsOf(coordinates, { word })
  if (fours) gpu.emit(file.entry('padded_4', { RANK, PER }), { params, x_4: x, out_4: out }, groups)
  else gpu.emit(file.entry('padded', { RANK, PER }), { params, x, out }, groups)
}

/** Throws unless the tensor is of one of these types and has no more dimensions than a kernel counts. */
function requireInput(operation: string, x: Tensor, dtypes = ALL, role = 'input'): void {
  requireType(operation, role, x, dtypes)
  if (x.shape.length > LARGEST_RANK) {
    const sentence = `${role} has ${x.shape.length} dimensions; a tensor may have ${LARGEST_RANK} at most`
    throw new ShapeError(operation, sentence, [[role, x.shape]])
  }
}

/** The output of a copy that leaves nothing out: labels keep the range that theirs were known to have. */
function outputOf(gpu: Gpu, shape: Shape, x: Tensor, operation: string): Tensor {
  const out = empty(gpu, shape, x.dtype, operation)
  out.storage.integerRange = x.storage.integerRange
  return out
}

/** Dimensions as a list, each counted from the start and there only once. */
function dimensionsOf(operation: string, dims: readonly number[], shape: Shape): number[] {
  const list = dims.map((dim) => dimensionOf(operation, dim, shape, 'input', 'dim'))
  const twice = list.find((dim, i) => list.indexOf(dim) !== i)
  if (twice !== undefined) {
    throw new ShapeError(operation, `dimension ${twice} is given twice: [${dims.join(', ')}]`, [['input', shape]])
  }
  return list
}

/** Throws TypeError unless a value is a list of numbers. */
function requireList(operation: string, name: string, value: unknown, example: string): void {
  if (!Array.isArray(value)) {
    throw new TypeError(`${operation}: ${name} must be an array, such as ${example}, not ${kindOf(value)}`)
  }
}

/** An operation that only moves elements, all of them: its gradient is moved back. */
interface Moves {
  readonly shape: Shape
  readonly forward: Walk
  readonly backward: Walk
}

function movesOf(name: string): Op<readonly [Tensor], Moves> {
  const move = (gpu: Gpu, x: Tensor, walk: Walk, out: Tensor) => emitWalk(gpu, x, walk, out.shape, out)
  return {
    name,
    shape: (_, { shape }) => shape,
    forward(gpu, [x], { forward }, shape) {
      const out = outputOf(gpu, shape, x, name)
      move(gpu, x, forward, out)
      return { out, saved: [] }
    },
    backward(gpu, dy, _, { backward }, __, grad) {
      const dx = grad(0)
      move(gpu, dy, backward, dx)
      return [dx]
    },
  }
}

/** Strides in the order of `dims`. */
const reordered = (shape: Shape, dims: readonly number[]): Walk => {
  const strides = stridesOf(shape)
  return { base: 0, strides: dims.map((d) => strides[d]!) }
}

function reorder(op: Op<readonly [Tensor], Moves>, x: Tensor, dims: readonly number[]): Tensor {
  if (dims[0] !== 0) looksAcross(op.name, x)
  const shape = dims.map((d) => x.shape[d]!)
  const back = dims.map((_, d) => dims.indexOf(d))
  return apply(op, [x], { shape, forward: reordered(x.shape, dims), backward: reordered(shape, back) })
}

const permuteOp = movesOf('permute')
const transposeOp = movesOf('transpose')
const flipOp = movesOf('flip')

/**
 * The dimensions in another order, as a copy: out's dimension i is x's dimension dims[i]. Negative ones count from the end.
 * Any type. Throws ShapeError unless every dimension is named once.
 */
export function permute(x: Tensor, dims: readonly number[]): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'permute(x, dims)')
  requireTensors('permute', { input: x })
  requireList('permute', 'dims', dims, '[1, 0]')
  requireInput('permute', x)
  const order = dimensionsOf('permute', dims, x.shape)
  if (order.length !== x.shape.length) {
    const sentence = `dims names ${order.length} dimensions, input has ${x.shape.length}`
    throw new ShapeError('permute', sentence, [['input', x.shape]])
  }
  return reorder(permuteOp, x, order)
}

/**
 * Two dimensions in each other's place, as a copy; of a matrix its transpose. Negative ones count from the end. Any type.
 * Throws ShapeError for a dimension that x does not have.
 */
export function transpose(x: Tensor, a: number, b: number): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'transpose(x, a, b)')
  requireTensors('transpose', { input: x })
  requireInput('transpose', x)
  const [from, to] = [dimensionOf('transpose', a, x.shape), dimensionOf('transpose', b, x.shape)]
  const order = x.shape.map((_, d) => (d === from ? to : d === to ? from : d))
  return reorder(transposeOp, x, order)
}

/**
 * The elements in reverse order along the given dimensions, a number or a list. Negative ones count from the end. Any type.
 * Throws ShapeError for a dimension that x does not have or that is given twice.
 */
export function flip(x: Tensor, dims: number | readonly number[]): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'flip(x, dims)')
  requireTensors('flip', { input: x })
  const list = typeof dims === 'number' ? [dims] : dims
  requireList('flip', 'dims', list, '[0, 1]')
  requireInput('flip', x)
  const flipped = dimensionsOf('flip', list, x.shape)
  const strides = stridesOf(x.shape)
  const base = flipped.reduce((sum, d) => sum + (x.shape[d]! - 1) * strides[d]!, 0)
  const walk = { base, strides: strides.map((stride, d) => (flipped.includes(d) ? -stride : stride)) }
  if (flipped.includes(0)) looksAcross('flip along dim 0', x)
  return apply(flipOp, [x], { shape: x.shape, forward: walk, backward: walk })
}

/** A range along one dimension, every `step`-th element of it. */
interface Range {
  readonly dim: number
  readonly start: number
  readonly count: number
  readonly step: number
  /** Whether the dimension, of one element, is left out. */
  readonly drop: boolean
}

function walkOfRange(shape: Shape, { dim, start, step }: Range): Walk {
  const strides = stridesOf(shape)
  return { base: start * strides[dim]!, strides: strides.map((stride, d) => (d === dim ? step * stride : stride)) }
}

const resized = (shape: Shape, dim: number, count: number): Shape => shape.map((n, d) => (d === dim ? count : n))

/** Emits out as a range of x along one dimension. */
function emitRange(gpu: Gpu, x: Tensor, range: Range, out: Tensor): void {
  const sizes = resized(x.shape, range.dim, range.count)
  emitWalk(gpu, x, walkOfRange(x.shape, range), sizes, out)
}

function rangeOf(name: string): Op<readonly [Tensor], Range & { readonly from: Shape }> {
  return {
    name,
    shape: ([x], { dim, count, drop }) => (drop ? x.shape.filter((_, d) => d !== dim) : resized(x.shape, dim, count)),
    forward(gpu, [x], range, shape) {
      const out = empty(gpu, shape, x.dtype, name)
      emitRange(gpu, x, range, out)
      return { out, saved: [] }
    },
    backward(gpu, dy, _, { from, ...range }, __, grad) {
      const { dim, start, count, step } = range
      const sizes = resized(from, dim, count)
      if (step === 1) {
        const dx = grad(0)
        const before = from.map((_, d) => (d === dim ? start : 0))
        emitPadded(gpu, from, [dy.storage, sizes], [dx.storage, before], 0)
        return [dx]
      }
      const dx = full(gpu, from, 0)
      emitStrided(gpu, sizes, [dy.storage, wholeOf(sizes)], [dx.storage, walkOfRange(from, range)])
      return [dx]
    },
  }
}

const sliceOp = rangeOf('slice')
const selectOp = rangeOf('select')

/**
 * The elements from `start` to before `end` along a dimension, every `step`-th of them, as a copy. As in Python, negative
 * places count from the end and what lies outside is cut off; `end` is the size unless given. Any type. Throws
 * ShapeError for a dimension that x does not have, RangeError for places or a step that are not whole numbers.
 */
export function slice(x: Tensor, dim: number, start = 0, end = Number.POSITIVE_INFINITY, step = 1): Tensor {
  if (arguments.length > 5) throw tooMany(arguments, 'slice(x, dim, start, end, step)')
  requireTensors('slice', { input: x })
  requireInput('slice', x)
  const own = dimensionOf('slice', dim, x.shape)
  for (const [name, place] of [
    ['start', start],
    ['end', end],
  ] as const) {
    if (!Number.isInteger(place) && Math.abs(place) !== Number.POSITIVE_INFINITY) {
      throw new RangeError(`slice: ${name} must be a whole number, not ${shown(place)}`)
    }
  }
  if (!Number.isSafeInteger(step) || step < 1) {
    throw new RangeError(`slice: step must be a whole number, 1 or more, not ${shown(step)}`)
  }
  const size = x.shape[own]!
  const inside = (place: number) => Math.min(Math.max(place < 0 ? place + size : place, 0), size)
  const first = inside(start)
  const count = Math.max(0, Math.ceil((inside(end) - first) / step))
  // Between the elements of one that is alone lie none: its step would only make numbers large.
  const range = { dim: own, start: first, count, step: count > 1 ? step : 1, drop: false }
  return apply(sliceOp, [x], { ...range, from: x.shape })
}

/**
 * The elements at one place along a dimension, which is then left out, as a copy. Negative numbers count from the end. Any type.
 * Throws ShapeError for a dimension or a place that x does not have.
 */
export function select(x: Tensor, dim: number, index: number): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'select(x, dim, index)')
  requireTensors('select', { input: x })
  requireInput('select', x)
  const own = dimensionOf('select', dim, x.shape)
  const size = x.shape[own]!
  const start = index < 0 ? index + size : index
  if (!Number.isInteger(index) || start < 0 || start >= size) {
    const there = size === 0 ? 'has no elements' : `has elements ${-size} to ${size - 1}`
    throw new ShapeError('select', `index ${shown(index)} does not exist: dimension ${own} ${there}`, [
      ['input', x.shape],
    ])
  }
  if (own === 0) looksAcross('select along dim 0', x)
  return apply(selectOp, [x], { dim: own, start, count: 1, step: 1, drop: true, from: x.shape })
}

const expandOp: Op<readonly [Tensor], { from: Shape; to: Shape }> = {
  name: 'expand',

  shape([x], { to }) {
    const added = to.length - x.shape.length
    const sizes = to.map((n, d) => (n === -1 && d >= added ? x.shape[d - added]! : n))
    const wrong = sizes.findIndex((n, d) => !Number.isSafeInteger(n) || n < 0 || !fits(x.shape[d - added] ?? 1, n))
    if (added < 0 || wrong >= 0 || to.length > LARGEST_RANK) {
      const sentence =
        added < 0
          ? `the shape must have at least input's ${x.shape.length} dimensions`
          : to.length > LARGEST_RANK
            ? `the shape has ${to.length} dimensions; a tensor may have ${LARGEST_RANK} at most`
            : `size ${to[wrong]} of dimension ${wrong} does not fit: only a size of 1 can be expanded`
      throw new ShapeError('expand', sentence, [
        ['input', x.shape],
        ['shape', to],
      ])
    }
    return sizes
  },

  forward(gpu, [x], _, shape) {
    const out = outputOf(gpu, shape, x, 'expand')
    emitWalk(gpu, x, { base: 0, strides: broadcastStrides(x.shape, shape) }, shape, out)
    return { out, saved: [] }
  },

  backward: (_, dy, __, { from }) => [sumTo(dy, from)],
}

const fits = (from: number, to: number) => from === to || from === 1

/**
 * Dimensions of size 1 repeated to other sizes, as a copy. New dimensions come first; -1 keeps a size. Any type. The
 * gradient of an element is the sum over all of its copies. Throws ShapeError for another size than x has, unless x has 1.
 */
export function expand(x: Tensor, shape: Shape): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'expand(x, shape)')
  requireTensors('expand', { input: x })
  requireList('expand', 'shape', shape, '[2, 3]')
  requireInput('expand', x)
  if (shape.length > x.shape.length) looksAcross('expand', x)
  return apply(expandOp, [x], { from: x.shape, to: shape })
}

/**
 * x again and again: out[c] = x[c mod its sizes], `sizes[d]` times along each dimension. Where there are more of these than
 * dimensions, new ones come first. Any type. The gradient of an element is the sum over all of its copies. Throws
 * ShapeError for fewer numbers than dimensions or for one that is not a whole number.
 */
export function repeat(x: Tensor, sizes: readonly number[]): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'repeat(x, sizes)')
  requireTensors('repeat', { input: x })
  requireList('repeat', 'sizes', sizes, '[2, 3]')
  requireInput('repeat', x)
  x.checkUsable('repeat')
  const added = sizes.length - x.shape.length
  const wrong = sizes.find((n) => !Number.isSafeInteger(n) || n < 0)
  if (added < 0 || sizes.length > LARGEST_RANK || wrong !== undefined) {
    const sentence =
      wrong !== undefined
        ? `each of sizes must be a whole number, 0 or more, not ${shown(wrong)}`
        : `sizes has ${sizes.length} numbers, it must have ${x.shape.length} to ${LARGEST_RANK}`
    throw new ShapeError('repeat', sentence, [
      ['input', x.shape],
      ['sizes', sizes],
    ])
  }
  return scope(() => {
    let out = x.reshape([...sizes.slice(0, added).map(() => 1), ...x.shape])
    sizes.forEach((times, d) => {
      if (times === 1) return
      const { shape } = out
      const [outer, inner] = [sizeOf(shape.slice(0, d)), sizeOf(shape.slice(d))]
      out = expand(out.reshape([outer, 1, inner]), [outer, times, inner]).reshape(resized(shape, d, times * shape[d]!))
    })
    return out
  })
}

interface Joined {
  readonly dim: number
  /** The size of each tensor along the dimension. */
  readonly counts: readonly number[]
}

const catOp: Op<readonly Tensor[], Joined> = {
  name: 'cat',

  shape([first, ...others], { dim }) {
    const { shape, dtype } = first!
    const lines = [first!, ...others].map((t, i) => [`tensors[${i}]`, t.shape] as const)
    for (const [i, t] of others.entries()) {
      if (t.dtype !== dtype) {
        throw new TypeError(`cat: tensors[${i + 1}] is ${t.dtype}, tensors[0] is ${dtype}; all must be of one type`)
      }
      if (t.shape.length !== shape.length || t.shape.some((n, d) => d !== dim && n !== shape[d])) {
        throw new ShapeError('cat', `tensors[${i + 1}] does not fit: only dimension ${dim} may differ`, [
          lines[0]!,
          lines[i + 1]!,
        ])
      }
    }
    return resized(
      shape,
      dim,
      lines.reduce((sum, [, own]) => sum + own[dim]!, 0),
    )
  },

  forward(gpu, inputs, { dim }, shape) {
    const out = empty(gpu, shape, inputs[0]!.dtype, 'cat')
    const { strides } = wholeOf(shape)
    let at = 0
    for (const [i, t] of inputs.entries()) {
      const before = shape.map((_, d) => (d === dim ? at : 0))
      const place = { base: at * strides[dim]!, strides }
      if (t.dtype === 'uint8') emitBytes(gpu, around(shape, t.shape, before), {}, t.storage, out.storage, i > 0)
      else emitStrided(gpu, t.shape, [t.storage, wholeOf(t.shape)], [out.storage, place])
      at += t.shape[dim]!
    }
    out.storage.integerRange = rangeOfAll(inputs)
    return { out, saved: [] }
  },

  backward(gpu, dy, _, { dim, counts }, needs, grad) {
    let start = 0
    return counts.map((count, i) => {
      const range = { dim, start, count, step: 1, drop: false }
      start += count
      if (!needs[i]) return null
      const dx = grad(i)
      emitRange(gpu, dy, range, dx)
      return dx
    })
  },
}

/** The range of labels in several tensors; null unless each one's is known. */
function rangeOfAll(tensors: readonly Tensor[]): readonly [number, number] | null {
  const ranges = tensors.flatMap(({ storage }) => (storage.integerRange ? [storage.integerRange] : []))
  if (ranges.length < tensors.length) return null
  return [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))]
}

/** Throws TypeError unless a value is a list of tensors, at least one. */
function requireTensorList(operation: string, tensors: readonly Tensor[]): Tensor {
  requireList(operation, 'tensors', tensors, '[a, b]')
  for (const [i, t] of tensors.entries()) {
    requireTensors(operation, { [`tensors[${i}]`]: t })
    requireInput(operation, t, ALL, `tensors[${i}]`)
  }
  if (!tensors[0]) throw new TypeError(`${operation}: the list of tensors is empty`)
  return tensors[0]
}

/**
 * Tensors one after another along a dimension that exists; they have the same sizes in all others. Negative numbers count from
 * the end. All of one type. Throws ShapeError for shapes that do not fit, TypeError for an empty list.
 */
export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'cat(tensors, dim)')
  const first = requireTensorList('cat', tensors)
  const own = dimensionOf('cat', dim, first.shape, 'tensors[0]')
  return apply(catOp, tensors, { dim: own, counts: tensors.map(({ shape }) => shape[own] ?? 0) })
}

/**
 * Tensors of one shape one after another along a new dimension before dimension `dim`; -1 puts it last. All of one
 * type. Throws ShapeError for shapes that differ, TypeError for an empty list.
 */
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'stack(tensors, dim)')
  const { shape } = requireTensorList('stack', tensors)
  for (const [i, t] of tensors.entries()) {
    t.checkUsable('stack')
    if (!sameShape(t.shape, shape)) {
      throw new ShapeError('stack', `all tensors must have one shape, tensors[${i}] has another`, [
        ['tensors[0]', shape],
        [`tensors[${i}]`, t.shape],
      ])
    }
  }
  const rank = shape.length + 1
  const at = dim < 0 ? dim + rank : dim
  if (!Number.isInteger(dim) || at < 0 || at >= rank || rank > LARGEST_RANK) {
    const sentence =
      rank > LARGEST_RANK
        ? `the result would have ${rank} dimensions; a tensor may have ${LARGEST_RANK} at most`
        : `dim must be a whole number from ${-rank} to ${rank - 1}, not ${shown(dim)}`
    throw new ShapeError('stack', sentence, [['tensors[0]', shape]])
  }
  return scope(() =>
    cat(
      tensors.map((t) => t.unsqueeze(at)),
      at,
    ),
  )
}

/**
 * Pieces along a dimension, as copies: of the given sizes, which must add up to the dimension's, or of one size, where the
 * last piece may be smaller. Any type. Throws ShapeError for sizes that do not fit.
 */
export function split(x: Tensor, sizes: number | readonly number[], dim = 0): Tensor[] {
  if (arguments.length > 3) throw tooMany(arguments, 'split(x, sizes, dim)')
  requireTensors('split', { input: x })
  requireInput('split', x)
  x.checkUsable('split')
  const own = dimensionOf('split', dim, x.shape)
  const size = x.shape[own]!
  const whole = (n: number) => Number.isSafeInteger(n) && n >= 0
  if (typeof sizes === 'number' && !(whole(sizes) && (sizes > 0 || size === 0))) {
    throw new ShapeError('split', `the size of a piece must be a whole number, 1 or more, not ${shown(sizes)}`, [
      ['input', x.shape],
    ])
  }
  if (typeof sizes !== 'number') requireList('split', 'sizes', sizes, '[2, 3]')
  const list = typeof sizes === 'number' ? pieces(size, sizes) : sizes
  if (!list.every(whole) || list.reduce((sum, n) => sum + n, 0) !== size) {
    const sentence = `sizes must be whole numbers that add up to the ${size} elements of dimension ${own}`
    throw new ShapeError('split', sentence, [
      ['input', x.shape],
      ['sizes', list],
    ])
  }
  let start = 0
  return list.map((count) => {
    start += count
    return slice(x, own, start - count, start)
  })
}

/** As many pieces of one size as there are, and what is left; one of no elements where there are none. */
function pieces(size: number, each: number): number[] {
  const count = size === 0 ? 1 : Math.ceil(size / each)
  return Array.from({ length: count }, (_, i) => Math.min(each, size - i * each))
}

/** Options of {@link pad}. */
export interface PadOptions {
  /** What is put in: 'constant' unless given; 'reflect' mirrors at the first and last element, 'replicate' repeats them. */
  readonly mode?: 'constant' | 'reflect' | 'replicate'
  /** The constant; 0 unless given. */
  readonly value?: number
}

interface Padding {
  readonly from: Shape
  /** For each dimension; a negative number cuts off. */
  readonly before: readonly number[]
  readonly after: readonly number[]
  /** The bits of the constant. */
  readonly word: number
}

const padOp: Op<readonly [Tensor], Padding> = {
  name: 'pad',
  shape: ([x], { before, after }) => x.shape.map((n, d) => before[d]! + n + after[d]!),
  forward(gpu, [x], { before, word }, shape) {
    const out = empty(gpu, shape, x.dtype, 'pad')
    if (x.dtype === 'uint8') emitBytes(gpu, around(shape, x.shape, before), { word }, x.storage, out.storage)
    else emitPadded(gpu, shape, [x.storage, x.shape], [out.storage, before], word)
    return { out, saved: [] }
  },
  backward(gpu, dy, _, { from, before }, __, grad) {
    const dx = grad(0)
    // What was put in is cut off, and what was cut off has no gradient.
    emitPadded(gpu, from, [dy.storage, dy.shape], [dx.storage, before.map((n) => -n)], 0)
    return [dx]
  },
}

interface Edge {
  readonly from: Shape
  readonly dim: number
  readonly before: number
  readonly after: number
  readonly replicate: boolean
}

function edgeOf({ from, dim, before, after, replicate }: Edge, size: number) {
  const edge = { size, n: from[dim]!, I: sizeOf(from.slice(dim + 1)), before, after }
  return { edge, tune: { REPLICATE: replicate ? 1 : 0 } }
}

/** The elements at the two edges of one dimension again. */
const edgesOp: Op<readonly [Tensor], Edge> = {
  name: 'pad',
  shape: ([x], { dim, before, after }) => resized(x.shape, dim, before + x.shape[dim]! + after),
  forward(gpu, [x], attributes, shape) {
    const out = empty(gpu, shape, x.dtype, 'pad')
    const { edge, tune } = edgeOf(attributes, out.size)
    gpu.emit(file.entry('edges', tune), { edge, x: x.storage, out: out.storage }, groupsForElements(out.size))
    return { out, saved: [] }
  },
  backward(gpu, dy, _, attributes, __, grad) {
    const dx = grad(0)
    const { edge, tune } = edgeOf(attributes, dx.size)
    gpu.emit(file.entry('edges_back', tune), { edge, dy: dy.storage, dx: dx.storage }, groupsFor(dx.size))
    return [dx]
  },
}

/** The bits of a number in a tensor of this type. Throws RangeError for one that an integer type cannot hold. */
function wordOf(value: number, dtype: DType): number {
  if (dtype === 'float32') return new Uint32Array(Float32Array.of(value).buffer)[0]!
  if (value === (dtype === 'int32' ? value | 0 : value & 255)) return value >>> 0
  throw new RangeError(`pad: value must be ${INTEGERS[dtype]} for an input of ${dtype}, not ${shown(value)}`)
}

/**
 * More elements at the ends of the last dimensions: `padding` is [before, after] of the last one, then of the one before it:
 * [left, right, top, bottom]. A negative number cuts elements off. mode 'constant' puts in `value`, 'reflect' mirrors without
 * the edge itself (a b c → c b a b c b a), 'replicate' repeats the edge. The gradient of an element is the sum over all of its
 * copies. Any type for a constant, float32 or int32 for the other modes. PyTorch's nn.functional.pad. Throws ShapeError for a
 * padding that does not fit.
 */
export function pad(x: Tensor, padding: readonly number[], options: PadOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'pad(x, padding, options)')
  requireTensors('pad', { input: x })
  requireOptions('pad', options, ['mode', 'value'])
  const { mode = 'constant', value } = options
  if (!['constant', 'reflect', 'replicate'].includes(mode)) {
    throw new TypeError(`pad: mode must be 'constant', 'reflect' or 'replicate', not ${shown(mode)}`)
  }
  if (value !== undefined && (mode !== 'constant' || typeof value !== 'number')) {
    const reason =
      mode === 'constant' ? `must be a number, not ${kindOf(value)}` : `is for mode 'constant', not '${mode}'`
    throw new TypeError(`pad: value ${reason}`)
  }
  requireInput('pad', x, mode === 'constant' ? ALL : WORDS)
  const [before, after] = paddingOf(x.shape, padding)
  if (mode === 'constant') {
    const word = wordOf(value ?? 0, x.dtype)
    return apply(padOp, [x], { from: x.shape, before, after, word })
  }
  const dims = x.shape.flatMap((_, d) => (before[d] === 0 && after[d] === 0 ? [] : [d]))
  for (const d of dims) requireEdge(x.shape, d, mode, [before[d]!, after[d]!])
  x.checkUsable('pad')
  return scope(() =>
    dims.reduce((out, dim) => {
      const edge = { from: out.shape, dim, before: before[dim]!, after: after[dim]!, replicate: mode === 'replicate' }
      return apply(edgesOp, [out], edge)
    }, x.reshape(x.shape)),
  )
}

/** Numbers of elements before and after, for each dimension. Throws for a list that does not fit the shape. */
function paddingOf(shape: Shape, padding: readonly number[]): [number[], number[]] {
  requireList('pad', 'padding', padding, '[1, 1]')
  const lines = [['input', shape] as const, ['padding', padding] as const]
  if (padding.length % 2 !== 0 || padding.length > 2 * shape.length || !padding.every(Number.isSafeInteger)) {
    const sentence = `padding must be whole numbers in pairs, for at most input's ${shape.length} dimensions`
    throw new ShapeError('pad', sentence, lines)
  }
  const sides = [0, 1].map((side) => shape.map((_, d) => padding[2 * (shape.length - 1 - d) + side] ?? 0))
  const [before, after] = sides as [number[], number[]]
  const wrong = shape.findIndex((n, d) => before[d]! + n + after[d]! < 0)
  if (wrong >= 0) {
    throw new ShapeError('pad', `more is cut off than the ${shape[wrong]} elements of dimension ${wrong}`, lines)
  }
  return [before, after]
}

/** Throws ShapeError unless a dimension has the elements that its padding repeats. */
function requireEdge(shape: Shape, d: number, mode: 'reflect' | 'replicate', sides: readonly number[]): void {
  const n = shape[d]!
  const most = Math.max(...sides)
  const least = mode === 'replicate' ? 1 : most + 1
  if (n >= least && n > 0) return
  const sentence =
    mode === 'replicate' || n === 0
      ? `dimension ${d} has no elements to repeat`
      : `a padding of ${most} needs ${most + 1} elements to reflect, dimension ${d} has ${n}`
  throw new ShapeError('pad', sentence, [['input', shape]])
}

interface Triangle {
  readonly upper: boolean
  readonly diagonal: number
}

function triangleOf(name: string): Op<readonly [Tensor], Triangle> {
  const emit = (gpu: Gpu, x: Tensor, { upper, diagonal }: Triangle, out: Tensor) => {
    const [rows, columns] = x.shape.slice(-2) as [number, number]
    const sizes = [sizeOf(x.shape.slice(0, -2)), rows, columns]
    if (out.size === 0) return
    const coordinates = sizes.map((size) => ({ size, a: 0, b: 0, e: 1 }))
    // Beyond the matrix a diagonal makes no difference, and its number may be large.
    const nearest = Math.min(Math.max(diagonal, -rows), columns)
    const { params, RANK } = paramsOf(coordinates, { diagonal: nearest })
    const tune = { RANK, UPPER: upper ? 1 : 0 }
    const bindings = { params, x: x.storage, out: out.storage }
    gpu.emit(file.entry('triangle', tune), bindings, groupsForElements(out.size))
  }
  return {
    name,
    shape([x]) {
      if (x.shape.length >= 2) return x.shape
      throw new ShapeError(name, `input has ${x.shape.length} dimensions, it must have 2 or more`, [['input', x.shape]])
    },
    forward(gpu, [x], attributes, shape) {
      const out = empty(gpu, shape, x.dtype, name)
      emit(gpu, x, attributes, out)
      return { out, saved: [] }
    },
    backward(gpu, dy, _, attributes, __, grad) {
      const dx = grad(0)
      emit(gpu, dy, attributes, dx)
      return [dx]
    },
  }
}

const triuOp = triangleOf('triu')
const trilOp = triangleOf('tril')

function triangle(op: typeof triuOp, x: Tensor, diagonal: number): Tensor {
  requireTensors(op.name, { input: x })
  if (!Number.isSafeInteger(diagonal)) {
    throw new RangeError(`${op.name}: diagonal must be a whole number, not ${shown(diagonal)}`)
  }
  requireInput(op.name, x, WORDS)
  return apply(op, [x], { upper: op === triuOp, diagonal })
}

/**
 * The upper triangle of each matrix, the last two dimensions: where column - row >= diagonal, elsewhere 0. Float32 or int32.
 * Throws ShapeError for fewer than two dimensions.
 */
export function triu(x: Tensor, diagonal = 0): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'triu(x, diagonal)')
  return triangle(triuOp, x, diagonal)
}

/**
 * The lower triangle of each matrix, the last two dimensions: where column - row <= diagonal, elsewhere 0. Float32 or int32.
 * Throws ShapeError for fewer than two dimensions.
 */
export function tril(x: Tensor, diagonal = 0): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'tril(x, diagonal)')
  return triangle(trilOp, x, diagonal)
}
