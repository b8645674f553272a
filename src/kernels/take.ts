// Elements at places that an index names: indexSelect, embedding, gather.
import { looksAcross } from '../capture/current.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile, type Numbers } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { requireOptions, shown, tooMany } from '../tensor/options.ts'
import { scope } from '../tensor/scope.ts'
import { dimensionOf, type Shape, ShapeError, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { slice } from './copy.ts'
import { emitFill } from './fill.ts'
import * as wgsl from './generated/wgsl.ts'
import {
  groupsFor,
  groupsForElements,
  requireRank,
  requireTensors,
  requireType,
  WORKGROUP,
  withScratch,
} from './support.ts'

const file = new KernelFile('take', wgsl.take)
const rows = file.entry('rows')
const rowsInFours = file.entry('rows_4')
const rowsBack = file.entry('rows_back')
const rowsBackInFours = file.entry('rows_back_4')
const elements = file.entry('elements')
const elementsBack = file.entry('elements_back')
const scatter = file.entry('scatter')
const oneHotRows = file.entry('one_hot')
const sortBlocks = file.entry('sort_blocks')
const merge = file.entry('merge')
const startsOf = file.entry('starts_of')

/** Pairs that one thread looks through, as the shader's BLOCK says. */
const BLOCK = 256
const NAN_BITS = 0x7fc00000
/** What an int32 tensor has in the place of NaN: an index that no tensor has. */
const LEAST = 0x80000000
/** Rows from which on a gradient is worth two dispatches: zeros everywhere, then what the index names. */
const WORTH_A_FILL = 16
/** Indices that one thread goes through, at most. */
const LONGEST_SCATTER = 4096
/** No index counts for nothing. */
const NO_PADDING = -1

/** x as [O, R, I], of whose R rows J are taken. */
interface Sizes {
  readonly O: number
  readonly R: number
  readonly J: number
  readonly I: number
}

function sizesOf(shape: Shape, dim: number, J: number): Sizes {
  return { O: sizeOf(shape.slice(0, dim)), R: shape[dim]!, J, I: sizeOf(shape.slice(dim + 1)) }
}

function paramsOf(size: number, { R, J, I }: Sizes, index: Tensor, more: Numbers = {}): Numbers {
  const across = Math.floor(WORKGROUP / I)
  return {
    size,
    R,
    J,
    I,
    step_i: WORKGROUP % I,
    step_j: across % Math.max(J, 1),
    step_o: Math.floor(across / Math.max(J, 1)),
    bytes: index.dtype === 'uint8' ? 1 : 0,
    wrong: 0,
    padding: NO_PADDING,
    run: 0,
    skip: 0,
    ...more,
  }
}

const wrongOf = (x: Tensor) => (x.dtype === 'float32' ? NAN_BITS : LEAST)

/** Throws RangeError where it is known that an index is not one of `count`. Of those that no host has seen nothing is known. */
export function requireIndex(operation: string, index: Tensor, count: number, there: string): void {
  requireType(operation, 'index', index, ['int32', 'uint8'])
  const wrong = index.storage.integerRange?.find((i) => Number.isFinite(i) && (i < 0 || i >= count))
  if (index.size === 0 || wrong === undefined) return
  const which = count === 0 ? 'none' : `0 to ${count - 1}`
  throw new RangeError(`${operation}: index ${wrong} does not exist; ${there} ${which}`)
}

function emitRows(gpu: Gpu, x: Tensor, index: Tensor, sizes: Sizes, out: Tensor): void {
  if (out.size === 0) return
  const { I } = sizes
  const groups = groupsForElements(out.size)
  const wrong = wrongOf(x)
  if (I % 4 === 0) {
    const params = paramsOf(out.size / 4, { ...sizes, I: I / 4 }, index, { wrong })
    gpu.emit(rowsInFours, { params, index: index.storage, x_4: x.storage, out_4: out.storage }, groups)
  } else {
    const params = paramsOf(out.size, sizes, index, { wrong })
    gpu.emit(rows, { params, index: index.storage, x: x.storage, out: out.storage }, groups)
  }
}

/** Emits the index in order, with what counts for nothing at its end, and hands it on while it is there. */
function withOrder(gpu: Gpu, index: Tensor, sizes: Sizes, padding: number, use: (pairs: Storage) => void): void {
  const { J } = sizes
  withScratch(gpu, 'take', 2 * J, (first) => {
    const sorted = { params: paramsOf(J, sizes, index, { padding }), index: index.storage, pairs_out: first }
    gpu.emit(sortBlocks, sorted, groupsFor(J))
    if (J <= BLOCK) return use(first)
    withScratch(gpu, 'take', 2 * J, (second) => {
      let [from, to] = [first, second]
      for (let run = BLOCK; run < J; run *= 2) {
        const params = paramsOf(J, sizes, index, { run })
        gpu.emit(merge, { params, pairs: from, pairs_out: to }, groupsFor(J))
        ;[from, to] = [to, from]
      }
      use(from)
    })
  })
}

/** Emits dx[o, r, i] = Σ dy[o, j, i] over the j with index[j] = r, in their order. */
function emitRowsBack(gpu: Gpu, dy: Tensor, index: Tensor, sizes: Sizes, padding: number, dx: Tensor): void {
  if (dx.size === 0) return
  const { R, I } = sizes
  withOrder(gpu, index, sizes, padding, (pairs) => {
    withScratch(gpu, 'take', R + 1, (starts) => {
      gpu.emit(startsOf, { params: paramsOf(R + 1, sizes, index), pairs, starts_out: starts }, groupsFor(R + 1))
      if (I % 4 === 0) {
        const params = paramsOf(dx.size / 4, { ...sizes, I: I / 4 }, index)
        const bindings = { params, pairs, starts, dy_4: dy.storage, dx_4: dx.storage }
        gpu.emit(rowsBackInFours, bindings, groupsFor(dx.size / 4))
      } else {
        const bindings = { params: paramsOf(dx.size, sizes, index), pairs, starts, dy: dy.storage, dx: dx.storage }
        gpu.emit(rowsBack, bindings, groupsFor(dx.size))
      }
    })
  })
}

interface Taken extends Sizes {
  readonly to: Shape
  /** The row that gets no gradient; -1 for none. */
  readonly padding: number
}

function rowsOf(name: string): Op<readonly [Tensor, Tensor], Taken> {
  return {
    name,
    shape: (_, { to }) => to,
    forward(gpu, [x, index], sizes, shape) {
      const out = empty(gpu, shape, x.dtype, name)
      emitRows(gpu, x, index, sizes, out)
      return { out, saved: [index] }
    },
    backward(gpu, dy, [index], { padding, ...sizes }, __, grad) {
      const dx = grad(0)
      emitRowsBack(gpu, dy, index!, sizes, padding, dx)
      return [dx]
    },
  }
}

const indexSelectOp = rowsOf('indexSelect')
const embeddingOp = rowsOf('embedding')

/**
 * The rows along a dimension that `index` names, in its order and as often: x with sizes[dim] and index [J], int32 or uint8, give
 * out with J there. Float32 or int32; a negative `dim` counts from the end. A gradient is added up in the order of the index.
 * Throws RangeError for an index that is not there. Where the values of the index are known to the GPU alone, such an index
 * gives rows of NaN, in int32 of -2147483648, which is no index either.
 */
export function indexSelect(x: Tensor, dim: number, index: Tensor): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'indexSelect(x, dim, index)')
  requireTensors('indexSelect', { input: x, index })
  requireType('indexSelect', 'input', x, ['float32', 'int32'])
  const own = dimensionOf('indexSelect', dim, x.shape)
  requireRank('indexSelect', 'index', index.shape, 1, 'J')
  requireIndex('indexSelect', index, x.shape[own]!, `dimension ${own} has`)
  if (own === 0) looksAcross('indexSelect along dim 0', x)
  const to = x.shape.map((n, d) => (d === own ? index.size : n))
  const sizes = sizesOf(x.shape, own, index.size)
  return apply(indexSelectOp, [x, index], { ...sizes, to, padding: NO_PADDING })
}

