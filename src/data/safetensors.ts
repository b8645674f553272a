// Encodes and decodes safetensors files.
// The format, as https://github.com/huggingface/safetensors defines it: 8 bytes with the header's length (little-endian),
// the header in JSON, then the elements of all tensors, without gaps.
import { DataError } from '../errors.ts'
import type { Shape } from '../tensor/shape.ts'
import { bytesPerElement, type DType, type TypedArray } from '../tensor/tensor.ts'
import { checkHeaderText } from './safetensors_text.ts'

/** A tensor outside the GPU. `data` has the elements of `shape` in row-major order, in an array of the dtype. */
export interface HostTensor {
  readonly dtype: DType
  readonly shape: Shape
  readonly data: TypedArray
}

/** The content of a safetensors file. */
export interface SafetensorsFile {
  /** In the order of the file. */
  readonly tensors: Map<string, HostTensor>
  readonly metadata: Map<string, string>
}

const DTYPES = { F32: 'float32', I32: 'int32', U8: 'uint8' } as const satisfies Record<string, DType>
/** Also read: PyTorch's counts, such as a batch norm's num_batches_tracked, as int32. */
const READABLE = { ...DTYPES, I64: 'int32' } as const satisfies Record<string, DType>
const ARRAYS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array } as const
/** The tensor order of the format's own writer: by decreasing alignment, then by name. */
const ORDER: readonly DType[] = ['float32', 'int32', 'uint8']

const METADATA = '__metadata__'
/** Of a header that is read or written: enough for 400,000 tensors, or a history of 25 million updates. The format allows 100 MB. */
const MAX_HEADER_BYTES = 1 << 26

/**
 * The bytes of a safetensors file, laid out as by the format's own writer: tensors sorted by alignment and name, the
 * header padded with spaces to a multiple of 8. Metadata keeps its order.
 *
 * @throws TypeError if a name is refused, or `data` does not have the dtype and shape given; RangeError for a header that
 *   would be too long to be read again
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array<ArrayBuffer> {
  const entries = [...tensors].sort(
    ([a, { dtype: s }], [b, { dtype: t }]) => ORDER.indexOf(s) - ORDER.indexOf(t) || byCodePoints(a, b),
  )
  // A text takes as many bytes as it has characters, or more: one that is far too long is not encoded first.
  checkHeaderLength([...metadata.values()].reduce((sum, { length }) => sum + length, 0))
  const header: string[] = []
  if (metadata.size > 0) {
    const pairs = [...metadata].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
    header.push(`"${METADATA}":{${pairs.join(',')}}`)
  }
  let end = 0
  for (const [name, { dtype, shape, data }] of entries) {
    checkHostTensor(name, dtype, shape, data)
    const start = end
    end += data.byteLength
    const stored = Object.entries(DTYPES).find(([, own]) => own === dtype)![0]
    header.push(`${JSON.stringify(name)}:{"dtype":"${stored}","shape":[${shape}],"data_offsets":[${start},${end}]}`)
  }
  const text = new TextEncoder().encode(`{${header.join(',')}}`)
  const padded = Math.ceil(text.length / 8) * 8
  checkHeaderLength(padded)
  const bytes = new Uint8Array(8 + padded + end).fill(0x20, 8, 8 + padded)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true)
  bytes.set(text, 8)
  let at = 8 + padded
  for (const [, { data }] of entries) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at)
    at += data.byteLength
  }
  return bytes
}

/**
 * Reads a safetensors file of float32 (F32), int32 (I32) and uint8 (U8) tensors, and of 64-bit integers (I64) that fit int32.
 * The data is copied.
 *
 * @param bytes the whole file
 * @param name the file's name, for messages
 * @throws DataError for every deviation from the format: lengths, JSON, duplicate names, sizes that do not fit the bytes,
 *   overlaps, gaps, trailing bytes; for other dtypes, and integers beyond 32 bits; and for names that would lead out of a folder
 */
