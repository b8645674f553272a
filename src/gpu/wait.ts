const SHORTEST_LIMIT_MS = 4

/**
 * Waiting for the device. While a promise of the device is pending, Node's binding polls it without pause; where the
 * processor is the device that takes a core from the kernels. So on such adapters the first part of the expected time
 * is slept, and only then the promise is asked for.
 */
export class Waiter {
  readonly #sleeps: boolean
  #dispatchesAtLast = 0
  #perDispatch = 0
  /** What a sleep may last. It doubles where the rest of a wait was longer, so one slow dispatch does not set it. */
  #limit = SHORTEST_LIMIT_MS

  constructor(sleeps: boolean) {
    this.#sleeps = sleeps
  }

  /**
   * Waits for `done()`, given the number of dispatches recorded since the device was opened. Stops sleeping early when
   * `stop` says that there is nothing to wait for.
   */
  async wait(dispatches: number, done: () => Promise<unknown>, stop: () => boolean = () => false): Promise<void> {
    const count = dispatches - this.#dispatchesAtLast
    this.#dispatchesAtLast = dispatches
    if (!this.#sleeps || count === 0) {
      await done()
      return
    }
    const start = performance.now()
    const rest = Math.min(0.85 * this.#perDispatch * count, this.#limit)
    for (let left = rest; left > 2 && !stop(); left = rest - (performance.now() - start))
      await sleep(Math.min(left, 50))
    const asked = performance.now()
    await done()
    const end = performance.now()
    // Done as soon as asked: it was overslept by an unknown time. Sleeping too long wastes time, too short only a little of
    // a core, so the estimates fall faster than they rise.
    const overslept = rest > 2 && end - asked < 1
    if (overslept && rest === this.#limit) this.#limit = Math.max(SHORTEST_LIMIT_MS, this.#limit / 2)
    if (end - asked > rest) this.#limit *= 2
    const measured = overslept ? this.#perDispatch / 2 : (end - start) / count
    this.#perDispatch = Math.min(measured, 0.5 * (this.#perDispatch + measured))
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
