import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeSafetensors, encodeSafetensors, type HostTensor } from '../../src/data/safetensors.ts'
import { DataError } from '../../src/index.ts'
import { messageOf } from '../support/gpu.ts'
import { readSafetensors } from '../support/safetensors.ts'

/** A file with this header, its length put before it, and these bytes after it. */
function file(header: string, body = 0, length?: bigint): Uint8Array {
  const text = new TextEncoder().encode(header)
  const bytes = new Uint8Array(8 + text.length + body)
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true)
  bytes.set(text, 8)
  return bytes
}

const f32 = (shape: number[], data: number[]): HostTensor => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(data),
})
const textOf = (bytes: Uint8Array, from: number, to?: number) => new TextDecoder().decode(bytes.subarray(from, to))

describe('encodeSafetensors', () => {
  it("writes byte for byte what the format's own writer does", () => {
    const tensors = new Map<string, HostTensor>([
      ['b', { dtype: 'uint8', shape: [3], data: Uint8Array.of(7, 8, 9) }],
      ['z', f32([], [1])],
      ['i', { dtype: 'int32', shape: [1], data: Int32Array.of(-2) }],
      ['a', f32([2, 1], [0.5, -0])],
    ])
    const bytes = encodeSafetensors(tensors, new Map([['format', 'pt']]))
    const header =
      '{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},' +
      '"z":{"dtype":"F32","shape":[],"data_offsets":[8,12]},"i":{"dtype":"I32","shape":[1],"data_offsets":[12,16]},' +
      '"b":{"dtype":"U8","shape":[3],"data_offsets":[16,19]}}'
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8)
    expect(padded.length).toBeGreaterThan(header.length)
    expect(textOf(bytes, 8, 8 + padded.length)).toBe(padded)
    expect([...bytes.subarray(0, 8)]).toEqual([padded.length & 255, padded.length >> 8, 0, 0, 0, 0, 0, 0])
    expect([...bytes.subarray(8 + padded.length)]).toEqual(
      // 0.5, −0, 1 and −2, little-endian, then the bytes
      [0, 0, 0, 63, 0, 0, 0, 128, 0, 0, 128, 63, 254, 255, 255, 255, 7, 8, 9],
    )
  })

  it.each<[string, ReadonlyMap<string, HostTensor>, string]>([
    [
      'another size',
      new Map([['w', f32([3], [1])]]),
      'safetensors: tensor "w": float32 [3] can\'t hold a Float32Array of 1',
    ],
    [
      'another type',
      new Map([['w', { ...f32([1], [1]), dtype: 'int32' }]]),
      'safetensors: tensor "w": int32 [1] can\'t hold a Float32Array of 1',
    ],
    [
      'an unknown type',
      new Map([['w', { ...f32([1], [1]), dtype: 'toString' as 'int32' }]]),
      'safetensors: tensor "w": toString [1] can\'t hold a Float32Array of 1',
    ],
    [
      "metadata's name",
      new Map([['__metadata__', f32([], [1])]]),
      'safetensors: tensor "__metadata__": a tensor must not have this name',
    ],
    [
      'the name of the prototype',
      new Map([['__proto__', f32([], [1])]]),
      'safetensors: tensor "__proto__": a tensor must not have this name',
    ],
    [
      'half a character',
      new Map([['\ud83d', f32([], [1])]]),
      'safetensors: tensor "\\ud83d": a name must not contain half a character',
    ],
    [
      'a way out of the folder',
      new Map([['a/../../b', f32([], [1])]]),
      'safetensors: tensor "a/../../b": a name must not be a path that leads out of a folder',
    ],
  ])('refuses %s', (_, tensors, message) => {
    expect(messageOf(() => encodeSafetensors(tensors))).toBe(message)
  })
})

const anyName = fc
  .string({ unit: 'grapheme', maxLength: 12 })
  .filter((name) => !/\p{Cc}|^[/\\]|^[a-z]:|__/iu.test(name) && !name.includes('..'))
const anyTensor: fc.Arbitrary<HostTensor> = fc
  .tuple(fc.array(fc.nat(4), { maxLength: 3 }), fc.constantFrom('float32', 'int32', 'uint8'), fc.integer())
  .map(([shape, dtype, seed]) => {
    const size = shape.reduce((product, n) => product * n, 1)
    const words = Int32Array.from({ length: size }, (_, i) => Math.imul(seed + i, 0x9e3779b1))
    if (dtype === 'float32') return { dtype, shape, data: new Float32Array(words.buffer) }
    return dtype === 'int32' ? { dtype, shape, data: words } : { dtype, shape, data: Uint8Array.from(words) }
  })
