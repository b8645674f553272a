import type { Storage } from './pool.ts'

/**
 * A parameter's values once more, in the order in which a kernel reads them. The optimiser that updates the parameter
 * writes both, so that nothing is packed from step to step.
 */
export class PackedCopy {
  /** How often a copy was made or dropped: what is kept from step to step has changed. */
  static changes = 0
  readonly storage: Storage
  /** The kernel and the numbers that the order depends on. */
  readonly layout: string
  /** Two places for each element, counted in floats from the start. */
  readonly places: Uint32Array
  /** The version of the parameter whose values it has; another one's are to be packed anew. */
  version = -1

  constructor(storage: Storage, layout: string, places: Uint32Array) {
    this.storage = storage
    this.layout = layout
    this.places = places
    PackedCopy.changes++
  }

  /** Where it begins in the memory that it is a part of, counted in floats. */
  get at(): number {
    return this.storage.offset / 4
  }

  /** Lets go of its memory; its content is out of date. */
  drop(): void {
    PackedCopy.changes++
    this.version = -1
    this.storage.release()
  }
}
