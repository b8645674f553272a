// The figure of a training run: train loss, train accuracy and test accuracy over epochs.
import type { CurvePoint, CurvePoints } from '../train/history.ts'
import { drawFigure, type Line, niceRange } from './svg.ts'

/** The chapter's colours and strokes: matplotlib's '-', 'm--' and 'g-.'. */
export const CURVE_STYLES = [
  { key: 'trainLoss', label: 'train loss', color: '#1f77b4' },
  { key: 'trainAcc', label: 'train acc', color: '#bf00bf', dash: '6 3' },
  { key: 'testAcc', label: 'test acc', color: '#008000', dash: '8 3 2 3' },
] as const

/**
 * Draws the chapter's figure of a run: training loss, training accuracy and test accuracy over the epochs.
 *
 * The vertical axis goes from 0 to 1, or to a round number above the largest loss. At a value that is NaN or infinite the
 * line has a gap, and a note under the figure counts such values.
 *
 * @param points the result of `curvePoints`
 * @param options.epochs the end of the horizontal axis, unless a point lies beyond it
 * @returns an SVG document
 * @throws Error if `epochs` is not a positive integer
 */
export function drawCurves(points: CurvePoints, { epochs, title }: { epochs: number; title?: string }): string {
  if (!Number.isInteger(epochs) || epochs < 1) {
    throw new Error(`drawCurves: epochs must be a positive integer, got ${epochs}`)
  }
  const lines: Line[] = CURVE_STYLES.map(({ key, ...style }) => ({ ...style, points: points[key] }))
  const finite = CURVE_STYLES.flatMap(({ key }) => points[key].filter(isFinitePoint))
  const lowest = finite.reduce((low, [, y]) => Math.min(low, y), 0)
  const highest = finite.reduce((high, [, y]) => Math.max(high, y), 1)
  const end = finite.reduce((far, [x]) => Math.max(far, x), epochs)
  return drawFigure({
    ...(title === undefined ? {} : { title }),
    xLabel: 'epoch',
    x: [0, end],
    y: niceRange(lowest, highest, 5),
    lines,
    notes: CURVE_STYLES.flatMap(({ key, label }) => gapNote(label, points[key])),
  })
}

function isFinitePoint([x, y]: CurvePoint): boolean {
  return Number.isFinite(x) && Number.isFinite(y)
}

function gapNote(label: string, points: readonly CurvePoint[]): string[] {
  const gaps = points.filter((point) => !isFinitePoint(point)).length
  if (gaps === 0) return []
  return [`${label}: ${gaps} of ${points.length} points left out because they are not finite`]
}
