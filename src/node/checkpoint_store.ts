// Checkpoints of `fit` in a folder.
import { readdir, rm } from 'node:fs/promises'
import { isAbsolute, join, resolve } from 'node:path'
import { type CheckpointStore, DataError } from '../index.ts'
import { decodeSavedState, encodeCheckpoint } from './checkpoint.ts'
import { makeFolder, naming, readWhole, removeLeftBehind, writeWhole } from './files.ts'
import { type HeldFolder, holdFolder, refuseHeld } from './held_folder.ts'

/** Node can't read a larger file at once. */
const MOST_BYTES = 2 ** 31 - 1
/** Longer than any save takes: a younger file may be of a save that is under way. */
const LEFT_BEHIND_MS = 3_600_000
const ENDING = '.safetensors'

/**
 * A folder of checkpoints for `fit`, one safetensors file each, made when it is first used:
 * `fit(net, { …, checkpoint: { store: checkpointFolder('checkpoints') }, from: 'last' })`. A file appears whole or not at all,
 * even if the process is killed, and its content is checked against its SHA-256 when it is loaded: then DataError says what
 * is wrong with it. Saving rejects with WriteError.
 *
 * One `fit` at a time has the folder, of all processes on this machine and on others that share it: another one rejects with a
 * HeldError that names the process, before anything is computed, and so do `save` and `remove` in another process.
 */
export function checkpointFolder(path: string): CheckpointStore {
  if (typeof path !== 'string' || path === '') {
    throw new TypeError("checkpointFolder: the name of a folder is needed, such as 'checkpoints'")
  }
  const folder = isAbsolute(path) ? path : resolve(path) // the process may change its folder
  const pathOf = (name: string) => join(folder, `${name}${ENDING}`)
  let held: HeldFolder | null = null
  const checkWritable = () => (held ? held.check() : refuseHeld(folder))
  return {
    hold: async () => {
      const own = await holdFolder(folder)
      held = own
      return async () => {
        held = null
        await own.release()
      }
    },
    save: async (name, state) => {
      const bytes = encodeCheckpoint(state)
      await checkWritable()
      await naming(path, async () => makeFolder(folder))
      await writeWhole(pathOf(name), bytes)
      await removeLeftBehind(folder, /\.safetensors$/, LEFT_BEHIND_MS)
    },
    load: async (name) => {
      const bytes = await readWhole(pathOf(name), MOST_BYTES)
      if (typeof bytes === 'string') throw new DataError(`${pathOf(name)}: ${bytes}`)
      return decodeSavedState(bytes, pathOf(name))
    },
    list: async () => {
      const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return []
        throw error
      })
      return names.flatMap((name) => (name.endsWith(ENDING) ? [name.slice(0, -ENDING.length)] : []))
    },
    remove: async (name) => {
      await checkWritable()
      await naming(path, () => rm(pathOf(name), { force: true }))
    },
  }
}
