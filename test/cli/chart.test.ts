import { PassThrough } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CHART_ROWS, chartFits, chartLines } from '../../src/cli/chart.ts'
import { createProgress } from '../../src/cli/progress.ts'
import type { CurvePoints, HistoryRecord } from '../../src/train/history.ts'

const POINTS: CurvePoints = {
  trainLoss: Array.from({ length: 20 }, (_, i) => [i / 4 + 0.2, 2 / (1 + i / 2)]),
  trainAcc: Array.from({ length: 20 }, (_, i) => [i / 4 + 0.2, 1 - 0.9 / (1 + i / 2)]),
  testAcc: Array.from({ length: 5 }, (_, i) => [i + 1, 0.9 - 0.4 / (1 + i)]),
}

describe('the chart', () => {
  it('draws the three curves over the epochs, each with its stroke', () => {
    expect(chartLines(POINTS, 8, 60).join('\n')).toMatchInlineSnapshot(`
      "2 │ ⠘⡄
        │  ⢱
        │  ⠈⢆
        │   ⠈⢢
        │     ⠑⢄  ⢀⣀⢀⣀⢀⣀⠠⠤⠠⡤⢠⠤⡐⢒⠐⡒⢐⠒⡐⢒⠐⡒⠰⠒⠔⠲
        │    ⢀⠠⠒⣙⠛⠦⠤⣀⣂⠈ ⠁⠈
        │  ⢠⠈⠁        ⠉⠑⠒⠒⠒⠤⠤⠤⢄⣀⣀⣀⣀⣀⣀⡀
      0 │ ⠐⠁                         ⠈⠉⠉⠉⠉⠉⠉
        └─────────────────────────────────────────────── 8 epochs
         ⠒⠒⠒ train loss   ⠒⠂⠒ train acc   ⠂⠐⠠ test acc"
    `)
  })

  it('gives each curve its colour, and neighbours one', () => {
    const one: CurvePoints = {
      trainLoss: [
        [0, 1],
        [8, 1],
      ],
      trainAcc: [],
      testAcc: [],
    }
    const [first, second] = chartLines(one, 8, 60, (text, color) => `<${color} ${text}>`)
    expect(first).toMatch(/^1 │<blue ⠉+>$/)
    expect(second).toBe('  │')
  })

  it('leaves out what is not finite, and has room for a loss above 1', () => {
    const odd: CurvePoints = {
      trainLoss: [
        [1, 7],
        [2, Number.NaN],
        [3, Infinity],
      ],
      trainAcc: [],
      testAcc: [],
    }
    const lines = chartLines(odd, 4, 60)
    expect(lines[0]!.startsWith('7 │')).toBe(true)
    expect(
      lines
        .slice(0, 8)
        .join('')
        .replace(/[^⠁-⣿]/g, ''),
    ).toHaveLength(1)
  })

  it('has its lines, all shorter than the terminal is wide, whatever the points', () => {
    const value = fc.oneof(fc.float(), fc.double({ min: 0, max: 3, noNaN: true }))
    const curve = fc.array(fc.tuple(fc.double({ min: 0, max: 1000, noNaN: true }), value), { maxLength: 20 })
    const points = fc.record({ trainLoss: curve, trainAcc: curve, testAcc: curve })
    fc.assert(
      fc.property(
        points,
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 60, max: 300 }),
        (any, epochs, columns) => {
          const lines = chartLines(any, epochs, columns)
          expect(lines).toHaveLength(CHART_ROWS)
          for (const line of lines) expect(line.length).toBeLessThan(columns)
        },
      ),
      { seed: 1, numRuns: 300 },
    )
  })

  it.each([
    [60, 16, true],
    [59, 50, false],
    [200, 15, false],
    [80, 0, false],
  ])('with %i columns and %i rows: %s', (columns, rows, fits) => {
    expect(chartFits(columns, rows)).toBe(fits)
  })
})

/** What a terminal of so many rows shows: it knows the sequences in use and fails on any other. */
class Screen {
  readonly lines: string[] = ['']
  row = 0
  column = 0
  cursor = true
  readonly rows: number

  constructor(rows: number) {
    this.rows = rows
  }

