// Copies values into tensors that may be sources of others.
import { empty } from './create.ts'
import { scope } from './scope.ts'
import { bytesPerElement, type Tensor } from './tensor.ts'

/** Copies values into tensors, by way of other memory where a value is itself a tensor that is written to. */
export function copyInto(pairs: readonly (readonly [value: Tensor, own: Tensor])[]): void {
  const written = new Set(pairs.map(([, own]) => own.storage))
  scope(() => {
    const sources = pairs.map(([value, own]) => {
      if (value.storage === own.storage || !written.has(value.storage)) return value
      const copy = empty(value.gpu, value.shape, value.dtype, 'copy', value.gpu.pool.largestInParts)
      copy.storage.integerRange = value.storage.integerRange
      value.gpu.copy(value.storage, copy.storage, bytesPerElement[value.dtype] * value.size)
      return copy
    })
    pairs.forEach(([, own], i) => {
      const source = sources[i]!
      if (source.storage === own.storage) return
      own.gpu.copy(source.storage, own.storage, bytesPerElement[own.dtype] * own.size)
      own.storage.integerRange = source.storage.integerRange
      own.storage.version++
    })
  })
}
