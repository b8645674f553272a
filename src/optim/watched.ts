// The watch that optimizers note in where their step is not given one: that of a run whose steps the user writes.
import type { Tensor } from '../tensor/tensor.ts'

/** A watch, and the parameters by whose places it numbers what it notes. */
export interface Watched {
  readonly watch: Tensor
  readonly parameters: readonly Tensor[]
}

let current: Watched | null = null

/** The watch in force, if there is one. */
export function watched(): Watched | null {
  return current
}

/** Runs `fn`, in which every optimizer of these parameters notes what is not finite. */
export function watching<T>(given: Watched, fn: () => T): T {
  const before = current
  current = given
  try {
    return fn()
  } finally {
    current = before
  }
}
