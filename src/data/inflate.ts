// Decompresses with a limit, by the platform's own streams.
import { DataError } from '../errors.ts'
import { gathered, TooLong } from './sources.ts'

/** Deflate can't make anything smaller than this part of it. */
const BEST_RATIO = 1032

/** Whether so many compressed bytes can hold so many others: what a file announces is checked before it is given memory. */
export function canHold(compressed: number, inflated: number): boolean {
  return inflated <= BEST_RATIO * compressed
}

/**
 * What a deflated part of a file holds, of at most `most` bytes.
 *
 * @throws DataError that begins with `what`, if it is damaged, cut off, or holds more
 */
export async function inflate(
  bytes: Uint8Array<ArrayBuffer>,
  format: CompressionFormat,
  most: number,
  what: string,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await gathered(new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format)), most)
  } catch (error) {
    if (error instanceof TooLong) throw new DataError(`${what}: decompresses to more than ${most} bytes`)
    throw new DataError(`${what}: the compressed data is damaged or cut off`, { cause: error })
  }
}

/** The content of a gzip file, and any other file as it is. */
export async function unzipped(
  bytes: Uint8Array<ArrayBuffer>,
  most: number,
  name: string,
): Promise<Uint8Array<ArrayBuffer>> {
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? inflate(bytes, 'gzip', most, name) : bytes
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

/** The CRC-32 of ISO 3309, which zip and PNG use. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff]! ^ (crc >>> 8)
  return ~crc >>> 0
}
