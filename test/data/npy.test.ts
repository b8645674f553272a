import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeNpy, parseNpy, readNpy } from '../../src/data/npy.ts'
import { DataError } from '../../src/errors.ts'
import { dataFiles, fromBase64 } from '../support/data_files.ts'

const bytesOfNpy = (name: string) => fromBase64(dataFiles.npy[name]!.file)

describe('parseNpy', () => {
  test.each(Object.keys(dataFiles.npy))('reads %s as NumPy wrote it', (name) => {
    const { file, shape, values } = dataFiles.npy[name]!
    const array = parseNpy(fromBase64(file))
    const right = name.includes('f') && name.length < 7 ? Float32Array : /u1|\?/.test(name) ? Uint8Array : Int32Array
    expect(array.data).toBeInstanceOf(right)
    expect(array.data).toEqual(right.from(values))
    expect(array.shape).toEqual(shape)
  })

  test('reads NaN and infinities of every width', () => {
    const halves = bytesOfNpy('<f2 C')
    halves.set([0, 0x7c, 0, 0xfc, 1, 0x7e], halves.length - 12)
    expect(Array.from(parseNpy(halves).data.subarray(0, 3))).toEqual([Infinity, -Infinity, NaN])
    const doubles = bytesOfNpy('<f8 C')
    doubles.set(new Uint8Array(Float64Array.of(Infinity, -Infinity, NaN).buffer), doubles.length - 48)
    expect(Array.from(parseNpy(doubles).data.subarray(0, 3))).toEqual([Infinity, -Infinity, NaN])
  })

  test('refuses an int64 whose upper half does not only repeat the sign', () => {
    const largest = bytesOfNpy('<i8 C')
    for (const upper of [1, -2, 2 ** 31 - 1]) {
      new DataView(largest.buffer, largest.byteOffset).setInt32(largest.length - 4, upper, true)
      expect(() => parseNpy(largest)).toThrow('which int32 does not hold')
    }
  })

  test('copies: the bytes may change afterwards', () => {
    const bytes = Buffer.from(bytesOfNpy('<u1 C'))
    const { data } = parseNpy(bytes)
    bytes.fill(9)
    expect(Array.from(data)).toEqual([255, 128, 0, 1, 2, 3])
  })

  test('reads what Python 2 wrote', () => {
    const text = Buffer.from(bytesOfNpy('<i4 C')).toString('latin1')
    expect(parseNpy(Buffer.from(text.replace('(2, 3), ', '(2L,3L),'), 'latin1')).shape).toEqual([2, 3])
  })

  test('refuses every file that is cut off, and any byte after its end', () => {
    const bytes = bytesOfNpy('>f4 F')
    for (let length = 0; length < bytes.length; length++) {
      expect(() => parseNpy(bytes.subarray(0, length))).toThrow(DataError)
    }
    expect(() => parseNpy(Uint8Array.of(...bytes, 0))).toThrow('bytes after the end')
  })

  test('a file with changed bytes is read or refused, and nothing else', () => {
    const names = fc.constantFrom('<f4 C', '>i8 F', 'version 3', '<? C')
    const change = fc.tuple(fc.nat({ max: 130 }), fc.nat({ max: 255 }))
    fc.assert(
      fc.property(names, fc.array(change, { maxLength: 4 }), (name, changes) => {
        const bytes = bytesOfNpy(name)
        for (const [at, byte] of changes) bytes[at] = byte
        try {
          const { data, shape } = parseNpy(bytes)
          expect(data.length).toBe(shape.reduce((a, b) => a * b, 1))
        } catch (error) {
          expect(error).toBeInstanceOf(DataError)
        }
      }),
      { seed: 7, numRuns: 500 },
    )
  })

  test('a long hostile header is refused at once', () => {
    const header = "'x':(".repeat(1990)
    const file = Buffer.alloc(10 + header.length)
    file.write('\x93NUMPY\x01\x00', 'latin1')
    file.writeUInt16LE(header.length, 8)
    file.write(header, 10)
    expect(() => parseNpy(file)).toThrow('must have a descr')
  })
})

describe('encodeNpy', () => {
  test.each(['<f4 C', '<i4 C', '<u1 C', 'no dimensions', 'one dimension', 'no elements'])(
    'writes the bytes that NumPy does: %s',
    (name) => {
      const bytes = bytesOfNpy(name)
      expect(Array.from(encodeNpy(parseNpy(bytes)))).toEqual(Array.from(bytes))
    },
  )

  test('what it writes is read again, whatever the shape', async () => {
    const shapes = fc.array(fc.nat({ max: 4 }), { maxLength: 5 })
    const arrays = fc.constantFrom(Float32Array, Int32Array, Uint8Array)
    await fc.assert(
      fc.asyncProperty(shapes, arrays, fc.nat({ max: 1e6 }), async (shape, From, first) => {
        const size = shape.reduce((a, b) => a * b, 1)
        const data = new From(Array.from({ length: size }, (_, i) => (first + i * 7) / (From === Float32Array ? 3 : 1)))
        const bytes = encodeNpy({ data, shape })
        expect(bytes.length % 64).toBe(data.byteLength % 64)
        expect(await readNpy(bytes)).toEqual({ data, shape })
      }),
      { seed: 11, numRuns: 60 },
    )
  })
})
