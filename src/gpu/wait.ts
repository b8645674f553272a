/**
 * Waiting for the device. While a promise of the device is pending, Node's binding polls it without pause; where the
 * processor is the device that takes a core from the kernels. So on such adapters the first part of the expected time
 * is slept, and only then the promise is asked for.
 */
export class Waiter {
  readonly #sleeps: boolean
  #dispatchesAtLast = 0
  #perDispatch = 0
  #longest = 0

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
    // Dispatches differ: however many they are, no sleep is more than twice as long as the longest wait so far.
    const rest = Math.min(0.85 * this.#perDispatch * count, 2 * this.#longest)
    for (let left = rest; left > 2 && !stop(); left = rest - (performance.now() - start))
      await sleep(Math.min(left, 50))
    const asked = performance.now()
    await done()
    const end = performance.now()
    this.#longest = Math.max(this.#longest, end - start)
    // Done as soon as asked: it was overslept by an unknown time. Sleeping too long wastes time, too short only a little of
    // a core, so the estimate falls fast and rises slowly.
    const overslept = rest > 2 && end - asked < 1
    const measured = overslept ? this.#perDispatch / 4 : (end - start) / count
    this.#perDispatch = Math.min(measured, 0.5 * (this.#perDispatch + measured))
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
