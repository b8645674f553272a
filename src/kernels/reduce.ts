// reduce: folds of many elements into one, along any dimensions, their gradients, and scans. For operations.
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { empty } from '../tensor/create.ts'
import { dimensionOf, LARGEST_RANK, type Shape, ShapeError, sameShape, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { full } from './fill.ts'
import * as wgsl from './generated/wgsl.ts'
import { divided, groupsFor, kindOf, withScratch } from './support.ts'
import type { AdapterClass } from './tuning.ts'

const file = new KernelFile('reduce', wgsl.reduce)
const scanSums = file.entry('scan_sums')
const scan = file.entry('scan')
const firstOf = file.entry('first_of')
const firstOfLines = file.entry('first_of_lines')

// As the shader's constants of these names.
const FOLD = 64
const BLOCK = 4096
const PART = 256
const LANES = 4
const GROUP = 64
const SCAN = 64
const OPS = { sum: 0, product: 1, largest: 2, smallest: 2 } as const
const FINISHES = { none: 0, divide: 1, dividePlus: 2, divideRoot: 3, root: 4, power: 5, logPlus: 6 } as const
const MAPS = {
  none: 0,
  size: 1,
  squared: 2,
  centred: 3,
  centredSquared: 4,
  same: 5,
  sameSize: 6,
  notZero: 7,
  isZero: 8,
  counted: 9,
  powers: 10,
  exponential: 11,
} as const
const GRADIENTS = {
  sum: 0,
  mean: 1,
  extreme: 2,
  product: 3,
  variance: 4,
  deviation: 5,
  sizes: 6,
  length: 7,
  norm: 8,
  largest: 9,
  logSum: 10,
} as const

/** All bits, by which the smallest is found as the largest. */
const ALL = 0xffffffff

/** Neighbours from which on a pass takes them as blocks. */
const WORTH_A_BLOCK = 32

/** Neighbours that the threads of a workgroup should read, where rows are shorter. */
const WIDTH = 64

/** How elements are combined, as the shader's constants say. */
export interface Recipe {
  readonly op: keyof typeof OPS
  /** What is done to an element before. */
  readonly map?: keyof typeof MAPS
  /** What is done to the result. */
  readonly finish?: keyof typeof FINISHES
  /** What `finish` divides by, or its power. */
  readonly by?: number
  /** The power in `map`. */
  readonly power?: number
  /** Values of the results that `map` and `finish` use. */
  readonly stat?: Tensor
  readonly aux?: Tensor
}

/** What is reduced: a shape, along some of its dimensions. */
export interface Reduced {
  readonly input: Shape
  /** In order. */
  readonly dims: readonly number[]
}

/** A shape without ones, with neighbouring dimensions joined where all of them are reduced, or none. */
function runsOf(shape: Shape, dims: readonly number[]): { size: number; reduced: boolean }[] {
  const runs: { size: number; reduced: boolean }[] = []
  shape.forEach((size, dim) => {
    if (size === 1) return
    const reduced = dims.includes(dim)
    const last = runs.at(-1)
    if (last?.reduced === reduced) last.size *= size
    else runs.push({ size, reduced })
  })
  return runs
}

/** Rows that a pass takes together, so that neighbouring threads read neighbouring elements. */
function lanesOf(R: number, inner: number): number {
  const wanted = Math.min(WIDTH / inner, R / FOLD)
  return wanted <= 1 ? 1 : 2 ** Math.ceil(Math.log2(wanted))
}

/** Kernels of a pass, with the bindings of what they read and write. */
const BINDINGS = {
  fold: ['x', 'out'],
  fold_vectors: ['x_vectors', 'out_vectors'],
  fold_lines: ['x_vectors', 'out'],
  fold_blocks: ['x_vectors', 'out'],
} as const

interface Pass {
  /** What is left of R. */
  readonly parts: number
  readonly lanes: number
  readonly entry: keyof typeof BINDINGS
  readonly groups: number
}

/** A pass over [outer, R, inner] in which a thread makes a result. */
function threadPass(outer: number, R: number, inner: number, vectors: boolean): Pass {
  const lanes = lanesOf(R, inner)
  const whole = Math.ceil(R / (FOLD * lanes)) - 1
  const parts = whole * lanes + Math.min(lanes, R - whole * FOLD * lanes)
  const groups = groupsFor((outer * parts * inner) / (vectors ? 4 : 1))
  return { parts, lanes, entry: vectors ? 'fold_vectors' : 'fold', groups }
}

/**
 * A pass over rows of neighbours. A thread makes a result where the adapter computes on the processor, for which barriers are
 * dear; elsewhere as many threads as a block has lanes, so that neighbours read neighbours.
 */
function blockPass(adapterClass: AdapterClass, outer: number, R: number): Pass {
  const parts = Math.ceil(R / BLOCK)
  if (adapterClass === 'cpu') return { parts, lanes: 1, entry: 'fold_lines', groups: groupsFor(outer * parts) }
  const threads = LANES * 2 ** Math.ceil(Math.log2(Math.ceil(Math.min(R, BLOCK) / PART)))
  return { parts, lanes: threads, entry: 'fold_blocks', groups: Math.ceil((outer * parts * threads) / GROUP) }
}

/** Whether a pass takes its rows as blocks of neighbours, which begin with a whole vector. */
function inLines(outer: number, R: number, inner: number): boolean {
  return inner === 1 && R >= WORTH_A_BLOCK && (outer === 1 || R % 4 === 0)
}

function passOf({ info }: Gpu, outer: number, R: number, inner: number): Pass {
  if (inLines(outer, R, inner)) return blockPass(info.adapterClass, outer, R)
  return threadPass(outer, R, inner, inner % 4 === 0)
}

const DONE = 'it was an intermediate of an operation'

/**
 * Reduces a tensor along `dims`, of which none is empty, to `shape`: the sizes that stay, perhaps with ones among them.
 * One run of dimensions after the other, each in as many passes as it needs.
 */
export function fold(x: Tensor, dims: readonly number[], shape: Shape, name: string, recipe: Recipe): Tensor {
  const { gpu } = x
  const runs = runsOf(x.shape, dims)
  const LONG = recipe.finish === 'power' || recipe.finish === 'logPlus' ? 1 : 0
  const places = placesOf(x.shape, dims, recipe.power ?? 1)
  const [stat, aux] = [recipe.stat?.storage ?? null, recipe.aux?.storage ?? null]
  for (let from = x; ; ) {
    // The last run that is reduced; a copy, if there is none.
    const at = runs.findLastIndex((run) => run.reduced)
    const R = runs[at]?.size ?? 1
    const inner = sizeOf(runs.slice(at + 1).map(({ size }) => size))
    const outer = sizeOf(runs.slice(0, Math.max(0, at)).map(({ size }) => size))
    const { parts, lanes, entry, groups } = passOf(gpu, outer, R, inner)
    if (at >= 0) runs.splice(at, 1, ...(parts > 1 ? [{ size: parts, reduced: true }] : []))
    const last = !runs.some((run) => run.reduced)
    const out = last ? empty(gpu, shape, 'float32', name) : empty(gpu, [outer * parts * inner], 'float32', name)
    const params = {
      outer,
      M: R * inner,
      W: lanes * inner,
      B: parts * inner,
      invert: recipe.op === 'smallest' ? ALL : 0,
      finish: FINISHES[last ? (recipe.finish ?? 'none') : 'none'],
      by: recipe.by ?? 1,
    }
    const MAP = MAPS[from === x ? (recipe.map ?? 'none') : 'none']
    const [read, written] = BINDINGS[entry]
    const bindings = { params, runs: places, [read]: from.storage, [written]: out.storage, stat, aux }
    gpu.emit(file.entry(entry, { OP: OPS[recipe.op], MAP, LONG }), bindings, groups)
    if (from !== x) from.release(DONE)
    if (last) return out
    from = out
  }
}

/** Finds the places of the first of the largest or smallest elements of [outer, R, inner], as int32 of `shape`. */
export function placesIn(
  x: Tensor,
  [outer, R, inner]: readonly [number, number, number],
  shape: Shape,
  name: string,
  op: 'largest' | 'smallest',
): Tensor {
  const { gpu } = x
  const pass = (count: number, keys: Tensor, places: Tensor | null): Tensor => {
    // On a GPU neighbouring threads read neighbouring elements.
    const lines = places === null && gpu.info.adapterClass === 'cpu' && inLines(outer, count, inner)
    const { parts, lanes, groups } = lines ? blockPass('cpu', outer, count) : threadPass(outer, count, inner, false)
    const out = empty(gpu, parts === 1 ? shape : [outer, parts, inner], 'int32', name)
    const peaks = empty(gpu, [outer * parts * inner], 'int32', name)
    const invert = op === 'smallest' ? ALL : 0
    const search = { outer, R: count, inner, lanes, parts, first: places === null ? 1 : 0, invert }
    const written = { out: out.storage, peaks: peaks.storage }
    if (lines) gpu.emit(firstOfLines, { search, x_vectors: keys.storage, ...written }, groups)
    else gpu.emit(firstOf, { search, x: keys.storage, best: places?.storage ?? null, ...written }, groups)
    if (parts === 1) return lending([peaks], () => out)
    return lending([peaks, out], () => pass(parts, peaks, out))
  }
  return pass(R, x, null)
}

/** How four neighbouring elements lie among the results, as the shader's `fours` says. */
function foursOf(k0: number, r0: number): number {
  if (k0 % 4 === 0) return 1
  return k0 === 1 && r0 % 4 === 0 ? 2 : 0
}

/** Which result each element of `shape` belongs to, as the shader's Runs say. */
function placesOf(shape: Shape, dims: readonly number[], by: number) {
  const sizes: number[] = []
  for (const { size, reduced } of runsOf(shape, dims).toReversed()) {
    // Runs that stay have even places.
    if (reduced !== (sizes.length % 2 === 1)) sizes.push(1)
    sizes.push(size)
  }
  const [k0 = 1, r0 = 1, k1 = 1, r1 = 1, k2 = 1, r2 = 1, k3 = 1, r3 = 1] = sizes
  const one = sizes.length <= 3 ? 1 : 0
  return { size: sizeOf(shape), k0, r0, k1, r1, k2, r2, k3, r3, one, fours: foursOf(k0, r0), by }
}

/** What a gradient is made of: the elements, the gradient of their results, and other values of these. */
interface Sources {
  readonly dy: Tensor
  readonly x?: Tensor | undefined
  readonly stat?: Tensor | undefined
  readonly aux?: Tensor | undefined
  readonly aux2?: Tensor | undefined
  readonly by?: number
}

/** The gradient of what is reduced. */
export function gradient(
  name: string,
  of: keyof typeof GRADIENTS,
  { input, dims }: Reduced,
  { dy, x, stat, aux, aux2, by }: Sources,
): Tensor {
  const dx = empty(dy.gpu, input, 'float32', name)
  const bindings = {
    runs: placesOf(input, dims, by ?? 1),
    x_vectors: x?.storage ?? null,
    stat: stat?.storage ?? null,
    aux: aux?.storage ?? null,
    aux2: aux2?.storage ?? null,
    dy: dy.storage,
    out_vectors: dx.storage,
  }
  const { PER, groups } = divided(dy.gpu, dx.size)
  dy.gpu.emit(file.entry('gradient', { OF: GRADIENTS[of], PER }), bindings, groups)
  return dx
}

/** Runs `use` and releases what it was lent. */
export function lending<T>(tensors: readonly Tensor[], use: () => T): T {
  try {
    return use()
  } finally {
    for (const t of tensors) t.release(DONE)
  }
}

/** Sums up to each row of [outer, R, inner], or from each on: blocks of rows, whose sums are summed up in the same way. */
export function emitScan(
  gpu: Gpu,
  x: Storage,
  out: Storage,
  outer: number,
  R: number,
  inner: number,
  reverse: boolean,
): void {
  const blocks = Math.ceil(R / SCAN)
  const threads = outer * blocks * inner
  const scans = { outer, R, inner, blocks, reverse: reverse ? 1 : 0, carry: blocks > 1 ? 1 : 0 }
  const emit = (earlier: Storage | null) =>
    gpu.emit(scan, { scans, x_numbers: x, earlier, out_numbers: out }, groupsFor(threads))
  if (blocks <= 1) {
    emit(null)
    return
  }
  withScratch(gpu, 'cumsum', threads, (sums) => {
    gpu.emit(scanSums, { scans, x_numbers: x, sums }, groupsFor(threads))
    withScratch(gpu, 'cumsum', threads, (earlier) => {
      emitScan(gpu, sums, earlier, outer, blocks, inner, false)
      emit(earlier)
    })
  })
}

/**
 * The sum over the dimensions along which `shape` was broadcast to x's shape: those that come before it, and those where its
 * size is 1. It is what the gradient of a broadcast input needs; not differentiable itself.
 */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x
  const before = x.shape.length - shape.length
  const dims = x.shape.flatMap((size, i) => (i < before || (shape[i - before] === 1 && size !== 1) ? [i] : []))
  if (sizeOf(dims.map((dim) => x.shape[dim]!)) === 1) return x.like(x.storage.retain(), shape)
  if (x.size === 0) return full(x.gpu, shape, 0)
  return fold(x, dims, shape, 'sum', { op: 'sum' })
}

