// The last figures of every run, a row a policy: ours, PyTorch's, what the chapter prints, and what is allowed.
import { DARK, escapeXml, niceRange, niceTicks, type Range, tickLabels } from '../../src/figures/svg.ts'
import { agreement, type Judged, rangeOf, valuesOf } from './compare.ts'
import type { PageFigure } from './document.ts'
import type { Outcome } from './records.ts'

const WIDTH = 640
const ROW = 34
const LEFT = 196
const RIGHT = 26
const TOP = 58
const FONT = 'DejaVu Sans, Verdana, sans-serif'
const OWN = '#1f77b4'
const PYTORCH = '#d55e00'

/** What lies outside of `shown` is drawn at the edge, with its value. */
export function stripFigure(name: string, title: string, metric: Judged, outcomes: readonly Outcome[]): PageFigure {
  const shown = rangeShown(metric, outcomes)
  const bottom = TOP + outcomes.length * ROW
  const height = bottom + 44
  const x = (value: number) => LEFT + ((value - shown[0]) / (shown[1] - shown[0])) * (WIDTH - LEFT - RIGHT)
  const ticks = niceTicks(shown, 6)
  const labels = tickLabels(ticks)
  const label = metric === 'trainLoss' ? 'train loss of the last epoch' : 'test accuracy after the last epoch'
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" ` +
      `role="img" font-family="${FONT}" font-size="12" fill="#222">`,
    `<title>${escapeXml(title)}</title>`,
    DARK,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(title, WIDTH / 2, 22, 'middle', ' font-size="14" font-weight="bold"'),
    ...legend(),
    ...ticks.flatMap((tick, i) => [
      `<path d="M${n(x(tick))} ${TOP}V${bottom}" stroke="#ddd"/>`,
      text(labels[i]!, x(tick), bottom + 17, 'middle'),
    ]),
    text(label, (LEFT + WIDTH - RIGHT) / 2, bottom + 36, 'middle'),
    ...outcomes.flatMap((outcome, i) => row(outcome, metric, TOP + (i + 0.5) * ROW, shown, x)),
    `<rect x="${LEFT}" y="${TOP}" width="${WIDTH - LEFT - RIGHT}" height="${bottom - TOP}" fill="none" stroke="#444"/>`,
    '</svg>',
    '',
  ].join('\n')
  return { name, alt: `${title}: every seed of every policy`, svg }
}

/** From the least to the most, but for runs on the plateau. */
function rangeShown(metric: Judged, outcomes: readonly Outcome[]): Range {
  const values = outcomes.flatMap(({ policy, ours, theirs }) => [
    ...(policy.printed ? [policy.printed[metric]] : []),
    ...valuesOf([...ours, ...theirs], metric),
  ])
  const inside = values.filter((value) => (metric === 'trainLoss' ? value < 1 : value > 0.5))
  const [low, high] = rangeOf(inside.length > 0 ? inside : values)
  return high > low ? niceRange(low - 0.01, high + 0.01, 6) : [low - 0.05, low + 0.05]
}

function row({ policy, ours, theirs }: Outcome, metric: Judged, y: number, shown: Range, x: (value: number) => number) {
  const inFrame = (value: number) => Math.min(Math.max(value, shown[0]), shown[1])
  const found = agreement({ policy, ours, theirs, missing: [] }, metric)
  const parts = [text(policy.title, LEFT - 10, y + 4, 'end')]
  if (found) {
    const [from, to] = found.allowed.map((value) => x(inFrame(value))) as [number, number]
    parts.push(
      `<rect x="${n(from)}" y="${n(y - 11)}" width="${n(to - from)}" height="22" fill="#7f7f7f" fill-opacity="0.2"/>`,
      `<path d="M${n(x(inFrame(found.mean)))} ${n(y - 11)}v22" stroke="${OWN}" stroke-width="2"/>`,
    )
  }
  const marks = (values: readonly number[], at: number, draw: (cx: number, cy: number) => string) =>
    values.flatMap((value) => [draw(x(inFrame(value)), at), ...beyond(value, shown, x(inFrame(value)), at)])
  parts.push(...marks(valuesOf(theirs, metric), y - 5, ring), ...marks(valuesOf(ours, metric), y + 5, dot))
  if (policy.printed) parts.push(...marks([policy.printed[metric]], y, cross))
  return parts
}

/** The value of a mark at the edge that belongs beyond it. */
function beyond(value: number, [low, high]: Range, cx: number, cy: number): string[] {
  if (value >= low && value <= high) return []
  return [text(value.toFixed(3), cx + (value < low ? 8 : -8), cy + 4, value < low ? 'start' : 'end', ' font-size="10"')]
}

const dot = (cx: number, cy: number) => `<circle cx="${n(cx)}" cy="${n(cy)}" r="4" fill="${OWN}"/>`
const ring = (cx: number, cy: number) =>
  `<circle cx="${n(cx)}" cy="${n(cy)}" r="3.5" fill="none" stroke="${PYTORCH}" stroke-width="1.8"/>`
const cross = (cx: number, cy: number) =>
  `<path d="M${n(cx - 4)} ${n(cy - 4)}l8 8m0 -8l-8 8" fill="none" stroke="#444" stroke-width="1.8"/>`

function legend(): string[] {
  const y = 42
  return [
    dot(LEFT + 6, y),
    text('dawngrad', LEFT + 16, y + 4, 'start'),
    `<path d="M${LEFT + 92} ${y - 7}v14" stroke="${OWN}" stroke-width="2"/>`,
    text('its mean', LEFT + 99, y + 4, 'start'),
    ring(LEFT + 168, y),
    text('PyTorch', LEFT + 177, y + 4, 'start'),
    `<rect x="${LEFT + 235}" y="${y - 7}" width="22" height="14" fill="#7f7f7f" fill-opacity="0.2"/>`,
    text('allowed', LEFT + 263, y + 4, 'start'),
    cross(LEFT + 326, y),
    text('printed', LEFT + 337, y + 4, 'start'),
  ]
}

function text(content: string, x: number, y: number, anchor: 'start' | 'middle' | 'end', more = ''): string {
  return `<text x="${n(x)}" y="${n(y)}" text-anchor="${anchor}"${more}>${escapeXml(content)}</text>`
}

const n = (value: number) => String(Number(value.toFixed(2)))