/** Options of {@link embedding}. */
export interface EmbeddingOptions {
  /** A row of the weight that gets no gradient; a negative number counts from the end. None unless given. */
  readonly paddingIdx?: number
}

/**
 * The rows of a table: weight [R, D] float32 and index of any shape, int32 or uint8, give [...index.shape, D]. A gradient is added
 * up in the order of the index, and is 0 for the row `paddingIdx`. Throws RangeError for an index or a paddingIdx that is not
 * there. Where the values of the index are known to the GPU alone, such an index gives rows of NaN.
 */
export function embedding(weight: Tensor, index: Tensor, options: EmbeddingOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'embedding(weight, index, options)')
  requireTensors('embedding', { weight, index })
  requireOptions('embedding', options, ['paddingIdx'])
  requireType('embedding', 'weight', weight)
  requireRank('embedding', 'weight', weight.shape, 2, 'R D')
  const [R, D] = weight.shape as [number, number]
  requireIndex('embedding', index, R, 'weight has rows')
  const { paddingIdx } = options
  if (paddingIdx !== undefined && !(Number.isInteger(paddingIdx) && paddingIdx >= -R && paddingIdx < R)) {
    throw new RangeError(
      `embedding: paddingIdx must be a row of the weight, ${-R} to ${R - 1}, not ${shown(paddingIdx)}`,
    )
  }
  const padding = paddingIdx === undefined ? NO_PADDING : paddingIdx < 0 ? paddingIdx + R : paddingIdx
  const sizes = { O: 1, R, J: index.size, I: D }
  return apply(embeddingOp, [weight, index], { ...sizes, to: [...index.shape, D], padding })
}

