import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type DownloadOptions, download } from '../../src/provision/download.ts'
import { breaks, makeWorld, rejection, sends, type World } from '../support/setup_world.ts'

// Stored, not shortened, so that there is something to break off.
const FILE = gzipSync(
  Uint8Array.from({ length: 50_000 }, (_, i) => i % 251),
  { level: 0 },
)

let world: World
let path = ''
beforeEach(async () => {
  world = await makeWorld()
  path = join(world.folder, 'file')
})
afterEach(() => world.close())

const get = (name: string, changes: Partial<DownloadOptions> = {}): Promise<void> =>
  download({
    url: world.url + name,
    path,
    magic: [0x1f, 0x8b],
    kind: 'a gzip file',
    most: 100_000,
    patience: 2000,
    ...changes,
  })
const fails = async (promise: Promise<unknown>): Promise<string> => world.plain(await rejection(promise))

describe('download', () => {
  test('brings a file and tells how far it is', async () => {
    world.answers.set('f', sends(FILE))
    const seen: [number, number | undefined][] = []
    await get('f', { onProgress: (done, total) => seen.push([done, total]) })
    expect(await readFile(path)).toEqual(FILE)
    expect(seen.at(-1)).toEqual([FILE.length, FILE.length])
  })

  test('follows redirects', async () => {
    world.answers.set('old', (_, response) => response.writeHead(302, { location: '/new' }).end('moved'))
    world.answers.set('new', sends(FILE))
    await get('old')
    expect(await readFile(path)).toEqual(FILE)
    expect(world.requests).toEqual(['old', 'new'])
  })

  test('goes on where a connection broke off', async () => {
    world.answers.set('f', breaks(FILE, 20_000))
    await get('f')
    expect(await readFile(path)).toEqual(FILE)
    expect(world.requests).toEqual(['f', 'f bytes=20000-', 'f bytes=40000-'])
  })

  test('goes on where an earlier process ended', async () => {
    world.answers.set('f', sends(FILE))
    await writeFile(path, FILE.subarray(0, 33_333))
    await get('f')
    expect(await readFile(path)).toEqual(FILE)
    expect(world.requests).toEqual(['f bytes=33333-'])
  })

  test('begins again where the server sends all of it', async () => {
    world.answers.set('f', (_, response) => response.writeHead(200, { 'content-length': FILE.length }).end(FILE))
    await writeFile(path, Buffer.alloc(60_000, 7))
    await get('f')
    expect(await readFile(path)).toEqual(FILE)
  })

  test('leaves a file that is whole already', async () => {
    world.answers.set('f', sends(FILE))
    await writeFile(path, FILE)
    await get('f')
    expect(await readFile(path)).toEqual(FILE)
  })

  test('asks for no further compression', async () => {
    let asked: string | undefined
    world.answers.set('f', (request, response) => {
      asked = request.headers['accept-encoding']
      sends(FILE)(request, response)
    })
    await get('f')
    expect(asked).toBe('identity')
  })
})

describe('a download that fails', () => {
  test('a page of HTML with status 200', async () => {
    world.answers.set('f', sends(Buffer.from('<!doctype html><title>Log in</title>'), 'text/html; charset=utf-8'))
    expect(await fails(get('f'))).toBe(
      'SetupError: URL/f: the server sent text/html (perhaps a login page of the network), but must send a gzip file',
    )
  })

  test('another kind of file', async () => {
    world.answers.set('f', sends(Buffer.from('PK..'), 'application/zip'))
    expect(await fails(get('f'))).toBe('SetupError: URL/f: the server sent application/zip, but must send a gzip file')
  })

  test.each([
    ['in a circle', '/f', 'redirect count exceeded'],
    ['to a file', 'file:///etc/passwd', 'URL scheme must be a HTTP(S) scheme'],
    ['to data', 'data:application/gzip;base64,H4sI', 'URL scheme must be a HTTP(S) scheme'],
    ['to no URL', 'http://', 'ERR_INVALID_URL'],
  ])('a redirect %s', async (_, location, reason) => {
    world.answers.set('f', (_, response) => response.writeHead(302, { location }).end())
    expect(await fails(get('f'))).toBe(`SetupError: URL/f: no connection (${reason})`)
    await expect(readFile(path)).rejects.toThrow('ENOENT')
  })

  test('a status that is no success', async () => {
    expect(await fails(get('none'))).toBe(
      'SetupError: URL/none: the server answered 404 Not Found, but must send the file',
    )
  })

  test('a part that was not asked for', async () => {
    const range = { 'content-range': 'bytes 5-9/10', 'content-length': 5 }
    world.answers.set('f', (_, response) => response.writeHead(206, range).end('12345'))
    expect(await fails(get('f'))).toBe(
      'SetupError: URL/f: the server answered 206 Partial Content, but must send the file',
    )
  })

  test('a file that is too long, whether the server says so or not', async () => {
    world.answers.set('said', sends(FILE))
    expect(await fails(get('said', { most: 1000 }))).toBe(
      `SetupError: URL/said: the server sends ${FILE.length} bytes or more, but the file has at most 1000`,
    )
    world.answers.set('unsaid', (_, response) => {
      response.writeHead(200)
      response.write(FILE.subarray(0, 600))
      setTimeout(() => response.end(FILE.subarray(600, 1200)), 50)
    })
    expect(await fails(get('unsaid', { most: 1000 }))).toBe(
      'SetupError: URL/unsaid: the server sends 1200 bytes or more, but the file has at most 1000',
    )
  })

  test('a server that is not there', async () => {
    const closed = createServer()
    await new Promise<void>((ready) => closed.listen(0, '127.0.0.1', ready))
    const { port } = closed.address() as { port: number }
    await new Promise((done) => closed.close(done))
    const url = `http://127.0.0.1:${port}/f`
    expect(await rejection(get('f', { url }))).toBe(`SetupError: ${url}: no connection (ECONNREFUSED)`)
  })

  test('a server that says nothing', async () => {
    world.answers.set('f', () => {})
    expect(await fails(get('f', { patience: 200 }))).toBe('SetupError: URL/f: no connection (no data for 0.2 s)')
  })

  test('a server that falls silent; what came stays', async () => {
    world.answers.set('f', (_, response) => {
      response.writeHead(200, { 'content-length': FILE.length })
      response.write(FILE.subarray(0, 30_000))
    })
    expect(await fails(get('f', { patience: 300 }))).toBe(
      'SetupError: URL/f: the connection broke off after 30.0 kB of 50.0 kB (no data for 0.3 s): ' +
        'run setup again to continue from there',
    )
    expect(await readFile(path)).toEqual(FILE.subarray(0, 30_000))
  })

  test('a connection that breaks off again and again; what came stays', async () => {
    world.answers.set('f', breaks(FILE, 1000))
    expect(await fails(get('f'))).toBe(
      'SetupError: URL/f: the connection broke off after 5.0 kB of 50.0 kB (UND_ERR_SOCKET): ' +
        'run setup again to continue from there',
    )
    expect(world.requests).toHaveLength(5)
    expect(await readFile(path)).toEqual(FILE.subarray(0, 5000))
  })

  test('a folder that cannot be written to', async () => {
    world.answers.set('f', sends(FILE))
    await writeFile(path, '')
    const inside = join(path, 'file')
    expect(await rejection(get('f', { path: inside }))).toBe(
      `SetupError: ${inside}: cannot be written (ENOTDIR): make it a writable folder, ` +
        'or set XDG_CACHE_HOME to a folder elsewhere',
    )
  })
})
