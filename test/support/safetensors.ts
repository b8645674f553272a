// Reads safetensors files for tests, without the code that is tested.
import { readFileSync } from 'node:fs'

/** One tensor of a file, its values copied out; `dtype` tells which array `data` is. */
export type StoredTensor =
  | { dtype: 'F32'; shape: number[]; data: Float32Array }
  | { dtype: 'F64'; shape: number[]; data: Float64Array }
  | { dtype: 'I32'; shape: number[]; data: Int32Array }
  | { dtype: 'I64'; shape: number[]; data: BigInt64Array }
  | { dtype: 'U8'; shape: number[]; data: Uint8Array }

export interface StoredFile {
  metadata: Record<string, string>
  tensors: Map<string, StoredTensor>
}

interface HeaderEntry {
  dtype: string
  shape: number[]
  data_offsets: [number, number]
}

const BYTES_PER_ELEMENT: Record<string, number> = { F32: 4, F64: 8, I32: 4, I64: 8, U8: 1 }

function decode(name: string, entry: HeaderEntry, body: Uint8Array): StoredTensor {
  const { dtype, shape, data_offsets } = entry
  const [start, end] = data_offsets
  const width = BYTES_PER_ELEMENT[dtype]
  if (width === undefined) throw new Error(`Tensor '${name}': dtype ${dtype} is not read here`)
  const size = shape.reduce((product, n) => product * n, 1)
  if (end > body.length || end - start !== size * width) {
    throw new Error(`Tensor '${name}': bytes ${start} to ${end} do not hold ${dtype} [${shape.join(', ')}]`)
  }
  // A copy starts at offset 0 of its own buffer, so every width is aligned.
  const { buffer } = body.slice(start, end)
  if (dtype === 'F32') return { dtype, shape, data: new Float32Array(buffer) }
  if (dtype === 'F64') return { dtype, shape, data: new Float64Array(buffer) }
  if (dtype === 'I32') return { dtype, shape, data: new Int32Array(buffer) }
  if (dtype === 'I64') return { dtype, shape, data: new BigInt64Array(buffer) }
  return { dtype: 'U8', shape, data: new Uint8Array(buffer) }
}

/**
 * Reads a safetensors file: 8 bytes of header length (little-endian), the header in JSON, then the bytes.
 * For the committed reference files, which are trusted; it shares no code with the reader under test.
 */
export function readSafetensors(path: string | URL): StoredFile {
  const bytes = new Uint8Array(readFileSync(path))
  const headerLength = Number(new DataView(bytes.buffer).getBigUint64(0, true))
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength)))
  const { __metadata__: metadata = {}, ...entries } = header as Record<string, never>
  const body = bytes.subarray(8 + headerLength)
  const tensors = new Map<string, StoredTensor>()
  for (const [name, entry] of Object.entries<HeaderEntry>(entries)) tensors.set(name, decode(name, entry, body))
  return { metadata, tensors }
}

/** The float32 tensor called `name`. Throws if the file has none. */
export function float32Of(file: StoredFile, name: string): { shape: number[]; data: Float32Array } {
  const tensor = file.tensors.get(name)
  if (tensor?.dtype !== 'F32') throw new Error(`The file has no float32 tensor '${name}'`)
  return tensor
}

/** The int32 tensor called `name`. Throws if the file has none. */
export function int32Of(file: StoredFile, name: string): { shape: number[]; data: Int32Array } {
  const tensor = file.tensors.get(name)
  if (tensor?.dtype !== 'I32') throw new Error(`The file has no int32 tensor '${name}'`)
  return tensor
}
