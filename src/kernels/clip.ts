import { Kernel } from '../gpu/kernel.ts'
import { empty } from '../tensor/create.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { ELEMENTS_A_WORKGROUP, groupsForElements, withScratch } from './support.ts'
import * as wgsl from './wgsl.ts'

const partial = new Kernel('clip', wgsl.clip, 'partial')
const total = new Kernel('clip', wgsl.clip, 'total')
const scale = new Kernel('clip', wgsl.clip, 'scale')
const clampElements = new Kernel('clip', wgsl.clip, 'clamp_elements')
const copy = new Kernel('clip', wgsl.clip, 'copy')

const PARAMS = { size: 0, first: 0, infinite: 0, limit: 0, keep: 0 }

/** Elements that share a partial result of the norm. */
export const NORM_BLOCK = ELEMENTS_A_WORKGROUP

/** Whether numbers that are not finite are left where they are, for what looks at the gradients next. */
export interface Keep {
  readonly keep: boolean
}

/**
 * The norm over all elements of float32 tensors, as a tensor of one element: the root of the sum of squares, or the largest
 * absolute value. Every sum is in a fixed order. NaN where a tensor holds one.
 */
export function normOf(tensors: readonly [Tensor, ...Tensor[]], normType: 2 | typeof Infinity): Tensor {
  const { gpu } = tensors[0]
  const infinite = normType === 2 ? 0 : 1
  const blocks = tensors.map(({ size }) => Math.ceil(size / NORM_BLOCK))
  const count = blocks.reduce((sum, n) => sum + n, 0)
  const norm = empty(gpu, [], 'float32', 'norm')
  withScratch(gpu, 'clip', Math.max(1, count), (sums) => {
    let first = 0
    for (const [i, { size, storage }] of tensors.entries()) {
      gpu.emit(partial, { params: { ...PARAMS, size, first, infinite }, g: storage, sums }, blocks[i]!)
      first += blocks[i]!
    }
    gpu.emit(total, { params: { ...PARAMS, size: count, infinite }, sums, norm: norm.storage }, 1)
  })
  return norm
}

/** Multiplies in place by min(maxNorm / (norm + 1e-6), 1): what torch.nn.utils.clip_grad_norm_ does once it has the norm. */
export function scaleToNorm(
  { gpu, storage, size }: Tensor,
  { norm, maxNorm, keep }: Keep & { readonly norm: Tensor; readonly maxNorm: number },
): void {
  const params = { ...PARAMS, size, limit: maxNorm, keep: keep ? 1 : 0 }
  gpu.emit(scale, { params, g: storage, norm: norm.storage }, groupsForElements(size))
  storage.version++
}

/** Moves every element in place into -limit … limit; a NaN stays. */
export function clampInPlace({ gpu, storage, size }: Tensor, { limit, keep }: Keep & { readonly limit: number }): void {
  const params = { ...PARAMS, size, limit, keep: keep ? 1 : 0 }
  gpu.emit(clampElements, { params, g: storage }, groupsForElements(size))
  storage.version++
}

/** A copy in memory of its own, made by a kernel: it can be captured. */
export function copyOf({ gpu, storage, shape, size }: Tensor): Tensor {
  const out = empty(gpu, shape, 'float32', 'clip')
  gpu.emit(copy, { params: { ...PARAMS, size }, x: storage, g: out.storage }, groupsForElements(size))
  return out
}
