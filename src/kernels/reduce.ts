// reduce: sums and other values of many elements, along any dimensions.
import { KernelFile } from '../gpu/kernel.ts'
import { empty } from '../tensor/create.ts'
import { type Shape, sameShape, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { full } from './fill.ts'
import * as wgsl from './generated/wgsl.ts'
import { groupsFor } from './support.ts'

const file = new KernelFile('reduce', wgsl.reduce)

/** As the shader's constants of these names. */
const FOLD = 64
const BLOCK = 4096
const OPS = { sum: 0, product: 1, largest: 2, smallest: 3 } as const
const FINISHES = { none: 0, divide: 1 } as const

/** Elements of which a workgroup makes one result, rather than a thread. */
const WORTH_A_BLOCK = 256

/** Neighbours that the threads of a workgroup should read, where rows are shorter. */
const WIDTH = 64

/** How elements are combined. */
interface Recipe {
  readonly op: keyof typeof OPS
  /** What is done to the result. */
  readonly finish?: keyof typeof FINISHES
  /** What `finish` divides by, or the power of a norm. */
  readonly by?: number
}

/** A shape with neighbouring dimensions joined where all of them are reduced, or none. */
type Runs = readonly { readonly size: number; readonly reduced: boolean }[]

function runsOf(shape: Shape, dims: readonly number[]): Runs {
  const runs: { size: number; reduced: boolean }[] = []
  shape.forEach((size, dim) => {
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
  fold_block: ['x_vectors', 'out'],
} as const

interface Pass {
  /** What is left of R. */
  readonly parts: number
  readonly lanes: number
  readonly entry: keyof typeof BINDINGS
  readonly groups: number
}

/** One pass over [outer, R, inner]. */
function passOf(outer: number, R: number, inner: number): Pass {
  if (inner === 1 && R >= WORTH_A_BLOCK && (outer === 1 || R % 4 === 0)) {
    const parts = Math.ceil(R / BLOCK)
    return { parts, lanes: 1, entry: 'fold_block', groups: outer * parts }
  }
  const lanes = lanesOf(R, inner)
  const whole = Math.ceil(R / (FOLD * lanes)) - 1
  const parts = whole * lanes + Math.min(lanes, R - whole * FOLD * lanes)
  const vectors = inner % 4 === 0
  const threads = (outer * parts * inner) / (vectors ? 4 : 1)
  return { parts, lanes, entry: vectors ? 'fold_vectors' : 'fold', groups: groupsFor(threads) }
}

/**
 * Reduces a tensor along `dims` to the elements of `shape`, which are there and come from some: the sizes of `shape` are
 * those of the dimensions that stay, perhaps with ones among them.
 */
function fold(x: Tensor, dims: readonly number[], shape: Shape, name: string, recipe: Recipe): Tensor {
  const { gpu } = x
  const runs = runsOf(x.shape, dims).map((run) => ({ ...run }))
  for (let from = x; ; ) {
    // The last run that is reduced; a copy, if none is.
    const at = runs.findLastIndex((run) => run.reduced)
    const R = runs[at]?.size ?? 1
    const inner = sizeOf(runs.slice(at + 1).map(({ size }) => size))
    const outer = sizeOf(runs.slice(0, Math.max(0, at)).map(({ size }) => size))
    const { parts, lanes, entry, groups } = passOf(outer, R, inner)
    if (at >= 0) runs.splice(at, 1, ...(parts > 1 ? [{ size: parts, reduced: true }] : []))
    const last = !runs.some((run) => run.reduced)
    const out = last ? empty(gpu, shape, 'float32', name) : empty(gpu, [outer * parts * inner], 'float32', name)
    const finish = FINISHES[last ? (recipe.finish ?? 'none') : 'none']
    const params = { outer, M: R * inner, W: lanes * inner, B: parts * inner, finish, by: recipe.by ?? 1 }
    const bindings = { params, [BINDINGS[entry][0]]: from.storage, [BINDINGS[entry][1]]: out.storage }
    gpu.emit(file.entry(entry, { OP: OPS[recipe.op] }), bindings, groups)
    if (from !== x) from.release('it was an intermediate of an operation')
    if (last) return out
    from = out
  }
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
