import { writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bytesOf } from '../../src/node/index.ts'

const content = Uint8Array.of(1, 2, 3, 4)

describe('bytesOf', () => {
  let server: Server
  let origin: string
  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url === '/broken') {
        response.writeHead(200, { 'content-length': 100 }).write('begun')
        setTimeout(() => response.destroy(), 20)
      } else if (request.url === '/data') response.end(content)
      else response.writeHead(404).end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => server.close())

  test('reads every kind of source', async () => {
    const path = join(tmpdir(), `dawngrad source ${process.pid}.bin`)
    await writeFile(path, content)
    const larger = Buffer.from([9, 1, 2, 3, 4, 9]).subarray(1, 5)
    const sources = [
      ...[path, pathToFileURL(path), new Blob([content]), new File([content], 'a.bin'), new Response(content)],
      ...[content.buffer, content, larger, new URL(`${origin}/data`), await fetch(`${origin}/data`)],
    ]
    for (const source of sources) {
      const bytes = await bytesOf(source, { maxBytes: 4 })
      expect(bytes).toEqual(content)
      expect(bytes.constructor).toBe(Uint8Array)
      if (source instanceof Response || (source instanceof URL && source.protocol === 'http:')) continue
      await expect(bytesOf(source, { maxBytes: 3 })).rejects.toThrow('too long: 4 bytes, but must be at most 3')
    }
  })

  test('says what a server did', async () => {
    const url = (path: string) => new URL(`${origin}${path}`)
    await expect(bytesOf(url('/none'))).rejects.toThrow(`${origin}/none: the server answered 404 Not Found`)
    await expect(bytesOf(url('/data'), { maxBytes: 3 })).rejects.toThrow(`${origin}/data: too long: more than 3 bytes`)
    await expect(bytesOf(url('/broken'))).rejects.toThrow(`${origin}/broken: broke off while it was fetched: `)
  })
})
