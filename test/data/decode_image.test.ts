import { crc32, deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { encode } from 'fast-png'
import { describe, expect, test } from 'vitest'
import { decodeImage } from '../../src/data/decode_image.ts'
import { resize } from '../../src/data/resize.ts'
import { DataError } from '../../src/errors.ts'
import { dataFiles, fromBase64 } from '../support/data_files.ts'

/** The values of pixel after pixel as planes. */
function inPlanes(values: readonly number[], channels: number): number[] {
  const count = values.length / channels
  return Array.from({ length: values.length }, (_, i) => values[(i % count) * channels + Math.floor(i / count)]!)
}

const file = (name: string) => fromBase64(dataFiles.images[name]!.file)

describe('decodeImage', () => {
  test.each(Object.keys(dataFiles.images))('decodes %s to the pixels of Pillow', async (name) => {
    const { shape, values } = dataFiles.images[name]!
    const [height, width, given] = shape as [number, number, number]
    const channels = given < 3 ? 1 : given === 4 ? 4 : 3
    const right = given === 2 ? values.filter((_, i) => i % 2 === 0) : values
    const image = await decodeImage(file(name), { channels })
    expect(image.shape).toEqual([channels, height, width])
    // Decoders of JPEG may round the inverse transform, and the colours after it, differently.
    const bound = name.startsWith('jpeg') ? 3 : 0
    const far = inPlanes(right, channels).map((value, i) => Math.abs(value - image.data[i]!))
    expect(Math.max(...far)).toBeLessThanOrEqual(bound)
  })

  test('makes grey of colours, and colours of grey', async () => {
    const colours = {
      data: Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30),
      width: 4,
      height: 1,
      channels: 3,
    }
    const grey = await decodeImage(encode(colours), { channels: 1 })
    expect(Array.from(grey.data)).toEqual([76, 150, 29, 18])
    const back = await decodeImage(encode({ data: grey.data, width: 4, height: 1, channels: 1 }), { channels: 4 })
    expect(Array.from(back.data)).toEqual([...[76, 150, 29, 18, 76, 150, 29, 18, 76, 150, 29, 18], 255, 255, 255, 255])
  })

  test('what is written as PNG is read again', async () => {
    const sizes = fc.tuple(
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom(1 as const, 3, 4),
    )
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(255), async ([width, height, channels], first) => {
        const data = Uint8Array.from({ length: width * height * channels }, (_, i) => (first + i * 31) % 256)
        const image = await decodeImage(encode({ data, width, height, channels }), { channels })
        expect(Array.from(image.data)).toEqual(inPlanes(Array.from(data), channels))
        const interlaced = await decodeImage(encode({ data, width, height, channels }, { interlace: 'Adam7' }), {
          channels,
        })
        expect(interlaced).toEqual(image)
      }),
      { seed: 4, numRuns: 40 },
    )
  })

  test('a PNG bomb stops at the size that was announced', async () => {
    const bomb = deflateSync(new Uint8Array(1 << 24))
    const small = Buffer.from(encode({ data: Uint8Array.of(1), width: 1, height: 1, channels: 1 }))
    const at = small.indexOf('IDAT')
    const chunk = Buffer.concat([Buffer.alloc(4), Buffer.from('IDAT'), bomb, Buffer.alloc(4)])
    chunk.writeUInt32BE(bomb.length, 0)
    chunk.writeUInt32BE(crc32(chunk.subarray(4, -4)), chunk.length - 4)
    const bytes = Buffer.concat([small.subarray(0, at - 4), chunk, small.subarray(small.indexOf('IEND') - 4)])
    await expect(decodeImage(bytes, { name: 'x.png' })).rejects.toThrow('x.png: decompresses to more than 2 bytes')
  })

  test.each(['png rgb', 'png palette', 'jpeg rgb', 'jpeg progressive'])(
    '%s, cut off or changed, is read or refused, and nothing else',
    async (name) => {
      const bytes = file(name)
      for (let length = 0; length < bytes.length - 20; length += 29) {
        await expect(decodeImage(bytes.slice(0, length))).rejects.toThrow(DataError)
      }
      for (let at = 2; at < bytes.length; at += 11) {
        const changed = bytes.slice()
        changed[at]! ^= 0xff
        await decodeImage(changed, { maxPixels: 1e6 }).then(
          ({ data, shape }) => expect(data.length).toBe(shape.reduce((a, b) => a * b, 1)),
          (error: unknown) => expect(error).toBeInstanceOf(DataError),
        )
      }
    },
  )
})

describe('resize', () => {
  const row = (...values: number[]) => ({ data: Uint8Array.from(values), shape: [1, 1, values.length] })

  test('takes the mean of the area along an axis that shrinks', () => {
    expect(Array.from(resize(row(10, 20, 30, 50), 1, 2).data)).toEqual([15, 40])
    // Each of two covers one and a half of three: (2 · 0 + 90) / 3 and (90 + 2 · 30) / 3.
    expect(Array.from(resize(row(0, 90, 30), 1, 2).data)).toEqual([30, 50])
    expect(Array.from(resize({ data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), shape: [2, 2, 2] }, 1, 1).data)).toEqual([
      3, 7,
    ])
  })

  test('interpolates between centres along one that grows, as PyTorch does', () => {
    // F.interpolate(mode='bilinear', align_corners=False) of [0, 100] to 4: 0, 25, 75, 100
    expect(Array.from(resize(row(0, 100), 1, 4).data)).toEqual([0, 25, 75, 100])
    expect(Array.from(resize(row(7), 2, 3).data)).toEqual([7, 7, 7, 7, 7, 7])
  })

  test('keeps one colour, whatever the sizes', () => {
    const side = fc.integer({ min: 1, max: 12 })
    fc.assert(
      fc.property(side, side, side, side, fc.nat(255), (h, w, height, width, value) => {
        const image = resize({ data: new Uint8Array(3 * h * w).fill(value), shape: [3, h, w] }, height, width)
        expect(image.shape).toEqual([3, height, width])
        expect(image.data.every((one) => one === value)).toBe(true)
      }),
      { seed: 6, numRuns: 60 },
    )
  })
})
