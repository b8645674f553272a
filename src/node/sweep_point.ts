// One run of a sweep on disk.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DataError } from '../index.ts'
import type { Divergence } from '../train/diverged.ts'
import type { RecordedOptions } from './checkpoint.ts'
import { checkpointNames } from './checkpoint_folder.ts'
import { makeFolder, naming, readWhole, writeWhole } from './files.ts'
import { CHECKPOINTS, DIVERGED, RESULT, type RunSummary } from './run_folder.ts'

const MOST_RESULT_BYTES = 1 << 20

/** The state of a run: it has a result, it diverged, it has a checkpoint to continue from, or it has nothing. */
export type PointState = 'finished' | 'diverged' | 'half done' | 'new'

export function stateOf(folder: string): PointState {
  if (existsSync(join(folder, RESULT))) return 'finished'
  if (existsSync(join(folder, DIVERGED))) return 'diverged'
  return checkpointNames(join(folder, CHECKPOINTS)).length > 0 ? 'half done' : 'new'
}

/** Whether running it again would give nothing new. */
export const hasEnded = (state: PointState) => state === 'finished' || state === 'diverged'

/**
 * The result of a run; null if there is none yet.
 *
 * @param options the recorded options that decide its numbers
 * @throws DataError if the result is damaged, or belongs to other options
 */
export async function resultOf(folder: string, options: RecordedOptions): Promise<RunSummary | null> {
  const path = join(folder, RESULT)
  if (!existsSync(path)) return null
  const result = summaryFrom(await readWhole(path, MOST_RESULT_BYTES))
  if (!result)
    throw new DataError(
      `${path}: damaged; remove it to continue the run from its newest checkpoint, or remove its folder to start the run again`,
    )
  // A run from before there was a choice was of SGD.
  const found: RecordedOptions = { optimizer: 'sgd', ...result.options, seed: result.seed }
  const other = Object.keys(options).find((name) => (found[name] ?? null) !== (options[name] ?? null))
  if (other !== undefined) {
    const [has, wanted] = [found[other] ?? null, options[other] ?? null].map((value) => JSON.stringify(value))
    throw new DataError(
      `${path}: it belongs to another run: its ${other} is ${has}, not ${wanted}; choose another --out`,
    )
  }
  return result
}

/** Notes where a run diverged. It would diverge there again, so for a sweep this is a result like any other. */
export async function noteDivergence(folder: string, { what, epoch, step, lr }: Divergence): Promise<void> {
  await writeWhole(join(folder, DIVERGED), `${JSON.stringify({ what, epoch, step, lr }, null, 2)}\n`)
}

function summaryFrom(bytes: Buffer | string): RunSummary | null {
  if (typeof bytes === 'string') return null
  try {
    const result = JSON.parse(String(bytes)) as RunSummary | null
    const figures = [result?.trainLoss, result?.trainAcc, result?.testAcc, result?.seed]
    return figures.every((figure) => typeof figure === 'number') ? result : null
  } catch {
    return null
  }
}

/** Makes the folder of a sweep and its parents. Throws WriteError. */
export async function makeSweepFolder(path: string): Promise<void> {
  await naming(path, async () => makeFolder(path))
}
