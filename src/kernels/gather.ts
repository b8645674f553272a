import { Kernel } from '../gpu/kernel.ts'
import { empty } from '../tensor/create.ts'
import { type Shape, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { groupsForElements, requireRank, requireType } from './support.ts'
import * as wgsl from './wgsl.ts'

const rows = new Kernel('gather', wgsl.gather, 'rows')
const integers = new Kernel('gather', wgsl.gather, 'integers')

/** Which rows: entries `first` … `first + count - 1` of a list of row numbers (int32, [LENGTH]) on the GPU. */
export interface Selection {
  readonly index: Tensor
  readonly first: number
  readonly count: number
}

function check(bytes: Tensor, { index, first, count }: Selection): void {
  for (const t of [bytes, index]) t.checkUsable('gather')
  requireType('gather', 'bytes', bytes, ['uint8'])
  requireType('gather', 'index', index, ['int32'])
  requireRank('gather', 'index', index.shape, 1, 'LENGTH')
  const rows = bytes.shape[0] ?? 0
  const range = index.storage.integerRange
  if (range && index.size > 0 && (range[0] < 0 || range[1] >= rows)) {
    const row = range[0] < 0 ? range[0] : range[1]
    const there = rows === 0 ? 'the data has no rows' : `the data has rows 0 to ${rows - 1}`
    throw new RangeError(`gather: row ${row} does not exist; ${there}`)
  }
  if (!Number.isInteger(first) || !Number.isInteger(count) || first < 0 || count < 0 || first + count > index.size) {
    throw new RangeError(`gather: entries ${first} to ${first + count - 1} do not lie in a list of ${index.size}`)
  }
}

function shapeOf(bytes: Tensor, count: number): { shape: Shape; R: number } {
  const rest = bytes.shape.slice(1)
  return { shape: [count, ...rest], R: sizeOf(rest) }
}

/** Rows of a uint8 tensor [ROWS, …] as float32 [count, …], each byte times `scale`. Not differentiable. */
export function gatherRows(bytes: Tensor, selection: Selection, scale: number): Tensor {
  check(bytes, selection)
  const { index, first, count } = selection
  const { shape, R } = shapeOf(bytes, count)
  const out = empty(bytes.gpu, shape, 'float32', 'gather')
  const params = { N: count, R, first, scale }
  const bindings = { params, bytes: bytes.storage, index: index.storage, out: out.storage }
  bytes.gpu.emit(rows, bindings, groupsForElements(out.size))
  return out
}

/** Rows of a uint8 tensor [ROWS, …] as int32 [count, …]: labels. */
export function gatherIntegers(bytes: Tensor, selection: Selection): Tensor {
  check(bytes, selection)
  const { index, first, count } = selection
  const { shape, R } = shapeOf(bytes, count)
  const out = empty(bytes.gpu, shape, 'int32', 'gather')
  const params = { N: count, R, first, scale: 1 }
  const bindings = { params, bytes: bytes.storage, index: index.storage, out_integers: out.storage }
  bytes.gpu.emit(integers, bindings, groupsForElements(out.size))
  out.storage.integerRange = bytes.storage.integerRange
  return out
}
