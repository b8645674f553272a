// Feeds the page of `train --live` from a training run.
import process from 'node:process'
import { type LiveRunInfo, LiveServer, type LiveState } from '../node/live.ts'
import type { HistoryRecord } from '../train/index.ts'
import { UsageError } from './options.ts'

/** A run as its page shows it: the records with clock figures. */
export class LiveRun {
  readonly #server: LiveServer
  readonly #steps: number
  readonly #now: () => number
  readonly #began: number
  /** Updates and images of this process, the time of the newest update, and the time of the last record's figures. */
  #updates = 0
  #images = 0
  #batchAt: number
  #recordAt: number

  private constructor(server: LiveServer, steps: number, now: () => number) {
    this.#server = server
    this.#steps = steps
    this.#now = now
    this.#began = this.#batchAt = this.#recordAt = now()
  }

  /**
   * Opens the page, and prints its address.
   *
   * @param port 0 for any free port
   * @param records the records of the run before it was resumed
   */
  static async start(
    info: LiveRunInfo,
    port: number,
    records: readonly HistoryRecord[],
    now = () => performance.now(),
  ): Promise<LiveRun> {
    const server = await LiveServer.open(info, port).catch((error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'is taken' : `can't be used (${error.code})`
      throw new UsageError(`option '--live': port ${port} of 127.0.0.1 ${why}; leave the number out to use a free port`)
    })
    for (const record of records) server.record(record, { imagesPerSecond: null, secondsLeft: null })
    process.stdout.write(`live: ${server.url}\n`)
    return new LiveRun(server, info.epochs * info.stepsPerEpoch, now)
  }

  get url(): string {
    return this.#server.url
  }

  /** Call it after every update; it only counts. */
  batch(images: number): void {
    this.#updates++
    this.#images += images
    this.#batchAt = this.#now()
  }

  record(record: HistoryRecord): void {
    const seconds = (this.#batchAt - this.#recordAt) / 1000
    const imagesPerSecond = this.#images > 0 && seconds > 0 ? this.#images / seconds : null
    const now = this.#now()
    const secondsLeft =
      this.#updates > 0 ? ((now - this.#began) / 1000 / this.#updates) * (this.#steps - record.step) : null
    this.#server.record(record, { imagesPerSecond, secondsLeft })
    this.#images = 0
    // The record of an epoch comes after its evaluation, which must not count in the speed of the next epoch.
    this.#recordAt = record.kind === 'epoch' ? now : this.#batchAt
  }

  /** Tells the page how the run ended, and closes it. */
  async end(state: LiveState, text: string): Promise<void> {
    await this.#server.end(state, text)
  }
}
