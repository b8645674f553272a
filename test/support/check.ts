// Comparing tensors with the reference, and their bits.
import { expect } from 'vitest'
import { expectClose } from './close.ts'
import { type Gpu, type Tensor, tensor, values } from './gpu.ts'
import type { Ref, Result } from './ref.ts'

/** Holds a tensor to the oracle's: the shape, and every element within its bound. */
export async function expectTensor(t: Tensor | null, expected: Result, what: string): Promise<void> {
  expect(t?.shape, `${what}: shape`).toEqual(expected.shape)
  expectClose(await values(t), expected, expected.bound, what)
}

/** Holds a tensor to values that float32 must meet exactly. */
export async function expectExact(t: Tensor | null, expected: Ref, what: string): Promise<void> {
  expect(t?.shape, `${what}: shape`).toEqual(expected.shape)
  expectClose(await values(t), expected, () => 0, what)
}

/** The two ways in which a result is held to the oracle: by its bound, or exactly (for small integers). */
export type Hold = (t: Tensor | null, expected: Result, what: string) => Promise<void>

/** A float32 tensor of these values. */
export function tensorOf({ shape, data }: Ref, gpu?: Gpu): Tensor {
  return tensor(Float32Array.from(data), shape, gpu ? { gpu } : {})
}

/** The bit patterns of a tensor's values: equal only if the values are the same to the last bit. */
export async function bitsOf(t: Tensor | null): Promise<Uint32Array> {
  const data = await values(t)
  return new Uint32Array(data.buffer, data.byteOffset, data.length)
}

/** Σ a·b in float64. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/** Σ |a|·b in float64: how far ⟨a, x⟩ may be off when every x is off by at most b. */
export function spread(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]!) * b[i]!
  return sum
}

export function dispose(...tensors: (Tensor | null)[]): void {
  for (const t of tensors) t?.dispose()
}
