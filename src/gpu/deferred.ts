import type { Storage } from './pool.ts'

/** One result: at i, the sum over k < parts of the partial sums at `at + i + k * stride`, in order. Places count floats. */
export interface DeferredSum {
  readonly storage: Storage
  readonly at: number
  readonly stride: number
}

/**
 * The last step of a computation by partial sums, put off until somebody needs the results: an optimiser that comes before
 * that adds them up itself, which saves a dispatch. It holds the memory that it needs.
 */
export class DeferredSums {
  readonly sums: Storage
  readonly parts: number
  readonly results: readonly DeferredSum[]
  readonly #dispatch: () => void

  /** @param dispatch makes all results */
  constructor(sums: Storage, parts: number, results: readonly DeferredSum[], dispatch: () => void) {
    this.sums = sums
    this.parts = parts
    this.results = results
    this.#dispatch = dispatch
    for (const storage of this.#storages()) storage.retain()
  }

  /** Whether a dispatch that is bound to this storage must wait for the results. */
  concerns(bound: Storage): boolean {
    return this.#storages().some((storage) => storage === bound || storage.whole === bound)
  }

  /** Makes the results in a dispatch of its own. */
  run(): void {
    try {
      this.#dispatch()
    } finally {
      this.release()
    }
  }

  /** Lets go of the memory: the results are made, or nobody wants them. */
  release(): void {
    for (const storage of this.#storages()) storage.release()
  }

  #storages(): Storage[] {
    return [this.sums, ...this.results.map(({ storage }) => storage)]
  }
}
