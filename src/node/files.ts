// Files that are written whole or not at all, and read with a limit.
import { randomUUID } from 'node:crypto'
import { constants, existsSync, mkdirSync, statSync } from 'node:fs'
import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'

/** A result that could not be written: what was written before is whole. */
export class WriteError extends Error {
  override readonly name = 'WriteError'
}

/** Runs something that writes a file, and puts the file's name into the error where it fails. */
export async function naming<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    throw new WriteError(`${path} can't be written: ${(error as Error).message}`, { cause: error })
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false // Making it will say why.
  }
}

/** Makes a folder and those above it, one by one: Node's recursive form never returns where none can be made, as in /proc. */
export function makeFolder(path: string): void {
  if (isFolder(path)) return
  const above = dirname(resolve(path))
  if (!existsSync(above)) makeFolder(above)
  try {
    mkdirSync(path)
  } catch (error) {
    // Another process may have been quicker.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !isFolder(path)) throw error
  }
}

/** A new name beside a file, in the form that `removeLeftBehind` knows. */
export function temporaryOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomUUID().slice(0, 8)}.tmp`)
}

/**
 * Writes a file so that at any instant, whatever happens to the process or the machine, its name stands for the old
 * content or the new one, whole: a temporary file in the same folder is on the disk before it takes the name, and the
 * name is on the disk before this returns. Throws WriteError, and then leaves nothing behind.
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

/** Removes what `writeWhole` left in a folder when it was killed, for the files whose names match. */
export async function removeLeftBehind(folder: string, names: RegExp): Promise<void> {
  await naming(folder, async () => {
    for (const entry of await readdir(folder)) {
      const name = /^\.(.+)\.[0-9a-f]{8}\.tmp$/.exec(entry)?.[1]
      if (name !== undefined && names.test(name)) await rm(join(folder, entry), { force: true })
    }
  })
}

/** Waits until a file or folder is on the disk. */
export async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } catch (error) {
    // Systems that cannot do it for folders, and folders that may not be read.
    if (!['EINVAL', 'EPERM', 'EACCES', 'EISDIR'].includes(String((error as NodeJS.ErrnoException).code))) throw error
  } finally {
    await handle.close()
  }
}

/** Why a file can't be read, or its bytes. Pipes and devices, which may never end, are refused, and so is a long file. */
export async function readWhole(path: string, most: number): Promise<Buffer | string> {
  let handle: FileHandle | undefined
  try {
    // A pipe without a writer would wait for one.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const info = await handle.stat()
    if (!info.isFile()) return 'no regular file'
    if (info.size > most) return `too long: ${info.size} bytes, it must have at most ${most}`
    return await handle.readFile()
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code})`
  } finally {
    await handle?.close()
  }
}
