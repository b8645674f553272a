// The curves of a run as a few lines of text. Pure functions.
import { niceRange, tickLabels } from '../figures/svg.ts'
import type { CurvePoint, CurvePoints } from '../train/history.ts'

/** Lines of the chart: the cells of the curves, the horizontal axis, and the legend. */
const PLOT_ROWS = 8
export const CHART_ROWS = PLOT_ROWS + 2
const NARROWEST = 60
const WIDEST = 100
/** The fewest lines of a terminal, so that the chart leaves room for the lines above it. */
const LEAST_ROWS = CHART_ROWS + 6

/** Strokes as in `curves.svg`: solid, dashed, dotted. Of every `period` dots the first `drawn` are drawn. */
const CURVES = [
  { key: 'trainLoss', label: 'train loss', color: 'blue', period: 1, drawn: 1, sample: '⠒⠒⠒' },
  { key: 'trainAcc', label: 'train acc', color: 'magenta', period: 4, drawn: 3, sample: '⠒⠂⠒' },
  { key: 'testAcc', label: 'test acc', color: 'green', period: 3, drawn: 1, sample: '⠂⠐⠠' },
] as const

export type ChartColor = (typeof CURVES)[number]['color']

/** Whether a terminal of this size has room for a chart with the bar. If its rows are unknown, it has not. */
export function chartFits(columns: number, rows: number): boolean {
  return columns >= NARROWEST && rows >= LEAST_ROWS
}

/** A braille letter's dots, by column and row: https://en.wikipedia.org/wiki/Braille_Patterns */
const DOTS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const

/** Cells of 2 × 4 dots; a cell has the colour of the last dot drawn in it. */
class Canvas {
  readonly width: number
  readonly height: number
  readonly #dots: Uint8Array
  readonly #colors: (ChartColor | undefined)[]

  constructor(columns: number, rows: number) {
    this.width = 2 * columns
    this.height = 4 * rows
    this.#dots = new Uint8Array(columns * rows)
    this.#colors = new Array<undefined>(columns * rows)
  }

  set(x: number, y: number, color: ChartColor): void {
    if (x < 0 || y < 0 || x >= this.width || y >= this.height) return
    const cell = (y >> 2) * (this.width / 2) + (x >> 1)
    this.#dots[cell]! |= DOTS[x & 1]![y & 3]!
    this.#colors[cell] = color
  }

  /** A row as text; neighbours of one colour are painted together. */
  row(y: number, paint: (text: string, color: ChartColor) => string): string {
    const columns = this.width / 2
    let line = ''
    for (let x = 0; x < columns; ) {
      const color = this.#colors[y * columns + x]
      let text = ''
      for (; x < columns && this.#colors[y * columns + x] === color; x++) {
        const dots = this.#dots[y * columns + x]!
        text += dots === 0 ? ' ' : String.fromCharCode(0x2800 + dots)
      }
      line += color === undefined ? text : paint(text, color)
    }
    return line
  }
}

/**
 * The three curves as `CHART_ROWS` lines of fewer than `columns` characters, not counting what `paint` adds. The axes are
 * those of `drawCurves`; points that are not finite are left out.
 */
export function chartLines(
  points: CurvePoints,
  epochs: number,
  columns: number,
  paint: (text: string, color: ChartColor) => string = (text) => text,
): string[] {
  const finite = CURVES.map(({ key }) => points[key].filter((point) => point.every(Number.isFinite)))
  const all = finite.flat()
  const [low, high] = niceRange(
    0,
    all.reduce((most, [, y]) => Math.max(most, y), 1),
    5,
  )
  const labels = tickLabels([high, low])
  const margin = Math.max(...labels.map((label) => label.length))
  const canvas = new Canvas(Math.min(WIDEST, columns - 1) - margin - 2, PLOT_ROWS)
  const end = all.reduce((far, [x]) => Math.max(far, x), epochs)
  for (const [i, curve] of finite.entries()) {
    const place = ([x, y]: CurvePoint): CurvePoint => [
      Math.round((x / end) * (canvas.width - 1)),
      Math.round(((high - Math.max(low, y)) / (high - low)) * (canvas.height - 1)),
    ]
    draw(canvas, curve.map(place), CURVES[i]!)
  }
  const left = (y: number) => (y === 0 ? labels[0]! : y === PLOT_ROWS - 1 ? labels[1]! : '').padStart(margin)
  const lines = Array.from({ length: PLOT_ROWS }, (_, y) => `${left(y)} │${canvas.row(y, paint)}`.trimEnd())
  const last = `${end} epoch${end === 1 ? '' : 's'}`
  const axis = `${' '.repeat(margin)} └${'─'.repeat(canvas.width / 2 - last.length - 1)} ${last}`
  const legend = CURVES.map(({ label, color, sample }) => `${paint(sample, color)} ${label}`).join('   ')
  return [...lines, axis, `${' '.repeat(margin + 2)}${legend}`]
}

/** Joins the points; a single point is a dot. */
function draw(canvas: Canvas, points: readonly CurvePoint[], { color, period, drawn }: (typeof CURVES)[number]): void {
  let at = 0
  for (const [i, [x1, y1]] of points.entries()) {
    const [x0, y0] = points[i - 1] ?? [x1, y1]
    const steps = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0))
    if (steps === 0) canvas.set(x1, y1, color)
    for (let k = 1; k <= steps; k++) {
      const share = k / steps
      if (at++ % period < drawn)
        canvas.set(Math.round(x0 + share * (x1 - x0)), Math.round(y0 + share * (y1 - y0)), color)
    }
  }
}
