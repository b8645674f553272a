// Line figures as SVG: axes with nice steps, a grid, a legend above the frame, lines with gaps.

export type Point = readonly [x: number, y: number]

/** An interval of an axis, `from` < `to`, both finite. */
export type Range = readonly [from: number, to: number]

/**
 * One line of a figure. `dash` is an SVG dash pattern, absent for a solid line; the default `width` is 1.6 units. A point
 * that is not finite breaks the line; a stretch of one point is drawn as a dot. Lines with the same label, colour and
 * dash share an entry of the legend.
 */
export type Line = { label: string; color: string; dash?: string; width?: number; points: readonly Point[] }

/** A pale area between two lines of finite points. The legend has no entry for it; a note may explain it. */
export type Band = { color: string; low: readonly Point[]; high: readonly Point[] }

/** A figure. Its ranges are drawn as given; `niceRange` makes one that ends on ticks. */
export type Figure = {
  title?: string
  xLabel: string
  yLabel?: string
  x: Range
  y: Range
  /** Whether the x axis has ticks only at whole numbers. */
  wholeX?: boolean
  lines: readonly Line[]
  /** Drawn behind the lines. */
  bands?: readonly Band[]
  /** Whether lines and bands end at the frame. */
  clip?: boolean
  /** Short remarks under the axes, one a row. */
  notes?: readonly string[]
}

/** Colours that are too dim on a dark background, and their replacements there. */
const LIGHTER = { '#1f77b4': '#5aa9e6', '#d55e00': '#f0883e', '#bf00bf': '#e673e6', '#008000': '#4fbf4f' }

/**
 * The same figure on a dark page. A style takes precedence over attributes; viewers without colour schemes or styles draw
 * the light figure. The other line colours contrast with both backgrounds.
 */
export const DARK =
  '<style>@media (prefers-color-scheme:dark){svg{fill:#ddd}[fill="#fff"]{fill:#14171a}[stroke="#ddd"]{stroke:#34383c}' +
  '[stroke="#444"]{stroke:#aaa}[fill="#555"]{fill:#aaa}[fill-opacity]{fill-opacity:.3}' +
  Object.entries(LIGHTER)
    .map(([from, to]) => `[stroke="${from}"]{stroke:${to}}[fill="${from}"]{fill:${to}}`)
    .join('') +
  '}</style>'

// User units. 490 × 350 has the proportions of the chapter's figures, 3.5 × 2.5 inches.
const width = 490
const height = 350
const fontSize = 12
// Matplotlib's font first: some renderers without a desktop map the generic name to a serif.
const fontFamily = 'DejaVu Sans, Verdana, sans-serif'
const rowHeight = 17
const margin = 14
const swatch = 30

/**
 * A step of 1, 2 or 5 times a power of ten that divides `span` into about `count` parts. The mantissa is the nearest on a
 * logarithmic scale, hence the thresholds √2, √10 and √50 (the same as in d3-array's tickIncrement).
 */
export function niceStep(span: number, count: number): number {
  const rough = span / count
  const power = Math.floor(Math.log10(rough))
  const mantissa = rough / 10 ** power
  const nice = mantissa >= Math.sqrt(50) ? 10 : mantissa >= Math.sqrt(10) ? 5 : mantissa >= Math.sqrt(2) ? 2 : 1
  // 2 · 10^−7 is not 2e-7 in floating point; the decimal text is.
  return Number(`${nice}e${power}`)
}

/** The multiples of a nice step inside a range: about `count` of them. */
export function niceTicks([from, to]: Range, count: number): number[] {
  const step = niceStep(to - from, count)
  const slack = 1e-9
  const first = Math.ceil(from / step - slack)
  const last = Math.floor(to / step + slack)
  // `+ 0` turns −0 into 0, which would be labelled "-0".
  return Array.from({ length: last - first + 1 }, (_, k) => clean((first + k) * step) + 0)
}

/** About `count` ticks of a figure's x axis. */
export function xTicks({ x, wholeX = false }: Figure, count: number): number[] {
  return niceTicks(x, count).filter((tick) => !wholeX || Number.isInteger(tick))
}

/** The smallest range around [from, to] that begins and ends on a tick of its nice step. */
export function niceRange(from: number, to: number, count: number): Range {
  const step = niceStep(to - from, count)
  const slack = 1e-9
  return [clean(Math.floor(from / step + slack) * step), clean(Math.ceil(to / step - slack) * step)]
}

/** The labels of ticks: decimals of the same precision, or powers of ten if decimals would be too long. */
export function tickLabels(ticks: readonly number[]): string[] {
  const largest = Math.max(...ticks.map(Math.abs), 0)
  const decimals = Math.max(0, ...ticks.map((tick) => String(tick).split('.')[1]?.length ?? 0))
  const plain = largest < 1e5 && decimals <= 4 && !ticks.some((tick) => String(tick).includes('e'))
  return ticks.map((tick) => (plain ? tick.toFixed(decimals) : tick === 0 ? '0' : tick.toExponential()))
}

