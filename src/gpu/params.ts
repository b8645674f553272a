// Uniform memory: a kernel's params by content, and the numbers of a run's steps.
import { bufferUsage } from './constants.ts'
import type { Place } from './recorder.ts'
import type { Binding } from './reflect.ts'

const SLOT_BYTES = 256 // uniform offsets are multiples of 256
const SLOTS_PER_CHUNK = 256
const MAX_CHUNKS = 64

/** Steps that one submit of a plan may have: as many numbers as `steps()` holds. */
export const MAX_STEPS = 1024

export const stepOffset = (step: number): number => SLOT_BYTES * step

/** The bytes of a uniform struct. Throws an Error for a member that is missing, unknown or not a number. */
export function packParams(kernel: string, binding: Binding, values: Readonly<Record<string, number>>): Uint32Array {
  const members = binding.members ?? []
  const words = new Uint32Array(binding.minBytes / 4)
  const views = { u32: words, i32: new Int32Array(words.buffer), f32: new Float32Array(words.buffer) }
  members.forEach(({ name, type }, i) => {
    const value = values[name]
    if (value === undefined) throw new Error(`${kernel}: ${binding.name} has no value for ${name}`)
    const [low, high] = type === 'u32' ? [0, 0xffffffff] : [-0x80000000, 0x7fffffff]
    if (type !== 'f32' && !(Number.isInteger(value) && value >= low && value <= high)) {
      throw new Error(`${kernel}: ${binding.name}.${name} = ${value} is not of type ${type}`)
    }
    views[type][i] = value
  })
  for (const name of Object.keys(values)) {
    if (!members.some((member) => member.name === name)) throw new Error(`${kernel}: ${binding.name} has no ${name}`)
  }
  return words
}

/**
 * Uniform memory by content: the same numbers always lie in the same slot, written once, so a training step of constant
 * shapes uploads nothing. A slot is never rewritten while commands may refer to it.
 */
export class ParamsCache {
  readonly #device: GPUDevice
  readonly #slots = new Map<string, Place>()
  #chunks: GPUBuffer[] = []
  #used = SLOTS_PER_CHUNK

  constructor(device: GPUDevice) {
    this.#device = device
  }

  /** Called before `slot` when the cache is full: the commands recorded so far must be submitted before `clear`. */
  get full(): boolean {
    return this.#chunks.length > MAX_CHUNKS || (this.#chunks.length === MAX_CHUNKS && this.#used === SLOTS_PER_CHUNK)
  }

  clear(): void {
    for (const chunk of this.#chunks) chunk.destroy()
    this.#chunks = []
    this.#slots.clear()
    this.#used = SLOTS_PER_CHUNK
  }

  slot(words: Uint32Array<ArrayBuffer>): Place {
    const key = words.join()
    const found = this.#slots.get(key)
    if (found) return found
    if (this.#used === SLOTS_PER_CHUNK) {
      const usage = bufferUsage.UNIFORM | bufferUsage.COPY_DST
      this.#chunks.push(this.#device.createBuffer({ label: 'params', size: SLOT_BYTES * SLOTS_PER_CHUNK, usage }))
      this.#used = 0
    }
    const slot = { buffer: this.#chunks[this.#chunks.length - 1]!, offset: SLOT_BYTES * this.#used++ }
    this.#device.queue.writeBuffer(slot.buffer, slot.offset, words)
    this.#slots.set(key, slot)
    return slot
  }
}

/** The numbers 0, 1, 2, … for the kernels' `replay.step`: a dynamic offset of {@link stepOffset} binds one of them. */
export class StepNumbers {
  readonly #device: GPUDevice
  #buffer: GPUBuffer | null = null

  constructor(device: GPUDevice) {
    this.#device = device
  }

  get buffer(): GPUBuffer {
    if (this.#buffer) return this.#buffer
    const words = new Uint32Array((SLOT_BYTES / 4) * MAX_STEPS)
    for (let step = 0; step < MAX_STEPS; step++) words[(SLOT_BYTES / 4) * step] = step
    const usage = bufferUsage.UNIFORM | bufferUsage.COPY_DST
    this.#buffer = this.#device.createBuffer({ label: 'steps', size: words.byteLength, usage })
    this.#device.queue.writeBuffer(this.#buffer, 0, words)
    return this.#buffer
  }
}
