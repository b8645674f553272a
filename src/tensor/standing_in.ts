// Which averages stand in the place of which tensors, for all who would write to these.
import type { Storage } from '../gpu/pool.ts'
import type { Tensor } from './tensor.ts'

/** Whose averages lie in a tensor's memory now: as errors name them. */
const standingIn = new WeakMap<Storage, string>()

/** Notes that the averages of `owner` lie in the place of tensors; null: that they are back. */
export function standIn(owner: string | null, tensors: readonly Tensor[]): void {
  for (const { storage } of tensors) {
    if (owner === null) standingIn.delete(storage)
    else standingIn.set(storage, owner)
  }
}

/** Throws an Error where averages stand in the place of a tensor. `fate` is what would become of them. */
export function checkInPlace(
  operation: string,
  tensors: readonly Tensor[],
  fate: 'trained' | 'overwritten' | 'averaged' | 'exchanged',
): void {
  for (const t of tensors) {
    const owner = standingIn.get(t.storage)
    if (owner === undefined) continue
    throw new Error(
      `${operation}: the averages of ${owner} stand in the place of ${t.label}, and would be ${fate}; swap() them back first`,
    )
  }
}
