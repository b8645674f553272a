// The figures of the chapter's page.

import { CURVE_STYLES } from '../../src/figures/curves.ts'
import { scheduleFigure } from '../../src/figures/schedules.ts'
import { type Band, drawFigure, type Figure, type Line, type Point, type Range } from '../../src/figures/svg.ts'
import { parse, type Schedule } from '../../src/sched/index.ts'
import { curvePoints } from '../../src/train/index.ts'
import { type Metric, rangeOf, valuesOf } from './compare.ts'
import { listed, type PageFigure } from './document.ts'
import { MULTI_STEP, SCHEDULES } from './plan.ts'
import type { Outcome, Run } from './records.ts'

const make = (name: string, alt: string, figure: Figure): PageFigure => ({ name, alt, svg: drawFigure(figure) })

/** The chapter's five schedules. */
export function scheduleFigures(): PageFigure[] {
  return SCHEDULES.map(({ name, title, spec, range }) => {
    const figure = scheduleFigure([{ label: spec, schedule: parse(spec) }], range, title)
    return make(`schedule-${name}`, `${title}: ${spec}, t = 0 … ${range - 1}`, figure)
  })
}

/** Losses above it, of the first epoch, would flatten all else. */
const TOP = 1.2
/** Where a run stays on the plateau at 2.303. */
const PLATEAU_TOP = 2.5
const THIN = 1.1

/** The three curves of every seed. PyTorch's are a pale band from the least to the most; or, where `each`, thin lines. */
export function runFigure({ policy, ours, theirs }: Outcome, epochs: number, each = false): PageFigure {
  const own = ours.flatMap(({ history, stepsPerEpoch }) => {
    const points = curvePoints(history, stepsPerEpoch)
    return CURVE_STYLES.map(({ key, ...style }): Line => ({ ...style, width: THIN, points: points[key] }))
  })
  const pytorch = each ? theirs.flatMap((run) => CURVE_STYLES.map(({ key }) => greyLine(run, key))) : []
  const notes = [
    ...(ours.length > 0 ? [`dawngrad: ${seedsIn(ours)}`] : ['dawngrad: not finished']),
    ...(theirs.length > 0 ? [`${each ? 'grey: PyTorch,' : "pale: the range of PyTorch's"} ${seedsIn(theirs)}`] : []),
  ]
  const high = each || ours.some(({ epochs }) => epochs.some(({ trainLoss }, i) => i > 0 && trainLoss > TOP))
  return make(`run-${policy.name}`, `${policy.title}: train loss, train accuracy and test accuracy over the epochs`, {
    title: policy.title,
    xLabel: 'epoch',
    x: [0, epochs],
    y: [0, high ? PLATEAU_TOP : TOP],
    clip: true,
    lines: [...pytorch, ...own],
    bands: each ? [] : CURVE_STYLES.flatMap(({ key, color }) => bandOf(theirs, key, color)),
    notes: [notes.join(' · ')],
  })
}

/** Such as `seed 0`, `seeds 0, 1 and 2`, or `seeds 0 to 8`. */
function seedsIn(runs: readonly Run[]): string {
  const seeds = runs.map(({ seed }) => seed)
  const [first, last] = [seeds[0]!, seeds.at(-1)!]
  if (seeds.length > 3 && last - first === seeds.length - 1) return `seeds ${first} to ${last}`
  return `seed${seeds.length > 1 ? 's' : ''} ${listed(seeds.map(String))}`
}

const GREY = '#9a9a9a'
const greyLine = (run: Run, metric: Metric): Line => ({
  label: 'PyTorch',
  color: GREY,
  width: THIN,
  points: endsOf(run, metric),
})

/** What was measured over an epoch stands at its end. */
function endsOf({ epochs }: Run, metric: Metric): Point[] {
  return epochs.map((epoch, i): Point => [i + 1, epoch[metric]])
}

function bandOf(runs: readonly Run[], metric: Metric, color: string): Band[] {
  if (runs.length === 0) return []
  const ranges = runs[0]!.epochs.map((_, i) => {
    const ended = runs.map(({ seed, epochs }): Run => ({ seed, epochs: epochs.slice(0, i + 1) }))
    return rangeOf(valuesOf(ended, metric))
  })
  const side = (which: 0 | 1) => ranges.map((range, i): Point => [i + 1, range[which]])
  return [{ color, low: side(0), high: side(1) }]
}

