// The search of `dawngrad tune`.

import { GpuError } from '../gpu/errors.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { keyOf, setTuned } from '../kernels/tuned.ts'
import type { Numbers } from '../kernels/tuning.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { inputsOf, openSide, type Side, type TuneCase } from './cases.ts'
import { kernelHash, machineOf, TUNING_FORMAT, type Tuning, type TuningEntry } from './file.ts'
import { TUNABLES, type Tunable } from './spaces.ts'

/** A smaller gain is noise, or not worth an entry. */
const LEAST_GAIN = 0.05
/** Samples of each side, alternating: to look for the best candidate, and to confirm it. */
const SEARCHED = 3
const CONFIRMED = 7
/** The least duration of a sample, in milliseconds. */
const SAMPLE_MS = 15
/** A candidate whose first sample takes so many times the table's is dropped. */
const HOPELESS = 1.3

export interface Refused {
  readonly tune: Numbers
  readonly why: string
}

/** What the search found for one kernel at one shape. */
export interface Finding {
  readonly kernel: string
  readonly label: string
  /** The number of candidates, and how many were tried before the time ran out. */
  readonly candidates: number
  readonly tried: number
  readonly refused: readonly Refused[]
  readonly standard: Numbers
  /** The settings of the best candidate; those of the table if none gains enough. */
  readonly best: Numbers
  /** Median milliseconds of one run; equal if the table's settings are the best. */
  readonly defaultMs: number
  readonly ms: number
}

export interface TuneOptions {
  readonly gpu: Gpu
  readonly cases: readonly TuneCase[]
  /** The version of the package, for the file. */
  readonly version: string
  /** No candidate is started after so many seconds. */
  readonly budget: number
  /** Search only kernels whose name contains this; default: all. */
  readonly filter?: string
  readonly tunables?: readonly Tunable[]
  readonly onFinding?: (finding: Finding) => void
}

export interface TuneResult {
  readonly tuning: Tuning
  /** The number of pairs of kernel and shape, and how many were searched completely. */
  readonly pairs: number
  readonly searched: number
}

/**
 * Looks for faster settings than the table's. A candidate is refused unless it gives the table's results bit for bit; then
 * it is timed in turns with the table's. Tunings set on the device are removed. Throws GpuError if the device fails.
 */
export async function tune(options: TuneOptions): Promise<TuneResult> {
  const { gpu, cases, version, budget, filter = '', tunables = TUNABLES, onFinding } = options
  const end = performance.now() + 1000 * budget
  const entries: TuningEntry[] = []
  const pairs = cases.flatMap((one) =>
    tunables
      .filter(({ kernel }) => kernel.includes(filter) && Object.hasOwn(one.kernels, kernel))
      .map((tunable) => ({ one, tunable })),
  )
  let searched = 0
  try {
    for (const { one, tunable } of pairs) {
      if (performance.now() > end) break
      const finding = await search(gpu, one, tunable, end)
      if (finding.tried === finding.candidates) searched++
      onFinding?.(finding)
      const { kernel, best, standard, ms, defaultMs } = finding
      if (best === standard) continue
      const hash = await kernelHash(tunable)
      entries.push({ kernel, shape: one.shape, kernelHash: hash, tune: best, ms, defaultMs })
    }
  } finally {
    setTuned(gpu, new Map())
  }
  return { tuning: { format: TUNING_FORMAT, ...machineOf(gpu), version, entries }, pairs: pairs.length, searched }
}

async function search(gpu: Gpu, one: TuneCase, tunable: Tunable, end: number): Promise<Finding> {
  const { kernel } = tunable
  const { adapterClass } = gpu.info
  const standard = tunable.standard(one.shape, adapterClass)
  const candidates = tunable.candidates(one.shape, adapterClass)
  const wanted = one.kernels[kernel]!
  const inputs = inputsOf(gpu, one.shapes, wanted)
  const open = (numbers: Numbers | null): Contender => {
    const chosen = new Map(numbers ? [[keyOf(kernel, one.shape), numbers]] : [])
    setTuned(gpu, chosen)
    return { side: openSide(one, inputs, wanted), chosen }
  }
  const table = open(null)
  const refused: Refused[] = []
  let best: (Times & { numbers: Numbers }) | null = null
  let tried = 0
  try {
    const right = await resultOf(gpu, table)
    const runs = await calibrate(gpu, table)
    const alone = await sample(gpu, table, runs)
    for (const numbers of candidates) {
      if (performance.now() > end) break
      tried++
      const contender = await contend(gpu, () => open(numbers), right)
      if (typeof contender === 'string') {
        refused.push({ tune: numbers, why: contender })
        continue
      }
      const times = await compare(gpu, table, contender, { runs, samples: SEARCHED })
      contender.side.dispose()
      if (times && (!best || times.ms / times.defaultMs < best.ms / best.defaultMs)) best = { numbers, ...times }
    }
    const base = { kernel, label: one.label, candidates: candidates.length, tried, refused, standard }
    const confirmed = best && gains(best) ? await confirm(gpu, table, open(best.numbers), runs) : null
    if (!best || !confirmed) return { ...base, best: standard, defaultMs: alone, ms: alone }
    const { defaultMs, ms } = confirmed
    return { ...base, best: best.numbers, defaultMs, ms }
  } finally {
    table.side.dispose()
    for (const t of inputs) t.dispose()
  }
}

