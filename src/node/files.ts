// Files that are written whole or not at all, and read with a limit.
import { randomUUID } from 'node:crypto'
import { constants, existsSync, mkdirSync, statSync } from 'node:fs'
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'

/** A file could not be written. What was written before is complete. */
export class WriteError extends Error {
  override readonly name = 'WriteError'
}

/** Runs a function that writes a file. If it fails, the error names the file. */
export async function naming<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    throw new WriteError(`${path} can't be written: ${(error as Error).message}`, { cause: error })
  }
}

/** Whether there is a folder at a path, and it can be reached. */
export function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

/** Makes a folder and its parents, one by one: Node's recursive form never returns if none can be made, as in /proc. */
export function makeFolder(path: string): void {
  if (isFolder(path)) return
  const above = dirname(resolve(path))
  if (!existsSync(above)) makeFolder(above)
  try {
    mkdirSync(path)
  } catch (error) {
    // Another process may have been faster.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !isFolder(path)) throw error
  }
}

/** A new name beside a file, in the form that `removeLeftBehind` recognizes. */
export function temporaryOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomUUID().slice(0, 8)}.tmp`)
}

/**
 * Writes a file atomically: at any instant, whatever happens to the process or the machine, its name stands for the whole
 * old content or the whole new content. A temporary file in the same folder is flushed to the disk before it takes the
 * name, and the name is flushed before this returns. If it throws WriteError, no temporary file remains.
 */
export async function writeWhole(path: string, content: Uint8Array | string): Promise<void> {
  const temporary = temporaryOf(path)
  await naming(path, async () => {
    try {
      const handle = await open(temporary, 'wx')
      try {
        await handle.writeFile(content)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined)
      throw error
    }
    await flush(dirname(path))
  })
}

/**
 * Removes temporary files of a killed `writeWhole` from a folder, for the files whose names match. A process that writes there
 * at this time would lose its own: have the folder for this process alone, or give the milliseconds that they must be old.
 */
export async function removeLeftBehind(folder: string, names: RegExp, old = Number.NEGATIVE_INFINITY): Promise<void> {
  await naming(folder, async () => {
    for (const entry of await readdir(folder)) {
      const name = /^\.(.+)\.[0-9a-f]{8}\.tmp$/.exec(entry)?.[1]
      if (name === undefined || !names.test(name)) continue
      const path = join(folder, entry)
      const since = (await stat(path).catch(() => null))?.mtimeMs ?? Date.now()
      if (Date.now() - since >= old) await rm(path, { force: true })
    }
  })
}

/** Waits until a file or folder is on the disk. */
export async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } catch (error) {
    // Some systems can't flush folders, and some folders can't be read.
    if (!['EINVAL', 'EPERM', 'EACCES', 'EISDIR'].includes(String((error as NodeJS.ErrnoException).code))) throw error
  } finally {
    await handle.close()
  }
}

/** The bytes of a file, or why it can't be read. Long files are refused, and pipes and devices, which may never end. */
export async function readWhole(path: string | URL, most: number): Promise<Buffer | string> {
  let handle: FileHandle | undefined
  try {
    // Opening a pipe without a writer would wait for one.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const info = await handle.stat()
    if (!info.isFile()) return 'not a regular file'
    if (info.size > most) return `too long: ${info.size} bytes, but must be at most ${most}`
    return await handle.readFile()
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code})`
  } finally {
    await handle?.close()
  }
}
