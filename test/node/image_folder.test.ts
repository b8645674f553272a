import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { encode } from 'fast-png'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { imageFolder } from '../../src/node/index.ts'
import { dataFiles, fromBase64 } from '../support/data_files.ts'

const hasSharp = await import('sharp' as string).then(
  () => true,
  () => false,
)
const grey = (width: number, height: number, first: number) => {
  const data = Uint8Array.from({ length: width * height }, (_, i) => first + i)
  return encode({ data, width, height, channels: 1 })
}

describe('imageFolder', () => {
  let dir: string
  const put = (path: string, bytes: Uint8Array) => {
    mkdirSync(dirname(join(dir, path)), { recursive: true })
    writeFileSync(join(dir, path), bytes)
  }
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'dawngrad-images-'))
    put('b/2.png', grey(2, 1, 20))
    put('b/10.PNG', grey(2, 1, 10))
    put('a/deep/1.png', grey(2, 1, 30))
    put('a/.hidden', Uint8Array.of(1))
    put('README.md', Uint8Array.of(1))
  })
  afterEach(() => rmSync(dir, { recursive: true }))

  test('reads classes and files in the order of their names', async () => {
    expect(await imageFolder(dir, { channels: 1, decoder: 'js' })).toEqual({
      images: Uint8Array.of(30, 31, 10, 11, 20, 21),
      labels: Uint8Array.of(0, 1, 1),
      count: 3,
      channels: 1,
      height: 1,
      width: 2,
      classes: ['a', 'b'],
      files: [join('a', 'deep', '1.png'), join('b', '10.PNG'), join('b', '2.png')],
      decoder: 'js',
    })
  })

  test('resizes every image, PNG and JPEG', async () => {
    put('b/3.jpg', fromBase64(dataFiles.images['jpeg rgb']!.file))
    const set = await imageFolder(dir, { size: [4, 6], decoder: 'js' })
    expect([set.count, set.channels, set.height, set.width, set.images.length]).toEqual([4, 3, 4, 6, 4 * 72])
    expect(Array.from(set.images.subarray(0, 6))).toEqual([30, 30, 30, 31, 31, 31])
    const { values } = dataFiles.images['jpeg rgb']!
    const corner = Array.from({ length: 16 }, (_, i) => values[(Math.floor(i / 4) * 24 + (i % 4)) * 3]!)
    const mean = corner.reduce((a, b) => a + b) / 16
    expect(Math.abs(set.images[3 * 72]! - mean)).toBeLessThanOrEqual(3.5)
  })

  test.skipIf(!hasSharp)('sharp decodes the same pixels', async () => {
    const kinds = Object.keys(dataFiles.images)
    for (const name of kinds)
      put(`c/${name}.${name.startsWith('png') ? 'png' : 'jpg'}`, fromBase64(dataFiles.images[name]!.file))
    for (const channels of [1, 3, 4] as const) {
      const [js, sharp] = await Promise.all([
        imageFolder(dir, { size: [3, 5], channels, decoder: 'js' }),
        imageFolder(dir, { size: [3, 5], channels }),
      ])
      expect(sharp.decoder).toBe('sharp')
      expect(Math.max(...js.images.map((value, i) => Math.abs(value - sharp.images[i]!)))).toBeLessThanOrEqual(3)
    }
  })

  test.skipIf(hasSharp)('says that sharp is not installed', async () => {
    const text = "imageFolder needs the package sharp for decoder: 'sharp', which can't be imported: npm install sharp"
    await expect(imageFolder(dir, { decoder: 'sharp' })).rejects.toThrow(text)
  })

  test.skipIf(!hasSharp)('names the file that sharp refuses', async () => {
    put('c/1.png', Uint8Array.of(1))
    await expect(imageFolder(dir, { size: 4 })).rejects.toThrow(`${join(dir, 'c', '1.png')}: sharp can't decode it: `)
  })
})
