// The results of a sweep as a table and a figure. Pure functions.
import { type Figure, type Line, niceRange, type Point as Place, type Range } from '../figures/svg.ts'
import { type Axis, describePoint, type Point } from './sweep_grid.ts'

/** The last figures of a run. */
export interface Figures {
  readonly trainLoss: number
  readonly trainAcc: number
  readonly testAcc: number
}

/** A point of the grid, its folder, and its result. */
export interface Outcome {
  readonly point: Point
  readonly folder: string
  /** Null if it is not finished. */
  readonly result: Figures | null
  /** Its numbers stopped being finite. */
  readonly diverged: boolean
}

/** The outcomes of points that differ only in the seed. */
export interface Group {
  /** Without the seed. */
  readonly point: Point
  readonly outcomes: readonly Outcome[]
  /** The medians of the finished ones; null if none is finished. */
  readonly median: Figures | null
}

const SEED = 'seed'

/** The outcomes grouped without their seeds: best test accuracy first, ties and unfinished ones in the grid's order. */
export function groupsOf(outcomes: readonly Outcome[]): Group[] {
  const groups = new Map<string, { point: Point; outcomes: Outcome[] }>()
  for (const outcome of outcomes) {
    const point = new Map([...outcome.point].filter(([name]) => name !== SEED))
    const key = JSON.stringify([...point])
    const group = groups.get(key) ?? { point, outcomes: [] }
    group.outcomes.push(outcome)
    groups.set(key, group)
  }
  return [...groups.values()]
    .map((group) => ({ ...group, median: medianOf(group.outcomes) }))
    .sort((a, b) => (b.median?.testAcc ?? -1) - (a.median?.testAcc ?? -1))
}

function medianOf(outcomes: readonly Outcome[]): Figures | null {
  const results = outcomes.flatMap(({ result }) => result ?? [])
  if (results.length === 0) return null
  const of = (key: keyof Figures) => median(results.map((result) => result[key]))
  return { trainLoss: of('trainLoss'), trainAcc: of('trainAcc'), testAcc: of('testAcc') }
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length / 2
  return (sorted[Math.ceil(half) - 1]! + sorted[Math.floor(half)]!) / 2
}

/** The groups as lines of text. If seeds vary, figures are medians, and the test accuracy has its range. */
export function tableLines(groups: readonly Group[]): string[] {
  const names = [...(groups[0]?.point.keys() ?? [])]
  const seeds = groups.some(({ outcomes }) => outcomes.some(({ point }) => point.has(SEED)))
  const single = groups.some(({ outcomes }) => outcomes.length === 1)
  const spreads = seeds ? ['from', 'to', 'seeds'] : []
  const head = ['test acc', ...spreads, 'train acc', 'train loss', ...names, ...(single ? ['folder'] : [])]
  const rows = groups.map(({ point, outcomes, median }) => {
    const done = outcomes.flatMap(({ result }) => result ?? [])
    const accuracies = done.map(({ testAcc }) => testAcc)
    const range = [Math.min(...accuracies), Math.max(...accuracies)].map(three)
    const diverged = outcomes.filter((outcome) => outcome.diverged).length
    const lost = diverged > 0 && done.length > 0 ? `, ${diverged} diverged` : ''
    const spread = seeds ? [...range, `${done.length}/${outcomes.length}${lost}`] : []
    const figures = median ? [median.testAcc, ...[median.trainAcc, median.trainLoss]].map(three) : []
    const [test = '', ...train] = figures.length > 0 ? figures : [diverged > 0 ? 'diverged' : 'none', '', '']
    const folder = outcomes.length === 1 ? outcomes[0]!.folder : ''
    return [test, ...spread, ...train, ...names.map((name) => String(point.get(name))), ...(single ? [folder] : [])]
  })
  const all = [head, ...rows]
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]!.length)))
  return all.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  )
}

function three(value: number): string {
  return Number.isFinite(value) ? value.toFixed(3) : ''
}

/** The most lines that a figure can show apart. */
const MOST_LINES = 6
const COLORS = ['#1f77b4', '#d55e00', '#009e73', '#bf00bf', '#b8860b', '#7f7f7f']
const DASHES = [undefined, '7 3', '2 3', '8 3 2 3', undefined, '7 3']
/** If the largest value of an axis is so many times the smallest, the axis is logarithmic. */
const DECADES = 20

