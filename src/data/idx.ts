// Decodes IDX, the format of the MNIST files.
import { DataError } from '../errors.ts'
import type { HostArray } from './host_array.ts'
import { unzipped } from './inflate.ts'
import { MOST_BYTES, namedBytes, type Source } from './sources.ts'

/** An array decoded from IDX: `data` has the elements of `shape` in row-major order. */
export interface IdxArray {
  shape: number[]
  data: Uint8Array
}

const UNSIGNED_BYTE = 0x08
const MAX_RANK = 4

const typeNames: ReadonlyMap<number, string> = new Map([
  [0x09, 'signed byte'],
  [0x0b, 'int16'],
  [0x0c, 'int32'],
  [0x0d, 'float32'],
  [0x0e, 'float64'],
])

/**
 * Decodes an IDX file of unsigned bytes, the format of MNIST and Fashion-MNIST: the bytes 00 00 08 and the rank (1 to
 * 4), one big-endian uint32 per dimension, then the elements. Nothing is copied: `data` is a view of `bytes`.
 *
 * @param bytes the whole file, decompressed
 * @param name the file's name, for messages
 * @throws DataError if the magic, type, rank or sizes are wrong, or the length is not exactly the one they require
 */
export function decodeIdx(bytes: Uint8Array, name: string): IdxArray {
  const rank = checkMagic(bytes, name)
  const headerBytes = 4 + 4 * rank
  if (bytes.length < headerBytes) {
    throw new DataError(`${name}: cut off: ${bytes.length} bytes, but an IDX header of rank ${rank} has ${headerBytes}`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i))
  checkLength(bytes.length, headerBytes, shape, name)
  // Not subarray: on a Node Buffer it returns a Buffer, whose slice() does not copy.
  return { shape, data: new Uint8Array(bytes.buffer, bytes.byteOffset + headerBytes, bytes.length - headerBytes) }
}

/**
 * Reads an IDX file of unsigned bytes, plain or compressed by gzip, such as those of MNIST: `await readIdx('train-images-idx3-ubyte.gz')`.
 *
 * @throws DataError if the file can't be read or deviates from the format
 */
export async function readIdx(source: Source): Promise<HostArray<Uint8Array>> {
  const { bytes, name } = await namedBytes('readIdx', source)
  return decodeIdx(await unzipped(bytes, MOST_BYTES, name), name)
}

/** Checks the first four bytes and returns the rank. */
function checkMagic(bytes: Uint8Array, name: string): number {
  const [zero0, zero1, type, rank] = bytes
  if (zero0 === undefined || zero1 === undefined || type === undefined || rank === undefined) {
    throw new DataError(`${name}: cut off: ${bytes.length} bytes, but an IDX file has at least 8`)
  }
  if (zero0 !== 0 || zero1 !== 0) {
    const found = Array.from(bytes.subarray(0, 4), (b) => b.toString(16).padStart(2, '0')).join(' ')
    const hint = zero0 === 0x1f && zero1 === 0x8b ? ' (this is gzip: decompress it first)' : ''
    throw new DataError(`${name}: not an IDX file: it starts with ${found}, not with 00 00 08 and its rank${hint}`)
  }
  if (type !== UNSIGNED_BYTE) {
    const found = `0x${type.toString(16).padStart(2, '0')} (${typeNames.get(type) ?? 'unknown'})`
    throw new DataError(`${name}: IDX type ${found} is not supported, it must be 0x08 (unsigned byte)`)
  }
  if (rank < 1 || rank > MAX_RANK) {
    throw new DataError(`${name}: IDX rank ${rank} is not supported, it must be 1 to ${MAX_RANK}`)
  }
  return rank
}

function checkLength(length: number, headerBytes: number, shape: readonly number[], name: string): void {
  // A size of 0 must not hide an overflow of the others. A product of integers that was rounded exceeds 2^53.
  const capacity = shape.reduce((product, size) => product * Math.max(size, 1), 1)
  if (capacity > Number.MAX_SAFE_INTEGER - headerBytes) {
    throw new DataError(`${name}: the IDX sizes [${shape.join(', ')}] overflow, their product must be below 2^53`)
  }
  const wanted = headerBytes + (shape.includes(0) ? 0 : capacity)
  if (length !== wanted) {
    const problem = length < wanted ? 'cut off' : 'bytes after the end'
    throw new DataError(`${name}: ${problem}: ${length} bytes, but the IDX sizes [${shape.join(', ')}] need ${wanted}`)
  }
}
