import process from 'node:process'
import type { HistoryRecord } from '../train/index.ts'
import { EpochBar, terminalColumns } from './epoch_bar.ts'
import { type EpochProgress, epochLine } from './progress_text.ts'

/** What the progress is written to: `process.stdout`, `process.stderr`, or a stream of a test's own. */
export type ProgressStream = NodeJS.WritableStream & { columns?: number; rows?: number }

export type ProgressOptions = {
  stream: ProgressStream
  isTTY: boolean
  /** Width of the terminal. Absent: asked of the stream at every redraw, so that resizing is followed. */
  columns?: number | undefined
  /** Write nothing but the line given to `finish`. */
  quiet?: boolean | undefined
  epochs: number
  stepsPerEpoch: number
  /** Of the run before it went on: where its curves begin. */
  records?: readonly HistoryRecord[]
  /** Where CI, NO_COLOR and TERM are looked up; the process's own by default. */
  env?: Readonly<Record<string, string | undefined>>
  /** A clock in milliseconds. */
  now?: () => number
}

/** The state after one update. `epoch` counts from 0, `step` is the number of updates since the start of the run. */
export type BatchProgress = {
  epoch: number
  step: number
  /** Images in this batch. */
  images: number
  lr: number
  /** Means since the epoch's start; absent where they were not read, and the last known ones stay on the screen. */
  trainLoss?: number
  trainAcc?: number
}

export type Progress = {
  /** To be called after every update. Cheap: it redraws at most ten times a second. */
  batch(info: BatchProgress): void
  /** Adds to the chart under the bar. */
  record(record: HistoryRecord): void
  /** Replaces the bar by the epoch's permanent line. */
  epoch(info: EpochProgress): void
  /** Writes a permanent line above the bar. */
  message(line: string): void
  /** Removes the bar, gives the cursor back and writes `line`, the only one of a quiet run. May be called again. */
  finish(line?: string): void
}

/**
 * Reports a training run: a bar, the run's curves under it and a permanent line per epoch on a terminal, the permanent
 * lines alone elsewhere (no terminal, TERM=dumb, or CI set), free of control characters. A terminal of less than 60
 * columns or 16 rows has no curves. A closed pipe ends the output, not the run.
 *
 * Create it right before the first update: rates and remaining times count from here.
 */
export function createProgress(options: ProgressOptions): Progress {
  const { stream, env = process.env } = options
  const closed = surviveClosedPipe(stream)
  const writeLine = (line: string): void => {
    if (!closed()) stream.write(`${line}\n`)
  }
  const live = options.isTTY && !options.quiet && env.TERM !== 'dumb' && (env.CI ?? '') === ''
  const bar = live ? new EpochBar(options, closed) : undefined
  const permanent = (line: string): void => {
    if (options.quiet) return
    if (bar) bar.above(line)
    else writeLine(line)
  }
  return {
    batch: (info) => bar?.batch(info),
    record: (record) => bar?.record(record),
    epoch: (info) => {
      bar?.end()
      permanent(epochLine(info, options.epochs, live ? terminalColumns(options) : undefined))
    },
    message: permanent,
    finish: (line) => {
      bar?.finish()
      if (line !== undefined) writeLine(line)
    },
  }
}

/**
 * Lets a stream's reader go away: a pipe's (`dawngrad train | head -1`, EPIPE) or a terminal's (its window closed, EIO).
 * Any other error is thrown as it would be without the guard. May be called more than once on a stream.
 * @returns tells whether the stream can no longer be written to
 */
export function surviveClosedPipe(stream: NodeJS.WritableStream): () => boolean {
  if (!guarded.has(stream)) {
    guarded.add(stream)
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (!readerGone.has(error.code ?? '')) throw error
      brokenPipes.add(stream)
    })
  }
  return () => brokenPipes.has(stream) || !stream.writable
}

const readerGone = new Set(['EPIPE', 'EIO', 'ERR_STREAM_DESTROYED'])
const guarded = new WeakSet<NodeJS.WritableStream>()
const brokenPipes = new WeakSet<NodeJS.WritableStream>()
