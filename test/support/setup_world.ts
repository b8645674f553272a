// A small world for `setup`: a cache folder of its own, an HTTP server on 127.0.0.1, no commands, and no other data set.
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { FASHION_MNIST_FILES, type FashionMnistFile, type FashionMnistParts } from '../../src/data/fashion_mnist.ts'
import { type SetupContext, setupContext } from '../../src/provision/context.ts'
import type { Probed } from '../../src/provision/probe.ts'
import { fashionMnistParts, tinyFashionMnist } from './idx_files.ts'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

export interface World {
  readonly folder: string
  readonly cache: string
  /** What setup said. */
  readonly lines: string[]
  /** The paths, and byte ranges, that the server was asked for. */
  readonly requests: string[]
  /** The server's address, `http://127.0.0.1:PORT/`. */
  readonly url: string
  /** Answers of the server by path; others are 404. */
  readonly answers: Map<string, Handler>
  context(changes?: Partial<SetupContext>): SetupContext
  /** A text with this world's changing parts replaced by CACHE and URL. */
  plain(text: string): string
  close(): Promise<void>
}

/** The tiny data set, gzipped, by the files' names; and what setup is to hold them to. */
export const TINY = new Map<string, Uint8Array>()
export const TINY_FILES = Object.fromEntries(
  fashionMnistParts.map((part) => {
    const bytes = tinyFashionMnist()[part]
    const { stem } = FASHION_MNIST_FILES[part]
    TINY.set(`${stem}.gz`, new Uint8Array(gzipSync(bytes)))
    return [part, { stem, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }]
  }),
) as unknown as FashionMnistParts<FashionMnistFile>

const FACTS = { vendor: '', architecture: '', device: '', description: 'test adapter', isFallbackAdapter: false }
export const PRESENT: Probed = { ok: true, facts: FACTS }
export const ABSENT: Probed = { ok: false, why: 'no adapter', none: true }

export async function makeWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'dawngrad-setup-'))
  const cache = join(folder, 'cache', 'dawngrad')
  const [lines, requests]: [string[], string[]] = [[], []]
  const answers = new Map<string, Handler>()
  const server = createServer((request, response) => {
    const path = (request.url ?? '').slice(1)
    requests.push(`${path}${request.headers.range === undefined ? '' : ` ${request.headers.range}`}`)
    const answer = answers.get(path)
    if (answer) return answer(request, response)
    response.writeHead(404).end('nothing here')
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  // No driver's JSON is found in such folders.
  const none = { XDG_DATA_DIRS: folder, XDG_CONFIG_DIRS: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder }
  return {
    folder,
    cache,
    lines,
    requests,
    url,
    answers,
    context: (changes) =>
      setupContext({
        env: { PATH: process.env.PATH, HOME: folder, ...none, XDG_CACHE_HOME: join(folder, 'cache') },
        mirrors: [`${url}a/`, `${url}b/`],
        files: TINY_FILES,
        search: { folders: [join(cache, 'fashion-mnist')], chosenBy: null },
        platform: 'linux',
        arch: 'x64',
        osRelease: join(folder, 'os-release'),
        run: async (command) => {
          throw new Error(`unexpected command ${command}`)
        },
        has: () => false,
        probe: async () => PRESENT,
        report: {
          line: (text) => lines.push(text),
          progress: () => ({ update: () => {}, end: (text) => text !== undefined && lines.push(text) }),
        },
        patience: 2000,
        ...changes,
      }),
    plain: (text) => text.replaceAll(cache, 'CACHE').replaceAll(url, 'URL/').replaceAll(url.slice(7, -1), 'HOST'),
    close: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Sends a file, and parts of it to those who ask. */
export function sends(bytes: Uint8Array, type = 'application/octet-stream'): Handler {
  return (request, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    if (from > 0 && from >= bytes.length) return response.writeHead(416).end()
    const rest = bytes.subarray(from)
    const range = from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}
    response.writeHead(from > 0 ? 206 : 200, { 'content-type': type, 'content-length': rest.length, ...range })
    response.end(rest)
  }
}

/** As `sends`, but the connection breaks after `most` bytes of each answer. */
export function breaks(bytes: Uint8Array, most: number): Handler {
  return (request, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const rest = bytes.subarray(from)
    if (rest.length <= most) return sends(bytes)(request, response)
    const range = from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': rest.length, ...range })
    response.write(rest.subarray(0, most), () => setTimeout(() => response.destroy(), 20))
  }
}

/** Puts the tiny data set on the server, under `prefix`. */
export function serveTiny(world: World, prefix: string): void {
  for (const [name, bytes] of TINY) world.answers.set(`${prefix}${name}`, sends(bytes))
}

/** The whole text of the error that a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error)),
  )
}

/** The bytes of the data set's files in a folder, by name. */
export async function readTiny(folder: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>()
  for (const name of TINY.keys()) files.set(name, new Uint8Array(await readFile(join(folder, name))))
  return files
}

/** Makes the cache folder of a world. */
export async function makeCache(world: World): Promise<string> {
  await mkdir(world.cache, { recursive: true })
  return world.cache
}