/** A dimension or a list of them; negative ones count from the end. Left out, or an empty list: all. */
export type Dim = number | readonly number[] | undefined

/** A dimension counted from the start. Of a scalar dimension 0 is there, as in PyTorch. Throws ShapeError for one that is not. */
export function dimOf(operation: string, shape: Shape, dim: number): number {
  return shape.length === 0 && (dim === 0 || dim === -1) ? 0 : dimensionOf(operation, dim, shape)
}

/** The dimensions that `dim` names, in order: all, if it is left out or an empty list. */
export function dimsOf(operation: string, shape: Shape, dim: Dim): readonly number[] {
  if (shape.length > LARGEST_RANK) {
    const sentence = `the input has ${shape.length} dimensions; at most ${LARGEST_RANK} are possible`
    throw new ShapeError(operation, sentence, [['input', shape]])
  }
  const asked: unknown = dim === undefined ? [] : typeof dim === 'number' ? [dim] : dim
  if (!Array.isArray(asked))
    throw new TypeError(`${operation}: dim must be a number or a list of numbers, not ${kindOf(asked)}`)
  const dims = asked.map((one: number) => dimOf(operation, shape, one))
  const twice = dims.find((one, i) => dims.indexOf(one) !== i)
  if (twice !== undefined) throw new ShapeError(operation, `dim ${twice} appears twice`, [['input', shape]])
  return shape.length === 0 || dims.length === 0 ? shape.map((_, i) => i) : dims.toSorted((a, b) => a - b)
}

/** What is left of the shape. */
export function outputOf({ input, dims }: Reduced, keepDim: boolean): Shape {
  return input.flatMap((size, i) => (dims.includes(i) ? (keepDim ? [1] : []) : [size]))
}

/** How many elements a result has. */
export const countOf = ({ input, dims }: Reduced) => sizeOf(dims.map((dim) => input[dim]!))

/** Throws ShapeError where results would come from no element and so have no value. */
export function requireElements(name: string, { input, dims }: Reduced): void {
  if (countOf({ input, dims }) > 0) return
  throw new ShapeError(name, 'the input has no elements along the dimensions that are reduced', [['input', input]])
}
