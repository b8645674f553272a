// The check of the fields of batches before any of them is uploaded.
import { kindOf } from '../kernels/support.ts'
import { shown } from '../tensor/options.ts'
import { checkShape, type Shape, ShapeError, sizeOf } from '../tensor/shape.ts'
import type { TypedArray } from '../tensor/tensor.ts'

/** The data of one field of {@link Batches}: an array with a number for each row, or rows of a shape. */
export type BatchField =
  | TypedArray
  | {
      readonly data: TypedArray
      /** The shape of all of the data, whose first size is the number of rows; [rows] unless given. */
      readonly shape?: Shape
      /** Bytes become float32 times this number; without it they stay uint8. */
      readonly scale?: number
    }

/** Named data: rows in the same order in each. */
export type BatchFields = Readonly<Record<string, BatchField>>

/** A field that has been checked. */
export interface CheckedField {
  readonly data: TypedArray
  readonly shape: Shape
  readonly scale: number | null
}

/**
 * The fields, complete. Throws TypeError for what is not typed arrays by names, ShapeError for a shape that its data do not fill,
 * RangeError for fields without rows, or with different numbers of them.
 */
export function checkFields(operation: string, fields: BatchFields): Map<string, CheckedField> {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields) || ArrayBuffer.isView(fields)) {
    const right = 'an object of named arrays, such as { x: { data, shape }, y: labels }'
    throw new TypeError(`${operation}: the fields must be ${right}, not ${kindOf(fields)}`)
  }
  const checked = new Map(Object.entries(fields).map(([name, field]) => [name, checkField(operation, name, field)]))
  const [first] = checked
  if (!first)
    throw new TypeError(`${operation}: there are no fields; give at least one, such as { x: { data, shape } }`)
  const count = first[1].shape[0]!
  for (const [name, { shape }] of checked) {
    if (shape[0] === 0) throw new RangeError(`${operation}: ${name} has no rows; it must have at least one`)
    if (shape[0] === count) continue
    throw new RangeError(
      `${operation}: ${name} has ${shape[0]} rows, but ${first[0]} has ${count}; all fields must have the same number`,
    )
  }
  return checked
}

function checkField(operation: string, name: string, field: BatchField): CheckedField {
  if (name === 'size') {
    throw new TypeError(
      `${operation}: a field can't be called size, which is the number of rows in a batch; give it another name`,
    )
  }
  const given = isTyped(field) ? { data: field } : field
  if (typeof given !== 'object' || given === null || !isTyped(given.data)) {
    const right = 'a Float32Array, an Int32Array or a Uint8Array, or { data, shape, scale } with one'
    const found = typeof given === 'object' && given !== null && 'data' in given ? given.data : given
    throw new TypeError(`${operation}: ${name} must be ${right}, not ${kindOf(found)}`)
  }
  const stray = Object.keys(given).find((key) => !['data', 'shape', 'scale'].includes(key))
  if (stray !== undefined) throw new TypeError(`${operation}: ${name} has ${stray}; a field has data, shape and scale`)
  const { data, shape = [data.length], scale = null } = given
  if (!Array.isArray(shape) || shape.length === 0) {
    const right = 'the shape of all of the data, the number of rows first, such as [60000, 28, 28]'
    throw new TypeError(`${operation}: the shape of ${name} must be ${right}, not ${shown(shape)}`)
  }
  checkShape(operation, shape)
  if (sizeOf(shape) !== data.length) {
    const sentence = `${name} has ${data.length} numbers, which do not fill its shape`
    const cure = 'The shape is that of all rows: its first size is their number.'
    throw new ShapeError(operation, sentence, [[name, shape]], cure)
  }
  if (scale === null) return { data, shape, scale }
  if (!(data instanceof Uint8Array)) {
    throw new TypeError(
      `${operation}: ${name} has a scale, which is for bytes, and its data are ${kindOf(data)}; leave it out`,
    )
  }
  if (typeof scale !== 'number' || !Number.isFinite(Math.fround(scale))) {
    throw new TypeError(
      `${operation}: the scale of ${name} must be a finite float32, such as 1 / 255, not ${shown(scale)}`,
    )
  }
  return { data, shape, scale }
}

function isTyped(value: unknown): value is TypedArray {
  return value instanceof Float32Array || value instanceof Int32Array || value instanceof Uint8Array
}
