import { existsSync } from 'node:fs'
import { appendFile, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
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

/** Whether a folder already holds a run: a new one must not be mixed with it. */
export function holdsRun(folder: string): boolean {
  return ['history.jsonl', 'timing.jsonl', 'result.json'].some((name) => existsSync(join(folder, name)))
}

/** The files of one run. Lines are appended as they come, so that an interrupted run keeps what it had. */
export class RunFolder {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static async create(path: string): Promise<RunFolder> {
    await mkdir(path, { recursive: true })
    const folder = new RunFolder(path)
    await writeFile(folder.file('history.jsonl'), '')
    await writeFile(folder.file('timing.jsonl'), '')
    return folder
  }

  file(name: string): string {
    return join(this.path, name)
  }

  /** Only what is the same in every run of the same seed. */
  async record(record: HistoryRecord): Promise<void> {
    await appendFile(this.file('history.jsonl'), `${JSON.stringify(record)}\n`)
  }

  /** Clock figures, which no promise covers. */
  async timing({ epoch, train, trainSeconds, testSeconds }: EpochReport): Promise<void> {
    const imagesPerSecond = train.count / trainSeconds
    await appendFile(
      this.file('timing.jsonl'),
      `${JSON.stringify({ kind: 'epoch', epoch, trainSeconds, testSeconds, imagesPerSecond })}\n`,
    )
  }

  /** Writes `curves.svg` and, last, `result.json`: where that is, the run is complete. */
  async finish(summary: RunSummary, curves: string): Promise<void> {
    await this.#replace('curves.svg', curves)
    await this.#replace('result.json', `${JSON.stringify(summary, null, 2)}\n`)
  }

  async #replace(name: string, text: string): Promise<void> {
    const temporary = this.file(`.${name}.tmp`)
    await writeFile(temporary, text)
    await rename(temporary, this.file(name))
  }
}
