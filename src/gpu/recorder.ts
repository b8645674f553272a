// Collects dispatches into command buffers, submits them, and runs recorded ones again.
import { stepOffset } from './params.ts'

const DISPATCHES_PER_SUBMIT = 64

export interface Dispatch {
  readonly pipeline: GPUComputePipeline
  readonly bindGroup: GPUBindGroup
  readonly grid: readonly [number, number]
  /** Whether the bind group has the number of the step, by a dynamic offset. */
  readonly perStep: boolean
}

/** A range of a buffer, from its first byte on. */
export interface Place {
  readonly buffer: GPUBuffer
  readonly offset: number
}

/**
 * The dynamic offset of the step that is being encoded; one for all, since encoding is never interrupted. In Node's
 * binding a list costs less than a range of a Uint32Array.
 */
const OFFSET = [0]

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
    encodeSteps(this.#pass, [item], 1)
    for (const buffer of buffers) this.#touched.add(buffer)
    this.dispatches++
    if (++this.#pending >= DISPATCHES_PER_SUBMIT) this.submit()
  }

  copy(from: Place, to: Place, bytes: number): void {
    this.#endPass()
    this.#commands().copyBufferToBuffer(from.buffer, from.offset, to.buffer, to.offset, bytes)
    this.#touched.add(from.buffer).add(to.buffer)
  }

  /**
   * Submits what was recorded, then the dispatches `steps` times over, in one pass: nothing is made or looked up, so a
   * step costs the calls themselves.
   */
  replay(dispatches: readonly Dispatch[], steps: number): void {
    this.submit()
    const encoder = this.#device.createCommandEncoder()
    const pass = encoder.beginComputePass()
    encodeSteps(pass, dispatches, steps)
    pass.end()
    this.dispatches += steps * dispatches.length
    this.#device.queue.submit([encoder.finish()])
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

/** Encodes the dispatches `steps` times over. A loop by index: what `for … of` needs would be made anew in every step. */
export function encodeSteps(pass: GPUComputePassEncoder, dispatches: readonly Dispatch[], steps: number): void {
  for (let step = 0; step < steps; step++) {
    OFFSET[0] = stepOffset(step)
    for (let i = 0; i < dispatches.length; i++) {
      const { pipeline, bindGroup, grid, perStep } = dispatches[i]!
      pass.setPipeline(pipeline)
      if (perStep) pass.setBindGroup(0, bindGroup, OFFSET)
      else pass.setBindGroup(0, bindGroup)
      pass.dispatchWorkgroups(grid[0], grid[1])
    }
  }
}

const MAX_GROUPS = 65_535 // workgroups in one dimension, by the specification's default limits

/** Workgroups as a grid, in a second dimension beyond the limit of the first. */
export function fold(groups: number): [number, number] {
  const x = Math.min(groups, MAX_GROUPS)
  return [x, Math.ceil(groups / x)]
}
