import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ParamsCache, packParams } from '../../src/gpu/params.ts'
import type { Binding, ScalarType } from '../../src/gpu/reflect.ts'
import { messageOf } from '../support/gpu.ts'

function binding(...types: ScalarType[]): Binding {
  const members = types.map((type, i) => ({ name: `m${i}`, type }))
  return {
    name: 'params',
    binding: 0,
    type: 'uniform',
    members,
    minBytes: Math.ceil(types.length / 4) * 16,
    perStep: false,
  }
}

const pack = (types: ScalarType[], values: Record<string, number>) => packParams('file.main', binding(...types), values)

describe('packParams', () => {
  it('lays members out in the order of the struct, whatever the order of the values, and pads with zeros', () => {
    const words = pack(['u32', 'f32', 'i32', 'u32', 'f32'], { m4: -0, m1: 1.5, m0: 7, m3: 2 ** 32 - 1, m2: -2 })
    expect([...words]).toEqual([7, 0x3fc00000, 0xfffffffe, 0xffffffff, 0x80000000, 0, 0, 0])
  })

  it('holds every integer of its type and rounds floats once', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        fc.double({ min: -3.4e38, max: 3.4e38, noNaN: true }),
        (m0, m1, m2) => {
          const words = pack(['u32', 'i32', 'f32'], { m0, m1, m2 })
          const view = new DataView(words.buffer)
          expect(view.getUint32(0, true)).toBe(m0)
          expect(view.getInt32(4, true)).toBe(m1)
          expect(view.getFloat32(8, true)).toBe(Math.fround(m2))
        },
      ),
      { seed: 1 },
    )
  })

  it.each<[ScalarType, number]>([
    ['u32', -1],
    ['u32', 2 ** 32],
    ['u32', 0.5],
    ['u32', Number.NaN],
    ['i32', 2 ** 31],
    ['i32', -(2 ** 31) - 1],
    ['i32', -0.5],
    ['i32', Number.POSITIVE_INFINITY],
  ])('refuses as %s the number %s', (type, value) => {
    expect(messageOf(() => pack([type], { m0: value }))).toBe(`file.main: params.m0 = ${value} is not of type ${type}`)
  })

  it('refuses members that are missing or unknown', () => {
    expect(messageOf(() => pack(['u32', 'f32'], { m0: 1 }))).toBe('file.main: params has no value for m1')
    expect(messageOf(() => pack(['u32'], { m0: 1, size: 2 }))).toBe('file.main: params has no size')
  })
})

describe('ParamsCache', () => {
  /** A device that only notes what it is asked for. */
  function fake() {
    const buffers: { size: number; destroyed: boolean }[] = []
    const writes: { buffer: unknown; offset: number; words: number[] }[] = []
    const device = {
      createBuffer: ({ size }: { size: number }) => {
        const buffer = {
          size,
          destroyed: false,
          destroy: () => {
            buffer.destroyed = true
          },
        }
        buffers.push(buffer)
        return buffer
      },
      queue: {
        writeBuffer: (buffer: unknown, offset: number, words: Uint32Array) =>
          writes.push({ buffer, offset, words: [...words] }),
      },
    }
    return { cache: new ParamsCache(device as unknown as GPUDevice), buffers, writes }
  }

  it('writes the same numbers once, and gives others a place of their own', () => {
    const { cache, writes } = fake()
    const a = cache.slot(Uint32Array.of(1, 2, 3, 4))
    const b = cache.slot(Uint32Array.of(1, 2, 3, 5))
    const c = cache.slot(Uint32Array.of(12, 3, 4)) // joins to the same digits
    expect(cache.slot(Uint32Array.of(1, 2, 3, 4))).toEqual(a)
    expect([a.offset, b.offset, c.offset]).toEqual([0, 256, 512])
    expect(writes.map((w) => w.words)).toEqual([
      [1, 2, 3, 4],
      [1, 2, 3, 5],
      [12, 3, 4],
    ])
  })

  it('never gives a place out twice, until it is full and cleared', () => {
    const { cache, buffers } = fake()
    const seen = new Set<string>()
    let count = 0
    for (; !cache.full; count++) {
      const { buffer, offset } = cache.slot(Uint32Array.of(count))
      expect(offset + 256).toBeLessThanOrEqual(buffer.size)
      seen.add(`${buffers.indexOf(buffer as never)}:${offset}`)
    }
    expect(seen.size).toBe(count)
    expect(count).toBe(64 * 256)
    cache.clear()
    expect(buffers.every((b) => b.destroyed)).toBe(true)
    expect(cache.full).toBe(false)
    cache.slot(Uint32Array.of(0))
    expect(buffers.length).toBe(65)
    expect(buffers[64]!.destroyed).toBe(false)
  })

  it('is still full when a kernel with two structs went past its end', () => {
    const { cache } = fake()
    let i = 0
    while (!cache.full) cache.slot(Uint32Array.of(i++))
    cache.slot(Uint32Array.of(i++))
    expect(cache.full).toBe(true)
  })
})