/** A group in the figure: its position on the axis, and the test accuracies of its seeds. */
interface Spot {
  readonly x: number
  readonly median: number
  readonly low: number
  readonly high: number
}

/**
 * The median test accuracy over one option of the grid: the first with several values, preferably numbers. It has a line for
 * each combination of the other options, the best six, on a pale band from the worst to the best seed. Values that are not
 * numbers are numbered, and explained in notes.
 *
 * @returns null if nothing is finished
 */
export function sweepFigure(groups: readonly Group[], axes: readonly Axis[]): Figure | null {
  const finished = groups.filter(({ median }) => median !== null)
  if (finished.length === 0) return null
  const others = axes.filter(({ name }) => name !== SEED)
  const several = others.filter(({ values }) => values.length > 1)
  const chosen = several.find(({ values }) => values.every((v) => typeof v === 'number')) ?? several[0] ?? others[0]
  const axis = chosen?.name
  const values = chosen?.values ?? []
  const numbers = values.filter((value) => typeof value === 'number')
  const numeric = numbers.length === values.length && values.length > 0
  const logarithmic = numeric && Math.min(...numbers) > 0 && Math.max(...numbers) >= DECADES * Math.min(...numbers)
  const placeOf = (value: string | number | undefined): number => {
    if (!numeric || typeof value !== 'number') return values.indexOf(value ?? '') + 1
    return logarithmic ? Math.log10(value) : value
  }
  const lines = new Map<string, Spot[]>()
  for (const { point, outcomes, median } of finished) {
    const rest = new Map([...point].filter(([key]) => key !== axis && several.some(({ name }) => name === key)))
    const key = describePoint(rest)
    const accuracies = outcomes.flatMap(({ result }) => result?.testAcc ?? [])
    const [low, high] = [Math.min(...accuracies), Math.max(...accuracies)]
    lines.set(key, [
      ...(lines.get(key) ?? []),
      { x: placeOf(axis && point.get(axis)), median: median!.testAcc, low, high },
    ])
  }
  const shown = [...lines]
    .slice(0, MOST_LINES)
    .map(([key, spots]) => ({ key, spots: spots.toSorted((a, b) => a.x - b.x) }))
  const places = values.map(placeOf)
  const spots = shown.flatMap(({ spots }) => spots)
  const [low, high] = [Math.min(...spots.map((spot) => spot.low)), Math.max(...spots.map((spot) => spot.high))]
  const spread = spots.some((spot) => spot.low < spot.high)
  const numbered = numeric ? [] : values.map((value, i) => `${i + 1}: ${value}`)
  const left = lines.size - shown.length
  return {
    xLabel: numeric ? `${logarithmic ? 'log10 of ' : ''}${axis}` : `${axis ?? 'run'}, by its number`,
    yLabel: 'test accuracy',
    x: !numeric && values.length > 0 ? [0.5, values.length + 0.5] : xRange(places),
    wholeX: !numeric,
    y: high > low ? niceRange(low, high, 5) : [Math.max(0, low - 0.1), Math.min(1, high + 0.1)],
    lines: shown.map(({ key, spots }, i): Line => {
      const dash = DASHES[i]
      const label = key === '' ? 'test accuracy' : key
      return { label, color: COLORS[i]!, ...(dash && { dash }), points: spots.map(({ x, median }) => [x, median]) }
    }),
    bands: spread
      ? shown.map(({ spots }, i) => ({
          color: COLORS[i]!,
          low: spots.map(({ x, low }): Place => [x, low]),
          high: spots.map(({ x, high }): Place => [x, high]),
        }))
      : [],
    notes: [
      ...numbered,
      ...(spread ? ['medians; pale in sweep.svg: from the worst to the best seed'] : []),
      ...(left > 0 ? [`${left} more combinations are not drawn`] : []),
    ],
  }
}

function xRange(places: readonly number[]): Range {
  if (places.length === 0) return [0, 1]
  const [from, to] = [Math.min(...places), Math.max(...places)]
  return to > from ? niceRange(from, to, 5) : [from - 1, to + 1]
}
