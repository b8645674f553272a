// A lock between processes: a folder with one file, which names its owner.
import { randomUUID } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, unlink, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import process from 'node:process'
import { codeOf, writing } from './errors.ts'
import { makeFolder } from './folders.ts'

/** The owner of a lock. */
export interface Owner {
  readonly host: string
  readonly pid: number
  /** The table of processes in which `pid` stands: only there can it be looked up. */
  readonly place: string
  /** When the process started, in the kernel's units, since process numbers are reused; null if unknown. */
  readonly started: string | null
  /** When it asked for the lock, in ISO 8601. */
  readonly since: string
}

export interface LockOptions {
  /** Called once before waiting, with the owner. If it throws, nothing is waited for. */
  readonly onWait?: (owner: Owner | null) => void
  readonly pollMilliseconds?: number
}

export interface Lock {
  /** Whether this process has it still. It may lose it by silence, or to somebody who removes files. */
  isHeld(): Promise<boolean>
  /** Gives it back. */
  release(): Promise<void>
}

/** How often the owner shows that it is alive, and after what silence an owner that can't be looked up counts as gone. */
const HEARTBEAT = 10_000
const SILENCE = 120_000
/** How often a lock may look free and not be, in a row, before it counts as held. */
const MOST_GLIMPSES = 50

/** Runs `act` while this process alone holds the lock folder `path`. Throws SetupError where it can't be made. */
export async function withLock<T>(path: string, act: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  const folder = dirname(path)
  await makeFolder(folder)
  const lock = await writing(folder, () => takeLock(path, options))
  try {
    return await act()
  } finally {
    await lock.release()
  }
}

/**
 * Waits until this process alone holds the lock folder `path`, in a folder that exists.
 *
 * The lock folder has one file with a unique name, the owner's. To lock, a folder with such a file is renamed to `path`, which
 * succeeds only if there is nothing or an empty folder. To take over the lock of a dead owner, its file is deleted: only
 * one process can do that, and the file of a newer owner has another name. So there are never two owners.
 *
 * Throws the errors of the file system.
 */
export async function takeLock(path: string, options: LockOptions = {}): Promise<Lock> {
  const name = randomUUID()
  const draft = `${path}.${name}`
  let heartbeat: NodeJS.Timeout | undefined
  const release = async () => {
    clearInterval(heartbeat)
    await unlink(join(path, name)).catch(() => {})
    await rmdir(path).catch(() => {})
    await rm(draft, { recursive: true, force: true })
  }
  await mkdir(draft)
  try {
    await writeFile(join(draft, name), JSON.stringify(thisProcess()))
    // Shared folders have clocks of their own: what counts is the time by which they stamp files.
    const ahead = (await stat(join(draft, name))).mtimeMs - Date.now()
    const now = () => Date.now() + ahead
    // Who waits shows that it is alive too, or its draft would be taken for one that was left behind.
    heartbeat = setInterval(() => {
      for (const folder of [path, draft]) void touch(join(folder, name), now())
    }, HEARTBEAT).unref()
    await acquire(draft, path, options, now)
    await removeDrafts(dirname(path), basename(path), now)
  } catch (error) {
    await release()
    throw error
  }
  return { isHeld: async () => (await stat(join(path, name)).catch(() => null)) !== null, release }
}

async function acquire(draft: string, path: string, options: LockOptions, now: () => number): Promise<void> {
  let glimpses = 0
  for (let told = false; ; ) {
    try {
      return await rename(draft, path)
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(codeOf(error))) throw error
      if (codeOf(error) === 'EPERM' && process.platform !== 'win32') throw error
    }
    const holder = await holderOf(path)
    if (holder && isGone(holder, now())) {
      await unlink(holder.file).catch(() => {}) // another process may have been faster
      // Windows can't rename onto an empty folder. Elsewhere this is not needed, and fails if there is a new owner.
      await rmdir(path).catch(() => {})
      continue
    }
    // It has just been given back, so it can be had at once.
    const isFree = holder === null && ++glimpses < MOST_GLIMPSES
    if (!isFree && !told) {
      options.onWait?.(holder?.owner ?? null)
      told = true
    }
    if (holder) glimpses = 0
    const milliseconds = isFree ? 2 : (options.pollMilliseconds ?? 250)
    await new Promise((resolve) => setTimeout(resolve, milliseconds))
  }
}

async function touch(file: string, milliseconds: number): Promise<void> {
  const now = new Date(milliseconds)
  await utimes(file, now, now).catch(() => {})
}

interface Holder {
  readonly file: string
  readonly owner: Owner | null
  /** When its owner last showed that it is alive. */
  readonly seen: number
}

/** The living owner of a lock, `null` if it can't be read; undefined if the lock is free. Changes nothing. */
export async function ownerOf(path: string): Promise<Owner | null | undefined> {
  const holder = await holderOf(path)
  return holder && !isGone(holder, Date.now()) ? holder.owner : undefined
}

/** The owner's file and its content; null if the lock is free by now. */
async function holderOf(path: string): Promise<Holder | null> {
  const [name] = await readdir(path).catch(() => [])
  if (name === undefined) return null
  const file = join(path, name)
  const owner = await readFile(file, 'utf8').then(ownerIn, () => null)
  // Another process may take the lock over just now: then this owner is nobody's any more.
  const seen = (await stat(file).catch(() => null))?.mtimeMs
  return seen === undefined ? null : { file, owner, seen }
}

/** The owner that a file names, or null: a machine that lost its power may have left anything. */
function ownerIn(text: string): Owner | null {
  try {
    const owner = JSON.parse(text) as Owner | null
    const words = [owner?.host, owner?.place, owner?.since]
    const isOwner =
      words.every((word) => typeof word === 'string') && Number.isSafeInteger(owner?.pid) && owner!.pid > 0
    return isOwner ? owner : null
  } catch {
    return null
  }
}

function isGone({ owner, seen }: Holder, now: number): boolean {
  const silent = now - seen > SILENCE
  if (owner?.place !== thisPlace()) return silent
  if (!isAlive(owner.pid)) return true
  const { state, started } = factsOf(owner.pid)
  // A process that has ended keeps its number until its parent asks for its exit code, which some never do.
  if (state === 'Z' || state === 'X') return true
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
  const { pid } = process
  return { host: hostname(), pid, place: thisPlace(), started: factsOf(pid).started, since: new Date().toISOString() }
}

/**
 * The table of processes that this one is in. On Linux each container may have one, and each start of the machine begins
 * another; machines may share a name.
 */
function thisPlace(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname()
  }
}

/** The state of a process and when it started: fields 3 and 22 of its /proc stat, counted after the name, which may contain anything. */
function factsOf(pid: number): { state: string | null; started: string | null } {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0] ?? null, started: fields[19] ?? null }
  } catch {
    return { state: null, started: null }
  }
}

/** Removes a lock's leftovers from its folder: drafts of processes that ended before they got the lock. */
export async function removeDrafts(folder: string, name: string, now = () => Date.now()): Promise<void> {
  for (const entry of await readdir(folder).catch(() => [])) {
    const path = join(folder, entry)
    if (!entry.startsWith(`${name}.`)) continue
    const holder = await holderOf(path)
    const age = now() - ((await stat(path).catch(() => null))?.mtimeMs ?? now())
    if (holder ? isGone(holder, now()) : age > SILENCE) await rm(path, { recursive: true, force: true })
  }
}