/** Blue and orange, with strokes for where there is no colour: what the notebook did, and what it meant. */
const DID = { color: '#1f77b4' }
const MEANT = { color: '#d55e00', dash: '7 3' }

interface Shown {
  readonly label: string
  readonly outcome: Outcome
  readonly style: Pick<Line, 'color' | 'dash'>
}

/** The rates of two policies, as stairs: that of epoch e is in force from x = e to e + 1. */
export function rateFigure(name: string, title: string, did: Outcome, meant: Outcome, epochs: number): PageFigure {
  const lines = pair(did, meant).flatMap(({ label, outcome, style }): Line[] => {
    const run = outcome.ours[0] ?? outcome.theirs[0]
    return run ? [{ label, ...style, points: stairs(run.epochs.slice(0, epochs).map(({ lr }) => lr)) }] : []
  })
  const most = Math.max(0, ...lines.flatMap(({ points }) => points.map(([, lr]) => lr)))
  return make(name, `${title}: ${listed(pair(did, meant).map(({ label }) => label))}`, {
    title,
    xLabel: 'epoch',
    yLabel: 'learning rate',
    x: [0, epochs],
    y: [0, most > 0 ? Math.ceil(most * 11) / 10 : 1],
    lines,
  })
}

const pair = (did: Outcome, meant: Outcome): Shown[] => [
  { label: 'as the notebook did', outcome: did, style: DID },
  { label: 'as meant', outcome: meant, style: MEANT },
]

function stairs(values: readonly number[], from = 0): Point[] {
  return values.flatMap((value, i): Point[] => [
    [from + i, value],
    [from + i + 1, value],
  ])
}

/** One curve of two policies, every seed of ours, PyTorch's thin and pale behind them. */
export function metricFigure(
  name: string,
  metric: Metric,
  did: Outcome,
  meant: Outcome,
  { epochs, y, title }: { readonly epochs: number; readonly y: readonly [number, number]; readonly title: string },
): PageFigure {
  const key = metric
  const shown = pair(did, meant)
  const pale = shown.flatMap(({ outcome, style }) =>
    outcome.theirs.map((run): Line => ({ ...style, label: '', width: 0.5, points: endsOf(run, metric) })),
  )
  const own = shown.flatMap(({ label, outcome, style }) => {
    const lines = outcome.ours.map((run): Line => {
      const points = curvePoints(run.history, run.stepsPerEpoch)[key]
      return { ...style, label, points }
    })
    return lines.length > 0 ? lines : [{ ...style, label: `${label} (not finished)`, points: [] }]
  })
  return make(name, `${title}: ${listed(shown.map(({ label }) => label))}`, {
    title,
    xLabel: 'epoch',
    x: [0, epochs],
    y,
    clip: true,
    lines: [...own, ...pale.map((line) => ({ ...line, label: own.find(({ color }) => color === line.color)!.label }))],
    notes: pale.length > 0 ? ["thin: PyTorch's seeds, at the ends of epochs"] : [],
  })
}

/** What a scheduler with a state gives, call after call: first for the figure, then in training. */
function callsFigure(name: string, title: string, schedule: Schedule, range: number): PageFigure {
  const part = (from: number) =>
    stairs(
      Array.from({ length: range }, (_, t) => schedule(from + t)),
      from,
    )
  const lines: Line[] = [
    { label: 'called to draw the figure', ...MEANT, points: part(0) },
    { label: 'called in training', ...DID, points: part(range) },
  ]
  const most = Math.max(...lines.flatMap(({ points }) => points.map(([, rate]) => rate)))
  const x: Range = [0, 2 * range]
  return make(name, title, { title, xLabel: 'call', yLabel: 'learning rate', x, y: [0, most * 1.1], lines })
}

/** MultiStep counts its steps: those of the figure are behind it when training begins. */
export function multiStepCalls(): PageFigure {
  return callsFigure('trap-2-calls', 'MultiStep, call by call', parse(MULTI_STEP), 30)
}

/** FactorScheduler multiplies a rate that it keeps, whatever t it is asked for. */
export function factorCalls(): PageFigure {
  const { spec, range } = SCHEDULES[1]
  return callsFigure('trap-3-calls', 'Factor, call by call', parse(spec), range)
}
