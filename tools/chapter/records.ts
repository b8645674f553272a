// Reads the chapter's runs: ours from their folders, PyTorch's from test/reference/curves.json.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DECIDING, recorded } from '../../src/cli/train_options.ts'
import { DataError } from '../../src/index.ts'
import { HISTORY, type RunSummary } from '../../src/node/run_folder.ts'
import { resultOf } from '../../src/node/sweep_point.ts'
import { type HistoryRecord, parseHistory } from '../../src/train/index.ts'
import { type Figures, folderOf, KEYS, type Length, optionsOf, POLICIES, type Policy, type PolicyKey } from './plan.ts'

/** The end of an epoch, and the rate in force in it. */
export interface Epoch extends Figures {
  readonly lr: number
}

export interface Run {
  readonly seed: number
  readonly epochs: readonly Epoch[]
}

/** A run of ours that is finished. */
export interface OwnRun extends Run {
  readonly result: RunSummary
  readonly history: readonly HistoryRecord[]
  readonly stepsPerEpoch: number
}

/** All that is known of a policy. */
export interface Outcome {
  readonly policy: Policy
  readonly ours: readonly OwnRun[]
  /** Seeds of ours that are not finished. */
  readonly missing: readonly number[]
  /** PyTorch's runs; none where runs were shortened, which nothing can be compared with. */
  readonly theirs: readonly Run[]
}

export type Outcomes = Readonly<Record<PolicyKey, Outcome>>

/**
 * Every run in a folder that is finished.
 *
 * @throws DataError that names the file, where a run is damaged or has other options than the plan
 */
export async function readOutcomes(out: string, length: Length, curves: ReadonlyMap<string, Run[]>): Promise<Outcomes> {
  const entries: [PolicyKey, Outcome][] = []
  for (const key of KEYS) {
    const policy: Policy = POLICIES[key]
    const ours: OwnRun[] = []
    for (const seed of policy.seeds) {
      const run = await readRun(join(out, folderOf(policy, seed)), policy, seed, length)
      if (run) ours.push(run)
    }
    const missing = policy.seeds.filter((seed) => !ours.some((run) => run.seed === seed))
    entries.push([key, { policy, ours, missing, theirs: curves.get(policy.pytorch) ?? [] }])
  }
  return Object.fromEntries(entries) as unknown as Outcomes
}

async function readRun(folder: string, policy: Policy, seed: number, length: Length): Promise<OwnRun | null> {
  const result = await resultOf(folder, recorded(optionsOf(policy, seed, length), DECIDING))
  if (!result) return null
  const path = join(folder, HISTORY)
  const history = parseHistory(readText(path), path)
  const epochs = history.filter((record) => record.kind === 'epoch')
  if (epochs.length !== length.epochs || epochs.some(({ epoch }, i) => epoch !== i)) {
    throw new DataError(`${path}: it must hold the ends of ${length.epochs} epochs in their order, and does not`)
  }
  const { trainLoss, trainAcc, testAcc, step } = epochs.at(-1)!
  if (trainLoss !== result.trainLoss || trainAcc !== result.trainAcc || testAcc !== result.testAcc) {
    throw new DataError(`${path}: its last epoch is not what result.json beside it says`)
  }
  return { seed, epochs, result, history, stepsPerEpoch: step / length.epochs }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new DataError(`${path}: can't be read (${(error as NodeJS.ErrnoException).code}); result.json lies beside it`)
  }
}

interface Curves {
  readonly runs: readonly {
    readonly run: string
    readonly seed: number
    readonly epochs: readonly {
      readonly lr: number
      readonly train_loss: number
      readonly train_acc: number
      readonly test_acc: number
    }[]
  }[]
}

/** PyTorch's runs by their names. */
export function readCurves(file: URL): Map<string, Run[]> {
  const { runs } = JSON.parse(readFileSync(file, 'utf8')) as Curves
  const found = new Map<string, Run[]>()
  for (const { run, seed, epochs } of runs) {
    const own = epochs.map(
      ({ lr, train_loss, train_acc, test_acc }): Epoch => ({
        lr,
        trainLoss: train_loss,
        trainAcc: train_acc,
        testAcc: test_acc,
      }),
    )
    found.set(run, [...(found.get(run) ?? []), { seed, epochs: own }])
  }
  return found
}