/** Text for SVG content and attributes: markup is escaped, characters that XML 1.0 forbids become U+FFFD. */
export function escapeXml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
  return text
    .replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>"']/g, (character) => entities[character] ?? character)
}

/**
 * Draws a figure on a white background, or a dark one if the reader prefers dark pages.
 * @returns a complete SVG document, 490 units wide and 350 high, plus 17 for each note
 */
export function drawFigure(figure: Figure): string {
  const notes = figure.notes ?? []
  const legend = legendRows(figure.lines)
  const yTicks = niceTicks(figure.y, 5)
  const yLabels = tickLabels(yTicks)
  const titleHeight = figure.title === undefined ? 0 : 24
  const frame: Frame = {
    left:
      margin +
      (figure.yLabel === undefined ? 0 : rowHeight) +
      8 +
      Math.max(...yLabels.map((label) => textWidth(label))),
    right: width - margin - 4,
    top: 8 + titleHeight + legend.length * rowHeight + 6,
    bottom: height - 8 - 2 * rowHeight - 6,
  }
  const x = scale(figure.x, [frame.left, frame.right])
  const y = scale(figure.y, [frame.bottom, frame.top])
  const total = height + notes.length * rowHeight
  const middle = (frame.left + frame.right) / 2
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${total}" viewBox="0 0 ${width} ${total}" ` +
      `role="img" font-family="${fontFamily}" font-size="${fontSize}" fill="#222">`,
    `<title>${escapeXml(figure.title ?? [...new Set(figure.lines.map((line) => line.label))].join(', '))}</title>`,
    DARK,
    `<rect width="${width}" height="${total}" fill="#fff"/>`,
    ...(figure.title === undefined ? [] : [drawTitle(figure.title)]),
    ...legend.flatMap((row, k) => drawLegendRow(row, middle, 8 + titleHeight + (k + 0.5) * rowHeight)),
    ...drawXAxis(xTicks(figure, 6), x, frame),
    ...drawYAxis(yTicks, yLabels, y, frame),
    text(figure.xLabel, middle, height - 10, 'middle'),
    ...(figure.yLabel === undefined ? [] : [drawYLabel(figure.yLabel, (frame.top + frame.bottom) / 2)]),
    ...clipped(figure.clip ?? false, frame, [
      ...(figure.bands ?? []).map((band) => drawBand(band, x, y)),
      ...figure.lines.flatMap((line) => drawLine(line, x, y)),
    ]),
    `<rect x="${n(frame.left)}" y="${n(frame.top)}" width="${n(frame.right - frame.left)}" ` +
      `height="${n(frame.bottom - frame.top)}" fill="none" stroke="#444"/>`,
    ...notes.map((note, k) => text(note, margin, height + k * rowHeight + 6, 'start', 'font-size="11" fill="#555"')),
    '</svg>',
    '',
  ].join('\n')
}

type Frame = { left: number; right: number; top: number; bottom: number }
type Scale = (value: number) => number

function scale([from, to]: Range, [start, end]: Range): Scale {
  if (!(Number.isFinite(from) && Number.isFinite(to) && from < to)) {
    throw new Error(`drawFigure: an axis must run from a number to a larger one, got ${from} to ${to}`)
  }
  return (value) => start + ((value - from) / (to - from)) * (end - start)
}

/** Removes rounding errors of multiplication: 3 · 0.2 is 0.6000000000000001. */
function clean(value: number): number {
  return Number(value.toPrecision(12))
}

/** A coordinate, to a hundredth of a unit. */
function n(value: number): string {
  return String(Number(value.toFixed(2)))
}

/** A generous estimate without a font to measure. Digits and Latin letters of a wide sans serif average 0.6 em. */
function textWidth(content: string, size = fontSize): number {
  return [...content].length * 0.6 * size
}

function text(content: string, x: number, y: number, anchor: 'start' | 'middle' | 'end', more = ''): string {
  const attributes = `x="${n(x)}" y="${n(y)}" text-anchor="${anchor}"${more === '' ? '' : ` ${more}`}`
  return `<text ${attributes}>${escapeXml(content)}</text>`
}

/** A text for one line: smaller if it is long, cut if it is still too long. */
function fitted(content: string, room: number, sizes: Range): { shown: string; size: number } {
  const characters = [...content]
  const size = Math.max(sizes[0], Math.min(sizes[1], Math.floor(room / (0.6 * Math.max(1, characters.length)))))
  const most = Math.floor(room / (0.6 * size))
  return { shown: characters.length <= most ? content : `${characters.slice(0, most - 1).join('')}…`, size }
}