export function decodeSafetensors(bytes: Uint8Array, name = 'safetensors'): SafetensorsFile {
  const fail: Fail = (what) => {
    throw new DataError(`${name}: ${what}`)
  }
  if (bytes.length < 8) fail(`cut off: ${bytes.length} bytes, but a safetensors file has at least 10`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const long = view.getBigUint64(0, true)
  if (long > BigInt(bytes.length - 8)) fail(`its header would have ${long} bytes, but ${bytes.length - 8} follow`)
  if (long > BigInt(MAX_HEADER_BYTES)) fail(`its header has ${long} bytes, it must have at most ${MAX_HEADER_BYTES}`)
  const start = 8 + Number(long)
  const header = parseHeader(bytes.subarray(8, start), fail)
  const metadata = Object.hasOwn(header, METADATA) ? decodeMetadata(header[METADATA], fail) : new Map<string, string>()
  const body = { buffer: bytes.buffer, start: bytes.byteOffset + start, length: bytes.length - start }
  const entries = Object.entries(header)
    .filter(([key]) => key !== METADATA)
    .map(([key, value]) => decodeEntry(key, value, body.length, fail))
    .sort((a, b) => a.start - b.start || a.end - b.end)
  let end = 0
  let before = 'the header'
  for (const entry of entries) {
    if (entry.start !== end) {
      const problem = entry.start < end ? 'overlaps with' : `leaves ${entry.start - end} bytes unused after`
      fail(`tensor ${shown(entry.name)} ${problem} ${before}`)
    }
    end = entry.end
    before = shown(entry.name)
  }
  if (end !== body.length) fail(`${body.length - end} bytes after the end of the last tensor`)
  const tensors = new Map<string, HostTensor>()
  for (const { name: key, stored, shape, start: from, end: to } of entries) {
    const dtype = READABLE[stored]
    // Copied, since the data may not be aligned. All JavaScript engines are little-endian, like the format.
    const copied = body.buffer.slice(body.start + from, body.start + to) as ArrayBuffer
    const data = stored === 'I64' ? narrowed(key, new BigInt64Array(copied), fail) : new ARRAYS[dtype](copied)
    tensors.set(key, { dtype, shape, data })
  }
  return { tensors, metadata }
}

/** 64-bit integers as 32-bit ones, if they fit. */
function narrowed(name: string, values: BigInt64Array, fail: Fail): Int32Array {
  const wrong = values.findIndex((value) => BigInt.asIntN(32, value) !== value)
  if (wrong >= 0) {
    fail(
      `tensor ${shown(name)} has dtype "I64" and holds ${values[wrong]} at ${wrong}; only 32-bit integers are supported`,
    )
  }
  return Int32Array.from(values, Number)
}

type Fail = (what: string) => never

function parseHeader(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return fail('its header is not UTF-8')
  }
  const problem = checkHeaderText(text)
  if (problem !== null) fail(`its header ${problem}`)
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return fail('its header is not JSON') // the engine's message differs from version to version
  }
}

function decodeMetadata(value: unknown, fail: Fail): Map<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    fail(`${METADATA} must be an object of strings`)
  const pairs = Object.entries(value)
  const wrong = pairs.find(([, text]) => typeof text !== 'string')
  if (wrong) fail(`${METADATA} has ${shown(wrong[0])}, which is not a string`)
  return new Map(pairs as [string, string][])
}

interface Entry {
  readonly name: string
  readonly stored: keyof typeof READABLE
  readonly shape: number[]
  readonly start: number
  readonly end: number
}

