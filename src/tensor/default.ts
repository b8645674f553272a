// The device that is used unless another one is given.
import type { Gpu } from '../gpu/gpu.ts'

let current: Gpu | null = null

/** The device that `tensor()` and layers use; `open()` sets it. */
export function setDefaultGpu(gpu: Gpu | null): void {
  current = gpu
}

/** Throws an Error when no device has been opened. */
export function defaultGpu(): Gpu {
  if (!current) throw new Error('no device is open; call `await open()` first')
  return current
}
