// Reads which libraries a shared library needs, and finds an order to load them in.
import { closeSync, openSync, readSync } from 'node:fs'

/** The names in a shared library. */
export interface Library {
  /** The name by which others ask for it, or null. */
  readonly soname: string | null
  /** The names of the libraries that it asks for. */
  readonly needed: readonly string[]
}

const PT_LOAD = 1
const PT_DYNAMIC = 2
const DT_NEEDED = 1n
const DT_STRTAB = 5n
const DT_STRSZ = 10n
const DT_SONAME = 14n
/** More than the dynamic section or the table of names of any library. */
const MOST_BYTES = 1 << 28

/**
 * Reads the dynamic section of a 64-bit little-endian ELF file (System V ABI, chapters 4 and 5).
 * @returns null if the file is not such a library
 */
export function readLibrary(path: string): Library | null {
  const file = openSync(path, 'r')
  try {
    return parse((offset, length) => {
      if (length > MOST_BYTES) return null
      const bytes = Buffer.alloc(length)
      return readSync(file, bytes, 0, length, offset) === length ? bytes : null
    })
  } finally {
    closeSync(file)
  }
}

type Read = (offset: number, length: number) => Buffer | null

interface Segment {
  readonly type: number
  readonly offset: number
  readonly address: number
  readonly size: number
}

function parse(read: Read): Library | null {
  const header = read(0, 64)
  if (header?.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2 || header[5] !== 1) return null
  const [entrySize, count] = [header.readUInt16LE(54), header.readUInt16LE(56)]
  const table = entrySize === 56 ? read(Number(header.readBigUInt64LE(32)), entrySize * count) : null
  if (!table) return null
  const segments = Array.from({ length: count }, (_, i): Segment => {
    const at = i * entrySize
    const word = (offset: number) => Number(table.readBigUInt64LE(at + offset))
    return { type: table.readUInt32LE(at), offset: word(8), address: word(16), size: word(32) }
  })
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC)
  const entries = dynamic && read(dynamic.offset, dynamic.size)
  return entries ? fromDynamic(entries, segments, read) : null
}

function fromDynamic(bytes: Buffer, segments: readonly Segment[], read: Read): Library | null {
  const entries = Array.from({ length: Math.floor(bytes.length / 16) }, (_, i) => ({
    tag: bytes.readBigInt64LE(i * 16),
    value: Number(bytes.readBigUInt64LE(i * 16 + 8)),
  }))
  const entryOf = (wanted: bigint) => entries.find(({ tag }) => tag === wanted)?.value
  const [address, size] = [entryOf(DT_STRTAB), entryOf(DT_STRSZ)]
  if (address === undefined || size === undefined) return null
  const segment = segments.find(
    ({ type, address: from, size: length }) => type === PT_LOAD && address >= from && address < from + length,
  )
  const names = segment && read(address - segment.address + segment.offset, size)
  if (!names) return null
  const nameAt = (at: number) => names.toString('utf8', at, Math.max(at, names.indexOf(0, at)))
  const soname = entryOf(DT_SONAME)
  const needed = entries.filter(({ tag }) => tag === DT_NEEDED).map(({ value }) => nameAt(value))
  return { soname: soname === undefined ? null : nameAt(soname), needed }
}

/**
 * The given libraries that a library needs, directly or indirectly. Each comes after those that it needs; the library
 * itself is the last. Libraries that are not given are the system's.
 */
export function loadOrder(first: string, at: ReadonlyMap<string, Library>): string[] {
  const order: string[] = []
  const seen = new Set<string>()
  const visit = (name: string): void => {
    const library = at.get(name)
    if (!library || seen.has(name)) return
    seen.add(name)
    for (const other of library.needed) visit(other)
    order.push(name)
  }
  visit(first)
  return order
}