const anyTensors = fc.array(fc.tuple(anyName, anyTensor), { maxLength: 5 }).map((pairs) => new Map(pairs))
const anyMetadata = fc
  .array(fc.tuple(anyName, fc.string({ unit: 'grapheme' })), { maxLength: 3 })
  .map((p) => new Map(p))

const bitsOf = ({ dtype, shape, data }: HostTensor) => {
  return [dtype, shape, [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]]
}

it('decodeSafetensors gives back every bit, from any place in memory, and data of its own', () => {
  fc.assert(
    fc.property(anyTensors, anyMetadata, fc.nat(7), (tensors, metadata, shift) => {
      const bytes = encodeSafetensors(tensors, metadata)
      expect(bytes.length % 8).toBe([...tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0) % 8)
      const moved = new Uint8Array(bytes.length + shift)
      moved.set(bytes, shift)
      const view = moved.subarray(shift)
      const decoded = decodeSafetensors(view)
      moved.fill(0xff)
      expect(decoded.metadata).toEqual(metadata)
      expect(new Set(decoded.tensors.keys())).toEqual(new Set(tensors.keys()))
      for (const [name, tensor] of tensors) expect(bitsOf(decoded.tensors.get(name)!)).toEqual(bitsOf(tensor))
    }),
    { seed: 11, numRuns: 300 },
  )
})

describe('decodeSafetensors accepts', () => {
  it.each(['lenet', 'ops', 'epoch'])(
    'the values of PyTorch in %s.safetensors, as a reader of other code does',
    (name) => {
      const url = new URL(`../reference/${name}.safetensors`, import.meta.url)
      const expected = readSafetensors(url)
      const { tensors, metadata } = decodeSafetensors(readFileSync(url), name)
      expect(Object.fromEntries(metadata)).toEqual(expected.metadata)
      expect([...tensors.keys()].sort()).toEqual([...expected.tensors.keys()].sort())
      for (const [key, { shape, data }] of tensors) {
        const other = expected.tensors.get(key)!
        expect(shape).toEqual(other.shape)
        expect(data.constructor).toBe(other.data.constructor)
        expect(Buffer.compare(new Uint8Array(data.buffer), new Uint8Array(other.data.buffer))).toBe(0)
      }
    },
  )

  it('a file without tensors, as the format allows', () => {
    expect(decodeSafetensors(file('{}'))).toEqual({ tensors: new Map(), metadata: new Map() })
  })

  it('a header that is not padded, and tensors in any order', () => {
    const header =
      '{"b":{"dtype":"U8","shape":[1],"data_offsets":[4,5]},"a":{"shape":[],"data_offsets":[0,4],"dtype":"F32"}}'
    const { tensors } = decodeSafetensors(file(header, 5))
    expect([...tensors.keys()]).toEqual(['a', 'b'])
  })

  it('a Buffer, out of whose pool it copies', () => {
    const bytes = Buffer.from(encodeSafetensors(new Map([['w', f32([2], [1, 2])]])))
    const { data } = decodeSafetensors(bytes).tensors.get('w')!
    bytes.fill(0)
    expect([...data]).toEqual([1, 2])
  })
})

const one = (rest: string) => `{"w":{${rest}}}`
const entry = (start: number, end: number) => `{"dtype":"U8","shape":[${end - start}],"data_offsets":[${start},${end}]}`

describe('decodeSafetensors reads integers of 64 bits', () => {
  const of = (...values: bigint[]) => {
    const bytes = file(`{"n":{"dtype":"I64","shape":[${values.length}],"data_offsets":[0,${8 * values.length}]}}`)
    const body = new Uint8Array(BigInt64Array.from(values).buffer)
    return Uint8Array.from([...bytes, ...body])
  }

  it('as int32 where they fit', () => {
    const { tensors } = decodeSafetensors(of(0n, -1n, 2n ** 31n - 1n, -(2n ** 31n)))
    expect(tensors.get('n')).toEqual({
      dtype: 'int32',
      shape: [4],
      data: Int32Array.of(0, -1, 2 ** 31 - 1, -(2 ** 31)),
    })
    expect(decodeSafetensors(of()).tensors.get('n')!.data).toEqual(new Int32Array(0))
  })

  it.each([2n ** 31n, -(2n ** 31n) - 1n, 2n ** 62n])('and refuses %d', (value) => {
    expect(messageOf(() => decodeSafetensors(of(1n, value), 'a'))).toBe(
      `a: tensor "n" has dtype "I64" and holds ${value} at 1; only 32-bit integers are supported`,
    )
  })
})