interface Gathered extends Sizes {
  /** The index that gives 0, and nothing to a gradient; null for none. */
  readonly skipped: number | null
}

const skipping = (skipped: number | null): Numbers => (skipped === null ? {} : { skip: 1, padding: skipped })

const gatherOp: Op<readonly [Tensor, Tensor], Gathered> = {
  name: 'gather',
  shape: ([, index]) => index.shape,
  forward(gpu, [x, index], { skipped, ...sizes }, shape) {
    const out = empty(gpu, shape, x.dtype, 'gather')
    if (out.size > 0) {
      const params = paramsOf(out.size, sizes, index, { wrong: wrongOf(x), ...skipping(skipped) })
      const bindings = { params, index: index.storage, x: x.storage, out: out.storage }
      gpu.emit(elements, bindings, groupsForElements(out.size))
    }
    return { out, saved: [index] }
  },
  backward(gpu, dy, [index], { skipped, ...sizes }, __, grad) {
    const dx = grad(0)
    // In a list, every element is a row: there may be many of them, and as many indices.
    if (sizes.O === 1 && sizes.I === 1) emitRowsBack(gpu, dy, index!, sizes, skipped ?? NO_PADDING, dx)
    else if (dx.size > 0) {
      const { O, R, J, I } = sizes
      // The one looks through all indices for each element, the other goes through them once, with a thread for each o and i.
      const once = R > WORTH_A_FILL && J <= LONGEST_SCATTER
      const threads = once ? O * I : dx.size
      const params = paramsOf(threads, sizes, index!, skipping(skipped))
      const bindings = { params, index: index!.storage, dy: dy.storage, dx: dx.storage }
      if (once) emitFill(dx, 0)
      gpu.emit(once ? scatter : elementsBack, bindings, groupsFor(threads))
    }
    return [dx]
  },
}

/**
 * One value for each label: of scores [N, C, …] and labels [N, …] the score of the label, [N, …]; of scores [C] that of any
 * labels. A label that is `skipped` gives 0, one that is no class NaN, and neither gives anything to a gradient. For the losses,
 * which have checked shapes and types. @internal
 */
export function ofLabels(scores: Tensor, labels: Tensor, skipped: number): Tensor {
  return scope(() => {
    const list = scores.shape.length === 1
    const index = list ? labels.reshape([labels.size]) : labels.unsqueeze(1)
    const sizes = sizesOf(scores.shape, list ? 0 : 1, list ? labels.size : 1)
    return apply(gatherOp, [scores, index], { ...sizes, skipped }).reshape(labels.shape)
  })
}

/**
 * One element along a dimension for every element of the index: out[c] = x[c, with index[c] in place of c[dim]], in the index's
 * shape. It has x's number of dimensions and may be smaller in all but `dim`, where its size is free. x is float32 or int32, the
 * index int32 or uint8; a negative `dim` counts from the end. A gradient is added up in the order of the index along `dim`.
 * Throws ShapeError for shapes that do not fit, RangeError for an index that is not there. Where the values of the index are
 * known to the GPU alone, such an index gives NaN, in int32 -2147483648, which is no index either.
 */
export function gather(x: Tensor, dim: number, index: Tensor): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'gather(x, dim, index)')
  requireTensors('gather', { input: x, index })
  requireType('gather', 'input', x, ['float32', 'int32'])
  const own = dimensionOf('gather', dim, x.shape)
  const larger = index.shape.findIndex((n, d) => d !== own && n > (x.shape[d] ?? 0))
  if (index.shape.length !== x.shape.length || larger >= 0) {
    const sentence =
      index.shape.length !== x.shape.length
        ? `index must have input's ${x.shape.length} dimensions, it has ${index.shape.length}`
        : `index is larger than input in dimension ${larger}`
    throw new ShapeError('gather', sentence, [
      ['input', x.shape],
      ['index', index.shape],
    ])
  }
  requireIndex('gather', index, x.shape[own]!, `dimension ${own} has`)
  if (own === 0) looksAcross('gather along dim 0', x)
  for (const t of [x, index]) t.checkUsable('gather')
  return scope(() => {
    // Of what the index does not reach nothing is looked at.
    const reached = index.shape.reduce((t, n, d) => (d === own || n === t.shape[d] ? t : slice(t, d, 0, n)), x)
    return apply(gatherOp, [reached, index], { ...sizesOf(reached.shape, own, index.shape[own]!), skipped: null })
  })
}

/** Emits out [J, I] with 1 where index[j] is i, else 0, and NaN in the rows of an index that is not below I. For oneHot. */
export function emitOneHot(gpu: Gpu, index: Tensor, classes: number, out: Tensor): void {
  if (out.size === 0) return
  const params = paramsOf(out.size, { O: 1, R: classes, J: index.size, I: classes }, index, { wrong: NAN_BITS })
  gpu.emit(oneHotRows, { params, index: index.storage, out: out.storage }, groupsForElements(out.size))
}
