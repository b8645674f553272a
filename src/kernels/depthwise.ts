// conv2d of groups of one channel and one filter, and its dx: no packed weights, and cells loaded once for all rows of the kernel.
import type { Gpu } from '../gpu/gpu.ts'
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type ConvShape, WORTH_A_VARIANT } from './conv2d_tuning.ts'
import * as wgsl from './generated/wgsl.ts'
import { groupsFor } from './support.ts'
import { TUNING } from './tuning.ts'

const file = new KernelFile('depthwise', wgsl.depthwise)

/** The sizes of a convolution, as conv2d's kernels have them. */
type Layer = ConvShape & { readonly CG: number; readonly FG: number; readonly hasBias: number }

const LARGEST_KERNEL = 7
const LARGEST_STRIDE = 2

/** Whether `correlateDepthwise` computes a convolution and its dx. */
export function isDepthwise({ C, F, KH, KW, OH, OW, SH, SW, DH, DW, CG, FG }: Layer): boolean {
  if (CG !== 1 || FG !== 1 || C === 1 || DH !== 1 || DW !== 1) return false
  if (Math.max(SH, SW) > LARGEST_STRIDE || Math.max(KH, KW) > LARGEST_KERNEL) return false
  return F * KH * KW * OH * OW >= WORTH_A_VARIANT
}

/** Of the multiples of `step` from three quarters of `most` on, the one that computes least past the end of `size`. */
function fitting(size: number, most: number, step: number): number {
  const computed = (tile: number) => Math.ceil(size / tile) * tile
  let best = most - (most % step)
  for (let tile = best; tile >= 0.75 * most && tile > 0; tile -= step) if (computed(tile) < computed(best)) best = tile
  return best
}

/** Writes the convolution of `src`, or its dx from dy, into `dst`. */
export function correlateDepthwise(
  gpu: Gpu,
  layer: Layer,
  direction: 'forward' | 'backward_input',
  src: Storage,
  weight: Storage,
  bias: Storage | null,
  dst: Tensor,
): void {
  const { N, C, KH, KW, SH, SW, PH, PW, hasBias } = layer
  const TURNED = direction === 'forward' ? 0 : 1
  const [OH, OW] = dst.shape.slice(2) as [number, number]
  const [IH, IW] = TURNED ? [layer.OH, layer.OW] : [layer.H, layer.W]
  const [padY, padX] = TURNED ? [KH - 1 - PH, KW - 1 - PW] : [PH, PW]
  const [leadY, leadX] = TURNED ? [leadOf(padY, SH), leadOf(padX, SW)] : [0, 0]
  const { WG, mostColumns, mostProducts, mostRows } = TUNING.depthwise[gpu.info.adapterClass]
  const most = Math.max(SW, Math.min(mostColumns, Math.floor(mostProducts / (KH * KW))))
  const PX = fitting(OW + leadX, most, SW)
  const columns = Math.ceil((OW + leadX) / PX)
  const strips = Math.ceil((OH + leadY) / mostRows)
  const rows = SH * Math.ceil((OH + leadY) / strips / SH)
  const kernel = file.entry('correlate', { PX, KH, KW, SH, SW, TURNED }, { WG })
  const sizes = { N, C, IH, IW, OH, OW }
  const params = { ...sizes, padY, padX, leadY, leadX, hasBias, strips, columns, rows }
  gpu.emit(kernel, { params, src, weight, bias, dst: dst.storage }, groupsFor(N * C * strips * columns, WG))
}

/** How far before the output the strips begin, so that the stride divides their distances from the padding. */
function leadOf(pad: number, stride: number): number {
  return (stride - (((pad % stride) + stride) % stride)) % stride
}
