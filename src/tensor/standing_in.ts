// Which averages stand in the place of which tensors, for all who would write to these.
import type { Storage } from '../gpu/pool.ts'
import type { Tensor } from './tensor.ts'

/** Whose averages lie in a tensor's memory now: as errors name them. */
const standingIn = new WeakMap<Storage, string>()

/** How many of a memory's writes in place were exchanges with averages. */
const exchanges = new WeakMap<Storage, number>()

/** Notes that the averages of `owner` lie in the place of tensors; null: that they are back. */
export function standIn(owner: string | null, tensors: readonly Tensor[]): void {
  for (const { storage } of tensors) {
    if (owner === null) standingIn.delete(storage)
    else standingIn.set(storage, owner)
    exchanges.set(storage, (exchanges.get(storage) ?? 0) + 1)
  }
}

/** Writes of a tensor in place so far, except exchanges with averages: what was there is there again afterwards. */
export function timesWritten({ storage }: Tensor): number {
  return storage.version - (exchanges.get(storage) ?? 0)
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
