import { accessSync, constants, existsSync, lstatSync, statSync } from 'node:fs'
import { appendFile, mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { EpochReport, HistoryRecord } from '../train/index.ts'

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
  readonly options: Readonly<Record<string, string | number | null>>
  readonly version: string
  /** SHA-256 over the bytes of the parameters in the order of namedParameters. */
  readonly parameterHash: string
}

/** `runs/2026-01-31T12-34-56`, in local time. */
export function defaultRunFolder(now: Date): string {
  const local = new Date(now.getTime() - now.getTimezoneOffset() * 60_000)
  return join('runs', local.toISOString().slice(0, 19).replaceAll(':', '-'))
}

/**
 * Why a run can't be kept in a folder, or null: it holds a run already, or it can't be made or written. What a run left
 * that broke off before its first record is no run. Nothing is made.
 */
export function refusal(folder: string): string | null {
  if (folder === '') return 'the name of a folder is needed'
  const isFull = (name: string) => (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0) > 0
  try {
    if (['history.jsonl', 'result.json', 'curves.svg'].some(isFull))
      return `${folder} holds a run already; choose another folder`
    // The nearest folder above that exists is where the rest would be made.
    let parent = resolve(folder)
    while (!lstatSync(parent, { throwIfNoEntry: false }) && parent !== dirname(parent)) parent = dirname(parent)
    if (!statSync(parent).isDirectory()) return `${parent} is no folder; choose another`
    accessSync(parent, constants.W_OK | constants.X_OK)
    return null
  } catch (error) {
    return `${folder} can't be written (${(error as NodeJS.ErrnoException).code}); choose another folder`
  }
}

/** Makes a folder and those above it, one by one: the recursive form of mkdir never returns where none can be made. */
async function makeFolder(path: string): Promise<void> {
  if (existsSync(path)) return
  await makeFolder(dirname(path))
  await mkdir(path)
}

/** Runs something that writes a file, and puts the file's name into the error where it fails. */
async function naming<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    throw new WriteError(`${path} can't be written: ${(error as Error).message}`, { cause: error })
  }
}

/** A result that could not be written: what was written before is whole. */
export class WriteError extends Error {
  override readonly name = 'WriteError'
}

/** The files of one run. Lines are appended as they come, so that an interrupted run keeps what it had. */
export class RunFolder {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static async create(path: string): Promise<RunFolder> {
    await naming(path, () => makeFolder(resolve(path)))
    const folder = new RunFolder(path)
    for (const name of ['history.jsonl', 'timing.jsonl']) await folder.#write(name, '')
    return folder
  }

  file(name: string): string {
    return join(this.path, name)
  }

  /** Only what is the same in every run of the same seed. */
  async record(record: HistoryRecord): Promise<void> {
    await this.#append('history.jsonl', record)
  }

  /** Clock figures, which no promise covers. */
  async timing({ epoch, train, trainSeconds, testSeconds }: EpochReport): Promise<void> {
    const imagesPerSecond = train.count / trainSeconds
    await this.#append('timing.jsonl', { kind: 'epoch', epoch, trainSeconds, testSeconds, imagesPerSecond })
  }

  /** Writes `curves.svg` and, last, `result.json`: where that is, the run is complete. */
  async finish(summary: RunSummary, curves: string): Promise<void> {
    await this.#replace('curves.svg', curves)
    await this.#replace('result.json', `${JSON.stringify(summary, null, 2)}\n`)
  }

  async #replace(name: string, text: string): Promise<void> {
    const temporary = `.${name}.tmp`
    await this.#write(temporary, text)
    await naming(this.file(name), () => rename(this.file(temporary), this.file(name)))
  }

  async #write(name: string, text: string): Promise<void> {
    await naming(this.file(name), () => writeFile(this.file(name), text))
  }

  async #append(name: string, line: object): Promise<void> {
    await naming(this.file(name), () => appendFile(this.file(name), `${JSON.stringify(line)}\n`))
  }
}
