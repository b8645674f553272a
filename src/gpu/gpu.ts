// A device: its memory, its compiled kernels, and the commands on their way to it.
import { type BindingValues, bind, checkNames } from './bind.ts'
import { bufferUsage, mapModeRead } from './constants.ts'
import { errorKind, GpuError, withKernelName } from './errors.ts'
import { adapterInfo, type GpuInfo, type GpuMemory } from './info.ts'
import type { Kernel } from './kernel.ts'
import { ParamsCache, StepNumbers } from './params.ts'
import { Pipelines } from './pipelines.ts'
import { BufferPool, type Storage } from './pool.ts'
import { type Dispatch, fold, type Place, Recorder } from './recorder.ts'
import { PlanMemory, type Recording } from './recording.ts'
import { Spare } from './spare.ts'
import { Waiter } from './wait.ts'

/** A device with its memory, its compiled kernels and the commands on their way to it. */
export class Gpu {
  readonly info: GpuInfo
  readonly device: GPUDevice
  /** Tensors alive, counted by the tensor layer. @internal */
  tensors = 0
  readonly #recorder: Recorder
  readonly #pool: BufferPool
  readonly #params: ParamsCache
  readonly #steps: StepNumbers
  readonly #spare: Spare
  readonly #plans = new Set<PlanMemory>()
  #recording: Recording | null = null
  readonly #waiter: Waiter
  readonly #pipelines: Pipelines
  readonly #staging: GPUBuffer[] = []
  #error: GpuError | null = null
  #closed = false
  #lost: GpuError | null = null

  /** Asks the adapter for a device. `noted` is only put into `info`. Throws GpuError when the adapter refuses. */
  static async fromAdapter(adapter: GPUAdapter, noted: Pick<GpuInfo, 'adapterSource' | 'fast'> = {}): Promise<Gpu> {
    const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits
    const info = adapterInfo(adapter.info)
    let device: GPUDevice
    try {
      device = await adapter.requestDevice({ requiredLimits: { maxStorageBufferBindingSize, maxBufferSize } })
    } catch (cause) {
      throw new GpuError('unavailable', `the adapter ${info.name} gave no device: ${String(cause)}`)
    }
    return new Gpu(device, { ...info, ...noted })
  }

