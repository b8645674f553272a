// A lock between processes: a file that names its owner.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, unlink, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { codeOf, writing } from './errors.ts'
import { makeFolder } from './folders.ts'

/** The owner of a lock. */
export interface Owner {
  readonly host: string
  readonly pid: number
  /** When the process started, in the kernel's units, since process numbers are reused; null if unknown. */
  readonly started: string | null
}

export interface LockOptions {
  /** Called once before waiting, with the owner. */
  readonly onWait?: (owner: Owner | null) => void
  readonly pollMilliseconds?: number
}

/** How often the owner shows that it is alive, and after what silence an owner that can't be looked up counts as gone. */
const HEARTBEAT = 10_000
const SILENCE = 120_000

/**
 * Runs `act` while this process alone holds the lock folder `path`.
 *
 * The folder has one file with a unique name, the owner's. To lock, a folder with such a file is renamed to `path`, which
 * succeeds only if there is nothing or an empty folder. To take over the lock of a dead owner, its file is deleted: only
 * one process can do that, and the file of a newer owner has another name. So there are never two owners.
 */
export async function withLock<T>(path: string, act: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  const name = randomUUID()
  const draft = `${path}.${name}`
  const folder = dirname(path)
  await makeFolder(folder)
  await writing(folder, () => mkdir(draft))
  let heartbeat: NodeJS.Timeout | undefined
  try {
    await writing(folder, () => writeFile(join(draft, name), JSON.stringify(thisProcess())))
    await acquire(draft, path, options)
    heartbeat = setInterval(() => void touch(join(path, name)), HEARTBEAT).unref()
    return await act()
  } finally {
    clearInterval(heartbeat)
    await release(path, name)
    await rm(draft, { recursive: true, force: true })
  }
}

async function acquire(draft: string, path: string, options: LockOptions): Promise<void> {
  for (let told = false; ; ) {
    try {
      return await rename(draft, path)
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(codeOf(error))) throw error
      if (codeOf(error) === 'EPERM' && process.platform !== 'win32') throw error
    }
    const holder = await holderOf(path)
    if (holder && (await isGone(holder))) {
      await unlink(holder.file).catch(() => {}) // another process may have been faster
      // Windows can't rename onto an empty folder. Elsewhere this is not needed, and fails if there is a new owner.
      await rmdir(path).catch(() => {})
      continue
    }
    if (!told) options.onWait?.(holder?.owner ?? null)
    told = true
    await new Promise((resolve) => setTimeout(resolve, options.pollMilliseconds ?? 250))
  }
}

async function release(path: string, name: string): Promise<void> {
  await unlink(join(path, name)).catch(() => {})
  await rmdir(path).catch(() => {})
}

async function touch(file: string): Promise<void> {
  const now = new Date()
  await utimes(file, now, now).catch(() => {})
}

interface Holder {
  readonly file: string
  readonly owner: Owner | null
}

/** The owner's file and its content; null if the lock is free by now. */
async function holderOf(path: string): Promise<Holder | null> {
  const [name] = await readdir(path).catch(() => [])
  if (name === undefined) return null
  const file = join(path, name)
  try {
    return { file, owner: JSON.parse(await readFile(file, 'utf8')) as Owner }
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? null : { file, owner: null }
  }
}

async function isGone({ file, owner }: Holder): Promise<boolean> {
  const seen = await stat(file).catch(() => null)
  if (!seen) return false
  const silent = Date.now() - seen.mtimeMs > SILENCE
  if (!owner || owner.host !== hostname()) return silent
  if (!isAlive(owner.pid)) return true
  const started = startOf(owner.pid)
  // A stopped process keeps its lock. But if start times are unknown, its number may now belong to another process.
  return owner.started !== null && started !== null ? owner.started !== started : silent
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

/** This process, as an owner. */
export function thisProcess(): Owner {
  return { host: hostname(), pid: process.pid, started: startOf(process.pid) }
}

/** When a process started: field 22 of its /proc stat, counted after the name, which may contain anything. */
function startOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null
  }
}

/** Removes a lock's leftovers from its folder: drafts of processes that ended before they got the lock. */
export async function removeDrafts(folder: string, name: string): Promise<void> {
  for (const entry of await readdir(folder).catch(() => [])) {
    const path = join(folder, entry)
    if (!entry.startsWith(`${name}.`)) continue
    const holder = await holderOf(path)
    const age = Date.now() - ((await stat(path).catch(() => null))?.mtimeMs ?? Date.now())
    if (holder ? await isGone(holder) : age > SILENCE) await rm(path, { recursive: true, force: true })
  }
}
