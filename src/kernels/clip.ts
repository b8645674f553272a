// Norms of many tensors, and limits for their elements, in a few dispatches.
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { empty } from '../tensor/create.ts'
import type { Tensor } from '../tensor/tensor.ts'
import * as wgsl from './generated/wgsl.ts'
import type { Piece } from './rows.ts'
import { ELEMENTS_A_WORKGROUP, withScratch } from './support.ts'
import { TableCache } from './table_cache.ts'
import { inWindows, type Window } from './windows.ts'

const file = new KernelFile('clip', wgsl.clip)
const partial = file.entry('partial')
const total = file.entry('total')
const scale = file.entry('scale')
const clampElements = file.entry('clamp_elements')

const PARAMS = { size: 0, first: 0, infinite: 0, limit: 0, keep: 0 }

/** Elements that share a partial result of the norm. */
export const NORM_BLOCK = ELEMENTS_A_WORKGROUP

/** Whether numbers that are not finite are left where they are, for what looks at the gradients next. */
export interface Keep {
  readonly keep: boolean
}

/** Tensors that lie in one buffer. */
interface Together {
  readonly whole: Storage
  /** What else a row says is the first element's number, counted from the first block of this buffer's tensors. */
  readonly pieces: Piece[]
  /** That block's number among all. */
  readonly first: number
}

/** Of each device: where what is clipped lies is the same in every step. */
const tables = new WeakMap<Gpu, TableCache>()

/** Tensors by the buffers that they lie in, and how many blocks they have in all, each its own. */
function together(tensors: readonly Tensor[]): { buffers: Iterable<Together>; blocks: number } {
  const found = new Map<Storage, Together>()
  let blocks = 0
  for (const { storage, size } of tensors) {
    const { whole, offset } = storage
    const own = found.get(whole) ?? { whole, pieces: [], first: blocks }
    own.pieces.push({ at: offset / 4, other: NORM_BLOCK * (blocks - own.first), size })
    found.set(whole, own)
    blocks += Math.ceil(size / NORM_BLOCK)
  }
  return { buffers: found.values(), blocks }
}

/** Calls `use` with the memory of those tensors, or with one part of it after the other, and the table of what lies there. */
function eachWindow(
  gpu: Gpu,
  { whole, pieces }: Together,
  use: (bound: { readonly table: Storage; readonly memory: Storage }, rows: number) => void,
): void {
  const cache = tables.get(gpu) ?? new TableCache(gpu)
  tables.set(gpu, cache)
  const cut = ({ other }: Piece, { first, count }: Window): Piece => ({ at: 0, other: other + first, size: count })
  inWindows(gpu, pieces, [[whole, ({ at }) => at]], cut, (own, [memory]) => {
    const { tensor, rows } = cache.ofPieces(own)
    use({ table: tensor.storage, memory: memory! }, rows)
  })
}

/**
 * The norm over all elements of float32 tensors, as a tensor of one element: the root of the sum of squares, or the largest
 * absolute value. Every sum is in a fixed order, wherever the tensors lie. NaN where a tensor holds one.
 */
export function normOf(tensors: readonly [Tensor, ...Tensor[]], normType: 2 | typeof Infinity): Tensor {
  const { gpu } = tensors[0]
  const infinite = normType === 2 ? 0 : 1
  const { buffers, blocks } = together(tensors)
  const norm = empty(gpu, [], 'float32', 'norm')
  withScratch(gpu, 'clip', Math.max(1, blocks), (sums) => {
    for (const buffer of buffers) {
      eachWindow(gpu, buffer, ({ table, memory }, rows) => {
        const params = { ...PARAMS, size: rows, first: buffer.first, infinite }
        gpu.emit(partial, { params, table, x: memory, sums }, rows)
      })
    }
    gpu.emit(total, { params: { ...PARAMS, size: blocks, infinite }, sums, norm: norm.storage }, 1)
  })
  return norm
}

/** Changes tensors in place, each of them once. */
function change(
  tensors: readonly Tensor[],
  emit: (gpu: Gpu, bound: { table: Storage; g: Storage }, rows: number) => void,
) {
  for (const buffer of together(tensors).buffers) {
    const { gpu } = tensors[0]!
    eachWindow(gpu, buffer, ({ table, memory }, rows) => emit(gpu, { table, g: memory }, rows))
  }
  // The dispatches say so of what they are bound to: the whole of which these may be parts.
  for (const { storage } of tensors) if (storage.whole !== storage) storage.version++
}

/** Multiplies in place by min(maxNorm / (norm + 1e-6), 1): what torch.nn.utils.clip_grad_norm_ does once it has the norm. */
export function scaleToNorm(
  tensors: readonly Tensor[],
  { norm, maxNorm, keep }: Keep & { readonly norm: Tensor; readonly maxNorm: number },
): void {
  change(tensors, (gpu, bound, rows) => {
    const params = { ...PARAMS, size: rows, limit: maxNorm, keep: keep ? 1 : 0 }
    gpu.emit(scale, { params, ...bound, norm: norm.storage }, rows)
  })
}

/** Moves every element in place into -limit … limit; a NaN stays. */
export function clampInPlace(tensors: readonly Tensor[], { limit, keep }: Keep & { readonly limit: number }): void {
  change(tensors, (gpu, bound, rows) => {
    const params = { ...PARAMS, size: rows, limit, keep: keep ? 1 : 0 }
    gpu.emit(clampElements, { params, ...bound }, rows)
  })
}
