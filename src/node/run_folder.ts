// The folder of a training run: its history, timing, result and curves.
import { createHash, type Hash } from 'node:crypto'
import { accessSync, constants, existsSync, lstatSync, statSync } from 'node:fs'
import { appendFile, rm, truncate, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { DataError } from '../errors.ts'
import type { FitEpoch, HistoryRecord } from '../train/index.ts'
import type { FolderPosition, RecordedOptions } from './checkpoint.ts'
import { checkpointNames, createCheckpointFolder } from './checkpoint_folder.ts'
import { flush, naming, readWhole, removeLeftBehind, writeWhole } from './files.ts'
import type { HeldFolder } from './held_folder.ts'

export { WriteError } from './files.ts'

export const HISTORY = 'history.jsonl'
const TIMING = 'timing.jsonl'
export const RESULT = 'result.json'
/** Where a run's numbers ceased to be finite, noted by `sweep`. */
export const DIVERGED = 'diverged.json'
const CURVES = 'curves.svg'
/** The options of a run that has no checkpoint yet. */
export const OPTIONS = 'options.json'
const MOST_OPTION_BYTES = 1 << 20
export const CHECKPOINTS = 'checkpoints'

/** `result.json`: the outcome of a finished run. */
export interface RunSummary {
  readonly trainLoss: number
  readonly trainAcc: number
  readonly testAcc: number
  readonly epochs: number
  readonly steps: number
  /** Wall time of training and evaluation. */
  readonly seconds: number
  /** Training images over the seconds of training alone. */
  readonly imagesPerSecond: number
  readonly adapter: string
  readonly seed: number
  readonly options: RecordedOptions
  readonly version: string
  /** SHA-256 over the bytes of the parameters in the order of namedParameters. */
  readonly parameterHash: string
}

/** `runs/2026-01-31T12-34-56`, in local time; `…-2` for the second run of a second. */
export function defaultRunFolder(now: Date, nth = 1): string {
  const local = new Date(now.getTime() - now.getTimezoneOffset() * 60_000)
  const name = local.toISOString().slice(0, 19).replaceAll(':', '-')
  return join('runs', nth === 1 ? name : `${name}-${nth}`)
}

/** Notes the options of a run that begins, so that it can be resumed before it has a checkpoint. */
export async function noteOptions(path: string, options: RecordedOptions): Promise<void> {
  await writeWhole(join(path, OPTIONS), `${JSON.stringify(options, null, 2)}\n`)
}

/** The options of a run that broke off before its first checkpoint; null if it has one, or never began. Throws DataError. */
export async function notedOptions(path: string): Promise<RecordedOptions | null> {
  const file = join(path, OPTIONS)
  if (!existsSync(file) || refusal(path) !== null) return null
  const bytes = await readWhole(file, MOST_OPTION_BYTES)
  if (typeof bytes === 'string') throw new DataError(`${file}: ${bytes}`)
  try {
    const options = JSON.parse(String(bytes)) as RecordedOptions | null
    if (typeof options === 'object' && options !== null && !Array.isArray(options)) return options
  } catch {
    // Handled as any other file that has no options.
  }
  throw new DataError(`${file}: damaged: start the run again with the line that started it`)
}

/** Removes the options that were noted. */
export async function forgetOptions(path: string): Promise<void> {
  await naming(path, () => rm(join(path, OPTIONS), { force: true }))
  await removeLeftBehind(path, /^options\.json$/)
}

/**
 * Why a run can't be kept in a folder, or null: it holds a run already, or it can't be made or written. What a run left
 * that broke off before its first record and its second checkpoint does not count. Nothing is made.
 */
export function refusal(folder: string): string | null {
  if (folder === '') return 'the name of a folder is needed'
  const isFull = (name: string) => (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0) > 0
  try {
    if (
      [HISTORY, RESULT, CURVES].some(isFull) ||
      checkpointNames(join(folder, CHECKPOINTS)).some(({ step }) => step > 0)
    )
      return `${folder} holds a run already; choose another folder`
    // The nearest folder above that exists is where the rest would be made.
    let parent = resolve(folder)
    while (!lstatSync(parent, { throwIfNoEntry: false }) && parent !== dirname(parent)) parent = dirname(parent)
    if (!statSync(parent).isDirectory()) return `${parent} is not a folder; choose another`
    accessSync(parent, constants.W_OK | constants.X_OK)
    return null
  } catch (error) {
    return `${folder} can't be written (${(error as NodeJS.ErrnoException).code}); choose another folder`
  }
}

/** A folder that this process may write into: `check` rejects once it may not. */
type Writable = Pick<HeldFolder, 'path' | 'check'>

/** The files of one run. Lines are appended as they come, so that an interrupted run keeps what it had. */
export class RunFolder {
  readonly path: string
  readonly #check: () => Promise<void>
  /** Of all that `history.jsonl` holds. */
  readonly #history: { bytes: number; readonly hash: Hash }
  #timingBytes: number

  private constructor({ path, check }: Writable, history: Uint8Array, timingBytes: number) {
    this.path = path
    this.#check = check
    this.#history = { bytes: history.length, hash: createHash('sha256').update(history) }
    this.#timingBytes = timingBytes
  }

  /** A new run's folder; what one left that broke off before its first record is removed. */
  static async create(held: Writable): Promise<RunFolder> {
    const folder = new RunFolder(held, new Uint8Array(), 0)
    await createCheckpointFolder(folder.checkpoints)
    for (const name of [HISTORY, TIMING]) await folder.#write(name, '')
    await folder.#remove(DIVERGED)
    for (const made of [folder.path, dirname(resolve(held.path))]) await naming(made, () => flush(made))
    return folder
  }

  /**
   * The folder of a run that continues: its files are cut back to where a checkpoint was made, and its result is removed.
   * `history` is what `history.jsonl` held there, as `historyAt` gives it.
   */
  static async reopen(held: Writable, at: FolderPosition, history: Uint8Array): Promise<RunFolder> {
    const { path } = held
    const timing = join(path, TIMING)
    const timingBytes = Math.min(at.timingBytes, statSync(timing, { throwIfNoEntry: false })?.size ?? 0)
    const folder = new RunFolder(held, history, timingBytes)
    await removeLeftBehind(path, /^(result\.json|curves\.svg)$/)
    await forgetOptions(path)
    for (const name of [RESULT, DIVERGED]) await folder.#remove(name)
    await naming(folder.file(HISTORY), () => truncate(folder.file(HISTORY), history.length))
    // No promise covers it: where it is gone, it begins anew.
    await naming(timing, async () => (existsSync(timing) ? truncate(timing, timingBytes) : writeFile(timing, '')))
    return folder
  }

  get checkpoints(): string {
    return this.file(CHECKPOINTS)
  }

  file(name: string): string {
    return join(this.path, name)
  }

  /** Waits until all lines are on the disk, and tells how many bytes they are. */
  async position(): Promise<FolderPosition> {
    await this.#check()
    for (const name of [HISTORY, TIMING]) await naming(this.file(name), () => flush(this.file(name)))
    const { bytes, hash } = this.#history
    return { historyBytes: bytes, historySha256: hash.copy().digest('hex'), timingBytes: this.#timingBytes }
  }

  /** Only what is the same in every run of the same seed. */
  async record(record: HistoryRecord): Promise<void> {
    const line = await this.#append(HISTORY, record)
    this.#history.hash.update(line)
    this.#history.bytes += line.length
  }

  /** Clock figures, which no promise covers. */
  async timing({
    epoch,
    images,
    trainSeconds,
    testSeconds,
  }: Pick<FitEpoch, 'epoch' | 'images' | 'trainSeconds' | 'testSeconds'>): Promise<void> {
    const imagesPerSecond = images / trainSeconds
    const line = await this.#append(TIMING, { kind: 'epoch', epoch, trainSeconds, testSeconds, imagesPerSecond })
    this.#timingBytes += line.length
  }

  /** Writes `curves.svg` and, last, `result.json`: where that is, the run is complete. */
  async finish(summary: RunSummary, curves: string): Promise<void> {
    await this.position()
    await writeWhole(this.file(CURVES), curves)
    await writeWhole(this.file(RESULT), `${JSON.stringify(summary, null, 2)}\n`)
  }

  async #write(name: string, text: string): Promise<void> {
    await naming(this.file(name), () => writeFile(this.file(name), text))
  }

  async #remove(name: string): Promise<void> {
    await naming(this.file(name), () => rm(this.file(name), { force: true }))
  }

  async #append(name: string, line: object): Promise<Uint8Array> {
    const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`)
    await this.#check()
    await naming(this.file(name), () => appendFile(this.file(name), bytes))
    return bytes
  }
}
