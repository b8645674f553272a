// Downloads a file over HTTP, with checks and progress.
import { open, rm, stat } from 'node:fs/promises'
import { codeOf, isFull, megabytes, SetupError, writing } from './errors.ts'

/** A download that failed. Its message begins with the URL. */
export class DownloadError extends SetupError {
  /** Whether to give up the whole server: it is unreachable or silent. */
  readonly unreachable: boolean

  constructor(message: string, unreachable: boolean, options?: ErrorOptions) {
    super(message, options)
    this.unreachable = unreachable
  }
}

export interface DownloadOptions {
  readonly url: string
  /** The file, which is created or, if it exists, continued. Its folder must exist. */
  readonly path: string
  /** The first bytes that the file must have, and a name for such files. */
  readonly magic: readonly number[]
  readonly kind: string
  /** Larger files are refused. */
  readonly most: number
  /** The server counts as silent after so many milliseconds without a byte. */
  readonly patience: number
  readonly onProgress?: (done: number, total: number | undefined) => void
}

/** How often a broken connection is retried, as long as each brings some bytes. */
const TRIES = 5

/**
 * Downloads a file over HTTP, from where an earlier attempt stopped if the server supports that. When the connection
 * breaks, the received bytes stay in the file. The caller must check whether the bytes are right.
 *
 * @throws DownloadError for every failure of the network or the server, SetupError for failures of the disk
 */
export async function download(options: DownloadOptions): Promise<void> {
  const { path } = options
  for (let tries = 1; ; tries++) {
    const before = await sizeOf(path)
    try {
      return await writing(path, () => transfer(options, before))
    } catch (error) {
      if (isFull(error)) await rm(path, { force: true }) // frees its space
      const more = error instanceof BrokenOff && tries < TRIES && (await sizeOf(path)) > before
      if (!more) throw error
    }
  }
}

/** A connection ended before the file was complete. */
class BrokenOff extends DownloadError {}

/** Wraps what fetch or the reader of the body rejected with. */
class NetworkFault extends Error {}

async function network<T>(act: Promise<T>): Promise<T> {
  try {
    return await act
  } catch (error) {
    throw new NetworkFault('the network failed', { cause: error })
  }
}

async function transfer(options: DownloadOptions, have: number): Promise<void> {
  const { url, patience } = options
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(), patience)
  const state: Transfer = { done: have, total: undefined }
  try {
    await receive(options, state, abort.signal, () => timer.refresh())
  } catch (error) {
    if (!(error instanceof NetworkFault)) throw error
    const reason = abort.signal.aborted ? `no data for ${patience / 1000} s` : reasonOf(error.cause)
    const { done, total } = state
    if (total === undefined && done === have) {
      throw new DownloadError(`${url}: no connection (${reason})`, true, { cause: error })
    }
    throw new BrokenOff(brokenOff(url, done, total, reason), false, { cause: error })
  } finally {
    clearTimeout(timer)
    abort.abort() // ends the connection if the body was not read completely
  }
}

/** How many bytes the file has, and how many it will have. */
interface Transfer {
  done: number
  total: number | undefined
}

async function receive(
  options: DownloadOptions,
  state: Transfer,
  signal: AbortSignal,
  onBytes: () => void,
): Promise<void> {
  const { url, path, most } = options
  const have = state.done
  const response = await network(fetch(url, { headers: headersFor(have), signal, redirect: 'follow' }))
  // There is nothing after the bytes of the file: it is whole, or the beginning of another. The caller checks that.
  if (response.status === 416 && have > 0) return
  const resumed = response.status === 206 && startOf(response) === have
  if (!response.body || (response.status !== 200 && !resumed)) throw refusal(url, response)
  if (!resumed) state.done = 0
  const length = Number(response.headers.get('content-length') ?? Number.NaN)
  if (Number.isFinite(length)) state.total = state.done + length
  if ((state.total ?? 0) > most) throw tooLong(url, state.total ?? 0, most)
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader()
  const file = await open(path, resumed ? 'r+' : 'w')
  try {
    for (;;) {
      const { done, value: chunk } = await network(reader.read())
      if (done) break
      onBytes()
      if (state.done === 0) checkHead(options, response, chunk)
      if (state.done + chunk.length > most) throw tooLong(url, state.done + chunk.length, most)
      await writeAll(file, chunk, state.done)
      state.done += chunk.length
      options.onProgress?.(state.done, state.total)
    }
  } finally {
    await file.close()
  }
}

function headersFor(have: number): Record<string, string> {
  // Without the first header a server may compress the file again, and its lengths would be useless.
  return { 'accept-encoding': 'identity', ...(have > 0 && { range: `bytes=${have}-` }) }
}

type FileHandle = Awaited<ReturnType<typeof open>>

async function writeAll(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < chunk.length; ) {
    at += (await file.write(chunk, at, chunk.length - at, position + at)).bytesWritten
  }
}

function checkHead({ url, magic, kind }: DownloadOptions, response: Response, chunk: Uint8Array): void {
  if (magic.every((byte, i) => i >= chunk.length || chunk[i] === byte)) return
  const type = response.headers.get('content-type')?.split(';')[0] ?? 'a file without a content type'
  const cause = /html/.test(type) ? ' (perhaps a login page of the network)' : ''
  throw new DownloadError(`${url}: the server sent ${type}${cause}, but must send ${kind}`, false)
}

function refusal(url: string, response: Response): DownloadError {
  const answer = `${response.status} ${response.statusText}`.trim()
  return new DownloadError(`${url}: the server answered ${answer}, but must send the file`, false)
}

function tooLong(url: string, bytes: number, most: number): DownloadError {
  return new DownloadError(`${url}: the server sends ${bytes} bytes or more, but the file has at most ${most}`, false)
}

function brokenOff(url: string, done: number, total: number | undefined, reason: string): string {
  const of = total === undefined ? '' : ` of ${megabytes(total)}`
  return `${url}: the connection broke off after ${megabytes(done)}${of} (${reason}): run setup again to continue from there`
}

/** The position of the first byte of a partial answer. */
function startOf(response: Response): number {
  return Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1] ?? Number.NaN)
}

/** Errors of fetch say "fetch failed" or "terminated"; what happened is in their cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause ? error.cause : error
  return codeOf(cause) || (cause instanceof Error ? cause.message : String(cause))
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0
}
