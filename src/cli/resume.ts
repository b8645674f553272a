// `dawngrad train --resume`: continues the run in a folder from its newest checkpoint.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { DataError } from '../index.ts'
import { newestCheckpoint } from '../node/checkpoint_folder.ts'
import { isFolder, readWhole } from '../node/files.ts'
import type { HeldFolder } from '../node/held_folder.ts'
import { CHECKPOINTS, HISTORY, notedOptions, OPTIONS, RESULT } from '../node/run_folder.ts'
import { checkOptimizer } from './optimizer.ts'
import { checkOwnRate, ratesOf, UsageError } from './options.ts'
import { takeResumed } from './run_place.ts'
import { type Change, changes, restored, type TrainOptions } from './train_options.ts'
import { type TrainRun, trainRun } from './train_run.ts'

const MOST_RESULT_BYTES = 1 << 20

/** What `resume` needs besides the options of a run. */
export interface Resumption extends Pick<TrainRun, 'load' | 'tuning'> {
  readonly allowChanges: boolean
  /** The run's folder, if the caller has taken it already. */
  readonly held?: HeldFolder | undefined
}

/** `dawngrad train --resume`: continues the run in a folder. `given` are the other options of the command line. */
export async function resume(path: string, given: Partial<TrainOptions>, how: Resumption): Promise<void> {
  if (path === '' || !isFolder(path)) {
    throw new UsageError(
      `option '--resume': there is no folder '${path}'; if a run was to have it, start that run again`,
    )
  }
  if (await isFinished(path, given)) return // which takes no right to write there
  const folder = how.held ?? (await takeResumed(path))
  try {
    await continueIn(folder, given, how)
  } finally {
    if (!how.held) await folder.release()
  }
}

async function continueIn(folder: HeldFolder, given: Partial<TrainOptions>, how: Resumption): Promise<void> {
  const { path } = folder
  const { allowChanges, load, tuning } = how
  if (await isFinished(path, given)) return // by whoever had the folder until now
  const noted = await notedOptions(path)
  const found = noted ? null : await newestCheckpoint(join(path, CHECKPOINTS), join(path, HISTORY))
  const before = restored(noted ?? found!.checkpoint.options)
  if (typeof before === 'string') throw new DataError(`${found?.path ?? join(path, OPTIONS)}: ${before}`)
  const position = found?.checkpoint.position ?? { epoch: 0, step: 0 }
  const changed = changes(before, given)
  refuseFixed(path, changed)
  const options = { ...before, ...given }
  const { images = 0, batchSize = 1 } = found?.checkpoint.settings ?? {}
  const inEpoch = images > 0 ? Math.ceil(position.step / Math.ceil(images / batchSize)) : position.epoch
  if (inEpoch > position.epoch && inEpoch > options.epochs) {
    throw new UsageError(`option '--epochs': the run in ${path} is in epoch ${inEpoch} already`)
  }
  if (position.epoch > options.epochs) {
    throw new UsageError(`option '--epochs': the run in ${path} has had ${position.epoch} epochs already`)
  }
  const rates = ratesOf(options)
  checkOptimizer(options, rates.schedule)
  if (!how.held) checkOwnRate(options, (name) => given[name] !== undefined && given[name] !== before[name])
  await trainRun({ options, rates, folder, load, tuning, going: { found, changed, allowChanges } })
}

/** Whether a run has all of its epochs, which is then said. */
async function isFinished(path: string, given: Partial<TrainOptions>): Promise<boolean> {
  const finished = await epochsOfResult(join(path, RESULT))
  if (finished === null || (given.epochs ?? 0) > finished) return false
  const more = `for more: --resume ${path} --epochs N --allow-changes`
  process.stdout.write(`${path} is finished: it has its ${finished} epochs (${more})\n`)
  return true
}

/** The epochs of a finished run; null for one that is not. */
async function epochsOfResult(path: string): Promise<number | null> {
  if (!existsSync(path)) return null
  const bytes = await readWhole(path, MOST_RESULT_BYTES)
  try {
    const result = JSON.parse(String(bytes)) as { epochs?: unknown } | null
    if (Number.isSafeInteger(result?.epochs)) return result?.epochs as number
  } catch {
    // Handled as any other file that is not a result.
  }
  throw new DataError(`${path}: damaged: remove it to continue from the newest checkpoint`)
}

function refuseFixed(path: string, changed: readonly Change[]): void {
  const fixed = changed.find((change) => change.fixed)
  if (!fixed) return
  const { name, from, to } = fixed
  throw new UsageError(`option '${name}': the run in ${path} has ${from}, which can't change to ${to} within a run`)
}
