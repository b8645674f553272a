// Where data comes from: paths, URLs, files and bytes, read whole and with a limit.
import { DataError } from '../errors.ts'
import { kindOf } from '../kernels/support.ts'
import { requireOptions, shown } from '../tensor/options.ts'

/**
 * What data is read from. A text is a path under Node, and an address relative to the page in a browser. A `URL` is fetched; under
 * Node one that begins with `file:` is read from the disk. A `File` is a `Blob`.
 */
export type Source = string | URL | Blob | Response | ArrayBuffer | Uint8Array

/** Options of {@link bytesOf}. */
export interface BytesOptions {
  /** The most bytes that are read, 2³¹ − 1 by default: a source that has more is refused before that memory is asked for. */
  readonly maxBytes?: number
}

/** The bytes of a source, and how errors call it. */
export interface NamedBytes {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly name: string
}

/** Reads the file at a path, or says why it can't be read. */
export type PathReader = (path: string | URL, maxBytes: number) => Promise<Uint8Array | string>

/** Node can't read a larger file at once. */
export const MOST_BYTES = 2 ** 31 - 1

let readPath: PathReader | null = null

/** Tells how paths and `file:` URLs are read. @internal */
export function readPathsBy(reader: PathReader): void {
  readPath = reader
}

/**
 * All bytes of a source: `await bytesOf(new URL('digits.npy', import.meta.url))`, or of a file that a user chose in a page. What is
 * compressed stays so.
 *
 * @throws DataError if the source can't be read, or is longer than `maxBytes`; TypeError for what is not a source; RangeError for
 *   a `maxBytes` that is not a whole number
 */
export async function bytesOf(source: Source, options: BytesOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  requireOptions('bytesOf', options, ['maxBytes'])
  const { maxBytes = MOST_BYTES } = options
  requireMaxBytes('bytesOf', maxBytes)
  return (await namedBytes('bytesOf', source, maxBytes)).bytes
}

/** Throws RangeError for what can't be the most bytes. */
export function requireMaxBytes(operation: string, maxBytes: unknown): void {
  if (Number.isSafeInteger(maxBytes) && (maxBytes as number) >= 0) return
  throw new RangeError(`${operation}: maxBytes must be a whole number, 0 or more, not ${shown(maxBytes)}`)
}

/** The bytes of a source and its name, which is `fallback` where it does not have any. */
export async function namedBytes(
  operation: string,
  source: Source,
  maxBytes = MOST_BYTES,
  fallback = operation,
): Promise<NamedBytes> {
  if (source instanceof Uint8Array || source instanceof ArrayBuffer) {
    const bytes = source instanceof Uint8Array ? plain(source) : new Uint8Array(source)
    checkLength(bytes.length, maxBytes, fallback)
    return { bytes, name: fallback }
  }
  if (source instanceof Blob) {
    const name = source instanceof File && source.name !== '' ? source.name : fallback
    checkLength(source.size, maxBytes, name)
    return { bytes: new Uint8Array(await source.arrayBuffer()), name }
  }
  if (source instanceof Response) {
    const name = source.url === '' ? fallback : source.url
    return { bytes: await bodyOf(source, maxBytes, name), name }
  }
  if (typeof source !== 'string' && !(source instanceof URL)) {
    const right = 'a path, a URL, a Blob or File, a Response, an ArrayBuffer or a Uint8Array'
    throw new TypeError(`${operation}: the source must be ${right}, not ${kindOf(source)}`)
  }
  const isFile = typeof source === 'string' || source.protocol === 'file:'
  if (readPath === null || !isFile) return fetched(source, maxBytes)
  const name = typeof source === 'string' ? source : decodeURIComponent(source.pathname)
  const bytes = await readPath(source, maxBytes)
  if (typeof bytes === 'string') throw new DataError(`${name}: ${bytes}`)
  return { bytes: plain(bytes), name }
}

async function fetched(source: string | URL, maxBytes: number): Promise<NamedBytes> {
  const name = String(source)
  let response: Response
  try {
    response = await fetch(source)
  } catch (error) {
    throw new DataError(`${name}: cannot be fetched: ${reasonOf(error)}`, { cause: error })
  }
  return { bytes: await bodyOf(response, maxBytes, name), name }
}

async function bodyOf(response: Response, maxBytes: number, name: string): Promise<Uint8Array<ArrayBuffer>> {
  if (!response.ok) throw new DataError(`${name}: the server answered ${response.status} ${response.statusText}`)
  if (response.bodyUsed) throw new DataError(`${name}: the response has been read already; fetch it again`)
  // What a server announces may be wrong, or be the size of what is compressed on the way: what comes is counted.
  try {
    return await gathered(response.body, maxBytes)
  } catch (error) {
    if (error instanceof TooLong) throw new DataError(`${name}: too long: more than ${maxBytes} bytes`)
    throw new DataError(`${name}: broke off while it was fetched: ${reasonOf(error)}`, { cause: error })
  }
}

/** A stream gave more bytes than it may. */
export class TooLong extends Error {}

/** The bytes of a stream. Throws TooLong as soon as there are more than `most`. */
export async function gathered(
  stream: ReadableStream<Uint8Array> | null,
  most: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let length = 0
  const reader = stream?.getReader()
  for (let next = await reader?.read(); next && !next.done; next = await reader!.read()) {
    length += next.value.length
    if (length > most) {
      await reader!.cancel().catch(() => undefined)
      throw new TooLong()
    }
    chunks.push(next.value)
  }
  const bytes = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

function checkLength(length: number, maxBytes: number, name: string): void {
  if (length > maxBytes) throw new DataError(`${name}: too long: ${length} bytes, but must be at most ${maxBytes}`)
}

/** The same bytes as a plain Uint8Array: a Node Buffer's slice() does not copy. */
function plain(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length)
}

/** The message of an error, and of the one behind it: fetch hides why it failed. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error
  return cause instanceof Error && cause.message !== '' ? `${message} (${cause.message})` : message
}