  /** @internal */
  constructor(device: GPUDevice, info: GpuInfo) {
    this.device = device
    this.info = info
    this.#pool = new BufferPool(device)
    this.#pipelines = new Pipelines(device, () => this.check())
    this.#recorder = new Recorder(device)
    this.#params = new ParamsCache(device)
    this.#steps = new StepNumbers(device)
    this.#spare = new Spare(device, this.#pool)
    this.#waiter = new Waiter(info.adapterClass === 'cpu')
    device.addEventListener('uncapturederror', (event) => {
      event.preventDefault() // it is thrown by the next call instead of being printed
      const { error } = event as GPUUncapturedErrorEvent
      const kind = errorKind(error)
      this.#error ??= new GpuError(kind, withKernelName(error.message.trim()))
      if (kind !== 'out-of-memory') return
      this.#recorder.submit()
      for (const { pool } of [...this.#plans, { pool: this.#pool }]) pool.distrust()
      this.#spare.forget()
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
   * Records one dispatch. `values` names every binding of the kernel: a storage, the numbers of a uniform struct, or null for
   * a buffer that the kernel does not look at in this dispatch. `groups` workgroups are folded into a second dimension beyond
   * 65,535; with 0 nothing is recorded.
   */
  emit(kernel: Kernel, values: BindingValues, groups: number): void {
    this.check()
    if (!Number.isSafeInteger(groups) || groups < 0)
      throw new Error(`${kernel.name}: ${groups} is not a number of workgroups`)
    checkNames(kernel, values)
    if (groups === 0) return
    const recording = this.#recording
    if (recording?.purpose === 'warmUp') {
      recording.kernels.add(kernel)
      return
    }
    if (this.#params.full && !recording) {
      this.#recorder.submit()
      this.#params.clear()
    }
    const { pipeline, layout } = this.#pipelines.get(kernel)
    const params = recording?.memory.params ?? this.#params
    const { largest } = this.#pool
    const bound = bind(kernel, values, { params, steps: this.#steps, spare: this.#spare, largest })
    const { entries, buffers, written, perStep } = bound
    for (const storage of written) storage.wrote()
    const bindGroup = this.device.createBindGroup({ label: kernel.name, layout, entries })
    const dispatch = { pipeline, bindGroup, grid: fold(groups), perStep }
    if (recording) recording.entries.push({ ...dispatch, ...bound, kernel })
    else this.#recorder.dispatch(dispatch, buffers)
  }

  /**
   * Compiles kernels before they are dispatched, side by side on threads of the device's. Rejects with the GpuError that
   * `emit` would throw. Drivers for the processor still make a kernel's machine code at its first dispatch.
   * @internal
   */
  async compile(kernels: Iterable<Kernel>): Promise<void> {
    this.check()
    await this.#pipelines.compile(kernels)
  }

  /** Where memory is asked for: the device's pool, or while a function is captured that of its plan. @internal */
  get pool(): BufferPool {
    return this.#recording?.memory.pool ?? this.#pool
  }

  /** Whether what is dispatched is noted in a recording instead of run. @internal */
  get isRecording(): boolean {
    return this.#recording !== null
  }

  /** Memory for a plan; `dropPlanMemory` ends it. @internal */
  newPlanMemory(): PlanMemory {
    const memory = new PlanMemory(this.device)
    memory.pool.poison = this.#pool.poison
    this.#plans.add(memory)
    return memory
  }

  /** @internal */
  dropPlanMemory(memory: PlanMemory): void {
    this.#recorder.submit()
    memory.close()
    this.#plans.delete(memory)
  }

  /** Runs `fn` with what it dispatches noted in a recording instead of run; with null, outside of the recording again. @internal */
  during<T>(recording: Recording | null, fn: () => T): T {
    const before = this.#recording
    this.#recording = recording
    try {
      return fn()
    } finally {
      this.#recording = before
    }
  }

  /** Runs recorded dispatches `steps` times over, in one submit. At most MAX_STEPS. @internal */
  replay(dispatches: readonly Dispatch[], steps: number): void {
    this.check()
    this.#recorder.replay(dispatches, steps)
  }

  /** Copies host bytes to a storage, `at` bytes (a multiple of 4) from its start, after all commands recorded so far. */
  write(storage: Storage, data: ArrayBufferView<ArrayBuffer>, at = 0): void {
    this.check()
    if (data.byteLength === 0) return
    if (this.#recording?.purpose === 'capture')
      this.#recording.refuse(
        'values from the host would be the same in every step; make such tensors before the capture',
      )
    const { buffer } = storage
    const offset = storage.offset + at
    if (this.#recorder.touches(buffer)) this.#recorder.submit()
    const whole = Math.floor(data.byteLength / 4) * 4
    const { queue } = this.device
    if (whole > 0) queue.writeBuffer(buffer, offset, data.buffer, data.byteOffset, whole)
    if (whole < data.byteLength) {
      const tail = new Uint8Array(4)
      tail.set(new Uint8Array(data.buffer, data.byteOffset + whole, data.byteLength - whole))
      queue.writeBuffer(buffer, offset + whole, tail)
    }
  }

  /** Copies the first `bytes` bytes of one storage to another. @internal */
  copy(from: Place, to: Place, bytes: number): void {
    this.check()
    this.#recording?.refuse('the function copies memory; copy it outside the function')
    const whole = Math.ceil(bytes / 4) * 4
    if (whole === 0) return
    if (from.buffer !== to.buffer) this.#recorder.copy(from, to, whole)
    else {
      // A copy within one buffer is refused: it goes by way of another.
      const between = this.pool.acquire(whole, 'a copy', this.pool.largestInParts)
      this.#recorder.copy(from, between, whole)
      this.#recorder.copy(between, to, whole)
      between.release()
    }
  }

  /** Waits for all work recorded so far and returns the first `bytes` bytes of the storage: a sync point. */
  async read(storage: Storage, bytes = storage.byteLength): Promise<ArrayBuffer> {
    this.check()
    this.#recording?.refuse('the function reads values back; read them outside the function, or after plan.run()')
    if (bytes === 0) return new ArrayBuffer(0)
    const size = Math.ceil(bytes / 4) * 4
    const staging = this.#takeStaging(size)
    this.#recorder.copy(storage, { buffer: staging, offset: 0 }, size)
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
      await new Promise((resolve) => setTimeout(resolve, 0)) // lets the reason arrive, if there is one
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

  /** Tensors alive, and the bytes of their buffers, of those that wait to be used again, and of both at their most. */
  memory(): GpuMemory {
    const pools = [this.#pool, ...[...this.#plans].map(({ pool }) => pool)].map((pool) => pool.stats())
    const sum = (key: 'bytes' | 'pooledBytes' | 'peakBytes') => pools.reduce((total, stats) => total + stats[key], 0)
    return { tensors: this.tensors, bytes: sum('bytes'), pooledBytes: sum('pooledBytes'), peakBytes: sum('peakBytes') }
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

  #takeStaging(size: number): GPUBuffer {
    const index = this.#staging.findIndex((buffer) => buffer.size >= size)
    if (index >= 0) return this.#staging.splice(index, 1)[0]!
    this.#staging.pop()?.destroy() // the ones at hand are too small: one of them makes room
    const usage = bufferUsage.MAP_READ | bufferUsage.COPY_DST
    const rounded = 2 ** Math.ceil(Math.log2(Math.max(256, size)))
    const most = Math.floor(this.#pool.largestInParts / 4) * 4
    return this.device.createBuffer({ label: 'read-back', size: Math.max(size, Math.min(rounded, most)), usage })
  }
}
