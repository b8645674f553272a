import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BufferPool, bucketSize } from '../../src/gpu/pool.ts'
import { messageOf } from '../support/gpu.ts'

/** A pool on a device that only counts. */
function makePool(limits = { maxStorageBufferBindingSize: 2 ** 27, maxBufferSize: 2 ** 32 }) {
  const made: { size: number; label: string; destroyed: boolean }[] = []
  const device = {
    limits,
    createBuffer: ({ size, label }: { size: number; label: string }) => {
      const buffer = {
        size,
        label,
        destroyed: false,
        destroy: () => {
          buffer.destroyed = true
        },
      }
      made.push(buffer)
      return buffer
    },
  }
  return { pool: new BufferPool(device as unknown as GPUDevice), made }
}

describe('bucketSize', () => {
  it.each([
    [0, 256],
    [1, 256],
    [256, 256],
    [257, 512],
    [1024, 1024],
    [1025, 1280],
    [2049, 2560],
    [4096, 4096],
    [4097, 5120],
    [7 * 1024 + 1, 8192],
    [2 ** 27 - 1, 2 ** 27],
    [2 ** 27 + 1, 2 ** 27 + 2 ** 25],
  ])('of %i bytes is %i', (bytes, size) => {
    expect(bucketSize(bytes)).toBe(size)
  })

  it('is enough, a multiple of 256, with at most a quarter more, and itself a bucket', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 31 - 1 }), fc.nat({ max: 31 }), (n, shift) => {
        const bytes = n >>> shift
        const size = bucketSize(bytes)
        expect(size).toBeGreaterThanOrEqual(bytes)
        expect(size % 256).toBe(0)
        expect(size - bytes).toBeLessThanOrEqual(Math.max(256, bytes / 4))
        expect(bucketSize(size)).toBe(size)
        expect(bucketSize(bytes + 1)).toBeGreaterThanOrEqual(size)
      }),
      { seed: 1, numRuns: 500 },
    )
  })
})

