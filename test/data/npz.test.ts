import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeNpy } from '../../src/data/npy.ts'
import { parseNpz, readNpz } from '../../src/data/npz.ts'
import { DataError } from '../../src/errors.ts'
import { dataFiles, fromBase64, zipFile } from '../support/data_files.ts'

const x = { data: Float32Array.from({ length: 600 }, (_, i) => i), shape: [100, 6] }
const y = { data: Int32Array.from({ length: 100 }, (_, i) => i % 3), shape: [100] }
const content = encodeNpy({ data: Uint8Array.of(1, 2, 3), shape: [3] })

describe('parseNpz', () => {
  test.each(['stored', 'deflated'])('reads the arrays that NumPy wrote %s', async (name) => {
    const arrays = await parseNpz(fromBase64(dataFiles.npz[name]!))
    expect([...arrays.keys()]).toEqual(['x', 'y'])
    expect(Object.fromEntries(arrays)).toEqual({ x, y })
  })

  test('reads from a Blob, and only what is asked for', async () => {
    const blob = new Blob([fromBase64(dataFiles.npz.deflated!)])
    expect(await readNpz(blob, { only: ['y'] })).toEqual(new Map([['y', y]]))
    const mixed = zipFile([
      { name: 'a.npy', content, method: 0 },
      { name: 'README', content: Uint8Array.of(65) },
    ])
    expect([...(await parseNpz(mixed, { only: ['a'] })).keys()]).toEqual(['a'])
  })

  test('reads a file with a comment at its end, even one that looks like an end', async () => {
    const arrays = await parseNpz(zipFile([{ name: 'a.npy', content }], `PK\x05\x06${'\0'.repeat(30)}`))
    expect(arrays.get('a')!.shape).toEqual([3])
  })

  test('a file that announces more than its bytes can hold gets no memory', async () => {
    const bomb = zipFile([{ name: 'a.npy', content, size: 2 ** 31 - 100 }])
    const before = process.memoryUsage().arrayBuffers
    await expect(parseNpz(bomb)).rejects.toThrow("compressed bytes can't hold them")
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e8)
  })

  test('a bomb stops at the size that was announced', async () => {
    const bomb = zipFile([{ name: 'a.npy', content: new Uint8Array(1 << 22), size: 1000 }])
    await expect(parseNpz(bomb)).rejects.toThrow('decompresses to more than 1000 bytes')
  })

  test('refuses every file that is cut off, and every changed byte of its content', async () => {
    const bytes = fromBase64(dataFiles.npz.stored!)
    for (let length = 0; length < bytes.length; length += 61) {
      await expect(parseNpz(bytes.slice(0, length))).rejects.toThrow(DataError)
    }
    for (let at = 200; at < 2600; at += 173) {
      const changed = bytes.slice()
      changed[at]! ^= 1
      await expect(parseNpz(changed)).rejects.toThrow(DataError)
    }
  })

  test('a file with changed bytes is read or refused, and nothing else', async () => {
    const good = fromBase64(dataFiles.npz.deflated!)
    const change = fc.tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 }))
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const bytes = good.slice()
        for (const [at, byte] of changes) bytes[at] = byte
        try {
          for (const { data, shape } of (await parseNpz(bytes)).values()) {
            expect(data.length).toBe(shape.reduce((a, b) => a * b, 1))
          }
        } catch (error) {
          expect(error).toBeInstanceOf(DataError)
        }
      }),
      { seed: 3, numRuns: 200 },
    )
  })
})
