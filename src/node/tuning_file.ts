// Reads and writes the file of `dawngrad tune`.
import { DataError } from '../index.ts'
import { checkTuning, type Tuning } from '../tune/file.ts'
import { readWhole, writeWhole } from './files.ts'

const MOST_BYTES = 1 << 22

/** Reads a file of `dawngrad tune`. Throws DataError that says what is wrong with it. */
export async function readTuning(path: string): Promise<Tuning> {
  const bytes = await readWhole(path, MOST_BYTES)
  if (typeof bytes === 'string') throw new DataError(`${path}: ${bytes}`)
  let value: unknown
  try {
    value = JSON.parse(bytes.toString())
  } catch {
    throw new DataError(`${path}: damaged: it is not JSON`)
  }
  return checkTuning(value, path)
}

/** Writes a tuning atomically. Throws WriteError. */
export async function writeTuning(path: string, tuning: Tuning): Promise<void> {
  await writeWhole(path, `${JSON.stringify(tuning, null, 2)}\n`)
}
