// Measures a training step of all contestants, and compares their losses.
import { compare, type Lane, type Timed } from './compare.ts'
import type { Contestant, Rest, Trainer } from './contestant.ts'
import { countDispatches } from './host.ts'
import { type Description, PROBLEMS, type Problem } from './problems.ts'
import { type Torch, torch } from './torch.ts'

export type Key = 'dawngrad' | 'tfjs' | 'jaxjs'
export type Contestants = ReadonlyMap<Key, Contestant>
export type Failed = (what: string, error: unknown) => void

export interface StepRow extends Timed {
  readonly key: Key
  /** The first losses, each from before its update. */
  readonly losses: readonly number[]
  readonly dispatches: number
  /** Milliseconds until the first step was done, compiling included. */
  readonly firstMs: number
  /** On an adapter that computes on the processor: the same while the thread sleeps instead of polling. */
  readonly rested: Timed | null
}

export interface StepResult {
  readonly problem: Problem
  readonly rows: readonly StepRow[]
  readonly torch: Torch | null
}

/** What `--filter` looks at, and what a failure names. */
export const titleOf = ({ name }: Pick<Description, 'name'>): string => `step ${name}`

/** The steps whose title contains a text. */
export const chosenSteps = (filter: string): Description[] =>
  PROBLEMS.filter((description) => titleOf(description).includes(filter))

const CHECKED_STEPS = 4
const SAMPLE_MS = 250
const TOTAL_MS = 60_000

const awake: Rest = async () => undefined

/** Trains a problem's network with every contestant from the same weights on the same batch; the first losses must agree. */
export async function step(
  contestants: Contestants,
  problem: Problem,
  rounds: number,
  rests: boolean,
  failed: Failed,
): Promise<StepResult> {
  const what = titleOf(problem)
  const started = new Map<Key, { trainer: Trainer; losses: number[]; dispatches: number; firstMs: number }>()
  let wanted: readonly number[] | null = null
  for (const [key, contestant] of contestants) {
    try {
      const start = performance.now()
      const trainer = await contestant.trainer(problem)
      const losses = [await trainer.run(1, awake)]
      const firstMs = performance.now() - start
      while (losses.length < CHECKED_STEPS) losses.push(await trainer.run(1, awake))
      wanted ??= losses
      checkLosses(losses, wanted, problem)
      const dispatches = await countDispatches(() => trainer.run(1, awake))
      started.set(key, { trainer, losses, dispatches, firstMs })
    } catch (error) {
      failed(`${what}, ${contestant.title}`, error)
    }
  }
  const lanes = [...started].flatMap(([key, { trainer }]): Lane[] => {
    const run: Lane['run'] = (n, rest) => trainer.run(n, rest)
    const lane = { key, rests: false, run }
    return rests && key !== 'dawngrad' ? [lane, { key: `${key} rested`, rests: true, run }] : [lane]
  })
  const options = { rounds, sampleMs: SAMPLE_MS, fewest: 2, totalMs: TOTAL_MS }
  const times = await compare(lanes, options, (key, error) => failed(`${what}, ${key}`, error))
  const rows = [...started].flatMap(([key, { trainer, ...about }]): StepRow[] => {
    trainer.dispose()
    const timed = times.get(key)
    return timed ? [{ key, ...about, ...timed, rested: times.get(`${key} rested`) ?? null }] : []
  })
  return { problem, rows, torch: measureTorch(problem, rounds, wanted, failed) }
}

/** Throws an Error unless these losses are those of dawngrad, within the problem's bound. */
function checkLosses(losses: readonly number[], wanted: readonly number[], { tolerance }: Problem): void {
  for (const [i, loss] of losses.entries()) {
    if (Math.abs(loss - wanted[i]!) <= tolerance * wanted[i]!) continue
    throw new Error(`the losses of the first steps are ${losses.join(', ')}, they must be ${wanted.join(', ')}`)
  }
}

function measureTorch(
  problem: Problem,
  samples: number,
  wanted: readonly number[] | null,
  failed: Failed,
): Torch | null {
  try {
    const found = torch(problem, samples)
    if (!found) return null
    const right = found.runs.filter(({ name, losses, error }) => {
      try {
        if (!losses) throw new Error(error)
        if (wanted) checkLosses(losses, wanted, problem)
        return true
      } catch (reason) {
        failed(`${titleOf(problem)}, PyTorch ${name}`, reason)
        return false
      }
    })
    return { ...found, runs: right }
  } catch (error) {
    failed(`${titleOf(problem)}, PyTorch`, error)
    return null
  }
}
