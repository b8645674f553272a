import { bufferUsage } from './constants.ts'
import { GpuError } from './errors.ts'

/**
 * A piece of GPU memory with a count of those who hold it. Tensors, views and what the tape saves hold one reference
 * each; at zero the buffer goes back to the pool.
 */
export class Storage {
  readonly pool: BufferPool
  readonly buffer: GPUBuffer
  /** Bytes in use; the buffer may be larger. */
  readonly byteLength: number
  /** Smallest and largest value, where the content is a list of integers that the host has seen. */
  integerRange: readonly [number, number] | null = null
  /** Counts writes in place, so that a gradient is never computed from a value that has changed since. */
  version = 0
  #references = 1

  constructor(pool: BufferPool, buffer: GPUBuffer, byteLength: number) {
    this.pool = pool
    this.buffer = buffer
    this.byteLength = byteLength
  }

  retain(): this {
    this.#references++
    return this
  }

  release(): void {
    if (--this.#references === 0) this.pool.reclaim(this)
  }
}

/** Multiples of 256 that step by a quarter of a power of two: above 1 KiB at most a quarter of a buffer is slack. */
export function bucketSize(bytes: number): number {
  const quarter = 2 ** Math.max(8, Math.floor(Math.log2(Math.max(1, bytes))) - 2)
  return Math.max(256, Math.ceil(bytes / quarter) * quarter)
}

/** Buffers by size, so that a training step from the second on allocates nothing. */
export class BufferPool {
  readonly #device: GPUDevice
  readonly #free = new Map<number, GPUBuffer[]>()
  #bytes = 0
  #pooledBytes = 0
  #peakBytes = 0
  #live = 0
  /** Buffers that may be handed out again. */
  #reusable = new WeakSet<GPUBuffer>()
  /** For tests: every buffer handed out is filled with NaN, up to its very end, by this function. */
  poison: ((buffer: GPUBuffer) => void) | null = null

  constructor(device: GPUDevice) {
    this.#device = device
  }

  /** Memory for `bytes` bytes. Its content is whatever was there before. `what` is named when it does not fit. */
  acquire(bytes: number, what: string): Storage {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.#device.limits
    const limit = Math.min(maxStorageBufferBindingSize, maxBufferSize)
    if (bytes > limit) {
      throw new GpuError(
        'out-of-memory',
        `${what} needs ${bytes.toLocaleString('en')} bytes; this adapter takes at most ${limit.toLocaleString('en')} in one buffer`,
      )
    }
    // Near the limit a bucket may pass it; then the buffer is as large as it may be, in whole words.
    const size = Math.min(bucketSize(bytes), Math.max(Math.floor(limit / 256) * 256, Math.ceil(bytes / 4) * 4))
    let buffer = this.#free.get(size)?.pop()
    if (buffer) this.#pooledBytes -= size
    else {
      const reusable = this.#reusable // the one of now: an error in making the buffer brings another
      const { STORAGE, UNIFORM, COPY_SRC, COPY_DST } = bufferUsage
      buffer = this.#device.createBuffer({ label: what, size, usage: STORAGE | UNIFORM | COPY_SRC | COPY_DST })
      reusable.add(buffer)
    }
    this.#live++
    this.#bytes += size
    this.#peakBytes = Math.max(this.#peakBytes, this.#bytes)
    this.poison?.(buffer)
    return new Storage(this, buffer, bytes)
  }

  reclaim(storage: Storage): void {
    const { buffer } = storage
    this.#live--
    this.#bytes -= buffer.size
    if (!this.#reusable.has(buffer)) return
    const list = this.#free.get(buffer.size)
    if (list) list.push(buffer)
    else this.#free.set(buffer.size, [buffer])
    this.#pooledBytes += buffer.size
  }

  /**
   * For a device that ran out of memory: it says so late, when a buffer without memory is in use already. So none of
   * those made until now is handed out again. None that waits may be in use by commands not yet submitted.
   */
  distrust(): void {
    this.trim()
    this.#reusable = new WeakSet()
  }

  /** `bytes` and `peakBytes` count buffers in use, `pooledBytes` those that wait to be used again. */
  stats() {
    return { live: this.#live, bytes: this.#bytes, pooledBytes: this.#pooledBytes, peakBytes: this.#peakBytes }
  }

  /** Gives the waiting buffers back to the device. None of them may be in use by commands not yet submitted. */
  trim(): void {
    for (const list of this.#free.values()) for (const buffer of list) buffer.destroy()
    this.#free.clear()
    this.#pooledBytes = 0
  }
}
