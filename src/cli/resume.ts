// `dawngrad train --resume`: continues the run in a folder from its newest checkpoint.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { DataError } from '../index.ts'
import { newestCheckpoint } from '../node/checkpoint_folder.ts'
import { readWhole } from '../node/files.ts'
import type { loadFashionMnist } from '../node/index.ts'
import { CHECKPOINTS, HISTORY, RESULT } from '../node/run_folder.ts'
import { checkOptimizer } from './optimizer.ts'
import { ratesOf, UsageError } from './options.ts'
import { type Change, changes, restored, type TrainOptions } from './train_options.ts'
import { trainRun } from './train_run.ts'

const MOST_RESULT_BYTES = 1 << 20

/** `dawngrad train --resume`: continues the run in a folder. `given` are the other options of the command line. */
export async function resume(
  path: string,
  given: Partial<TrainOptions>,
  allowChanges: boolean,
  load: typeof loadFashionMnist,
  tuning?: string,
): Promise<void> {
  if (path === '' || !existsSync(path)) throw new UsageError(`option '--resume': there is no folder '${path}'`)
  const finished = await epochsOfResult(join(path, RESULT))
  if (finished !== null && (given.epochs ?? 0) <= finished) {
    const more = `for more: --resume ${path} --epochs N --allow-changes`
    process.stdout.write(`${path} is finished: it has its ${finished} epochs (${more})\n`)
    return
  }
  const found = await newestCheckpoint(join(path, CHECKPOINTS), join(path, HISTORY))
  const { options: values, position } = found.checkpoint
  const before = restored(values)
  if (typeof before === 'string') throw new DataError(`${found.path}: ${before}`)
  const changed = changes(before, given)
  refuseFixed(path, changed)
  const options = { ...before, ...given }
  if (position.epoch > options.epochs) {
    throw new UsageError(`option '--epochs': the run in ${path} has had ${position.epoch} epochs already`)
  }
  const rates = ratesOf(options)
  checkOptimizer(options, rates.schedule)
  await trainRun({ options, rates, path, load, tuning, going: { found, changed, allowChanges } })
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
