// GPU memory: storages that count their holders, and buffers that are used again.
import { bufferUsage } from './constants.ts'
import { GpuError } from './errors.ts'

/**
 * A piece of GPU memory with a count of those who hold it. Tensors, views and what the tape saves hold one reference
 * each; at zero the memory goes back to where it came from: to the pool, or to the larger storage that it is a part of.
 */
export class Storage {
  /** @internal */
  readonly pool: BufferPool
  /** Bytes in use. */
  readonly byteLength: number
  /** Smallest and largest value, if the content is a list of integers that came from the host. @internal */
  integerRange: readonly [number, number] | null = null
  /** Counts writes in place, so that a gradient is never computed from a value that has changed since. @internal */
  version = 0
  /** Whether what will be in it has been recorded, and no run of its plan has computed it yet. @internal */
  pending = false
  readonly #buffer: GPUBuffer
  /** What it is a part of, and the bytes from there to it. */
  #outer: Storage | null = null
  #offset = 0
  #references = 1

  /** @internal */
  constructor(pool: BufferPool, buffer: GPUBuffer, byteLength: number) {
    this.pool = pool
    this.#buffer = buffer
    this.byteLength = byteLength
  }

  get buffer(): GPUBuffer {
    return this.#outer ? this.#outer.buffer : this.#buffer
  }

  /** Bytes from the start of the buffer; 0 unless it is a part of a larger storage, then a multiple of 256. */
  get offset(): number {
    return this.#outer ? this.#outer.offset + this.#offset : 0
  }

  /** Bytes that it may fill without touching what others own. */
  get capacity(): number {
    const { buffer } = this
    return this.#outer ? Math.min(alignedSize(this.byteLength), buffer.size - this.offset) : buffer.size
  }

  /** How many hold it: with more than one a change is seen by others. @internal */
  get holders(): number {
    return this.#references
  }

  /** The storage whose buffer this one lies in: itself, unless it is a part. @internal */
  get whole(): Storage {
    return this.#outer ? this.#outer.whole : this
  }

  /** A part of this storage, `offset` a multiple of 256; where this one is moved, it goes along. @internal */
  part(offset: number, byteLength: number): Storage {
    const part = new Storage(this.pool, this.#buffer, byteLength)
    part.#lieIn(this, offset)
    return part
  }

  /** Notes a write in place, also of what this is a part of. @internal */
  wrote(): void {
    this.version++
    this.pending = false
    this.#outer?.wrote()
  }

  /** Gives up its memory for a part of `whole`, whoever holds it; what it held must have been copied there. @internal */
  moveTo(whole: Storage, offset: number): void {
    if (this.#outer) this.#outer.release()
    else this.pool.reclaim(this)
    this.#lieIn(whole, offset)
  }

  #lieIn(outer: Storage, offset: number): void {
    this.#outer = outer.retain()
    this.#offset = offset
  }

  /** @internal */
  retain(): this {
    this.#references++
    return this
  }

  /** @internal */
  release(): void {
    if (--this.#references !== 0) return
    if (this.#outer) this.#outer.release()
    else this.pool.reclaim(this)
  }
}

/** Bytes that a part of a larger storage takes up: bindings start at multiples of 256. */
export function alignedSize(bytes: number): number {
  return Math.max(256, Math.ceil(bytes / 256) * 256)
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
  #closed = false
  /** Buffers that may be handed out again. */
  #reusable = new WeakSet<GPUBuffer>()
  /** For tests: every buffer handed out is filled with NaN, up to its very end, by this function. */
  poison: ((buffer: GPUBuffer) => void) | null = null

  constructor(device: GPUDevice) {
    this.#device = device
  }

  /** Bytes that one buffer may have so that a kernel can be bound to all of it. */
  get largest(): number {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.#device.limits
    return Math.min(maxStorageBufferBindingSize, maxBufferSize)
  }

  /** Bytes that one buffer may have at all: kernels are bound to parts of it. */
  get largestInParts(): number {
    return this.#device.limits.maxBufferSize
  }

  /**
   * Memory for `bytes` bytes, at most `most`. Its content is whatever was there before. `what` is named when it does not fit.
   */
  acquire(bytes: number, what: string, most = this.largest): Storage {
    if (bytes > most) {
      throw new GpuError(
        'out-of-memory',
        `${what} needs ${bytes.toLocaleString('en')} bytes; this adapter allows at most ${most.toLocaleString('en')} in one buffer. Take a smaller batch, or split the tensor`,
      )
    }
    const limit = bytes <= this.largest ? this.largest : most
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
    if (this.#closed) buffer.destroy()
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

  /** As `trim`, and from now on every buffer given back is destroyed: its last holder ends it. */
  close(): void {
    this.distrust()
    this.#closed = true
  }

  /** Gives the waiting buffers back to the device. None of them may be in use by commands not yet submitted. */
  trim(): void {
    for (const list of this.#free.values()) for (const buffer of list) buffer.destroy()
    this.#free.clear()
    this.#pooledBytes = 0
  }
}
