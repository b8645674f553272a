// Times kernels by the device's own clock, where the adapter has timestamps.
import { Gpu } from '../src/gpu/gpu.ts'
import type { OpenOptions } from '../src/open.ts'
import { openAdapter } from '../src/provision/adapters.ts'
import { setDefaultGpu } from '../src/tensor/default.ts'

/** The most timestamps that a query set holds, by the specification. */
const MOST = 4096
const RESOLVE = 0x200 | 0x4 // QUERY_RESOLVE, COPY_SRC
const READ = 0x1 | 0x8 // MAP_READ, COPY_DST

/** The device that `open` gives, with timestamps where its adapter has them. `fast`: see `open`. */
export async function openTimed({ fast = false }: OpenOptions = {}): Promise<Gpu> {
  const { adapter, adapterSource } = await openAdapter(fast)
  const requiredFeatures: GPUFeatureName[] = adapter.features.has('timestamp-query') ? ['timestamp-query'] : []
  const { limits, info, features } = adapter
  const requestDevice = (wanted: GPUDeviceDescriptor) => adapter.requestDevice({ ...wanted, requiredFeatures })
  const gpu = await Gpu.fromAdapter({ limits, info, features, requestDevice } as unknown as GPUAdapter, {
    adapterSource,
    ...(fast && { fast }),
  })
  setDefaultGpu(gpu)
  return gpu
}

/** Adds up what the device's own clock says of every compute pass between `start` and `stop`. */
export class GpuClock {
  readonly #gpu: Gpu
  readonly #querySet: GPUQuerySet
  readonly #resolved: GPUBuffer
  readonly #staging: GPUBuffer
  #passes = 0

  /** null where the device was not given timestamps. */
  static on(gpu: Gpu): GpuClock | null {
    return gpu.device.features.has('timestamp-query') ? new GpuClock(gpu) : null
  }

  private constructor(gpu: Gpu) {
    this.#gpu = gpu
    this.#querySet = gpu.device.createQuerySet({ type: 'timestamp', count: MOST })
    this.#resolved = gpu.device.createBuffer({ size: 8 * MOST, usage: RESOLVE })
    this.#staging = gpu.device.createBuffer({ size: 8 * MOST, usage: READ })
  }

  /** From here on every compute pass of the device writes two timestamps. */
  start(): void {
    this.#gpu.flush()
    this.#passes = 0
    const { device } = this.#gpu
    const querySet = this.#querySet
    const begin = () => {
      const index = 2 * this.#passes++
      if (index + 1 >= MOST) throw new Error(`a sample has more than ${MOST / 2} compute passes`)
      return { querySet, beginningOfPassWriteIndex: index, endOfPassWriteIndex: index + 1 }
    }
    const { createCommandEncoder } = device
    device.createCommandEncoder = (descriptor) => {
      const encoder = createCommandEncoder.call(device, descriptor)
      const { beginComputePass } = encoder
      encoder.beginComputePass = (pass) => beginComputePass.call(encoder, { ...pass, timestampWrites: begin() })
      return encoder
    }
  }

  /** Sends what was recorded, waits for it and returns the milliseconds of all passes. */
  async stop(): Promise<number> {
    const { device } = this.#gpu
    this.#gpu.flush()
    delete (device as { createCommandEncoder?: unknown }).createCommandEncoder // the one of its class again
    const count = 2 * this.#passes
    if (count === 0) return 0
    const encoder = device.createCommandEncoder()
    encoder.resolveQuerySet(this.#querySet, 0, count, this.#resolved, 0)
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#staging, 0, 8 * count)
    device.queue.submit([encoder.finish()])
    await this.#staging.mapAsync(READ & 1, 0, 8 * count)
    const times = new BigUint64Array(this.#staging.getMappedRange(0, 8 * count))
    let nanoseconds = 0
    for (let i = 0; i < count; i += 2) nanoseconds += Number(times[i + 1]! - times[i]!)
    this.#staging.unmap()
    return nanoseconds / 1e6
  }

  dispose(): void {
    this.#querySet.destroy()
    this.#resolved.destroy()
    this.#staging.destroy()
  }
}