/** One kernel of a case, with its tuning. */
interface Contender {
  readonly side: Side
  readonly chosen: ReadonlyMap<string, Numbers>
}

/** Medians, and the ratio of the fastest samples: on a busy machine one of them alone may be luck. */
export interface Times {
  readonly defaultMs: number
  readonly ms: number
  readonly ratioOfFastest: number
}

/** Whether a candidate is faster than the table by enough, in both measures. */
export function gains({ ms, defaultMs, ratioOfFastest }: Times): boolean {
  return ms <= (1 - LEAST_GAIN) * defaultMs && ratioOfFastest <= 1 - LEAST_GAIN
}

async function confirm(gpu: Gpu, table: Contender, contender: Contender, runs: number): Promise<Times | null> {
  const times = await compare(gpu, table, contender, { runs, samples: CONFIRMED })
  contender.side.dispose()
  return times && gains(times) ? times : null
}

/** The candidate if its results are right; otherwise the reason for its refusal. */
async function contend(gpu: Gpu, open: () => Contender, right: readonly Uint32Array[]): Promise<Contender | string> {
  let contender: Contender | null = null
  try {
    contender = open()
    const difference = differenceOf(await resultOf(gpu, contender), right)
    if (difference === null) return contender
    contender.side.dispose()
    return difference
  } catch (error) {
    // A candidate that this adapter cannot compile, or has no room for, is refused.
    if (!(error instanceof GpuError) || !['validation', 'out-of-memory'].includes(error.kind)) throw error
    contender?.side.dispose()
    return error.message
  }
}

async function resultOf(gpu: Gpu, { side, chosen }: Contender): Promise<Uint32Array[]> {
  setTuned(gpu, chosen)
  const results = side.run()
  try {
    return await Promise.all(results.map(async (t) => new Uint32Array((await t.data()).slice().buffer as ArrayBuffer)))
  } finally {
    for (const t of results) t.dispose()
  }
}

/** The difference between bits, in words; null if there is none. */
function differenceOf(actual: readonly Uint32Array[], right: readonly Uint32Array[]): string | null {
  let count = 0
  let all = 0
  let first = ''
  actual.forEach((bits, i) => {
    all += bits.length
    bits.forEach((word, at) => {
      if (word === right[i]![at]) return
      count++
      if (count > 1) return
      const [found, wanted] = new Float32Array(Uint32Array.of(word, right[i]![at]!).buffer)
      first = `the first, at ${at}: ${found} instead of ${wanted}`
    })
  })
  return count === 0 ? null : `${count} of ${all} values differ from the table's, ${first}`
}

/** Milliseconds of one run: the average of so many between two fences. */
async function sample(gpu: Gpu, { side, chosen }: Contender, runs: number): Promise<number> {
  setTuned(gpu, chosen)
  const start = performance.now()
  let last: Tensor[] = []
  for (let i = 0; i < runs; i++) {
    for (const t of last) t.dispose()
    last = side.run()
  }
  await gpu.read(last[0]!.storage, 4)
  const ms = (performance.now() - start) / runs
  for (const t of last) t.dispose()
  return ms
}

/** The number of runs that make a sample long enough. */
async function calibrate(gpu: Gpu, table: Contender): Promise<number> {
  await sample(gpu, table, 1)
  const once = await sample(gpu, table, 1)
  return Math.max(1, Math.min(200, Math.ceil(SAMPLE_MS / once)))
}

/** The medians of both sides, timed in turns; null if the candidate is clearly slower. */
async function compare(
  gpu: Gpu,
  table: Contender,
  contender: Contender,
  { runs, samples }: { runs: number; samples: number },
): Promise<Times | null> {
  await sample(gpu, contender, 1) // compiled, but not yet warm
  const times: Pick<Times, 'defaultMs' | 'ms'>[] = []
  for (let i = 0; i < samples; i++) {
    const one = { defaultMs: await sample(gpu, table, runs), ms: await sample(gpu, contender, runs) }
    if (i === 0 && one.ms > HOPELESS * one.defaultMs) return null
    times.push(one)
  }
  const [before, after] = [times.map((one) => one.defaultMs), times.map((one) => one.ms)]
  return { defaultMs: median(before), ms: median(after), ratioOfFastest: Math.min(...after) / Math.min(...before) }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}