describe('decodeSafetensors refuses', () => {
  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'cut off: 0 bytes, but a safetensors file has at least 10'],
    ['a header past the end', file('{}', 0, 3n), 'its header would have 3 bytes, but 2 follow'],
    [
      'a header of 2⁶⁴ bytes',
      file('{}', 0, 2n ** 64n - 1n),
      'its header would have 18446744073709551615 bytes, but 2 follow',
    ],
    [
      'a header too long to parse',
      file('{}', 1 << 26, 1n + (1n << 26n)),
      'its header has 67108865 bytes, it must have at most 67108864',
    ],
    ['no header', file(''), 'its header must start with {'],
    ['a header that starts with a space', file(' {}'), 'its header must start with {'],
    ['a byte order mark', file('\ufeff{}'), 'its header must start with {'],
    ['no UTF-8', file('{"\u00e9":1}').map((byte) => (byte === 0xc3 ? 0xff : byte)), 'its header is not UTF-8'],
    ['an open object', file('{"w":{'), 'its header is not JSON'],
    ['an open text', file('{"w'), 'its header is not JSON'],
    ['two objects', file('{}{}'), 'its header is not JSON'],
    ['a name twice', file(`{"w":${entry(0, 1)},"w":${entry(1, 2)}}`, 2), 'its header names "w" twice'],
    ['a name twice, once in other letters', file('{"w":1,"\\u0077"  \t :2}'), 'its header names "w" twice'],
    ['a key twice', file(one('"dtype":"U8","dtype":"F32"')), 'its header names "dtype" twice'],
    ['metadata twice', file('{"__metadata__":{},"__metadata__":{}}'), 'its header names "__metadata__" twice'],
    ['a prototype', file('{"__proto__":{}}'), 'its header names __proto__ at character 1'],
    ['a prototype in disguise', file('{"w":{"\\u005f_proto__":{}}}'), 'its header names __proto__ at character 6'],
    ['depth', file(`{"w":{"shape":[${'['.repeat(50)}`), 'its header is nested more than 3 deep'],
    [
      'a negative size',
      file(one('"dtype":"U8","shape":[-1],"data_offsets":[0,0]')),
      'its header has "-" at character 28; only objects, strings, lists and whole numbers are allowed',
    ],
    [
      'a fraction',
      file(one('"dtype":"U8","shape":[1.5],"data_offsets":[0,0]')),
      'its header has "." at character 29; only objects, strings, lists and whole numbers are allowed',
    ],
    [
      'null',
      file('{"w":null}'),
      'its header has "n" at character 5; only objects, strings, lists and whole numbers are allowed',
    ],
    ['a number for a tensor', file('{"w":5}'), 'tensor "w" must have dtype, shape and data_offsets and nothing else'],
    ['a list for a tensor', file('{"w":[]}'), 'tensor "w" must have dtype, shape and data_offsets and nothing else'],
    [
      'no shape',
      file(one('"dtype":"U8","data_offsets":[0,0]')),
      'tensor "w" must have dtype, shape and data_offsets and nothing else',
    ],
    [
      'an unknown key',
      file(one('"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1')),
      'tensor "w" must have dtype, shape and data_offsets and nothing else',
    ],
    [
      'a dtype that is a number',
      file(one('"dtype":5,"shape":[0],"data_offsets":[0,0]')),
      'tensor "w": its dtype must be a string',
    ],
    [
      'another dtype',
      file(one('"dtype":"BF16","shape":[0],"data_offsets":[0,0]')),
      'tensor "w" has dtype "BF16"; only F32, I32, I64 and U8 are supported',
    ],
    [
      'a dtype that every object has',
      file(one('"dtype":"constructor","shape":[0],"data_offsets":[0,0]')),
      'tensor "w" has dtype "constructor"; only F32, I32, I64 and U8 are supported',
    ],
    [
      'a shape of texts',
      file(one('"dtype":"U8","shape":["1"],"data_offsets":[0,1]'), 1),
      'tensor "w": its shape must be a list of whole numbers below 2^53',
    ],
    [
      'a size of 2⁵³',
      file(one('"dtype":"U8","shape":[9007199254740993],"data_offsets":[0,1]'), 1),
      'tensor "w": its shape must be a list of whole numbers below 2^53',
    ],
    [
      'sizes whose product overflows',
      file(one('"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]')),
      'tensor "w": its sizes overflow, their product must be below 2^53',
    ],
    [
      'sizes whose overflow hides behind a zero',
      file(one('"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]')),
      'tensor "w": its sizes overflow, their product must be below 2^53',
    ],
    [
      'three offsets',
      file(one('"dtype":"U8","shape":[1],"data_offsets":[0,1,1]'), 1),
      'tensor "w": its data_offsets must be two whole numbers',
    ],
    [
      'an end before the start',
      file(one('"dtype":"U8","shape":[0],"data_offsets":[1,0]'), 1),
      'tensor "w": its bytes end at 0, before their start at 1',
    ],
    [
      'bytes past the end',
      file(`{"w":${entry(0, 2)}}`, 1),
      'tensor "w": its bytes end at 2, past the file\'s end at 1',
    ],
    [
      'bytes that are not those of the shape',
      file(one('"dtype":"F32","shape":[2,2],"data_offsets":[0,12]'), 12),
      'tensor "w": 12 bytes, but F32 [2, 2] has 16',
    ],
    ['a gap before the first', file(`{"w":${entry(1, 2)}}`, 2), 'tensor "w" leaves 1 bytes unused after the header'],
    ['a gap', file(`{"a":${entry(0, 1)},"b":${entry(2, 3)}}`, 3), 'tensor "b" leaves 1 bytes unused after "a"'],
    ['an overlap', file(`{"a":${entry(0, 2)},"b":${entry(1, 3)}}`, 3), 'tensor "b" overlaps with "a"'],
    ['the same bytes twice', file(`{"a":${entry(0, 2)},"b":${entry(0, 2)}}`, 2), 'tensor "b" overlaps with "a"'],
    ['bytes after the last', file(`{"a":${entry(0, 2)}}`, 3), '1 bytes after the end of the last tensor'],
    ['metadata that is a list', file('{"__metadata__":[]}'), '__metadata__ must be an object of strings'],
    ['metadata of numbers', file('{"__metadata__":{"a":1}}'), '__metadata__ has "a", which is not a string'],
    ['NUL in a name', file('{"a\\u0000b":5}'), 'tensor "a\\u0000b": a name must not contain control characters'],
    [
      'an absolute path',
      file('{"/etc/passwd":5}'),
      'tensor "/etc/passwd": a name must not be a path that leads out of a folder',
    ],
    ['a drive', file('{"C:\\\\x":5}'), 'tensor "C:\\\\x": a name must not be a path that leads out of a folder'],
    ['a way up', file('{"a/../../b":5}'), 'tensor "a/../../b": a name must not be a path that leads out of a folder'],
    [
      'a long name, which is cut in the message',
      file(`{"${'x'.repeat(5000)}":5}`),
      `tensor "${'x'.repeat(100)}…" must have dtype, shape and data_offsets and nothing else`,
    ],
  ])('%s', (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes, 'x.safetensors')).toThrow(DataError)
    expect(messageOf(() => decodeSafetensors(bytes, 'x.safetensors'))).toBe(`x.safetensors: ${message}`)
  })
})

