// Times GPU work by the wall clock: fences, samples and medians.
import type { Gpu } from '../src/gpu/gpu.ts'
import { tensor } from '../src/tensor/create.ts'
import type { GpuClock } from './clock.ts'

/** Waits until everything recorded so far has run. */
export interface Fence {
  wait(): Promise<void>
  /** Milliseconds of a fence with nothing before it, the median of several. */
  readonly ms: number
  dispose(): void
}

/** A fence is a read-back of four bytes. */
export async function openFence(gpu: Gpu): Promise<Fence> {
  const word = tensor(new Int32Array(1), [1], { gpu, name: 'fence' }).keep()
  const wait = async () => {
    await gpu.read(word.storage, 4)
  }
  const times: number[] = []
  for (let i = 0; i < 15; i++) {
    const start = performance.now()
    await wait()
    times.push(performance.now() - start)
  }
  return { wait, ms: median(times), dispose: () => word.dispose() }
}

export interface Timing {
  /** Milliseconds of one execution: in the fastest sample, and in the median one. By the device's clock where it has one. */
  readonly minMs: number
  readonly medianMs: number
  /** Milliseconds of one execution by the wall clock, from its recording to the fence. The median. */
  readonly wallMs: number
  /** Milliseconds of one execution spent in JavaScript, recording it; part of `wallMs`. The median. */
  readonly recordMs: number
  readonly samples: number
  readonly executionsPerSample: number
}

export interface MeasureOptions {
  readonly samples: number
  /** A sample has as many executions as fill this time. */
  readonly sampleMs: number
  /** Without a warm-up a sample is a single execution. */
  readonly warmUp: boolean
  /** The device's clock; without it the wall clock counts. */
  readonly clock?: GpuClock | null
}

/** At most this many executions of the smallest kernels lie between two fences. */
const MAX_EXECUTIONS = 20_000
/** With the device's clock, whose query set has room for 2,048 passes. */
const MAX_TIMED_EXECUTIONS = 500

/** Times `run` in samples of several executions between two fences. */
export async function measure(run: () => void, fence: Fence, options: MeasureOptions): Promise<Timing> {
  const { samples, sampleMs, warmUp, clock = null } = options
  const most = clock ? MAX_TIMED_EXECUTIONS : MAX_EXECUTIONS
  await fence.wait()
  let executions = 1
  if (warmUp) {
    for (;;) {
      const total = await settle(() => sample(run, fence, executions))
      if (total >= sampleMs || executions === most) break
      executions = Math.min(most, Math.ceil(executions * Math.min(8, (1.2 * sampleMs) / total)))
    }
  }
  const found: Sample[] = []
  for (let i = 0; i < samples; i++) found.push(await sample(run, fence, executions, clock))
  const each = (pick: (one: Sample) => number) => found.map((one) => pick(one) / executions)
  const times = each(({ total, device }) => device ?? total)
  return {
    minMs: Math.min(...times),
    medianMs: median(times),
    wallMs: median(each(({ total }) => total)),
    recordMs: median(each(({ record }) => record)),
    samples,
    executionsPerSample: executions,
  }
}

interface Sample {
  readonly total: number
  readonly record: number
  /** By the device's clock. */
  readonly device: number | null
}

async function sample(
  run: () => void,
  fence: Fence,
  executions: number,
  clock: GpuClock | null = null,
): Promise<Sample> {
  clock?.start()
  const start = performance.now()
  for (let i = 0; i < executions; i++) run()
  const record = performance.now() - start
  await fence.wait()
  const total = performance.now() - start
  return { total, record, device: (await clock?.stop()) ?? null }
}

/**
 * Warms up: repeats until three samples in a row bring the least time down by no more than 5 %, and returns that time.
 * A fixed number is not enough. While it waits for a driver on the processor, `gpu.read` sleeps for most of the time it
 * expects from the work before; after a slower kernel it takes a while to learn that it sleeps too long.
 */
async function settle(once: () => Promise<Sample>): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let unchanged = 0; unchanged < 3; ) {
    const { total } = await once()
    unchanged = total < 0.95 * least ? 0 : unchanged + 1
    least = Math.min(least, total)
  }
  return least
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
