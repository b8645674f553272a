// The checkpoints in a run's folder: saving one, removing old ones, finding the newest that is whole.
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DataError } from '../index.ts'
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint, type FolderPosition } from './checkpoint.ts'
import { makeFolder, naming, readWhole, removeLeftBehind, writeWhole } from './files.ts'

/** Four hundred times those of LeNet. */
const MOST_BYTES = 1 << 28

const PATTERN = /^step-(\d{8,15})\.safetensors$/

export interface CheckpointName {
  readonly name: string
  readonly step: number
}

function nameOf(step: number): string {
  return `step-${String(step).padStart(8, '0')}.safetensors`
}

/** Makes the folder of a new run's checkpoints. The only one that may be there, that of a run's start, is removed. */
export async function createCheckpointFolder(folder: string): Promise<void> {
  await naming(folder, async () => {
    makeFolder(folder)
    await rm(join(folder, nameOf(0)), { force: true })
  })
}

/** The checkpoints in a folder, whole or not, the newest first; none if the folder does not exist. */
export function checkpointNames(folder: string): CheckpointName[] {
  let entries: string[] = []
  try {
    entries = readdirSync(folder)
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code!)) throw error
  }
  const found: CheckpointName[] = []
  for (const name of entries) {
    const digits = PATTERN.exec(name)?.[1]
    if (digits !== undefined) found.push({ name, step: Number(digits) })
  }
  return found.sort((a, b) => b.step - a.step)
}

/**
 * Writes a checkpoint as `step-00000235.safetensors`; it has that name when all of it is on the disk, and no sooner. Then
 * all but the `keep` newest are removed, and what a killed process left behind.
 *
 * @returns its path
 * @throws WriteError; the checkpoints before are whole then
 */
export async function saveCheckpoint(folder: string, checkpoint: Checkpoint, keep: number): Promise<string> {
  const { step } = checkpoint.position
  const path = join(folder, nameOf(step))
  await writeWhole(path, encodeCheckpoint(checkpoint))
  await naming(folder, async () => {
    const old = checkpointNames(folder).filter((other) => other.step < step)
    for (const { name } of old.slice(keep - 1)) await rm(join(folder, name), { force: true })
  })
  await removeLeftBehind(folder, PATTERN)
  return path
}

/** A checkpoint with the history that belongs to it. */
export interface FoundCheckpoint {
  readonly checkpoint: Checkpoint
  readonly path: string
  readonly history: Uint8Array
  /** Newer ones that are unusable, and why; each says its file's name. */
  readonly passedOver: readonly { readonly path: string; readonly why: string }[]
}

/**
 * The newest checkpoint that is whole and matches `history.jsonl`. Changes nothing.
 *
 * @throws DataError that says what is wrong with each, if none is usable
 */
export async function newestCheckpoint(folder: string, historyPath: string): Promise<FoundCheckpoint> {
  const names = checkpointNames(folder)
  if (names.length === 0)
    throw new DataError(
      `${folder}: there is no checkpoint to continue from; start the run again with the line that started it`,
    )
  const all = await readWhole(historyPath, MOST_BYTES)
  const passedOver: { path: string; why: string }[] = []
  for (const { name, step } of names) {
    const path = join(folder, name)
    try {
      const bytes = await readWhole(path, MOST_BYTES)
      if (typeof bytes === 'string') throw new DataError(`${path}: ${bytes}`)
      const checkpoint = decodeCheckpoint(bytes, path)
      const inside = checkpoint.position.step
      if (inside !== step)
        throw new DataError(`${path}: its name does not match its content, which is of step ${inside}`)
      return { checkpoint, path, history: historyAt(all, checkpoint.files, path, historyPath), passedOver }
    } catch (error) {
      if (!(error instanceof DataError)) throw error
      passedOver.push({ path, why: error.message })
    }
  }
  const reasons = passedOver.map(({ why }) => `  ${why}`)
  throw new DataError([`${folder}: no checkpoint is usable:`, ...reasons].join('\n'))
}

/** Renames unusable checkpoints to *.damaged, so that they are not taken for the newest ones. */
export async function setAside(paths: readonly string[]): Promise<void> {
  for (const path of paths) await naming(path, () => rename(path, `${path}.damaged`))
}

/** The history as it was when a checkpoint was made. */
function historyAt(all: Uint8Array | string, at: FolderPosition, path: string, historyPath: string): Uint8Array {
  if (typeof all === 'string') throw new DataError(`${path}: unusable without its history: ${historyPath}: ${all}`)
  const { historyBytes, historySha256 } = at
  if (all.length < historyBytes) {
    throw new DataError(`${path}: unusable: ${historyPath} has ${all.length} bytes, but had ${historyBytes}`)
  }
  const history = all.subarray(0, historyBytes)
  if (createHash('sha256').update(history).digest('hex') === historySha256) return history
  throw new DataError(`${path}: unusable: the first ${historyBytes} bytes of ${historyPath} have been changed`)
}
