import { bufferUsage, mapModeRead, shaderStageCompute } from './constants.ts'
import { GpuError } from './errors.ts'
import { adapterInfo, type GpuInfo } from './info.ts'
import type { Kernel } from './kernel.ts'
import { ParamsCache, packParams } from './params.ts'
import { BufferPool, type Storage } from './pool.ts'
import { Recorder } from './recorder.ts'
import { Waiter } from './wait.ts'

const MAX_GROUPS = 65_535 // workgroups in one dimension, by the specification's default limits

export interface GpuMemory {
  readonly tensors: number
  readonly bytes: number
  readonly pooledBytes: number
  readonly peakBytes: number
}

export type BindingValue = Storage | Readonly<Record<string, number>>

interface Compiled {
  readonly pipeline: GPUComputePipeline
  readonly layout: GPUBindGroupLayout
}

/** A device with its memory, its compiled kernels and the commands on their way to it. */
export class Gpu {
  readonly info: GpuInfo
  readonly device: GPUDevice
  readonly pool: BufferPool
  /** Tensors alive, counted by the tensor layer. */
  tensors = 0
  readonly #recorder: Recorder
  readonly #params: ParamsCache
  readonly #waiter: Waiter
  readonly #compiled = new Map<Kernel, Compiled>()
  readonly #staging: GPUBuffer[] = []
  #error: GpuError | null = null
  #closed = false
  #lost: GpuError | null = null

  /** Asks the adapter for a device. `rung` is only noted in `info`. Throws GpuError when the adapter refuses. */
  static async fromAdapter(adapter: GPUAdapter, rung?: GpuInfo['rung']): Promise<Gpu> {
    const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits
    let device: GPUDevice
    try {
      device = await adapter.requestDevice({ requiredLimits: { maxStorageBufferBindingSize, maxBufferSize } })
    } catch (cause) {
      throw new GpuError(
        'unavailable',
        `the adapter ${adapterInfo(adapter.info).name} gives no device: ${String(cause)}`,
      )
    }
    const info = adapterInfo(adapter.info)
    return new Gpu(device, rung === undefined ? info : { ...info, rung })
  }

  constructor(device: GPUDevice, info: GpuInfo) {
    this.device = device
    this.info = info
    this.pool = new BufferPool(device)
    this.#recorder = new Recorder(device)
    this.#params = new ParamsCache(device)
    this.#waiter = new Waiter(info.adapterClass === 'cpu')
    device.addEventListener('uncapturederror', (event) => {
      event.preventDefault() // it is thrown by the next call instead of being printed
      const { error } = event as GPUUncapturedErrorEvent
      const kind = errorKind(error)
      this.#error ??= new GpuError(kind, withKernelName(error.message.trim()))
      if (kind !== 'out-of-memory') return
      this.#recorder.submit()
      this.pool.distrust()
    })
    device.lost.then(
      ({ reason, message }) => {
        this.#lost = new GpuError('lost', `the device was lost (${reason}): ${message.trim()}`)
      },
      () => undefined,
    )
  }

