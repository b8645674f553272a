// The progress of a training run on a stream: a bar and curves on a terminal, and a line an epoch everywhere.
import process from 'node:process'
import { stripVTControlCharacters, styleText } from 'node:util'
import { type Params, SingleBar } from 'cli-progress'
import type { HistoryRecord } from '../train/index.ts'
import { surviveClosedPipe } from './closed_pipe.ts'
import { type BarState, barLine, type EpochProgress, epochLine } from './progress_text.ts'
import { CLEAR_BELOW, TerminalChart } from './terminal_chart.ts'

/** What the progress is written to: `process.stdout`, `process.stderr`, or a stream made by a test. */
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

const redrawsPerSecond = 10
/** Cursor shown, lines wrapping again, and a new line: the bar stays behind as the trace of where the run ended. */
const restoreTerminal = '\x1b[?25h\x1b[?7h\n'

/** cli-progress's bar, whose redraw timer would by itself keep a process alive that failed before `finish`. */
class UnrefBar extends SingleBar {
  declare timer: NodeJS.Timeout | null

  override render(): void {
    super.render()
    this.timer?.unref()
  }
}

/** The bar of the running epoch with the clock behind its figures, and the chart under it. */
class EpochBar {
  #options: ProgressOptions
  #now: () => number
  #bar: UnrefBar
  #last: BatchProgress | undefined
  #trainLoss: number | undefined
  #trainAcc: number | undefined
  #epochStart: number
  #lastBatch: number
  #batches = 0
  #images = 0
  #evaluationSeconds = 0
  #drawing = false
  #barWidth = 0
  #chart: TerminalChart
  #chartShown = false
  #write: (text: string) => void
  #forgetExit: (() => void) | undefined

