// The files of NumPy, pandas and Pillow in test/reference/data_files.json, and zip files built byte by byte.
import { readFileSync } from 'node:fs'
import { crc32, deflateRawSync } from 'node:zlib'

interface Made {
  readonly file: string
  readonly shape: number[]
  readonly values: number[]
}

export const dataFiles = JSON.parse(
  readFileSync(new URL('../reference/data_files.json', import.meta.url), 'utf8'),
) as Readonly<{
  npy: Record<string, Made>
  npz: Record<string, string>
  refused: Record<string, string>
  parquet: Record<string, string>
  images: Record<string, Made>
}>

/** The bytes of a file in base64: at an odd place of a larger buffer, as they may come. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const bytes = Buffer.from(text, 'base64')
  const larger = new Uint8Array(bytes.length + 5)
  larger.set(bytes, 3)
  return larger.subarray(3, 3 + bytes.length)
}

/** A file of an archive, and what its headers say of it where that is not so. */
export interface ZipEntry {
  readonly name: string
  readonly content: Uint8Array
  readonly method?: number
  readonly flags?: number
  readonly size?: number
  readonly crc?: number
  /** The compressed bytes, in place of those of the content. */
  readonly raw?: Uint8Array
  /** Where the directory has it. */
  readonly at?: number
}

/** A zip file, by the format's description and independently of the decoder. */
export function zipFile(entries: readonly ZipEntry[], comment = ''): Uint8Array<ArrayBuffer> {
  const local: Uint8Array[] = []
  const central: Uint8Array[] = []
  let at = 0
  for (const entry of entries) {
    const { name, content, method = 8, flags = 0, size = content.length, crc = crc32(content) } = entry
    const raw = entry.raw ?? (method === 8 ? deflateRawSync(content) : content)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(flags, 2)
    common.writeUInt16LE(method, 4)
    common.writeUInt32LE(crc, 10)
    common.writeUInt32LE(raw.length, 14)
    common.writeUInt32LE(size, 18)
    common.writeUInt16LE(name.length, 22)
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE(entry.at ?? at, 10)
    const head = [Buffer.from('PK\x03\x04', 'latin1'), common, Buffer.from(name), raw]
    local.push(...head)
    central.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, tail, Buffer.from(name))
    at += Buffer.concat(head).length
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(at, 16)
  end.writeUInt16LE(comment.length, 20)
  return new Uint8Array(Buffer.concat([...local, directory, end, Buffer.from(comment)]))
}
