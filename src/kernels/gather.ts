// Batches of images and labels, gathered from bytes on the device.
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { empty } from '../tensor/create.ts'
import { sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import * as wgsl from './generated/wgsl.ts'
import { groupsFor, groupsForElements, requireRank, requireType } from './support.ts'

const batch = new KernelFile('gather', wgsl.gather).entry('batch')

/** A data set of bytes on the GPU, and the order in which its rows are taken. */
export interface Source {
  /** uint8 [ROWS, …], in one part or several whose rows follow one another: a buffer may be too small for all. */
  readonly images: readonly Tensor[]
  /** uint8 [ROWS] */
  readonly labels: Tensor
  /** int32 [LENGTH]: row numbers */
  readonly index: Tensor
}

/** Which rows: entries `first` … `first + count - 1` of the list. */
export interface Selection {
  readonly first: number
  readonly count: number
  /**
   * In a plan: where the number of the step's batch is read, and which use of it in the step this is. The selection moves
   * on by `count` entries a batch; past the end of the list images are zeros and labels -100.
   */
  readonly batches?: { readonly storage: Storage; readonly use: number }
}

function check({ images, labels, index }: Source, { first, count, batches }: Selection): void {
  for (const t of [...images, labels, index]) t.checkUsable('gather')
  for (const part of images) requireType('gather', 'images', part, ['uint8'])
  requireType('gather', 'labels', labels, ['uint8'])
  requireType('gather', 'index', index, ['int32'])
  requireRank('gather', 'index', index.shape, 1, 'LENGTH')
  const rows = images.reduce((sum, { shape }) => sum + shape[0]!, 0)
  const range = index.storage.integerRange
  if (range && index.size > 0 && (range[0] < 0 || range[1] >= rows)) {
    const row = range[0] < 0 ? range[0] : range[1]
    const there = rows === 0 ? 'the data has no rows' : `the data has rows 0 to ${rows - 1}`
    throw new RangeError(`gather: row ${row} does not exist; ${there}`)
  }
  const inside = batches !== undefined || first + count <= index.size
  if (!Number.isInteger(first) || !Number.isInteger(count) || first < 0 || count < 0 || !inside) {
    throw new RangeError(`gather: entries ${first} to ${first + count - 1} lie outside the list of ${index.size}`)
  }
}

/**
 * The selected rows: images as float32 [count, …] times `scale`, labels as int32 [count]. Throws RangeError for entries
 * outside of the list.
 */
export function gatherBatch(source: Source, selection: Selection, scale: number): { images: Tensor; labels: Tensor } {
  check(source, selection)
  const { images, labels, index } = source
  const { first, count, batches } = selection
  const { gpu } = index
  const shapeOfRow = images[0]!.shape.slice(1)
  const R = sizeOf(shapeOfRow)
  const out = empty(gpu, [count, ...shapeOfRow], 'float32', 'gather')
  const outLabels = empty(gpu, [count], 'int32', 'gather')
  const selected = {
    N: count,
    R,
    length: index.size,
    first,
    stride: batches ? count : 0,
    which: batches?.use ?? 0,
    scale,
  }
  const groups = Math.max(groupsForElements(out.size), groupsFor(count))
  let before = 0
  for (const part of images) {
    const rows = part.shape[0]!
    const bindings = {
      params: { ...selected, part: before, rows },
      bytes: part.storage,
      labels: labels.storage,
      index: index.storage,
      batches: batches?.storage ?? null,
      out: out.storage,
      out_labels: outLabels.storage,
    }
    gpu.emit(batch, bindings, groups)
    before += rows
  }
  outLabels.storage.integerRange = labels.storage.integerRange
  return { images: out, labels: outLabels }
}
