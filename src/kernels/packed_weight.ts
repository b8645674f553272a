import type { Gpu } from '../gpu/gpu.ts'
import { PackedCopy } from '../gpu/packed_copy.ts'
import type { Storage } from '../gpu/pool.ts'
import { isCapturing, takePart } from '../tensor/capture.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** The order in which a kernel reads a weight. */
export interface Layout {
  /** The kernel and the numbers that the order depends on. */
  readonly name: string
  /** Bytes of the packed weight, slack included. */
  readonly bytes: number
  /** Two places for each element of the weight, counted in floats. */
  readonly places: () => Uint32Array
}

/**
 * A parameter's packed copy, which its optimiser keeps, with the values of now; null for a weight that no optimiser
 * updates, or that has a copy in another order, or for want of memory. `pack` dispatches the packing.
 */
export function packedCopy(gpu: Gpu, weight: Tensor, layout: Layout, pack: (into: Storage) => void): Storage | null {
  const { storage } = weight
  storage.copy ??= newCopy(gpu, weight, layout)
  const { copy } = storage
  if (copy?.layout !== layout.name) return null
  const refresh = () => {
    if (copy.version === storage.version) return
    pack(copy.storage)
    copy.version = storage.version
  }
  if (gpu.warmingUp) pack(copy.storage)
  else if (!isCapturing(gpu)) refresh()
  else {
    // In a plan the optimiser keeps the copy; before a run what was done to the parameter elsewhere is made up for.
    gpu.during(null, refresh)
    takePart(copy, { takesRates: false, check: () => undefined, before: refresh, after: () => undefined })
  }
  return copy.storage
}

function newCopy(gpu: Gpu, { storage, place }: Tensor, { name, bytes, places }: Layout): PackedCopy | null {
  if (!place || !storage.copyable) return null
  const memory = gpu.during(null, () => place.copy(bytes))
  return memory && new PackedCopy(memory, name, places())
}
