// A folder that one process at a time may write into: the lock in it, and what is said of its owner.
import { existsSync, mkdirSync } from 'node:fs'
import { rmdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { codeOf } from '../provision/errors.ts'
import { type Lock, type Owner, ownerOf, takeLock, thisProcess } from '../provision/lock.ts'
import { makeFolder, naming, WriteError } from './files.ts'

/** Inside of the folder, so that all of its names lead to it. */
const LOCK = 'lock'
/** How often another process may remove the folder just as this one takes it. */
const MOST_TRIALS = 100

/** Another process has a folder. */
export class HeldError extends Error {
  override readonly name = 'HeldError'
}

/** A folder that this process has. */
export interface HeldFolder {
  readonly path: string
  /** Rejects with WriteError if this process has it no longer. Call it before writing. */
  check(): Promise<void>
  /** Gives it back. What this process has made of it is removed if it is empty, even of others' locks. */
  release(): Promise<void>
}

/**
 * Makes a folder and takes it for this process alone, of all on this machine and on others that share the folder. The lock of
 * a process that has ended is taken over; that of one on another machine after two minutes without a sign of life.
 *
 * @param notice told once if another process has it: then this waits
 * @throws HeldError that names the owner, without `notice`; WriteError
 */
export async function holdFolder(path: string, notice?: (line: string) => void): Promise<HeldFolder> {
  const onWait = notice ? (owner: Owner | null) => notice(`${inUse(path, owner)}: waiting for it`) : refuse(path)
  const made = absent(path)
  for (let trial = 1; ; trial++) {
    try {
      makeFolder(path)
      return held(path, made, await takeLock(join(path, LOCK), { onWait }))
    } catch (error) {
      if (error instanceof HeldError) throw error
      // Whoever had made it has removed it again.
      if (codeOf(error) === 'ENOENT' && trial < MOST_TRIALS) continue
      throw new WriteError(`${path} can't be written: ${(error as Error).message}`, { cause: error })
    }
  }
}

/** The same with a folder that is new, and its parents; null if there is one of this name. Throws WriteError. */
export async function holdNewFolder(path: string): Promise<HeldFolder | null> {
  const made = absent(path)
  if (made.length === 0) return null
  return await naming(path, async () => {
    makeFolder(dirname(resolve(path)))
    try {
      mkdirSync(path)
      return held(path, made, await takeLock(join(path, LOCK), { onWait: refuse(path) }))
    } catch (error) {
      // Another process was faster, took the folder by its name, or removed it.
      if (error instanceof HeldError || ['EEXIST', 'ENOENT'].includes(codeOf(error))) return null
      throw error
    }
  })
}

const refuse = (path: string) => (owner: Owner | null) => {
  throw new HeldError(inUse(path, owner))
}

/** Throws HeldError if another process has a folder. */
export async function refuseHeld(path: string): Promise<void> {
  const owner = await ownerOf(join(path, LOCK))
  if (owner !== undefined && !isThis(owner)) throw new HeldError(inUse(path, owner))
}

function isThis(owner: Owner | null): boolean {
  const { pid, place } = thisProcess()
  return owner?.pid === pid && owner.place === place
}

function inUse(path: string, owner: Owner | null): string {
  if (owner === null) return `${path} is in use by another process`
  if (isThis(owner)) return `${path} is in use by another run of this process`
  return `${path} is in use by process ${owner.pid} on ${owner.host} since ${owner.since.slice(0, 19)}Z`
}

/** Of a folder and those above it, the ones that do not exist, the innermost first. */
function absent(path: string): string[] {
  const found: string[] = []
  for (let one = resolve(path); !existsSync(one) && one !== dirname(one); one = dirname(one)) found.push(one)
  return found
}

function held(path: string, made: readonly string[], lock: Lock): HeldFolder {
  return {
    path,
    check: async () => {
      if (await lock.isHeld()) return
      throw new WriteError(`${path} can't be written: its lock is gone, so another process may be writing there`)
    },
    release: async () => {
      await lock.release()
      for (const one of made) await rmdir(one).catch(() => {}) // stays if something is in it
    },
  }
}