  /** Throws what the device has reported since the last call, once; then every call on a lost or closed device fails. */
  check(): void {
    if (this.#closed) throw new GpuError('closed', `the device ${this.info.name} was closed`)
    const error = this.#error ?? this.#lost
    this.#error = null
    if (error) throw error
  }

  /**
   * Records one dispatch. `values` names every binding of the kernel: a storage, or the numbers of a uniform struct.
   * `groups` workgroups are folded into a second dimension beyond 65,535; with 0 nothing is recorded.
   */
  emit(kernel: Kernel, values: Readonly<Record<string, BindingValue>>, groups: number): void {
    this.check()
    if (!Number.isSafeInteger(groups) || groups < 0)
      throw new Error(`${kernel.name}: ${groups} is no count of workgroups`)
    for (const name of Object.keys(values)) {
      if (!kernel.bindings.some((b) => b.name === name)) throw noBinding(kernel, name)
    }
    if (groups === 0) return
    if (this.#params.full) {
      this.#recorder.submit()
      this.#params.clear()
    }
    const { pipeline, layout } = this.#compile(kernel)
    const buffers: GPUBuffer[] = []
    const entries = kernel.bindings.map((declared): GPUBindGroupEntry => {
      const { binding, name, minBytes } = declared
      const value = values[name]
      if (value === undefined) throw new Error(`${kernel.name}: nothing is given for its binding ${name}`)
      if (declared.members) {
        if (isStorage(value)) throw new Error(`${kernel.name}: ${name} takes numbers, not a buffer`)
        const slot = this.#params.slot(packParams(kernel.name, declared, value) as Uint32Array<ArrayBuffer>)
        return { binding, resource: { ...slot, size: minBytes } }
      }
      if (!isStorage(value)) throw new Error(`${kernel.name}: ${name} takes a buffer, not numbers`)
      if (value.buffer.size < minBytes) {
        throw new Error(`${kernel.name}: ${name} needs ${minBytes} bytes, the buffer has ${value.buffer.size}`)
      }
      buffers.push(value.buffer)
      const size = declared.type === 'uniform' ? minBytes : undefined
      return { binding, resource: size === undefined ? { buffer: value.buffer } : { buffer: value.buffer, size } }
    })
    refuseAliases(kernel, values)
    const bindGroup = this.device.createBindGroup({ label: kernel.name, layout, entries })
    this.#recorder.dispatch({ pipeline, bindGroup, grid: fold(groups) }, buffers)
  }

  /** Copies host bytes to the start of a storage, after all commands recorded so far. */
  write(storage: Storage, data: ArrayBufferView<ArrayBuffer>): void {
    this.check()
    if (data.byteLength === 0) return
    if (this.#recorder.touches(storage.buffer)) this.#recorder.submit()
    const whole = Math.floor(data.byteLength / 4) * 4
    const { queue } = this.device
    if (whole > 0) queue.writeBuffer(storage.buffer, 0, data.buffer, data.byteOffset, whole)
    if (whole < data.byteLength) {
      const tail = new Uint8Array(4)
      tail.set(new Uint8Array(data.buffer, data.byteOffset + whole, data.byteLength - whole))
      queue.writeBuffer(storage.buffer, whole, tail)
    }
  }

  /** Copies the first `bytes` bytes of one storage to another. */
  copy(from: Storage, to: Storage, bytes: number): void {
    this.check()
    if (bytes > 0) this.#recorder.copy(from.buffer, to.buffer, Math.ceil(bytes / 4) * 4)
  }

  /** Waits for all work recorded so far and returns the first `bytes` bytes of the storage: a sync point. */
  async read(storage: Storage, bytes = storage.byteLength): Promise<ArrayBuffer> {
    this.check()
    if (bytes === 0) return new ArrayBuffer(0)
    const size = Math.ceil(bytes / 4) * 4
    const staging = this.#takeStaging(size)
    this.#recorder.copy(storage.buffer, staging, size)
    this.#recorder.submit()
    let result: ArrayBuffer | null = null
    // The values are taken in the same turn in which they arrive: a close() may follow at once.
    const take = () => {
      result = staging.getMappedRange(0, size).slice(0, bytes)
      staging.unmap()
      this.#staging.push(staging)
    }
    const map = () => staging.mapAsync(mapModeRead, 0, size).then(take)
    await this.#waiter
      .wait(this.#recorder.dispatches, map, () => this.#lost !== null || this.#closed)
      .catch(() => undefined)
    if (!result) {
      await new Promise((resolve) => setTimeout(resolve, 0)) // lets the reason arrive, where there is one
      this.check()
      throw new GpuError('internal', 'the read-back failed and the device gave no reason')
    }
    if (!this.#closed) this.check()
    return result
  }

  /** Sends what has been recorded to the device without waiting for it. */
  flush(): void {
    this.check()
    this.#recorder.submit()
  }

  /** Dispatches recorded since the device was opened. */
  get dispatches(): number {
    return this.#recorder.dispatches
  }

  memory(): GpuMemory {
    const { bytes, pooledBytes, peakBytes } = this.pool.stats()
    return { tensors: this.tensors, bytes, pooledBytes, peakBytes }
  }

  /** Waits for the work under way and gives the device back. Safe to call twice. Throws what was still to be reported. */
  async close(): Promise<void> {
    if (this.#closed) return
    if (!this.#lost) {
      this.#recorder.submit()
      await this.device.queue.onSubmittedWorkDone().catch(() => undefined)
    }
    this.#closed = true
    this.device.destroy()
    if (this.#error) throw this.#error
  }

  #compile(kernel: Kernel): Compiled {
    const found = this.#compiled.get(kernel)
    if (found) return found
    const { name: label, code, entryPoint, bindings, constants } = kernel
    const layout = this.device.createBindGroupLayout({
      label,
      entries: bindings.map(({ binding, type }) => ({ binding, visibility: shaderStageCompute, buffer: { type } })),
    })
    const pipeline = this.device.createComputePipeline({
      label,
      layout: this.device.createPipelineLayout({ label, bindGroupLayouts: [layout] }),
      compute: { module: this.device.createShaderModule({ label, code }), entryPoint, constants: { ...constants } },
    })
    this.check() // a kernel that does not compile is refused here, before it spoils a batch of commands
    const compiled = { pipeline, layout }
    this.#compiled.set(kernel, compiled)
    return compiled
  }

  #takeStaging(size: number): GPUBuffer {
    const index = this.#staging.findIndex((buffer) => buffer.size >= size)
    if (index >= 0) return this.#staging.splice(index, 1)[0]!
    this.#staging.pop()?.destroy() // the ones at hand are too small: one of them makes room
    const usage = bufferUsage.MAP_READ | bufferUsage.COPY_DST
    return this.device.createBuffer({ label: 'read-back', size: 2 ** Math.ceil(Math.log2(Math.max(256, size))), usage })
  }
}

function noBinding(kernel: Kernel, name: string): Error {
  return new Error(`${kernel.name} has no binding ${name}; it has ${kernel.bindings.map((b) => b.name).join(', ')}`)
}

/** WebGPU would drop the whole batch of commands: one buffer may not be written and bound a second time. */
function refuseAliases(kernel: Kernel, values: Readonly<Record<string, BindingValue>>): void {
  for (const { name, type } of kernel.bindings) {
    const written = values[name]!
    if (type !== 'storage' || !isStorage(written)) continue
    for (const other of kernel.bindings) {
      const value = values[other.name]!
      if (other.name !== name && isStorage(value) && value.buffer === written.buffer) {
        throw new GpuError('validation', `${kernel.name}: ${name} is written and shares its memory with ${other.name}`)
      }
    }
  }
}

function isStorage(value: BindingValue): value is Storage {
  return 'buffer' in value
}

function fold(groups: number): [number, number] {
  const x = Math.min(groups, MAX_GROUPS)
  return [x, Math.ceil(groups / x)]
}

/** Puts the kernel's name, which is in the labels that the message quotes, in front. */
function withKernelName(message: string): string {
  const kernel = /"(\w+\.\w+)"/.exec(message)?.[1]
  return kernel ? `${kernel}: ${message}` : message
}

function errorKind(error: GPUError): 'validation' | 'out-of-memory' | 'internal' {
  const kind = error.constructor.name
  if (kind === 'GPUValidationError') return 'validation'
  return kind === 'GPUOutOfMemoryError' ? 'out-of-memory' : 'internal'
}
