// The gradient of a scalar with respect to itself: one 1 a device, which everybody can recognise.
import type { Gpu } from '../gpu/gpu.ts'
import type { Storage } from '../gpu/pool.ts'
import type { Tensor } from './tensor.ts'

const ones = new WeakMap<Gpu, Storage>()

/** The device's 1. Nobody may write to it. */
export function oneOf(gpu: Gpu): Storage {
  const found = ones.get(gpu)
  if (found) return found
  // Made once, whoever asks: in a function that is captured it is not part of the step.
  const made = gpu.during(null, () => {
    const storage = gpu.pool.acquire(4, 'the gradient 1')
    gpu.write(storage, Float32Array.of(1))
    return storage
  })
  ones.set(gpu, made)
  return made
}

/** Whether a gradient is that 1: then a gradient that forward computed for it is right as it is. */
export function isOne(dy: Tensor): boolean {
  return dy.storage === ones.get(dy.gpu)
}
