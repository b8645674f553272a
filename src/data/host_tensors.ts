// Tensors' values taken to the host, and tensors made of such values.
import type { Gpu } from '../gpu/gpu.ts'
import { tensor } from '../tensor/create.ts'
import { scope } from '../tensor/scope.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { HostTensor } from './safetensors.ts'

/** The values of tensors. A sync point. */
export async function toHost(tensors: Iterable<readonly [string, Tensor]>): Promise<Map<string, HostTensor>> {
  const read = async ([name, t]: readonly [string, Tensor]) => {
    return [name, { dtype: t.dtype, shape: t.shape, data: await t.data() }] as const
  }
  return new Map(await Promise.all(Array.from(tensors, read)))
}

/** Tensors with these values, which live until they are disposed. Where one can't be made, none is left. */
export function toDevice(tensors: ReadonlyMap<string, HostTensor>, gpu?: Gpu): Map<string, Tensor> {
  const made = scope(() => {
    const make = ([name, { dtype, shape, data }]: readonly [string, HostTensor]) =>
      [name, tensor(data, shape, { dtype, name, ...(gpu && { gpu }) })] as const
    return new Map(Array.from(tensors, make))
  })
  for (const t of made.values()) t.keep()
  return made
}
