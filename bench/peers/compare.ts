// Times several libraries in turns, so that a machine's moods hit all of them alike.
import { median } from '../timing.ts'
import type { Rest } from './contestant.ts'

/** Something that is timed in turns with others. */
export interface Lane {
  readonly key: string
  /** Sleep on an adapter that computes on the processor, instead of leaving a core to the binding (contestant.ts). */
  readonly rests: boolean
  run(n: number, rest: Rest): Promise<unknown>
}

export interface Timed {
  /** Milliseconds of one execution: in the fastest sample, and in the median one. */
  readonly minMs: number
  readonly medianMs: number
  readonly samples: number
  readonly executionsPerSample: number
}

export interface CompareOptions {
  /** Samples of each lane, one a round. */
  readonly rounds: number
  /** A sample has as many executions as fill this time, `fewest` at least. */
  readonly sampleMs: number
  readonly fewest: number
  /** Rounds are left out, down to three, where all would take longer than this. */
  readonly totalMs: number
}

const MOST_EXECUTIONS = 1000

/**
 * Times lanes in alternating rounds, so that noise hits all alike. A lane that throws is left out from there on, and
 * `failed` is told.
 */
export async function compare(
  lanes: readonly Lane[],
  { rounds, sampleMs, fewest, totalMs }: CompareOptions,
  failed: (key: string, error: unknown) => void,
): Promise<Map<string, Timed>> {
  const running = new Map<Lane, { n: number; least: number; times: number[] }>()
  for (const lane of lanes) {
    try {
      const least = await warmUp(lane)
      const n = Math.min(MOST_EXECUTIONS, Math.max(fewest, Math.ceil(sampleMs / least)))
      running.set(lane, { n, least, times: [] })
    } catch (error) {
      failed(lane.key, error)
    }
  }
  const round = [...running.values()].reduce((sum, { n, least }) => sum + n * least, 0)
  const count = Math.min(rounds, Math.max(3, Math.floor(totalMs / round)))
  for (let i = 0; i < count; i++) {
    for (const [lane, state] of running) {
      try {
        const ms = await time(lane, state.n, state.least)
        state.times.push(ms)
        state.least = Math.min(state.least, ms)
      } catch (error) {
        running.delete(lane)
        failed(lane.key, error)
      }
    }
  }
  return new Map(
    [...running].map(([{ key }, { n, times }]) => {
      const timed = { minMs: Math.min(...times), medianMs: median(times), samples: count, executionsPerSample: n }
      return [key, timed]
    }),
  )
}

/** Runs single executions, then growing numbers of them, until 0.2 s have gone and the time falls no more. */
async function warmUp(lane: Lane): Promise<number> {
  let least = await time(lane, 1, 0)
  let total = 0
  for (let n = 1, unchanged = 0; unchanged < 2 && total < 3000; n = Math.min(2 * n, Math.ceil(50 / least))) {
    const ms = await time(lane, n, least)
    total += n * ms
    unchanged = ms < 0.9 * least || total < 200 ? 0 : unchanged + 1
    least = Math.min(least, ms)
  }
  return least
}

const word = new Int32Array(new SharedArrayBuffer(4))

/** Milliseconds of one of n executions. `expected`: what one should take at least. */
async function time(lane: Lane, n: number, expected: number): Promise<number> {
  const start = performance.now()
  const rest = async () => {
    if (!lane.rests) return
    await new Promise((resolve) => setImmediate(resolve)) // what was not sent yet is sent
    const left = 0.85 * n * expected - (performance.now() - start)
    // The thread itself must stop: the binding polls in every turn of the event loop.
    if (left > 1) Atomics.wait(word, 0, 0, left)
  }
  await lane.run(n, rest)
  return (performance.now() - start) / n
}