  constructor(options: ProgressOptions, closed: () => boolean) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#epochStart = this.#now()
    this.#lastBatch = this.#epochStart
    const env = options.env ?? process.env
    const color = (env.NO_COLOR ?? '') === ''
    const paint = (bar: string): string => (color ? styleText('cyan', bar, { validateStream: false }) : bar)
    this.#write = (text) => {
      if (text !== '' && !closed()) options.stream.write(text)
    }
    this.#chart = new TerminalChart(options.epochs, options.stepsPerEpoch, options.records ?? [], color)
    options.stream.on('resize', this.#resized)
    this.#bar = new UnrefBar({
      stream: terminalStream(options.stream, closed),
      fps: redrawsPerSecond,
      format: (_: unknown, params: Params) => {
        const line = barLine(this.#state(params), terminalColumns(options), paint)
        this.#barWidth = stripVTControlCharacters(line).length
        return line
      },
      clearOnComplete: true,
      hideCursor: true,
      // Its handlers would take SIGINT away from the training loop, which wants to save first.
      gracefulExit: false,
    })
  }

  batch(info: BatchProgress): void {
    this.#lastBatch = this.#now()
    this.#batches += 1
    this.#images += info.images
    this.#trainLoss = info.trainLoss ?? this.#trainLoss
    this.#trainAcc = info.trainAcc ?? this.#trainAcc
    this.#last = info
    if (this.#drawing) this.#bar.update(this.#done(info))
    else this.resume()
  }

  /** Clears the bar for good; the next batch begins that of another epoch. */
  end(): void {
    this.pause()
    const now = this.#now()
    this.#evaluationSeconds = (now - this.#lastBatch) / 1000
    this.#epochStart = now
    this.#batches = 0
    this.#images = 0
    this.#last = undefined
    this.#trainLoss = undefined
    this.#trainAcc = undefined
  }

  /** Clears bar and chart for good. */
  finish(): void {
    this.end()
    this.#options.stream.off('resize', this.#resized)
    this.#hideChart()
    this.#guard()
  }

  /** Writes a line above bar and chart. */
  above(line: string): void {
    this.pause()
    const clear = this.#chartShown ? CLEAR_BELOW : ''
    this.#write(`${clear}${line}\n${this.#chartText()}`)
    this.resume()
    this.#guard()
  }

  record(record: HistoryRecord): void {
    this.#chart.add(record)
    this.#write(this.#chartText())
    this.#guard()
  }

  /** Clears the bar and shows the cursor. */
  pause(): void {
    if (!this.#drawing) return
    this.#drawing = false
    this.#barWidth = 0
    this.#bar.stop()
    this.#guard()
  }

  /** Draws the bar again, if the epoch has had a batch. */
  resume(): void {
    if (this.#drawing || this.#last === undefined) return
    this.#drawing = true
    this.#guard()
    this.#bar.start(this.#options.stepsPerEpoch, this.#done(this.#last))
  }

  /** What draws the chart anew. */
  #chartText(): string {
    const text = this.#chart.under(this.#drawing ? this.#barWidth : 0, {
      columns: terminalColumns(this.#options),
      rows: this.#options.stream.rows ?? 0,
    })
    this.#chartShown = text !== ''
    return text
  }

  #hideChart(): void {
    if (this.#chartShown) this.#write(CLEAR_BELOW)
    this.#chartShown = false
  }

  /** The lines of the chart are now wrapped, or too short. */
  #resized = (): void => {
    this.#hideChart()
    this.#write(this.#chartText())
    this.#guard()
  }

  /** Sees to it that nothing is left on the terminal if the process ends, for as long as something stands there. */
  #guard(): void {
    const stands = this.#drawing || this.#chartShown
    if (stands) this.#forgetExit ??= beforeExit(() => this.#restore())
    else {
      this.#forgetExit?.()
      this.#forgetExit = undefined
    }
  }

  #restore(): void {
    const clear = this.#chartShown ? CLEAR_BELOW : ''
    this.#write(this.#drawing ? `${restoreTerminal}${clear}` : clear)
  }

  #done({ epoch, step }: BatchProgress): number {
    return Math.min(this.#options.stepsPerEpoch, Math.max(0, step - epoch * this.#options.stepsPerEpoch))
  }

  #state({ value, total }: Params): BarState {
    const { epochs } = this.#options
    const { epoch, lr } = this.#last ?? { epoch: 0, lr: 0 }
    const seconds = (this.#lastBatch - this.#epochStart) / 1000
    const stepsLeft = total - value + (epochs - epoch - 1) * total
    const remaining = (seconds / this.#batches) * stepsLeft + this.#evaluationSeconds * (epochs - epoch)
    const imagesPerSecond = seconds > 0 ? this.#images / seconds : 0
    const means = { trainLoss: this.#trainLoss, trainAcc: this.#trainAcc }
    return { epoch, epochs, done: value, total, ...means, lr, imagesPerSecond, remaining }
  }
}

/** The width of the terminal, as it is now. */
function terminalColumns(options: ProgressOptions): number {
  const columns = options.columns ?? options.stream.columns ?? 80
  // A terminal that cannot tell its size reports 0.
  return columns > 0 ? columns : 80
}

/**
 * The stream as cli-progress is to see it: a terminal, whatever the stream says of itself, that no longer writes once
 * the pipe is closed, and that drops its saving and restoring of the cursor's position: restored after foreign output
 * has scrolled the screen, the position belongs to somebody else's line.
 */
function terminalStream(stream: ProgressStream, closed: () => boolean): NodeJS.WritableStream {
  const write = (chunk: string): boolean => {
    if (closed() || chunk === '\x1b7' || chunk === '\x1b8') return true
    return stream.write(chunk)
  }
  return Object.assign(Object.create(stream), { isTTY: true, write })
}

/**
 * Runs `restore` if the process ends by itself, by process.exit, or by a signal that nobody else handles.
 * @returns undoes it
 */
function beforeExit(restore: () => void): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const onSignal = (signal: NodeJS.Signals): void => {
    // Somebody else decides what this signal means, and the bar may go on.
    if (process.listenerCount(signal) > 1) return
    undo()
    restore()
    process.kill(process.pid, signal)
  }
  const undo = (): void => {
    process.off('exit', restore)
    for (const signal of signals) process.off(signal, onSignal)
  }
  process.on('exit', restore)
  // In front: a handler registered with `once` is gone, and not counted, after it has run.
  for (const signal of signals) process.prependListener(signal, onSignal)
  return undo
}