function drawTitle(title: string): string {
  const { shown, size } = fitted(title, width - 2 * margin, [9, 14])
  return text(shown, width / 2, 22, 'middle', `font-size="${size}" font-weight="bold"`)
}

function legendWidth(line: Line): number {
  return swatch + 6 + textWidth(line.label) + 16
}

function looksLike(a: Line, b: Line): boolean {
  return a.label === b.label && a.color === b.color && a.dash === b.dash
}

/** The entries of the legend by row, as many as fit. It is above the frame, where it hides no curve. */
function legendRows(lines: readonly Line[]): Line[][] {
  const rows: Line[][] = []
  let used = Number.POSITIVE_INFINITY
  for (const line of lines.filter((one, i) => lines.findIndex((other) => looksLike(one, other)) === i)) {
    if (used + legendWidth(line) > width - 2 * margin) {
      rows.push([])
      used = 0
    }
    rows.at(-1)?.push(line)
    used += legendWidth(line)
  }
  return rows
}

function drawLegendRow(row: readonly Line[], middle: number, y: number): string[] {
  const total = row.reduce((sum, line) => sum + legendWidth(line), 0) - 16
  let left = Math.max(margin, middle - total / 2)
  return row.flatMap((line) => {
    const { shown, size } = fitted(line.label, width - 2 * margin - swatch - 6, [8, fontSize])
    const entry = [
      `<path d="M${n(left)} ${n(y)}H${n(left + swatch)}" ${stroke(line)}/>`,
      text(shown, left + swatch + 6, y + 4, 'start', size === fontSize ? '' : `font-size="${size}"`),
    ]
    left += legendWidth(line)
    return entry
  })
}

function drawXAxis(ticks: readonly number[], x: Scale, frame: Frame): string[] {
  const labels = tickLabels(ticks)
  return ticks.flatMap((tick, k) => [
    `<path d="M${n(x(tick))} ${n(frame.top)}V${n(frame.bottom)}" stroke="#ddd"/>`,
    `<path d="M${n(x(tick))} ${n(frame.bottom)}v4" stroke="#444"/>`,
    text(labels[k] ?? '', x(tick), frame.bottom + 17, 'middle'),
  ])
}

function drawYAxis(ticks: readonly number[], labels: readonly string[], y: Scale, frame: Frame): string[] {
  return ticks.flatMap((tick, k) => [
    `<path d="M${n(frame.left)} ${n(y(tick))}H${n(frame.right)}" stroke="#ddd"/>`,
    `<path d="M${n(frame.left)} ${n(y(tick))}h-4" stroke="#444"/>`,
    text(labels[k] ?? '', frame.left - 8, y(tick) + 4, 'end'),
  ])
}

function drawYLabel(label: string, y: number): string {
  return text(label, 0, 0, 'middle', `transform="translate(${margin + 4} ${n(y)}) rotate(-90)"`)
}

function stroke(line: Line): string {
  const dash = line.dash === undefined ? '' : ` stroke-dasharray="${escapeXml(line.dash)}"`
  return `fill="none" stroke="${escapeXml(line.color)}" stroke-width="${line.width ?? 1.6}" stroke-linejoin="round"${dash}`
}

function drawBand({ low, high, color }: Band, x: Scale, y: Scale): string {
  const around = [...low, ...high.toReversed()].map(([px, py]) => `${n(x(px))} ${n(y(py))}`)
  return `<path d="M${around.join('L')}Z" fill="${escapeXml(color)}" fill-opacity="0.2"/>`
}

/** An inner document is clipped to its view. Unlike a clip path it needs no name, which another figure might share. */
function clipped(clip: boolean, { left, right, top, bottom }: Frame, parts: readonly string[]): readonly string[] {
  if (!clip) return parts
  const [w, h] = [n(right - left), n(bottom - top)]
  const view = `x="${n(left)}" y="${n(top)}" width="${w}" height="${h}" viewBox="${n(left)} ${n(top)} ${w} ${h}"`
  return [`<svg ${view}>`, ...parts, '</svg>']
}

/** One path for each stretch of finite points: a line across a gap would show values that were not measured. */
function drawLine(line: Line, x: Scale, y: Scale): string[] {
  const stretches: Point[][] = [[]]
  for (const point of line.points) {
    if (Number.isFinite(point[0]) && Number.isFinite(point[1])) stretches.at(-1)?.push(point)
    else stretches.push([])
  }
  return stretches.flatMap((stretch) => {
    const [first] = stretch
    if (first === undefined) return []
    if (stretch.length === 1) {
      return [`<circle cx="${n(x(first[0]))}" cy="${n(y(first[1]))}" r="3" fill="${escapeXml(line.color)}"/>`]
    }
    return [`<path d="M${stretch.map(([px, py]) => `${n(x(px))} ${n(y(py))}`).join('L')}" ${stroke(line)}/>`]
  })
}
