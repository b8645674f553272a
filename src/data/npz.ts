// Decodes npz, NumPy's zip file of arrays.
// The format of zip: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
import { DataError } from '../errors.ts'
import { requireOptions, shown } from '../tensor/options.ts'
import type { HostArray } from './host_array.ts'
import { canHold, crc32, inflate } from './inflate.ts'
import { parseNpy } from './npy.ts'
import { MOST_BYTES, namedBytes, requireMaxBytes, type Source } from './sources.ts'

/** Options of {@link parseNpz} and {@link readNpz}. */
export interface NpzOptions {
  /** Only these arrays are read; by default all. */
  readonly only?: readonly string[]
  /** The most bytes of all arrays together, decompressed: 2³¹ − 1 by default. */
  readonly maxBytes?: number
}

/** What the directory at the end of a zip file says of one file in it. */
interface Entry {
  readonly name: string
  readonly encrypted: boolean
  readonly method: number
  readonly crc: number
  readonly compressed: number
  readonly size: number
  readonly header: number
}

const STORED = 0
const DEFLATED = 8
/** The longest end of a directory: 22 bytes and a comment. */
const END_BYTES = 22
const MAX_COMMENT = 0xffff

type Fail = (what: string) => never

/**
 * Reads the arrays that `numpy.savez` or `numpy.savez_compressed` wrote, by their names; see {@link parseNpy} for what becomes of
 * their numbers. What the file announces is checked before memory is given to it, and every array by its CRC-32.
 *
 * @param bytes the whole file
 * @throws DataError for every deviation from the formats, for an array that does not hold numbers, and for one of `only` that the
 *   file does not have; TypeError for an option that it does not have; RangeError for `maxBytes`
 */
export function parseNpz(
  bytes: Uint8Array,
  options: NpzOptions & { name?: string } = {},
): Promise<Map<string, HostArray>> {
  requireOptions('parseNpz', options, ['only', 'maxBytes', 'name'])
  const { name = 'npz', ...rest } = options
  return decodeNpz('parseNpz', bytes, name, rest)
}

/**
 * Reads a file that `numpy.savez` or `numpy.savez_compressed` wrote, by the names of its arrays:
 * `const { x, y } = Object.fromEntries(await readNpz('digits.npz'))`. See {@link parseNpy} for what becomes of their numbers.
 *
 * @throws as {@link parseNpz}, and DataError if the file can't be read
 */
export async function readNpz(source: Source, options: NpzOptions = {}): Promise<Map<string, HostArray>> {
  requireOptions('readNpz', options, ['only', 'maxBytes'])
  const { bytes, name } = await namedBytes('readNpz', source)
  return decodeNpz('readNpz', bytes, name, options)
}

async function decodeNpz(
  operation: string,
  bytes: Uint8Array,
  name: string,
  { only, maxBytes = MOST_BYTES }: NpzOptions,
): Promise<Map<string, HostArray>> {
  if (only !== undefined && !Array.isArray(only)) {
    throw new TypeError(`${operation}: only must be an array of the names of arrays, not ${shown(only)}`)
  }
  requireMaxBytes(operation, maxBytes)
  const fail: Fail = (what) => {
    throw new DataError(`${name}: ${what}`)
  }
  const all = directoryOf(bytes, fail)
  const lacking = only?.find((key) => !all.has(`${key}.npy`))
  if (lacking !== undefined) {
    const there = [...all.keys()].map((key) => key.replace(/\.npy$/, '')).join(', ')
    fail(`it does not have ${shown(lacking)}, only ${there}`)
  }
  const entries = [...all.values()].filter((entry) => only?.includes(entry.name.replace(/\.npy$/, '')) ?? true)
  const total = entries.reduce((sum, { size }) => sum + size, 0)
  if (total > maxBytes)
    fail(`its arrays have ${total} bytes, they must have at most ${maxBytes}: name some by only, or raise maxBytes`)
  for (const entry of entries) checkEntry(entry, fail)
  const arrays = new Map<string, HostArray>()
  for (const entry of entries) {
    const content = await contentOf(bytes, entry, name, fail)
    arrays.set(entry.name.slice(0, -4), parseNpy(content, `${name}, ${entry.name}`))
  }
  return arrays
}

function checkEntry({ name, encrypted, method, compressed, size }: Entry, fail: Fail): void {
  if (!name.endsWith('.npy'))
    fail(`it holds ${shown(name)}, which is not an npy file; name the arrays that you want by only`)
  if (encrypted) fail(`${name} is encrypted`)
  if (method !== STORED && method !== DEFLATED)
    fail(`${name} is compressed by method ${method}, it must be 0 (stored) or 8 (deflate)`)
  const holds = method === STORED ? compressed === size : canHold(compressed, size)
  if (!holds) fail(`${name} would have ${size} bytes, but ${compressed} compressed bytes can't hold them`)
}

/** The files of a zip file, by their names. */
function directoryOf(bytes: Uint8Array, fail: Fail): Map<string, Entry> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = endOf(view)
  if (end < 0) return fail('not an npz file, or cut off: it does not have the end of a zip file')
  const count = view.getUint16(end + 10, true)
  const length = view.getUint32(end + 12, true)
  const start = view.getUint32(end + 16, true)
  if (count === 0xffff || length === 0xffffffff || start === 0xffffffff)
    fail('a zip file of 64-bit sizes is not supported')
  if (start + length > end) fail('damaged: its directory would begin or end outside of the file')
  const entries = new Map<string, Entry>()
  let at = start
  for (let i = 0; i < count; i++) {
    if (at + 46 > end || view.getUint32(at, true) !== 0x02014b50)
      fail(`damaged: its directory has no entry ${i} of ${count}`)
    const nameLength = view.getUint16(at + 28, true)
    const next = at + 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true)
    if (next > end) fail(`damaged: entry ${i} of its directory is cut off`)
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength))
    if (entries.has(name)) fail(`it has ${shown(name)} twice`)
    entries.set(name, {
      name,
      encrypted: (view.getUint16(at + 8, true) & 1) === 1,
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      compressed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      header: view.getUint32(at + 42, true),
    })
    at = next
  }
  return entries
}

/** Where the end of the directory begins, or -1. A comment may follow it. */
function endOf(view: DataView): number {
  const last = view.byteLength - END_BYTES
  for (let at = last; at >= Math.max(0, last - MAX_COMMENT); at--) {
    if (view.getUint32(at, true) === 0x06054b50 && view.getUint16(at + 20, true) === last - at) return at
  }
  return -1
}

async function contentOf(bytes: Uint8Array, entry: Entry, file: string, fail: Fail): Promise<Uint8Array> {
  const { name, method, compressed, size, header, crc } = entry
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (header + 30 > bytes.length || view.getUint32(header, true) !== 0x04034b50) {
    fail(`damaged: ${name} does not begin at byte ${header}, where the directory has it`)
  }
  const start = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true)
  if (start + compressed > bytes.length) fail(`damaged: ${name} would end behind the end of the file`)
  const part = new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset + start, compressed)
  const content = method === STORED ? part : await inflate(part, 'deflate-raw', size, `${file}, ${name}`)
  if (content.length !== size) fail(`damaged: ${name} has ${content.length} bytes, but the directory has ${size}`)
  if (crc32(content) !== crc) fail(`damaged: the CRC-32 of ${name} is not the one in the directory`)
  return content
}
