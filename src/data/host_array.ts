// An array outside the GPU: numbers and a shape.
import type { Shape } from '../tensor/shape.ts'
import type { TypedArray } from '../tensor/tensor.ts'

/** Numbers outside the GPU: `data` has the elements of `shape` in row-major order. `tensor(data, shape)` brings it onto the GPU. */
export interface HostArray<T extends TypedArray = TypedArray> {
  /** As many elements as `shape` has. */
  readonly data: T
  /** The sizes, rows first: [N, …] of N examples. */
  readonly shape: Shape
}

/** The size of an array in elements, or null if it overflows: a size of 0 must not hide that of the others. */
export function countOf(shape: Shape, bytesPerElement = 1): number | null {
  // A product of integers that was rounded exceeds 2^53.
  const capacity = shape.reduce((product, size) => product * Math.max(size, 1), bytesPerElement)
  if (capacity > Number.MAX_SAFE_INTEGER) return null
  return shape.includes(0) ? 0 : capacity / bytesPerElement
}
