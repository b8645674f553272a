/**
 * Waiting for the device. While a promise of the device is pending, Node's binding polls it without pause; where the
 * processor is the device that takes a core from the kernels. So on such adapters the first part of the expected time
 * is slept, and only then the promise is asked for.
 */
export class Waiter {
  readonly #sleeps: boolean
  #dispatchesAtLast = 0
  #perDispatch = 0

  constructor(sleeps: boolean) {
    this.#sleeps = sleeps
  }

  /** Waits for `done()`, given the number of dispatches recorded since the device was opened. */
  async wait(dispatches: number, done: () => Promise<unknown>): Promise<void> {
    const count = dispatches - this.#dispatchesAtLast
    const start = performance.now()
    if (this.#sleeps && count > 0) {
      const rest = 0.85 * this.#perDispatch * count
      for (let left = rest; left > 2; left = rest - (performance.now() - start)) await sleep(Math.min(left, 50))
    }
    await done()
    this.#dispatchesAtLast = dispatches
    // The smaller of the two estimates wins at once, the larger slowly: sleeping too long wastes time, too short only
    // wastes a little of a core.
    const measured = count > 0 ? (performance.now() - start) / count : this.#perDispatch
    this.#perDispatch = Math.min(measured, 0.5 * (this.#perDispatch + measured))
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
