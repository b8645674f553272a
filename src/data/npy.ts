// Encodes and decodes npy, NumPy's format of one array.
// The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
import { DataError } from '../errors.ts'
import { kindOf } from '../kernels/support.ts'
import { shown } from '../tensor/options.ts'
import { type Shape, sizeOf } from '../tensor/shape.ts'
import type { TypedArray } from '../tensor/tensor.ts'
import { countOf, type HostArray } from './host_array.ts'
import { namedBytes, type Source } from './sources.ts'

const MAGIC = '\x93NUMPY'
/** NumPy's own limit; no header of plain numbers comes near it. */
const MAX_HEADER_BYTES = 10_000
const MAX_RANK = 64

/** By the kind and the width of an element: how it is read, and the bytes of each. */
const READERS: Readonly<Record<string, (buffer: ArrayBuffer, refuse: Refuse) => TypedArray>> = {
  f2: (buffer) => Float32Array.from(new Uint16Array(buffer), halfToNumber),
  f4: (buffer) => new Float32Array(buffer),
  f8: readFloat64,
  i1: (buffer) => Int32Array.from(new Int8Array(buffer)),
  u1: (buffer) => new Uint8Array(buffer),
  i2: (buffer) => Int32Array.from(new Int16Array(buffer)),
  u2: (buffer) => Int32Array.from(new Uint16Array(buffer)),
  i4: (buffer) => new Int32Array(buffer),
  u4: readUint32,
  i8: (buffer, refuse) => readInt64(buffer, refuse, true),
  u8: (buffer, refuse) => readInt64(buffer, refuse, false),
  b1: readBool,
}

/** What NumPy calls the types of the format that hold something else than numbers. */
const OTHERS: Readonly<Record<string, string>> = {
  O: 'Python objects',
  U: 'texts',
  S: 'bytes of text',
  c: 'complex numbers',
  M: 'dates',
  m: 'spans of time',
  V: 'raw bytes',
}

/** Throws the error for an element, by its place in the file, that its type can't become. */
type Refuse = (at: number, value: unknown, right: string) => never

/** The header of a file. */
interface Header {
  /** The kind and the width of an element, such as 'f4'. */
  readonly kind: string
  readonly bigEndian: boolean
  readonly fortranOrder: boolean
  readonly shape: number[]
}

/**
 * Reads an array that `numpy.save` wrote, versions 1 to 3 of the format, either byte order, C or Fortran order. float32, float16 and
 * float64 become float32, and float64 is rounded; uint8 and bool become uint8; all other integers become int32. The data is copied.
 *
 * @param bytes the whole file
 * @param name the file's name, for messages
 * @throws DataError for every deviation from the format; for types that do not hold numbers; for integers beyond int32, and
 *   float64 beyond float32, with the element's place
 */
export function parseNpy(bytes: Uint8Array, name = 'npy'): HostArray {
  const fail = (what: string): never => {
    throw new DataError(`${name}: ${what}`)
  }
  const { start, text } = headerOf(bytes, fail)
  const { kind, bigEndian, fortranOrder, shape } = parseHeader(text, fail)
  const width = Number(kind.slice(1))
  const sizes = `[${shape.join(', ')}]`
  const count = countOf(shape, width)
  if (count === null) return fail(`its sizes ${sizes} overflow, their product must be below 2^53`)
  const length = bytes.length - start
  if (length !== count * width) {
    const problem = length < count * width ? 'cut off' : 'bytes after the end'
    fail(`${problem}: ${length} bytes after the header, but ${kind} ${sizes} needs ${count * width}`)
  }
  const from = bytes.byteOffset + start
  // Copied, since the data may not be aligned. All JavaScript engines are little-endian.
  const buffer = bytes.buffer.slice(from, from + length) as ArrayBuffer
  if (bigEndian) reverseEach(new Uint8Array(buffer), width)
  const data = READERS[kind]!(buffer, (at, value, right) => {
    const place = placeOf(at, shape, fortranOrder).join(', ')
    return fail(`element [${place}] of ${kind} ${sizes} is ${value}, ${right}`)
  })
  return { data: fortranOrder ? inRowMajorOrder(data, shape) : data, shape }
}

