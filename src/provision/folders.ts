// Folders that are built beside their place and moved there when they are complete.
import { readdir, rename, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { flush, makeFolder as make } from '../node/files.ts'
import { codeOf, elsewhere, megabytes, SetupError, writing } from './errors.ts'

/** The folder beside `target` in which it is built. Its name is fixed, so that a later run can continue it. */
export function partialOf(target: string): string {
  return `${target}.partial`
}

/** Makes a folder and its parents. Throws SetupError. */
export async function makeFolder(path: string): Promise<void> {
  await writing(path, async () => make(path))
}

/** Throws SetupError unless the disk of an existing folder has room for `bytes`. */
export async function needRoom(path: string, bytes: number, what: string): Promise<void> {
  const { bavail, bsize } = await writing(path, () => statfs(path))
  const free = bavail * bsize
  if (free >= bytes) return
  throw new SetupError(
    `${path}: the disk is too full for ${what}: ${megabytes(bytes)} are needed temporarily, ` +
      `but ${megabytes(free)} are free: ${elsewhere('make room')}`,
  )
}

/**
 * Replaces `target` by a finished folder, atomically: its files are flushed to the disk before it gets the name, and the
 * old folder is removed afterwards.
 */
export async function install(finished: string, target: string): Promise<void> {
  await writing(target, async () => {
    for (const entry of await readdir(finished, { withFileTypes: true, recursive: true })) {
      if (entry.isFile()) await flush(join(entry.parentPath, entry.name))
    }
    const old = `${target}.old-${process.pid}`
    try {
      await rename(target, old)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
    await rename(finished, target)
    await flush(dirname(target))
    await rm(old, { recursive: true, force: true })
  })
}

/** The bytes of a file, or of all files in a folder; 0 if there is none. */
export async function bytesIn(path: string): Promise<number> {
  const info = await stat(path).catch(() => null)
  if (!info) return 0
  if (!info.isDirectory()) return info.size
  let bytes = 0
  for (const entry of await readdir(path, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  }
  return bytes
}