function decodeEntry(name: string, value: unknown, bodyBytes: number, fail: Fail): Entry {
  const tensor = `tensor ${shown(name)}`
  const refused = nameProblem(name)
  if (refused !== null) fail(`${tensor}: ${refused}`)
  const keys = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : []
  if (keys.sort().join() !== 'data_offsets,dtype,shape')
    fail(`${tensor} must have dtype, shape and data_offsets and nothing else`)
  const { dtype, shape, data_offsets: offsets } = value as Record<string, unknown>
  if (typeof dtype !== 'string') fail(`${tensor}: its dtype must be a string`)
  if (!isSupported(dtype)) return fail(`${tensor} has dtype ${shown(dtype)}; only F32, I32, I64 and U8 are supported`)
  if (!areCounts(shape)) fail(`${tensor}: its shape must be a list of whole numbers below 2^53`)
  if (!areCounts(offsets) || offsets.length !== 2) fail(`${tensor}: its data_offsets must be two whole numbers`)
  const [start, end] = offsets as [number, number]
  const width = dtype === 'I64' ? 8 : bytesPerElement[READABLE[dtype]]
  // A size of 0 must not hide an overflow of the others. A product of integers that was rounded exceeds 2^53.
  const capacity = shape.reduce((product, size) => product * Math.max(size, 1), width)
  if (capacity > Number.MAX_SAFE_INTEGER) fail(`${tensor}: its sizes overflow, their product must be below 2^53`)
  const wanted = shape.includes(0) ? 0 : capacity
  if (end < start) fail(`${tensor}: its bytes end at ${end}, before their start at ${start}`)
  if (end > bodyBytes) fail(`${tensor}: its bytes end at ${end}, past the file's end at ${bodyBytes}`)
  if (end - start !== wanted) {
    fail(`${tensor}: ${end - start} bytes, but ${dtype} [${sizesOf(shape)}] has ${wanted}`)
  }
  return { name, stored: dtype, shape, start, end }
}

function isSupported(dtype: string): dtype is keyof typeof READABLE {
  return Object.hasOwn(READABLE, dtype)
}

function areCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && (n as number) >= 0)
}

/** Why a tensor can't have this name, or null. Names may become file names, or properties of an object. */
function nameProblem(name: string): string | null {
  if (name === METADATA || name === '__proto__') return 'a tensor must not have this name'
  if (/\p{Cc}/u.test(name)) return 'a name must not contain control characters'
  if (/[\ud800-\udfff]/u.test(name)) return 'a name must not contain half a character'
  const leadsOut = /^([/\\]|[a-z]:[/\\])/i.test(name) || name.split(/[/\\]/).includes('..')
  return leadsOut ? 'a name must not be a path that leads out of a folder' : null
}

function checkHostTensor(name: string, dtype: DType, shape: Shape, data: TypedArray): void {
  const refused = nameProblem(name)
  if (refused !== null) throw new TypeError(`safetensors: tensor ${shown(name)}: ${refused}`)
  const size = shape.reduce((product, n) => product * n, 1)
  if (!Object.hasOwn(ARRAYS, dtype) || !(data instanceof ARRAYS[dtype]) || data.length !== size) {
    const given = `a ${Object.prototype.toString.call(data).slice(8, -1)} of ${data?.length}`
    throw new TypeError(`safetensors: tensor ${shown(name)}: ${dtype} [${sizesOf(shape)}] can't hold ${given}`)
  }
}

function checkHeaderLength(bytes: number): void {
  if (bytes <= MAX_HEADER_BYTES) return
  throw new RangeError(
    `safetensors: the header would have at least ${bytes} bytes, and could not be read again: it must have at most ${MAX_HEADER_BYTES}, ` +
      'for the names of the tensors and the metadata; those of a checkpoint are the history, about 130 bytes for every 50 updates, ' +
      'and the values that callbacks keep',
  )
}

/** A text as messages show it. */
function shown(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text)
}

function sizesOf(shape: Shape): string {
  return shape.length > 8 ? `${shape.slice(0, 8).join(', ')}, …` : shape.join(', ')
}

/** Compares texts by code points, the order of their UTF-8 bytes; UTF-16 units would order some texts differently. */
function byCodePoints(a: string, b: string): number {
  const [s, t] = [Array.from(a), Array.from(b)]
  const i = s.findIndex((c, k) => c !== t[k])
  if (i < 0) return s.length - t.length
  return i >= t.length ? 1 : s[i]!.codePointAt(0)! - t[i]!.codePointAt(0)!
}
