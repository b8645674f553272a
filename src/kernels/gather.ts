// Batches of rows, gathered from data on the device.
import { KernelFile } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { empty } from '../tensor/create.ts'
import { sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import * as wgsl from './generated/wgsl.ts'
import { groupsFor, groupsForElements, requireRank, requireType } from './support.ts'

const file = new KernelFile('gather', wgsl.gather)
const batch = file.entry('batch')
const scaled = file.entry('scaled')
const words = file.entry('rows')
const oddBytes = file.entry('rows_of_bytes')

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
   * on by `count` entries a batch; past the end of the list rows are zeros and labels of images -100.
   */
  readonly batches?: { readonly storage: Storage; readonly use: number }
}

function checkIndex(count: number, index: Tensor, { first, count: wanted, batches }: Selection): void {
  requireType('gather', 'index', index, ['int32'])
  requireRank('gather', 'index', index.shape, 1, 'LENGTH')
  const range = index.storage.integerRange
  if (range && index.size > 0 && (range[0] < 0 || range[1] >= count)) {
    const row = range[0] < 0 ? range[0] : range[1]
    const there = count === 0 ? 'the data has no rows' : `the data has rows 0 to ${count - 1}`
    throw new RangeError(`gather: row ${row} does not exist; ${there}`)
  }
  const inside = batches !== undefined || first + wanted <= index.size
  if (!Number.isInteger(first) || !Number.isInteger(wanted) || first < 0 || wanted < 0 || !inside) {
    throw new RangeError(`gather: entries ${first} to ${first + wanted - 1} lie outside the list of ${index.size}`)
  }
}

const rowsIn = (parts: readonly Tensor[]) => parts.reduce((sum, { shape }) => sum + shape[0]!, 0)

/** What the kernels are told of a selection, and of each part of the data in turn. */
function* paramsOf(
  parts: readonly Tensor[],
  R: number,
  index: Tensor,
  { first, count, batches }: Selection,
  scale: number,
) {
  const which = batches?.use ?? 0
  const selected = { N: count, R, length: index.size, first, stride: batches ? count : 0, which, scale }
  let before = 0
  for (const part of parts) {
    const rows = part.shape[0]!
    yield { part, params: { ...selected, part: before, rows } }
    before += rows
  }
}

/**
 * The selected rows: images as float32 [count, …] times `scale`, labels as int32 [count]. Throws RangeError for entries
 * outside of the list.
 */
export function gatherBatch(source: Source, selection: Selection, scale: number): { images: Tensor; labels: Tensor } {
  const { images, labels, index } = source
  for (const t of [...images, labels, index]) t.checkUsable('gather')
  for (const part of images) requireType('gather', 'images', part, ['uint8'])
  requireType('gather', 'labels', labels, ['uint8'])
  checkIndex(rowsIn(images), index, selection)
  const { count, batches } = selection
  const { gpu } = index
  const shapeOfRow = images[0]!.shape.slice(1)
  const out = empty(gpu, [count, ...shapeOfRow], 'float32', 'gather')
  const outLabels = empty(gpu, [count], 'int32', 'gather')
  const groups = Math.max(groupsForElements(out.size), groupsFor(count))
  for (const { part, params } of paramsOf(images, sizeOf(shapeOfRow), index, selection, scale)) {
    const bindings = {
      params,
      bytes: part.storage,
      labels: labels.storage,
      index: index.storage,
      batches: batches?.storage ?? null,
      out: out.storage,
      out_labels: outLabels.storage,
    }
    gpu.emit(batch, bindings, groups)
  }
  outLabels.storage.integerRange = labels.storage.integerRange
  return { images: out, labels: outLabels }
}

/**
 * The selected rows [count, …] of data of any type, in one part or several whose rows follow one another. `scale`: bytes become
 * float32 times it; null leaves all as it is. Throws RangeError for entries outside of the list.
 */
export function gatherRows(
  parts: readonly Tensor[],
  index: Tensor,
  selection: Selection,
  scale: number | null = null,
): Tensor {
  for (const t of [...parts, index]) t.checkUsable('gather')
  checkIndex(rowsIn(parts), index, selection)
  const { count, batches } = selection
  const { gpu } = index
  const { dtype, shape } = parts[0]!
  if (scale !== null) requireType('gather', 'scaled data', parts[0]!, ['uint8'])
  const out = empty(gpu, [count, ...shape.slice(1)], scale === null ? dtype : 'float32', 'gather')
  const R = sizeOf(shape.slice(1))
  const inWords = dtype === 'uint8' && R % 4 === 0
  const kernel = scale !== null ? scaled : dtype === 'uint8' && !inWords ? oddBytes : words
  const perWord = kernel === words && inWords ? 4 : 1
  for (const { part, params } of paramsOf(parts, R / perWord, index, selection, scale ?? 1)) {
    if (out.size === 0) break
    const bindings = { params, bytes: part.storage, index: index.storage, batches: batches?.storage ?? null }
    const groups = groupsForElements(out.size / perWord)
    if (kernel === scaled) gpu.emit(kernel, { ...bindings, out: out.storage }, groups)
    else gpu.emit(kernel, { ...bindings, out_words: out.storage }, groups)
  }
  if (scale === null) out.storage.integerRange = rangeOfAll(parts)
  return out
}

/** The smallest and the largest of all parts; null where that of one is not known. */
function rangeOfAll(parts: readonly Tensor[]): readonly [number, number] | null {
  const ranges = parts.map(({ storage }) => storage.integerRange)
  if (ranges.some((range) => range === null)) return null
  return [Math.min(...ranges.map((range) => range![0])), Math.max(...ranges.map((range) => range![1]))]
}
