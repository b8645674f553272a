// Memory that is larger than a binding may be: kernels are given it part by part.
import type { Gpu } from '../gpu/gpu.ts'
import type { Storage } from '../gpu/pool.ts'
import { ELEMENTS_A_WORKGROUP } from './support.ts'

/** Elements of four bytes: `count` of a storage from `first` on, a multiple of 64, where a binding may begin. */
export type PartOf = readonly [storage: Storage, first: number, count: number]

/** Lends parts of storages. */
export function withParts(wanted: readonly PartOf[], use: (parts: readonly Storage[]) => void): void {
  const parts = wanted.map(([storage, first, count]) => storage.part(4 * first, 4 * count))
  try {
    use(parts)
  } finally {
    for (const part of parts) part.release()
  }
}

/** A storage that pieces lie in, and the element of it with which a piece begins. */
export type Place<P> = readonly [storage: Storage, at: (piece: P) => number]

/** Elements of a piece that a kernel is given at a time: `count` from its element `first` on. */
export interface Window {
  readonly first: number
  readonly count: number
}

/**
 * Calls `use` with all pieces and the storages that they lie in, or, where one of these is larger than a binding, once for
 * every window of every piece, with the parts that hold it. `cut` gives the piece
 * of a window, which begins at 0 in every part. A window has whole rows of tables.
 */
export function inWindows<P extends { readonly size: number }>(
  gpu: Gpu,
  pieces: readonly P[],
  places: readonly Place<P>[],
  cut: (piece: P, window: Window) => P,
  use: (pieces: readonly P[], storages: readonly Storage[]) => void,
): void {
  const { largest } = gpu.pool
  const storages = places.map(([storage]) => storage)
  if (storages.every(({ byteLength }) => byteLength <= largest)) {
    use(pieces, storages)
    return
  }
  const most = ELEMENTS_A_WORKGROUP * Math.floor(largest / (4 * ELEMENTS_A_WORKGROUP))
  for (const piece of pieces) {
    for (let first = 0; first < piece.size; first += most) {
      const window = { first, count: Math.min(most, piece.size - first) }
      const parts = places.map(([storage, at]): PartOf => [storage, at(piece) + first, window.count])
      withParts(parts, (own) => use([cut(piece, window)], own))
    }
  }
}