  write(text: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are the subject
    for (const token of text.match(/\x1b\[[?\d;]*[a-zA-Z]|\x1b.|./gs) ?? []) this.#take(token)
  }

  #take(token: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are the subject
    const [, count, command] = /^\x1b\[(\d*)([AGJKm])$/.exec(token) ?? []
    const line = this.lines[this.row]!
    if (token === '\r') this.column = 0
    else if (token === '\n') {
      this.column = 0
      this.row++
      if (this.row === this.lines.length) this.lines.push('')
    } else if (command === 'A') this.row = Math.max(this.row - Number(count), this.lines.length - this.rows, 0)
    else if (command === 'G') this.column = Number(count) - 1
    else if (command === 'K') this.lines[this.row] = count === '2' ? '' : line.slice(0, this.column)
    else if (command === 'J') {
      this.lines[this.row] = line.slice(0, this.column)
      for (let row = this.row + 1; row < this.lines.length; row++) this.lines[row] = ''
    } else if (command === 'm' || token.startsWith('\x1b[?7')) return
    else if (token.startsWith('\x1b[?25')) this.cursor = token.endsWith('h')
    else if (token >= ' ') {
      this.lines[this.row] = line.slice(0, this.column).padEnd(this.column) + token + line.slice(++this.column)
    } else throw new Error(`unexpected ${JSON.stringify(token)}`)
  }

  get text(): string[] {
    return this.lines.join('\n').trimEnd().split('\n')
  }
}

function terminal(rows: number, columns = 80) {
  const screen = new Screen(rows)
  const stream = Object.assign(new PassThrough(), { rows, columns })
  let written = ''
  stream.write = ((text: string) => {
    written += text
    screen.write(text)
    return true
  }) as typeof stream.write
  const progress = createProgress({ stream, isTTY: true, epochs: 8, stepsPerEpoch: 50, env: {} })
  return { screen, stream, progress, written: () => written }
}

function record(epoch: number): HistoryRecord {
  return { kind: 'batch', epoch, step: 50 * (epoch + 1), lr: 0.1, trainLoss: 1 / (epoch + 1), trainAcc: 0.5 }
}

const batch = (step: number) => ({ epoch: Math.floor((step - 1) / 50), step, images: 1, lr: 0.1, trainLoss: 1 })
const ended = { lr: 0.1, trainLoss: 0.5, trainAcc: 0.5, testAcc: 0.5, seconds: 1, imagesPerSecond: 1 }

describe('under the progress bar', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('stands under the bar and between two epochs, and is gone in the end', async () => {
    const { screen, progress } = terminal(24)
    progress.batch(batch(1))
    expect(screen.text).toHaveLength(1)
    progress.record(record(0))
    expect(screen.text).toHaveLength(1 + CHART_ROWS)
    expect(screen.text[0]).toMatch(/^epoch 1\/8 \[/)
    // Where the bar ends: what a user types there, ^C, spoils nothing.
    expect([screen.row, screen.column]).toEqual([0, screen.text[0]!.length])
    progress.epoch({ epoch: 0, ...ended })
    expect(screen.text.slice(0, 2)).toEqual([expect.stringMatching(/^epoch 1\/8 {2}loss 0.500/), ''])
    expect(screen.text).toHaveLength(2 + CHART_ROWS)
    progress.batch(batch(51))
    expect(screen.text[1]).toMatch(/^epoch 2\/8 \[/)
    progress.message('checkpoint written')
    expect(screen.text).toHaveLength(3 + CHART_ROWS)
    expect(screen.text.at(-1)).toBe('   ⠒⠒⠒ train loss   ⠒⠂⠒ train acc   ⠂⠐⠠ test acc')
    progress.finish('the end')
    expect(screen.text).toEqual([expect.stringContaining('epoch 1/8'), 'checkpoint written', 'the end'])
    expect(screen.cursor).toBe(true)
  })

  it('is drawn anew in one piece, never cleared first', () => {
    const { progress, written } = terminal(24)
    progress.batch(batch(1))
    progress.record(record(0))
    const before = written().length
    progress.record(record(1))
    for (const clearing of ['\x1b[J', '\x1b[2K']) expect(written().slice(before)).not.toContain(clearing)
    expect(stripVTControlCharacters(written().slice(before)).split('\r\n')).toHaveLength(1 + CHART_ROWS)
  })

  it('goes where the terminal becomes too small, and comes back', () => {
    const { screen, stream, progress } = terminal(24)
    progress.batch(batch(1))
    progress.record(record(0))
    Object.assign(stream, { columns: 59 })
    stream.emit('resize')
    expect(screen.text).toHaveLength(1)
    Object.assign(stream, { columns: 80 })
    stream.emit('resize')
    expect(screen.text).toHaveLength(1 + CHART_ROWS)
    progress.finish()
    stream.emit('resize')
    expect(screen.text).toEqual([''])
  })

  it.each([['quiet'], ['piped'], ['CI']])('is not drawn where it is %s', (how) => {
    const stream = Object.assign(new PassThrough(), { rows: 24, columns: 80 })
    const options = { stream, isTTY: how !== 'piped', quiet: how === 'quiet', env: how === 'CI' ? { CI: '1' } : {} }
    const progress = createProgress({ ...options, epochs: 8, stepsPerEpoch: 50 })
    progress.record(record(0))
    progress.finish()
    expect(stream.read()).toBe(null)
  })

  it('leaves permanent lines alone on the screen, in any order of calls, at any place of it', async () => {
    const call = fc.constantFrom('batch', 'record', 'epoch', 'message', 'wait')
    const property = fc.asyncProperty(
      fc.array(call, { maxLength: 40 }),
      fc.integer({ min: 16, max: 30 }),
      async (calls, rows) => {
        const { screen, progress } = terminal(rows)
        const lines: unknown[] = []
        let [step, epoch] = [0, 0]
        for (const name of calls) {
          if (name === 'batch') progress.batch(batch(++step))
          else if (name === 'record') progress.record(record(epoch))
          else if (name === 'wait') await vi.advanceTimersByTimeAsync(150)
          else if (name === 'message') {
            progress.message(`line ${lines.length}`)
            lines.push(`line ${lines.length}`)
          } else {
            progress.epoch({ epoch, ...ended })
            lines.push(expect.stringMatching(new RegExp(`^epoch ${++epoch}/8 {2}`)))
          }
        }
        progress.finish('the end')
        expect(screen.text).toEqual([...lines, 'the end'])
        expect(screen.cursor).toBe(true)
      },
    )
    await fc.assert(property, { seed: 1, numRuns: 100 })
  })
})
