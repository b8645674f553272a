// The memory behind bindings that are null: WebGPU needs a buffer for every binding, even if the kernel does not use it.
import { BufferPool, type Storage } from './pool.ts'

/**
 * Memory that belongs to nobody, made once a device and only where it is needed; `gpu.memory()` does not count it. What is
 * only read and what may be written are apart: in one dispatch WebGPU forbids both uses of a buffer.
 */
export class Spare {
  readonly #pool: BufferPool
  readonly #own: BufferPool
  readonly #bytes: number
  #made: Storage[] = []

  /** `pool` is the device's; tests tell it how to fill what is handed out. */
  constructor(device: GPUDevice, pool: BufferPool) {
    this.#pool = pool
    this.#own = new BufferPool(device)
    this.#bytes = device.limits.maxUniformBufferBindingSize
  }

  /** For bindings that are only read, any number of them in a dispatch: as large as a uniform array may be. */
  get read(): Storage {
    return this.#at(0)
  }

  /** For the binding number `i`, from 0, of those in a dispatch that may be written: no two of them may overlap. */
  written(i: number): Storage {
    return this.#at(1 + i)
  }

  /** For a device that ran out of memory: what was made until now may have none. Commands may still refer to it. */
  forget(): void {
    this.#made = []
  }

  #at(place: number): Storage {
    this.#own.poison = this.#pool.poison
    while (this.#made.length <= place) this.#made.push(this.#own.acquire(this.#bytes, 'the memory of null bindings'))
    return this.#made[place]!
  }
}
