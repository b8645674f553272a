const DISPATCHES_PER_SUBMIT = 64

export interface Dispatch {
  readonly pipeline: GPUComputePipeline
  readonly bindGroup: GPUBindGroup
  readonly grid: readonly [number, number]
}

/** Collects dispatches into one open compute pass and submits it when it is long enough or when somebody must wait. */
export class Recorder {
  readonly #device: GPUDevice
  #encoder: GPUCommandEncoder | null = null
  #pass: GPUComputePassEncoder | null = null
  #pending = 0
  readonly #touched = new Set<GPUBuffer>()
  /** Dispatches recorded since the recorder was made. */
  dispatches = 0

  constructor(device: GPUDevice) {
    this.#device = device
  }

  dispatch(item: Dispatch, buffers: readonly GPUBuffer[]): void {
    this.#pass ??= this.#commands().beginComputePass()
    this.#pass.setPipeline(item.pipeline)
    this.#pass.setBindGroup(0, item.bindGroup)
    this.#pass.dispatchWorkgroups(item.grid[0], item.grid[1])
    for (const buffer of buffers) this.#touched.add(buffer)
    this.dispatches++
    if (++this.#pending >= DISPATCHES_PER_SUBMIT) this.submit()
  }

  copy(from: GPUBuffer, to: GPUBuffer, bytes: number): void {
    this.#endPass()
    this.#commands().copyBufferToBuffer(from, 0, to, 0, bytes)
    this.#touched.add(from).add(to)
  }

  /** Whether commands not yet submitted read or write the buffer: the queue's own writes would overtake them. */
  touches(buffer: GPUBuffer): boolean {
    return this.#touched.has(buffer)
  }

  submit(): void {
    if (!this.#encoder) return
    this.#endPass()
    const commands = this.#encoder.finish()
    this.#encoder = null
    this.#pending = 0
    this.#touched.clear()
    this.#device.queue.submit([commands])
  }

  #commands(): GPUCommandEncoder {
    this.#encoder ??= this.#device.createCommandEncoder()
    return this.#encoder
  }

  #endPass(): void {
    this.#pass?.end()
    this.#pass = null
  }
}
