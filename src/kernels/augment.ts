// Images of a batch changed at random and normalized: the kernels.
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { empty } from '../tensor/create.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Selection } from './gather.ts'
import * as wgsl from './generated/wgsl.ts'
import { requireType, withScratch } from './support.ts'

const file = new KernelFile('augment', wgsl.augment)

/** Words that say what is drawn: the epoch, and the seed's low and high word. */
export const EPOCH_WORDS = 3

/** Places of an image that a workgroup takes, as the kernel's `const PLACES` says. */
const PLACES = 1024

/** Threads of a workgroup: each of them draws, so that a processor does best with few. No result depends on it. */
const THREADS = { cpu: 16, gpu: 64 } as const

/** What is drawn for an image, as the kernel's params have it. */
export interface Draws {
  readonly padding: number
  /** 2³¹ times the probability. */
  readonly flip: number
  /** Turns at most. */
  readonly rotate: number
  readonly zoom: number
  readonly zoom_span: number
  readonly shift_y: number
  readonly shift_x: number
  readonly cutout: number
  readonly brightness: number
  readonly brightness_span: number
  readonly contrast: number
  readonly contrast_span: number
}

/** Draws of which every one leaves the image as it is. */
export const NO_DRAWS: Draws = {
  padding: 0,
  flip: 0,
  rotate: 0,
  zoom: 1,
  zoom_span: 0,
  shift_y: 0,
  shift_x: 0,
  cutout: 0,
  brightness: 1,
  brightness_span: 0,
  contrast: 1,
  contrast_span: 0,
}

/** A bit for each block of words that the kernel needs. */
export function blocksOf(draws: Draws): number {
  const isDrawn = (...names: readonly (keyof Draws)[]) => names.some((name) => draws[name] !== NO_DRAWS[name])
  const blocks = [
    isDrawn('padding', 'flip', 'rotate'),
    isDrawn('zoom', 'zoom_span', 'shift_y', 'shift_x'),
    isDrawn('cutout', 'brightness', 'brightness_span', 'contrast', 'contrast_span'),
  ]
  return blocks.reduce((bits, needed, i) => bits + (needed ? 2 ** i : 0), 0)
}

/** How the images of a batch are changed. */
export interface Change {
  readonly draws: Draws
  /** Rows of {@link EPOCH_WORDS}, and which one of a step they are; null where nothing is drawn. */
  readonly epochs: { readonly storage: Storage; readonly use: number } | null
  readonly sampling: 'whole' | 'bilinear' | 'nearest'
  readonly reflect: boolean
  readonly brightness: boolean
  readonly contrast: boolean
  /** float32 [C, 2]: the mean of each channel, and what the difference is multiplied by. */
  readonly channels: Tensor | null
}

const SAMPLING = { whole: 0, bilinear: 1, nearest: 2 } as const

/**
 * The images [N, C, H, W] or [N, H, W], whose numbers in the data set the selection of `index` has, changed. wgsl/augment.wgsl
 * has the formulas. What lies past the end of the list becomes 0. int32 may only be moved.
 */
export function augmentBatch(
  x: Tensor,
  { index, first, batches }: Omit<Selection, 'count'> & { readonly index: Tensor },
  change: Change,
): Tensor {
  const { draws, epochs, brightness, contrast, channels } = change
  for (const t of [x, index, channels]) t?.checkUsable('augment')
  requireType('augment', 'input', x, ['float32', 'int32'])
  requireType('augment', 'index', index, ['int32'])
  const { gpu } = x
  const [N, H, W] = [x.shape[0]!, ...x.shape.slice(-2)] as [number, number, number]
  const C = x.shape.length === 4 ? x.shape[1]! : 1
  const out = empty(gpu, x.shape, x.dtype, 'augment')
  if (out.size === 0) return out
  const chunks = Math.ceil((H * W) / PLACES)
  const params = {
    ...{ N, C, H, W, chunks },
    length: index.size,
    first,
    stride: batches ? N : 0,
    which: batches?.use ?? 0,
    which_epoch: epochs?.use ?? 0,
    blocks: blocksOf(draws),
    ...draws,
    jitter: (brightness ? 1 : 0) + (contrast ? 2 : 0),
    is_normal: channels ? 1 : 0,
    inverse: 1 / (H * W),
    reflect: change.reflect ? 1 : 0,
  }
  const tune = { SAMPLING: SAMPLING[change.sampling] }
  const picked = {
    params,
    x: x.storage,
    index: index.storage,
    batches: batches?.storage ?? null,
    epochs: epochs?.storage ?? null,
  }
  const emit = (means: Storage | null) => {
    const bindings = { ...picked, channels: channels?.storage ?? null, means, out: out.storage }
    gpu.emit(file.entry('forward', tune, { WG: THREADS[gpu.info.adapterClass] }), bindings, N * chunks)
  }
  if (!contrast) emit(null)
  else {
    withScratch(gpu, 'augment', N, (means) => {
      gpu.emit(file.entry('brightness_mean', tune), { ...picked, means_out: means }, N)
      emit(means)
    })
  }
  return out
}
