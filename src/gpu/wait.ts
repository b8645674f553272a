// Waiting for the device without taking a core from a driver that computes on the processor.
const SHORTEST_LIMIT_MS = 4
const LONGEST_LIMIT_MS = 1000

/**
 * Waiting for the device. While a promise of the device is pending, Node's binding polls it without pause; where the
 * processor is the device that takes a core from the kernels. So on such adapters the first part of the expected time
 * is slept, and only then the promise is asked for.
 */
export class Waiter {
  readonly #sleeps: boolean
  #dispatchesAtLast = 0
  #perDispatch = 0
  /**
   * What a sleep may last. It doubles where it cut a sleep short and the rest of the wait was longer, so that one slow
   * dispatch does not set it, and falls to a quarter where it let the work be overslept.
   */
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
    if (overslept) this.#limit = Math.max(SHORTEST_LIMIT_MS, Math.min(this.#limit, rest) / 4)
    else if (rest === this.#limit && end - asked > rest) this.#limit = Math.min(LONGEST_LIMIT_MS, 2 * this.#limit)
    const measured = overslept ? this.#perDispatch / 2 : (end - start) / count
    this.#perDispatch = Math.min(measured, 0.5 * (this.#perDispatch + measured))
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
