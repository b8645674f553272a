import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadOrder, readLibrary } from '../../src/provision/elf.ts'
import { readTar } from '../../src/provision/tar.ts'
import { elfOf, tarOf } from '../support/archives.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dawngrad-archives-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + 1) % 256)
const thrown = (act: () => unknown): string => {
  try {
    act()
    return 'no error'
  } catch (error) {
    return (error as Error).message
  }
}

describe('readTar', () => {
  test('finds the files, of any length, under their whole paths', () => {
    const files = { a: bytes(0), 'b/c': bytes(1), folder: null, d: bytes(512), e: bytes(513) }
    const { folder: _, ...plain } = files
    expect(Object.fromEntries(readTar(tarOf(files)))).toEqual(plain)
    expect([...readTar(tarOf({ a: bytes(3) }, 'long/path')).keys()]).toEqual(['long/path/a'])
    expect(readTar(Buffer.alloc(1024)).size).toBe(0)
  })

  test('refuses archives that are cut off or damaged', () => {
    const archive = tarOf({ name: bytes(600) })
    expect(thrown(() => readTar(archive.subarray(0, 1000)))).toBe('tar: cut off within name')
    expect(thrown(() => readTar(archive.subarray(0, 1536)))).toBe('tar: cut off: the archive has no end')
    expect(thrown(() => readTar(new Uint8Array(0)))).toBe('tar: cut off: the archive has no end')
    const damaged = Uint8Array.from(archive)
    damaged[3] = (damaged[3] ?? 0) ^ 1
    expect(thrown(() => readTar(damaged))).toBe('tar: the header at byte 0 is damaged')
  })

  test('ends in files or an error, whatever it is given', () => {
    const archive = tarOf({ a: bytes(700), b: bytes(20) })
    const place = fc.nat(archive.length - 1)
    fc.assert(
      fc.property(place, fc.integer({ min: 1, max: 255 }), place, (at, flip, length) => {
        const damaged = Uint8Array.from(archive)
        damaged[at] = (damaged[at] ?? 0) ^ flip
        for (const input of [damaged, damaged.subarray(0, length)]) {
          const message = thrown(() => readTar(input))
          expect(message).toMatch(/^(no error|tar: )/)
        }
      }),
      { seed: 1, numRuns: 300 },
    )
  })
})

describe('readLibrary', () => {
  const read = async (content: Uint8Array) => {
    const path = join(folder, 'library')
    await writeFile(path, content)
    return readLibrary(path)
  }

  test('finds the name and the needs of a library', async () => {
    expect(await read(elfOf('libx.so.1', ['liba.so', 'libb.so.2']))).toEqual({
      soname: 'libx.so.1',
      needed: ['liba.so', 'libb.so.2'],
    })
    expect(await read(elfOf(null, []))).toEqual({ soname: null, needed: [] })
  })

  test('tells what is no library', async () => {
    expect(await read(Buffer.from('#!/bin/sh\n'))).toBeNull()
    expect(await read(new Uint8Array(0))).toBeNull()
    const library = elfOf('libx.so.1', ['liba.so'])
    for (let length = 0; length < library.length; length += 7) {
      expect([length, await read(library.subarray(0, length))]).toEqual([length, null])
    }
  })

  test('reads a real one', () => {
    const path = '/lib/x86_64-linux-gnu/libm.so.6'
    if (!existsSync(path)) return
    expect(readLibrary(path)).toEqual({ soname: 'libm.so.6', needed: expect.arrayContaining(['libc.so.6']) })
  })
})

test('loadOrder puts every library behind what it needs, and leaves out what nothing needs', () => {
  const library = (...needed: string[]) => ({ soname: null, needed })
  const at = new Map([
    ['driver', library('llvm', 'drm', 'libc')],
    ['llvm', library('xml', 'z')],
    ['xml', library('icu')],
    ['icu', library('icudata')],
    ['icudata', library()],
    ['drm', library('libc')],
    ['z', library('llvm')], // a circle
    ['unneeded', library()],
  ])
  expect(loadOrder('driver', at)).toEqual(['icudata', 'icu', 'xml', 'z', 'llvm', 'drm', 'driver'])
  expect(loadOrder('absent', at)).toEqual([])
})
