// Makes tensors from numbers, and empty ones for operations.
import type { Gpu } from '../gpu/gpu.ts'
import { defaultGpu } from './default.ts'
import { requireFlags, requireOptions, shown, tooMany } from './options.ts'
import { checkShape, formatShape, type Shape, ShapeError, sizeOf } from './shape.ts'
import { bytesPerElement, type DType, Tensor, type TypedArray } from './tensor.ts'

/** Integers up to this many are checked for their range even in a tensor that is not a list: it may be reshaped to one. */
const LARGEST_SCANNED = 1 << 20

/** Numbers in lists of equal length, however deep. */
export type Nested = readonly number[] | readonly Nested[]
/** Options of {@link tensor}. */
export interface TensorOptions {
  /** float32, or that of the typed array, unless given. */
  dtype?: DType
  /** Whether backward should leave a gradient here; not unless given. */
  requiresGrad?: boolean
  /** Shown in errors. */
  name?: string
  /** The default device unless given. */
  gpu?: Gpu
}

/**
 * A tensor whose elements hold whatever was in the memory before. For operations, which write every element. `most` bytes:
 * what one kernel can be bound to, unless given.
 */
export function empty(gpu: Gpu, shape: Shape, dtype: DType = 'float32', what = 'tensor', most?: number): Tensor {
  if (arguments.length > 5) throw tooMany(arguments, 'empty(gpu, shape, dtype, what, most)')
  const bytes = sizeOf(shape) * bytesPerElement[dtype]
  return new Tensor(gpu, gpu.pool.acquire(bytes, `${what} ${formatShape(shape)}`, most), shape, dtype)
}

/**
 * A tensor with the given values: a number, an array, nested arrays, a Float32Array, Int32Array or Uint8Array.
 * Without `shape` it is that of the nested arrays. `dtype` is float32 unless the typed array says otherwise.
 * Throws ShapeError when the values do not fill the shape, RangeError when an integer type cannot hold one.
 */
export function tensor(data: number | Nested | TypedArray, shape?: Shape, options: TensorOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'tensor(data, shape, options)')
  if (shape !== undefined && !Array.isArray(shape)) {
    throw new TypeError('tensor: the shape must be an array, such as [2, 3]; options come third')
  }
  requireOptions('tensor', options, ['dtype', 'requiresGrad', 'name', 'gpu'])
  requireFlags('tensor', options, ['requiresGrad'])
  const gpu = options.gpu ?? defaultGpu()
  gpu.check()
  const { values, natural } = flat(data)
  const to = shape ?? natural
  checkShape('tensor', to)
  if (sizeOf(to) !== values.length) {
    throw new ShapeError('tensor', `${values.length} values do not fill the shape`, [['shape', to]])
  }
  const dtype = options.dtype ?? dtypeOf(data)
  if (!Object.hasOwn(bytesPerElement, dtype)) {
    throw new TypeError(`tensor: dtype must be float32, int32 or uint8, not ${shown(dtype)}`)
  }
  if (options.requiresGrad && dtype !== 'float32') {
    const label = `${options.name ?? 'tensor'} ${formatShape(to)}`
    throw new TypeError(`${label}: only float32 tensors can require a gradient, this one is ${dtype}`)
  }
  const typed = convert(values, dtype)
  const result = empty(gpu, to, dtype, 'tensor', gpu.pool.largestInParts)
  gpu.write(result.storage, typed)
  // Labels are checked against the number of classes on the host: remember what they can be.
  const scanned = to.length === 1 || typed.length <= LARGEST_SCANNED
  if (dtype !== 'float32' && scanned) result.storage.integerRange = rangeOf(typed)
  result.name = options.name ?? ''
  result.requiresGrad = options.requiresGrad ?? false
  return result
}

function dtypeOf(data: number | Nested | TypedArray): DType {
  if (data instanceof Int32Array) return 'int32'
  return data instanceof Uint8Array ? 'uint8' : 'float32'
}

function flat(data: number | Nested | TypedArray): { values: ArrayLike<number>; natural: Shape } {
  if (typeof data === 'number') return { values: [data], natural: [] }
  if (data instanceof Float32Array || data instanceof Int32Array || data instanceof Uint8Array) {
    return { values: data, natural: [data.length] }
  }
  if (!Array.isArray(data)) {
    const found = Object.prototype.toString.call(data).slice(8, -1)
    throw new TypeError(
      `tensor: data must be numbers, nested arrays, Float32Array, Int32Array or Uint8Array, not ${found}`,
    )
  }
  const natural: number[] = []
  for (let level: unknown = data; Array.isArray(level); level = level[0]) natural.push(level.length)
  const values: number[] = []
  collect(data, natural, 0, values)
  return { values, natural }
}

function collect(data: unknown, natural: Shape, depth: number, into: number[]): void {
  if (depth === natural.length) {
    if (typeof data !== 'number') throw new TypeError(`tensor: every element must be a number, found ${typeof data}`)
    into.push(data)
  } else if (!Array.isArray(data) || data.length !== natural[depth]) {
    const found = Array.isArray(data) ? data.length : 'a number'
    throw new ShapeError(
      'tensor',
      `nested arrays must be of equal length: ${natural[depth]} entries at depth ${depth}, then ${found}`,
    )
  } else for (const item of data) collect(item, natural, depth + 1, into)
}

/** What the integer types hold, for errors. */
export const INTEGERS = {
  int32: 'a whole number from -2147483648 to 2147483647',
  uint8: 'a whole number from 0 to 255',
} as const

function convert(
  values: ArrayLike<number>,
  dtype: DType,
): Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer> {
  if (dtype === 'float32') return new Float32Array(values)
  const typed = dtype === 'int32' ? new Int32Array(values) : new Uint8Array(values)
  if (values.constructor === typed.constructor) return typed // data sets are large: nothing is lost, so nothing is compared
  for (let i = 0; i < typed.length; i++) {
    if (typed[i] !== values[i])
      throw new RangeError(`tensor: ${values[i]} at index ${i} does not fit ${dtype}: it must be ${INTEGERS[dtype]}`)
  }
  return typed
}

/** The smallest and the largest of the values; the infinities for an empty list. */
export function rangeOf(values: ArrayLike<number>): [number, number] {
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  for (let i = 0; i < values.length; i++) {
    low = Math.min(low, values[i]!)
    high = Math.max(high, values[i]!)
  }
  return [low, high]
}
