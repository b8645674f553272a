// The figure of a range test: the loss over the logarithm of the learning rate.
import type { LrPoint } from '../train/lr_find.ts'
import { type Figure, niceRange, type Point } from './svg.ts'

/** The axis ends at so many times the first loss: diverging losses would flatten the rest. */
const ROOM = 1.5

/** The losses of a sweep over the logarithm of the rate, raw and smoothed, without those beyond the axis. */
export function lrFigure(points: readonly LrPoint[]): Figure {
  const highest = points.reduce((high, { smoothed }) => Math.max(high, smoothed), 0)
  const top = Math.min(highest, ROOM * (points[0]?.smoothed ?? 0))
  const least = points.reduce((low, { smoothed }) => Math.min(low, smoothed), top)
  // Losses that differ only by rounding are too close for ticks.
  const y = niceRange(least, top - least > 1e-6 * top ? top : least + 1, 5)
  const at = points.map(({ lr }) => Math.log10(lr))
  const [first = 0, last = 0] = [at[0], at.at(-1)]
  const line = (values: readonly number[]) =>
    values.map((value, i): Point => [at[i]!, value >= y[0] && value <= y[1] ? value : Number.NaN])
  const above = points.filter(({ loss }) => !(loss >= y[0] && loss <= y[1])).length
  return {
    xLabel: 'log10 of the learning rate',
    yLabel: 'loss',
    x: niceRange(first, last > first ? last : first + 1, 5),
    y,
    lines: [
      { label: 'loss of the batch', color: '#d55e00', dash: '2 3', points: line(points.map(({ loss }) => loss)) },
      { label: 'smoothed', color: '#1f77b4', points: line(points.map(({ smoothed }) => smoothed)) },
    ],
    ...(above > 0 && { notes: [`${above} of ${points.length} losses lie beyond the axis`] }),
  }
}