/**
 * Reads a file that `numpy.save` wrote; see {@link parseNpy} for what becomes of its numbers.
 *
 * @throws DataError if the file can't be read, deviates from the format or holds something else than numbers that fit
 */
export async function readNpy(source: Source): Promise<HostArray> {
  const { bytes, name } = await namedBytes('readNpy', source)
  return parseNpy(bytes, name)
}

/**
 * The bytes of an npy file, as `numpy.save` writes them: version 1.0, little-endian, row-major.
 *
 * @throws TypeError for data that is not a Float32Array, Int32Array or Uint8Array; RangeError if it does not have the elements of
 *   `shape`
 */
export function encodeNpy(array: HostArray): Uint8Array<ArrayBuffer> {
  const { data, shape } = array
  const descr =
    data instanceof Float32Array
      ? '<f4'
      : data instanceof Int32Array
        ? '<i4'
        : data instanceof Uint8Array
          ? '|u1'
          : null
  if (descr === null) {
    throw new TypeError(`encodeNpy: data must be a Float32Array, an Int32Array or a Uint8Array, not ${kindOf(data)}`)
  }
  const isShape = Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0)
  if (!isShape || sizeOf(shape) !== data.length) {
    throw new RangeError(`encodeNpy: the shape ${shown(shape)} can't hold ${data.length} elements`)
  }
  const sizes = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const fields = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${sizes}, }`
  // As NumPy does, room for the first size to grow; then spaces, so that the data begins at a multiple of 64.
  const room = shape.length > 0 ? 21 - String(shape[0]).length : 0
  const length = Math.ceil((10 + fields.length + room + 1) / 64) * 64
  const bytes = new Uint8Array(length + data.byteLength).fill(0x20, 10, length - 1)
  bytes.set(latin1(MAGIC))
  bytes.set([1, 0, (length - 10) & 0xff, (length - 10) >> 8], 6)
  bytes.set(latin1(fields), 10)
  bytes[length - 1] = 0x0a
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), length)
  return bytes
}

function latin1(text: string): number[] {
  return Array.from(text, (character) => character.charCodeAt(0))
}

function headerOf(bytes: Uint8Array, fail: (what: string) => never): { start: number; text: string } {
  if (bytes.length < 10) fail(`cut off: ${bytes.length} bytes, but an npy file has at least 10`)
  if (latin1(MAGIC).some((byte, i) => bytes[i] !== byte)) {
    const hint = bytes[0] === 0x50 && bytes[1] === 0x4b ? ' (this is a zip file: read it as npz)' : ''
    fail(`not an npy file: it does not start with 93 and NUMPY${hint}`)
  }
  const version = bytes[6]!
  if (version < 1 || version > 3) fail(`npy version ${version}.${bytes[7]} is not supported, it must be 1 to 3`)
  const start = version === 1 ? 10 : 12
  if (bytes.length < start)
    fail(`cut off: ${bytes.length} bytes, but an npy file of version ${version} has at least 12`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  if (length > bytes.length - start) fail(`its header would have ${length} bytes, but ${bytes.length - start} follow`)
  if (length > MAX_HEADER_BYTES) fail(`its header has ${length} bytes, it must have at most ${MAX_HEADER_BYTES}`)
  return { start: start + length, text: new TextDecoder().decode(bytes.subarray(start, start + length)) }
}

/** Reads a header, the text of a Python dict such as `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`. */
function parseHeader(text: string, fail: (what: string) => never): Header {
  // A list is the type of a structured array, which has fields.
  if (/'descr'\s*:\s*\[/.test(text)) fail('its elements have several fields; save each field as an array')
  const field = /'(\w+)'\s*:\s*(?:'([^']*)'|(True|False)|\(([\d,L ]*)\))\s*(?:,\s*|$)/g
  const inside = /^\s*\{(.*)\}\s*$/s.exec(text)?.[1] ?? 'no dict'
  const found = [...inside.matchAll(field)]
  const of = (name: string, group: number) => found.find(([, key]) => key === name)?.[group]
  const [descr, order, sizes] = [of('descr', 2), of('fortran_order', 3), of('shape', 4)]
  const isWhole = found.length === 3 && inside.replace(field, '').trim() === ''
  if (!isWhole || descr === undefined || order === undefined || sizes === undefined) {
    return fail(`its header ${shownText(text)} must have a descr, a fortran_order and a shape, and nothing else`)
  }
  const shape = sizes.split(',').flatMap((size) => (size.trim() === '' ? [] : [Number(size.replace('L', ''))]))
  if (!shape.every((size) => Number.isSafeInteger(size))) fail(`its shape (${sizes}) must be whole numbers below 2^53`)
  if (shape.length > MAX_RANK) fail(`it has ${shape.length} dimensions, it must have at most ${MAX_RANK}`)
  const [, byteOrder, kind] = /^([<>|=]?)(\w+)$/.exec(descr) ?? []
  if (kind === undefined || !Object.hasOwn(READERS, kind)) {
    const other = OTHERS[descr.replace(/^[<>|=]/, '')[0] ?? '']
    const what = other === undefined ? '' : ` (${other})`
    return fail(
      `its type ${shown(descr)}${what} is not supported; it must be one of ${Object.keys(READERS).join(', ')}`,
    )
  }
  return { kind, bigEndian: byteOrder === '>', fortranOrder: order === 'True', shape }
}

function shownText(text: string): string {
  const trimmed = text.trimEnd()
  return JSON.stringify(trimmed.length > 100 ? `${trimmed.slice(0, 100)}…` : trimmed)
}

/** The value of the 16 bits of a float16: https://en.wikipedia.org/wiki/Half-precision_floating-point_format */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

function readFloat64(buffer: ArrayBuffer, refuse: Refuse): Float32Array {
  const from = new Float64Array(buffer)
  const to = Float32Array.from(from)
  const wrong = from.findIndex((value, i) => Number.isFinite(value) && !Number.isFinite(to[i]))
  if (wrong >= 0) refuse(wrong, from[wrong], 'which float32 does not hold')
  return to
}

function readUint32(buffer: ArrayBuffer, refuse: Refuse): Int32Array {
  const wrong = new Int32Array(buffer).findIndex((value) => value < 0)
  if (wrong >= 0) refuse(wrong, new Uint32Array(buffer)[wrong], 'which int32 does not hold')
  return new Int32Array(buffer)
}

function readInt64(buffer: ArrayBuffer, refuse: Refuse, signed: boolean): Int32Array {
  const halves = new Int32Array(buffer)
  const to = new Int32Array(halves.length / 2)
  for (let i = 0; i < to.length; i++) {
    const low = halves[2 * i]!
    // The upper half only repeats the sign.
    if (halves[2 * i + 1] !== low >> 31 || (!signed && low < 0)) {
      refuse(i, signed ? new BigInt64Array(buffer)[i] : new BigUint64Array(buffer)[i], 'which int32 does not hold')
    }
    to[i] = low
  }
  return to
}

function readBool(buffer: ArrayBuffer, refuse: Refuse): Uint8Array {
  const bytes = new Uint8Array(buffer)
  const wrong = bytes.findIndex((value) => value > 1)
  if (wrong >= 0) refuse(wrong, bytes[wrong], 'but a bool must be 0 or 1')
  return bytes
}

/** Turns the bytes of every element around. */
function reverseEach(bytes: Uint8Array, width: number): void {
  for (let at = 0; width > 1 && at < bytes.length; at += width) bytes.subarray(at, at + width).reverse()
}

/** Where the element number `at` of a file stands in its array. */
function placeOf(at: number, shape: Shape, fortranOrder: boolean): number[] {
  const place = new Array<number>(shape.length)
  const order = shape.map((_, i) => (fortranOrder ? i : shape.length - 1 - i))
  let rest = at
  for (const axis of order) {
    place[axis] = rest % shape[axis]!
    rest = Math.floor(rest / shape[axis]!)
  }
  return place
}

/** The elements of an array whose first index runs fastest, with the last running fastest. */
function inRowMajorOrder(data: TypedArray, shape: Shape): TypedArray {
  const to = data.slice()
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((product, size) => product * size, 1))
  const place = new Array<number>(shape.length).fill(0)
  let from = 0
  for (let i = 0; i < to.length; i++) {
    to[i] = data[from]!
    // To the next place in row-major order.
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!
      if (++place[axis]! < shape[axis]!) break
      from -= strides[axis]! * shape[axis]!
      place[axis] = 0
    }
  }
  return to
}
