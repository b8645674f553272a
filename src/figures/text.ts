// Line figures as text: Braille dots, two by four in a character, with axes and a legend.
import { type Figure, niceTicks, type Point, type Range, tickLabels, xTicks } from './svg.ts'

export interface TextOptions {
  /** Characters in a line (0, from a terminal that does not say, means 80), and rows between the axes. */
  readonly columns?: number
  readonly rows?: number
  /** Whether the terminal shows colours. */
  readonly color?: boolean
}

/** ANSI's blue, red, green, magenta, yellow, cyan and the bright blue and red. */
const INKS = [34, 31, 32, 35, 33, 36, 94, 91]
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
/** The fewest columns for a figure with its labels. */
const NARROWEST = 20
const BRAILLE = 0x2800
/** The bit of a dot by its row and column in the character. */
const DOTS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const
/** Columns from one letter on a line to the next. */
const LETTER_EVERY = 16

/** A character of the canvas: its dots, the line drawn last, and the letter that covers it. */
type Cell = { dots: number; line: number; letter: string }

/**
 * Draws the lines of a figure. If there are several, each has its own letter from the legend, so that they can be told
 * apart without colours; those after the 62nd have none.
 *
 * @returns lines of at most `columns` characters, each with a line feed; long lines of the legend end in an ellipsis. For
 *   fewer than 20 columns it is one sentence that says so.
 */
export function drawText(figure: Figure, options: TextOptions = {}): string {
  const { columns: given = 80, rows = 16, color = false } = options
  const columns = given > 0 ? given : 80
  if (columns < NARROWEST) return `no figure: it needs ${NARROWEST} columns, but has ${columns}\n`
  const yTicks = niceTicks(figure.y, Math.max(2, Math.round(rows / 4)))
  const yLabels = tickLabels(yTicks)
  const left = Math.max(...yLabels.map((label) => label.length))
  const width = columns - left - 2
  const x = scale(figure.x, 2 * width)
  const y = scale(figure.y, 4 * rows)
  const canvas = Array.from({ length: rows }, () =>
    Array.from({ length: width }, (): Cell => ({ dots: 0, line: -1, letter: '' })),
  )
  const several = figure.lines.length > 1
  const paint = (text: string, line: number) => (color && line >= 0 ? `\x1b[${inkOf(line)}m${text}\x1b[0m` : text)
  for (const [i, { points }] of figure.lines.entries()) {
    const places = points.map(([px, py]): Point => [x(px), 4 * rows - 1 - y(py)])
    drawLine(canvas, places, i)
  }
  if (several) for (const i of figure.lines.keys()) placeLetters(canvas, i, figure.lines.length)
  const labelOf = new Map(yTicks.map((tick, k) => [rows - 1 - Math.floor(y(tick) / 4), yLabels[k]!]))
  const body = canvas.map((row, k) => {
    const label = labelOf.get(k)
    const text = row.map(({ dots, line, letter }) => paint(letter || markOf(dots), line)).join('')
    return `${(label ?? '').padStart(left)} ${label === undefined ? '│' : '┤'}${text.trimEnd()}`
  })
  const legend = figure.lines.map(({ label }, i) => {
    const text = several ? `${LETTERS[i] ?? ' '}  ${label}` : label
    return `${' '.repeat(left + 2)}${paint(cut(text, width), i)}`
  })
  const title = figure.title === undefined ? [] : [cut(figure.title, columns)]
  return [...title, ...legend, ...body, ...xAxis(figure, x, width, left), ''].join('\n')
}

const inkOf = (line: number): number => INKS[line % INKS.length]!
/** Not the empty Braille character, which some fonts show as eight rings. */
const markOf = (dots: number): string => (dots === 0 ? ' ' : String.fromCharCode(BRAILLE + dots))

function cut(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text
}

/** From a range to the dots 0 … count − 1. */
function scale([from, to]: Range, count: number): (value: number) => number {
  return (value) => Math.round(((value - from) / (to - from)) * (count - 1))
}

/** Straight lines from point to point; one that is not finite breaks the line. */
function drawLine(canvas: Cell[][], places: readonly Point[], line: number): void {
  let before: Point | null = null
  for (const place of places) {
    if (!place.every(Number.isFinite)) {
      before = null
      continue
    }
    const [fromX, fromY] = before ?? place
    const [dx, dy] = [place[0] - fromX, place[1] - fromY]
    const steps = Math.max(Math.abs(dx), Math.abs(dy), 1)
    for (let k = 0; k <= steps; k++) {
      const [px, py] = [Math.round(fromX + (dx * k) / steps), Math.round(fromY + (dy * k) / steps)]
      const cell = canvas[Math.floor(py / 4)]?.[Math.floor(px / 2)]
      if (!cell) continue
      cell.dots |= DOTS[py % 4]![px % 2]!
      cell.line = line
    }
    before = place
  }
}

/** Puts letters on a line where it is uppermost, beside those of the other lines. */
function placeLetters(canvas: Cell[][], line: number, lines: number): void {
  const letter = LETTERS[line]
  if (letter === undefined) return
  const width = canvas[0]!.length
  let next = Math.round((LETTER_EVERY * (line + 0.5)) / lines)
  for (let column = 0; column < width; column++) {
    if (column < next) continue
    const cell = canvas.find((row) => row[column]!.line === line && row[column]!.letter === '')?.[column]
    if (!cell) continue
    cell.letter = letter
    next = column + LETTER_EVERY
  }
}

function xAxis(figure: Figure, x: (value: number) => number, width: number, left: number): string[] {
  const ticks = xTicks(figure, Math.max(2, Math.floor(width / 12)))
  const labels = tickLabels(ticks)
  const axis = Array.from({ length: width }, () => '─')
  const below = Array.from({ length: width }, () => ' ')
  let free = 0
  for (const [k, tick] of ticks.entries()) {
    const column = Math.floor(x(tick) / 2)
    axis[column] = '┬'
    const label = labels[k]!
    const from = Math.min(Math.max(0, column - Math.floor(label.length / 2)), width - label.length)
    if (from < free || label.length > width) continue
    below.splice(from, label.length, ...label)
    free = from + label.length + 1
  }
  const indent = ' '.repeat(left + 1)
  const name = cut(figure.xLabel, width)
  const before = ' '.repeat(Math.floor((width - name.length) / 2))
  return [`${indent}└${axis.join('')}`, `${indent} ${below.join('').trimEnd()}`, `${indent} ${before}${name}`]
}
