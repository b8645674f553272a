// Where setup writes what it does: lines, and bars of downloads.
import type { WriteStream } from 'node:tty'
import { type Params, SingleBar } from 'cli-progress'
import { megabytes } from './errors.ts'

/** Receives what setup reports. */
export interface Report {
  line(text: string): void
  /** Starts a download; `total` is in bytes and may be corrected later. */
  progress(label: string, total: number): Progress
}

export interface Progress {
  update(done: number, total?: number): void
  /** Ends the progress; without `text` its line disappears. */
  end(text?: string): void
}

/** Reports nothing. */
export const silent: Report = {
  line: () => {},
  progress: () => ({ update: () => {}, end: () => {} }),
}

/**
 * Reports to a stream: a bar on a terminal; otherwise (no terminal, TERM=dumb, or CI set) one line at the end of each
 * download, without control characters.
 */
export function reportTo(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Report {
  const live = stream.isTTY && env.TERM !== 'dumb' && (env.CI ?? '') === ''
  const line = (text: string): void => {
    stream.write(`${text}\n`)
  }
  return {
    line,
    progress: (label, total) => {
      const bar = live ? startBar(stream, label, total) : null
      return {
        update: (done, better) => {
          if (better !== undefined) bar?.setTotal(better)
          bar?.update(done)
        },
        end: (text) => {
          bar?.stop()
          if (text !== undefined) line(text)
        },
      }
    },
  }
}

function startBar(stream: WriteStream, label: string, total: number): SingleBar {
  const format = ({ barsize = 24 }, { progress, value, total }: Params): string => {
    const full = Math.floor(Math.min(1, progress) * barsize)
    const bar = `${'='.repeat(full)}>`.slice(0, barsize).padEnd(barsize)
    return `  ${label} [${bar}] ${(value / 1e6).toFixed(1)}/${megabytes(total)}`
  }
  const bar = new SingleBar({
    stream,
    format,
    barsize: 24,
    fps: 10,
    hideCursor: null,
    linewrap: true,
    clearOnComplete: true,
  })
  bar.start(total, 0)
  return bar
}
