// What the chapter "Learning Rate Scheduling" of Dive into Deep Learning draws and prints, and the runs that repeat it.
import { join } from 'node:path'
import type { SweepPoint } from '../../src/cli/sweep.ts'
import { DECIDING, SAVING, type TrainOptions } from '../../src/cli/train_options.ts'

export interface Figures {
  readonly trainLoss: number
  readonly trainAcc: number
  readonly testAcc: number
}

/** One policy of the rate: a folder NAME-seed-SEED for each of its seeds. */
export interface Policy {
  readonly name: string
  readonly title: string
  /** Its name in test/reference/curves.json. */
  readonly pytorch: string
  /** What the chapter prints after its one run; null where it has no such run. */
  readonly printed: Figures | null
  readonly seeds: readonly number[]
  /** The options of `train` that make it, besides epochs and seed. */
  readonly options: Partial<TrainOptions>
}

/** How long the runs are. */
export interface Length {
  readonly epochs: number
  readonly limitTrain?: number | undefined
  readonly limitTest?: number | undefined
}

export const FULL: Length = { epochs: 30 }

export function isShortened({ epochs, limitTrain, limitTest }: Length): boolean {
  return epochs !== FULL.epochs || limitTrain !== undefined || limitTest !== undefined
}

const AFTER = { lrTiming: 'after-epoch' } as const
const COSINE = 'cosine(maxUpdate=20, baseLr=0.3, finalLr=0.01)'
const WARMUP_COSINE = 'cosine(maxUpdate=20, baseLr=0.3, finalLr=0.01, warmupSteps=5)'

export const MULTI_STEP = 'multiStep(lr=0.5, milestones=[15, 30], gamma=0.5)'

const printed = (trainLoss: number, trainAcc: number, testAcc: number): Figures => ({ trainLoss, trainAcc, testAcc })

const SEEDS = [0, 1, 2] as const
// A first epoch at 0.3 silences filters in some runs and none in others (docs/results/README.md): a mean of three is a matter of luck.
const SIX_SEEDS = [...SEEDS, 3, 4, 5] as const
const NINE_SEEDS = [...SIX_SEEDS, 6, 7, 8] as const

const FIVE = {
  constant: {
    name: 'constant',
    title: 'constant 0.3',
    pytorch: 'constant',
    printed: printed(0.128, 0.951, 0.885),
    seeds: NINE_SEEDS,
    options: { lr: 0.3 },
  },
  squareRoot: {
    name: 'square-root',
    title: 'square root',
    pytorch: 'sqrt',
    printed: printed(0.27, 0.901, 0.876),
    seeds: SEEDS,
    options: { lr: 0.1, schedule: 'squareRoot(lr=0.1)', ...AFTER },
  },
  multiStep: {
    name: 'multi-step-as-printed',
    title: 'MultiStep as printed',
    pytorch: 'multistep_as_printed',
    printed: printed(0.191, 0.928, 0.889),
    seeds: SEEDS,
    options: { lr: 0.125 },
  },
  cosine: {
    name: 'cosine',
    title: 'cosine',
    pytorch: 'cosine',
    printed: printed(0.207, 0.923, 0.892),
    seeds: SIX_SEEDS,
    options: { lr: 0.3, schedule: COSINE, ...AFTER },
  },
  warmup: {
    name: 'warmup-cosine',
    title: 'warm-up + cosine',
    pytorch: 'cosine_warmup',
    printed: printed(0.261, 0.904, 0.878),
    seeds: SIX_SEEDS,
    options: { lr: 0.3, schedule: WARMUP_COSINE, ...AFTER },
  },
} as const satisfies Record<string, Policy>

const CORRECTED = {
  multiStepMeant: {
    name: 'multi-step-as-meant',
    title: 'MultiStep as meant',
    pytorch: 'multistep_fresh',
    printed: null,
    seeds: [0],
    options: { lr: 0.5, schedule: MULTI_STEP },
  },
  warmupFirst: {
    name: 'warmup-cosine-from-first-epoch',
    title: 'warm-up from the first epoch',
    pytorch: 'cosine_warmup_from_first_epoch',
    printed: null,
    seeds: [0],
    options: { lr: 0.3, schedule: WARMUP_COSINE },
  },
} as const satisfies Record<string, Policy>

/** The chapter's five runs in the notebook's order of rate changes, and the two that do what it meant. */
export const POLICIES = { ...FIVE, ...CORRECTED } as const
export type PolicyKey = keyof typeof POLICIES
export const PRINTED_KEYS = Object.keys(FIVE) as (keyof typeof FIVE)[]
export const KEYS = Object.keys(POLICIES) as PolicyKey[]

/** The chapter's five schedules as it draws them, at t = 0 … range − 1. */
export const SCHEDULES = [
  { name: 'square-root', title: 'Square root', spec: 'squareRoot(0.1)', range: 30 },
  { name: 'factor', title: 'Factor', spec: 'factor(0.9, 0.01, 2)', range: 50 },
  { name: 'multi-step', title: 'MultiStep', spec: 'multiStep(0.5, [15, 30], 0.5)', range: 30 },
  { name: 'cosine', title: 'Cosine', spec: 'cosine(20, 0.3, 0.01)', range: 30 },
  { name: 'warmup-cosine', title: 'Warm-up + cosine', spec: 'cosine(20, 0.3, 0.01, warmupSteps=5)', range: 30 },
] as const

/** Where the figures of the page lie beside it. */
export const figureFile = (name: string) => `img/chapter/${name}.svg`

const DEFAULTS = Object.fromEntries(
  [...DECIDING, ...SAVING].flatMap((one) =>
    one.defaultValue === undefined ? [] : [[one.attributeName(), one.defaultValue as unknown]],
  ),
) as unknown as TrainOptions

/** The options of `train` for one run of a policy. */
export function optionsOf(policy: Policy, seed: number, { epochs, limitTrain, limitTest }: Length): TrainOptions {
  return {
    ...DEFAULTS,
    ...policy.options,
    epochs,
    seed,
    ...(limitTrain !== undefined && { limitTrain }),
    ...(limitTest !== undefined && { limitTest }),
  }
}

/** What stands behind `npm run train --`: the options that have not their defaults. */
export function trainArguments(options: TrainOptions): string[] {
  return DECIDING.flatMap((one) => {
    const value = options[one.attributeName() as keyof TrainOptions]
    return value === undefined || value === one.defaultValue ? [] : [one.long!, String(value)]
  })
}

/** Every run, the first seed of every policy first. */
export function chapterPoints(out: string, length: Length): SweepPoint[] {
  const all = KEYS.map((key): Policy => POLICIES[key])
  const seeds = [...new Set(all.flatMap((policy) => policy.seeds))].sort((a, b) => a - b)
  return seeds
    .flatMap((seed) => all.filter((policy) => policy.seeds.includes(seed)).map((policy) => ({ policy, seed })))
    .map(({ policy, seed }, index) => ({
      index,
      point: new Map<string, string | number>([
        ['run', policy.name],
        ['seed', seed],
      ]),
      options: optionsOf(policy, seed, length),
      folder: join(out, folderOf(policy, seed)),
    }))
}

export function folderOf(policy: Policy, seed: number): string {
  return `${policy.name}-seed-${seed}`
}