describe('BufferPool', () => {
  it('hands a buffer out again once all who held it let go', () => {
    const { pool, made } = makePool()
    const a = pool.acquire(1000, 'a')
    a.retain()
    a.release()
    expect(pool.acquire(1000, 'b').buffer).not.toBe(a.buffer)
    a.release()
    const c = pool.acquire(800, 'c') // of the same bucket
    expect(c.buffer).toBe(a.buffer)
    expect(c.byteLength).toBe(800)
    expect(made.map((b) => [b.size, b.label])).toEqual([
      [1024, 'a'],
      [1024, 'b'],
    ])
  })

  it('does not hand out buffers of another bucket', () => {
    const { pool } = makePool()
    const a = pool.acquire(4096, 'a')
    a.release()
    expect(pool.acquire(2048, 'b').buffer).not.toBe(a.buffer)
    expect(pool.acquire(4097, 'c').buffer).not.toBe(a.buffer)
  })

  it('starts a reused buffer without what was known of the content before', () => {
    const { pool } = makePool()
    const a = pool.acquire(4, 'labels')
    a.integerRange = [0, 9]
    a.version = 5
    a.release()
    const b = pool.acquire(4, 'b')
    expect(b.buffer).toBe(a.buffer)
    expect([b.integerRange, b.version]).toEqual([null, 0])
  })

  it('counts bytes in use, waiting, and the most there were', () => {
    const { pool } = makePool()
    const [a, b] = [pool.acquire(1000, 'a'), pool.acquire(300, 'b')]
    expect(pool.stats()).toEqual({ live: 2, bytes: 1536, pooledBytes: 0, peakBytes: 1536 })
    a.release()
    expect(pool.stats()).toEqual({ live: 1, bytes: 512, pooledBytes: 1024, peakBytes: 1536 })
    const c = pool.acquire(1000, 'c')
    expect(pool.stats()).toEqual({ live: 2, bytes: 1536, pooledBytes: 0, peakBytes: 1536 })
    c.release()
    pool.acquire(1000, 'c again').release()
    b.release()
    pool.acquire(300, 'b again').release() // less than at the peak
    expect(pool.stats()).toEqual({ live: 0, bytes: 0, pooledBytes: 1536, peakBytes: 1536 })
  })

  it('gives the buffers that wait back to the device', () => {
    const { pool, made } = makePool()
    const [, b] = [pool.acquire(1000, 'a'), pool.acquire(300, 'b')]
    b.release()
    pool.trim()
    expect(pool.stats()).toEqual({ live: 1, bytes: 1024, pooledBytes: 0, peakBytes: 1536 })
    expect(made.map((m) => m.destroyed)).toEqual([false, true])
    expect(pool.acquire(300, 'd').buffer).toBe(made[2] as unknown as GPUBuffer)
    expect(pool.stats().peakBytes).toBe(1536)
    pool.acquire(256, 'e')
    expect(pool.stats().peakBytes).toBe(1792)
  })

  it('makes parts of parts, which move with what they lie in, and whose writes count for it', () => {
    const { pool } = makePool()
    const [outer, elsewhere] = [pool.acquire(4096, 'outer'), pool.acquire(8192, 'elsewhere')]
    const part = outer.part(1024, 2048)
    const inner = part.part(512, 100)
    expect([inner.offset, inner.capacity, inner.whole, inner.buffer]).toEqual([1536, 256, outer, outer.buffer])
    outer.moveTo(elsewhere, 256)
    expect([inner.offset, inner.whole, inner.buffer]).toEqual([1792, elsewhere, elsewhere.buffer])
    inner.wrote()
    expect([inner, part, outer, elsewhere].map(({ version }) => version)).toEqual([1, 1, 1, 1])
    for (const storage of [outer, elsewhere, part, inner]) storage.release()
    expect(pool.stats().live).toBe(0)
  })

  it('makes buffers larger than a binding where that is asked for', () => {
    const { pool } = makePool({ maxStorageBufferBindingSize: 1_000_000, maxBufferSize: 2_000_000 })
    expect(pool.acquire(2_000_000, 'x', pool.largestInParts).buffer.size).toBe(2_000_000)
    // What a binding can hold stays so small that one can hold its buffer.
    expect(pool.acquire(999_999, 'x', pool.largestInParts).buffer.size).toBeLessThanOrEqual(1_000_000)
    expect(messageOf(() => pool.acquire(2_000_001, 'x', pool.largestInParts))).toContain(
      'at most 2,000,000 in one buffer',
    )
  })

  it('hands nothing out again that was made before the device ran out of memory', () => {
    const { pool, made } = makePool()
    const [used, free] = [pool.acquire(1000, 'used'), pool.acquire(1000, 'free')]
    free.release()
    pool.distrust()
    expect(made.map((m) => m.destroyed)).toEqual([false, true])
    used.release()
    expect(pool.stats()).toMatchObject({ live: 0, bytes: 0, pooledBytes: 0 })
    const next = pool.acquire(1000, 'next')
    expect(next.buffer).toBe(made[2] as unknown as GPUBuffer)
    next.release()
    expect(pool.acquire(1000, 'again').buffer).toBe(next.buffer)
  })

  it('never passes the limit, and makes buffers up to it', () => {
    const { pool } = makePool({ maxStorageBufferBindingSize: 1_000_000, maxBufferSize: 2_000_000 })
    for (const bytes of [999_936, 999_937, 999_999, 1_000_000]) {
      const { buffer } = pool.acquire(bytes, 'x')
      expect(buffer.size).toBeGreaterThanOrEqual(bytes)
      expect(buffer.size).toBeLessThanOrEqual(1_000_000)
    }
    const before = pool.stats()
    const text =
      'matmul [1000, 251] needs 1,004,000 bytes; this adapter allows at most 1,000,000 in one buffer. Take a smaller batch, or split the tensor'
    expect(messageOf(() => pool.acquire(1_004_000, 'matmul [1000, 251]'))).toBe(text)
    expect(pool.stats()).toEqual(before)
    const small = makePool({ maxStorageBufferBindingSize: 2 ** 27, maxBufferSize: 1024 })
    expect(messageOf(() => small.pool.acquire(1025, 'x'))).toContain('at most 1,024 in one buffer')
  })
})