describe('decodeSafetensors, given what somebody damaged,', () => {
  const whole = encodeSafetensors(
    new Map<string, HostTensor>([
      ['0.weight', f32([2, 3], [1, 2, 3, 4, 5, 6])],
      ['0.bias', f32([2], [7, 8])],
      ['labels', { dtype: 'uint8', shape: [5], data: Uint8Array.of(1, 2, 3, 4, 5) }],
    ]),
    new Map([['format', 'pt']]),
  )
  /** Either it is still a file of this format, or a DataError of one line says why not. */
  const decodesOrTells = (bytes: Uint8Array) => {
    try {
      return decodeSafetensors(bytes, 'x')
    } catch (error) {
      expect(error).toBeInstanceOf(DataError)
      expect((error as Error).message).toMatch(/^x: [^\n]+$/)
      return null
    }
  }

  it('tells every truncation', () => {
    for (let length = 0; length < whole.length; length++) expect(decodesOrTells(whole.subarray(0, length))).toBe(null)
  })

  it('tells every flipped bit of the length and most of the header, and never gives back another size', () => {
    const headerEnd = whole.length - 37
    let told = 0
    for (let bit = 0; bit < 8 * headerEnd; bit++) {
      const damaged = whole.slice()
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      const read = decodesOrTells(damaged)
      if (read === null) told++
      else expect([...read.tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0)).toBe(37)
    }
    expect(told).toBeGreaterThan(0.7 * 8 * headerEnd) // names and metadata may be others, and spaces tabs
  })

  it('survives any text in the place of the header', () => {
    const token = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"',
      '\\',
      '"w"',
      '"dtype":"F32"',
      '"shape":[2]',
      '1',
      ' ',
      '\u2028',
    )
    const text = fc.oneof(
      fc.json(),
      fc.string({ unit: 'binary' }),
      fc.array(token).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(text, fc.nat(20), (header, body) => {
        decodesOrTells(file(`{${header}`, body))
      }),
      { seed: 12, numRuns: 2000 },
    )
  })

  it('takes no long time for a long header of any kind', () => {
    const long = 1 << 22
    for (const unit of ['[', '{', '"', '\\"', '"a":', ' ', '"a" ', '9', '{"a":[],']) {
      const start = performance.now()
      expect(decodesOrTells(file(`{${unit.repeat(long / unit.length)}`))).toBe(null)
      expect(performance.now() - start).toBeLessThan(5000)
    }
  })
})
