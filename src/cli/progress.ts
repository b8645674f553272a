// The progress of a training run on a stream: a bar and curves on a terminal, and a line an epoch everywhere.
import process from 'node:process'
import { stripVTControlCharacters, styleText } from 'node:util'
import { type Params, SingleBar } from 'cli-progress'
import type { HistoryRecord } from '../train/index.ts'
import { surviveClosedPipe } from './closed_pipe.ts'
import { type BarState, barLine, type EpochProgress, epochLine } from './progress_text.ts'
import { CLEAR_BELOW, TerminalChart } from './terminal_chart.ts'

/** The stream to write to: `process.stdout`, `process.stderr`, or one made by a test. */
export type ProgressStream = NodeJS.WritableStream & { columns?: number; rows?: number }

export type ProgressOptions = {
  stream: ProgressStream
  isTTY: boolean
  /** Width of the terminal. By default it is read from the stream at every redraw, to follow resizing. */
  columns?: number | undefined
  /** Write only the line given to `finish`. */
  quiet?: boolean | undefined
  epochs: number
  stepsPerEpoch: number
  /** The records of the run before it was resumed, for its curves. */
  records?: readonly HistoryRecord[]
  /** The environment for CI, NO_COLOR and TERM; by default that of the process. */
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
  /** Means since the start of the epoch; absent if they were not read, and the last ones stay on the screen. */
  trainLoss?: number
  trainAcc?: number
}

export type Progress = {
  /** Call it after every update. It is cheap: it redraws at most ten times a second. */
  batch(info: BatchProgress): void
  /** Adds to the chart under the bar. */
  record(record: HistoryRecord): void
  /** Replaces the bar with the permanent line of the epoch. */
  epoch(info: EpochProgress): void
  /** Writes a permanent line above the bar. */
  message(line: string): void
  /** Removes the bar, restores the cursor and writes `line`, the only line of a quiet run. May be called again. */
  finish(line?: string): void
}

/**
 * Reports a training run. On a terminal it shows a bar, the run's curves under it and a permanent line per epoch; otherwise
 * (no terminal, TERM=dumb, or CI set) only the permanent lines, without control characters. A terminal with fewer than 60
 * columns or 16 rows shows no curves. A closed pipe ends the output, not the run.
 *
 * Create it right before the first update: speeds and remaining times count from here.
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
/** Shows the cursor, wraps lines again, and starts a new line: the bar remains to show where the run ended. */
const restoreTerminal = '\x1b[?25h\x1b[?7h\n'

/** cli-progress's bar, with a redraw timer that does not keep the process alive if a run fails before `finish`. */
class UnrefBar extends SingleBar {
  declare timer: NodeJS.Timeout | null

  override render(): void {
    super.render()
    this.timer?.unref()
  }
}

/** The bar of the running epoch, with the clock for its figures, and the chart under it. */
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
      // Its handlers would take SIGINT from the training loop, which must save first.
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

  /** Clears the bar; the next batch starts the bar of another epoch. */
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

  /** Clears bar and chart finally. */
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

  /** The text that draws the chart again. */
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

  /** After resizing, the lines of the chart are wrapped or too short. */
  #resized = (): void => {
    this.#hideChart()
    this.#write(this.#chartText())
    this.#guard()
  }

  /** While something is drawn, restores the terminal if the process ends. */
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

/** The current width of the terminal. */
function terminalColumns(options: ProgressOptions): number {
  const columns = options.columns ?? options.stream.columns ?? 80
  // A terminal of unknown size reports 0.
  return columns > 0 ? columns : 80
}

/**
 * The stream for cli-progress: it always counts as a terminal, stops writing when the pipe is closed, and ignores saving and
 * restoring of the cursor's position. After other output has scrolled the screen, a restored position would be in a
 * different line.
 */
function terminalStream(stream: ProgressStream, closed: () => boolean): NodeJS.WritableStream {
  const write = (chunk: string): boolean => {
    if (closed() || chunk === '\x1b7' || chunk === '\x1b8') return true
    return stream.write(chunk)
  }
  return Object.assign(Object.create(stream), { isTTY: true, write })
}

/**
 * Runs `restore` if the process ends by itself, by process.exit, or by a signal without another handler.
 * @returns a function that undoes this
 */
function beforeExit(restore: () => void): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const onSignal = (signal: NodeJS.Signals): void => {
    // Another handler decides what this signal means, and the bar may continue.
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
  // In front, because a handler registered with `once` is no longer counted after it has run.
  for (const signal of signals) process.prependListener(signal, onSignal)
  return undo
}
