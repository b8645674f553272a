// A bar chart as SVG, for the page of benchmarks.
import { escapeXml, niceRange, niceTicks, tickLabels } from '../../src/figures/svg.ts'

export interface Bar {
  readonly label: string
  readonly value: number
  /** What stands behind the bar. */
  readonly text: string
  /** Drawn in the colour of what the page is about; the others are grey. */
  readonly own?: boolean
}

export interface BarFigure {
  readonly title: string
  readonly axis: string
  readonly bars: readonly Bar[]
}

const WIDTH = 640
const ROW = 24
const LEFT = 230
const RIGHT = 90
const TOP = 38
const FONT = 'DejaVu Sans, Verdana, sans-serif'

/** Keeps the lines of the grid out of the letters. */
const BEHIND = ' paint-order="stroke" stroke="#fff" stroke-width="4"'

/** Horizontal bars from zero, on a white ground of their own, so that they read the same on light and dark pages. */
export function drawBars({ title, axis, bars }: BarFigure): string {
  const [, most] = niceRange(0, Math.max(...bars.map(({ value }) => value)), 5)
  const ticks = niceTicks([0, most], 5)
  const labels = tickLabels(ticks)
  const bottom = TOP + bars.length * ROW
  const height = bottom + 46
  const room = WIDTH - LEFT - RIGHT
  const x = (value: number) => (LEFT + (room * value) / most).toFixed(1)
  const text = (content: string, at: string | number, y: number, anchor: string, more = '') =>
    `<text x="${at}" y="${y}" text-anchor="${anchor}"${more}>${escapeXml(content)}</text>`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" ` +
      `role="img" font-family="${FONT}" font-size="12" fill="#222">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(title, WIDTH / 2, 22, 'middle', ' font-size="14" font-weight="bold"'),
    ...ticks.flatMap((tick, i) => [
      `<line x1="${x(tick)}" x2="${x(tick)}" y1="${TOP}" y2="${bottom}" stroke="#ddd"/>`,
      text(labels[i]!, x(tick), bottom + 16, 'middle'),
    ]),
    text(axis, LEFT + room / 2, bottom + 36, 'middle'),
    ...bars.flatMap(({ label, value, text: behind, own }, i) => {
      const y = TOP + i * ROW
      const length = ((room * value) / most).toFixed(1)
      return [
        text(label, LEFT - 8, y + 16, 'end'),
        `<rect x="${LEFT}" y="${y + 4}" width="${length}" height="${ROW - 8}" fill="${own ? '#1f77b4' : '#999'}"/>`,
        text(behind, (Number(x(value)) + 6).toFixed(1), y + 16, 'start', BEHIND),
      ]
    }),
    `<line x1="${LEFT}" x2="${LEFT}" y1="${TOP}" y2="${bottom}" stroke="#444"/>`,
    '</svg>',
    '',
  ].join('\n')
}
