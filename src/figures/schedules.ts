// The figure of schedules: the learning rate over steps.
import type { Schedule } from '../sched/index.ts'
import { type Figure, type Line, niceRange, type Point } from './svg.ts'

/** Colours after Okabe and Ito, which also differ in lightness, and strokes for readers without colour. */
const STYLES: readonly Omit<Line, 'label' | 'points'>[] = [
  { color: '#1f77b4' },
  { color: '#d55e00', dash: '7 3' },
  { color: '#009e73', dash: '2 3' },
  { color: '#bf00bf', dash: '8 3 2 3' },
  { color: '#b8860b' },
  { color: '#7f7f7f', dash: '7 3' },
  { color: '#56a0d3', dash: '2 3' },
  { color: '#e0457b', dash: '8 3 2 3' },
]

export interface Drawn {
  readonly label: string
  readonly schedule: Schedule
}

/**
 * The rates of schedules at t = 0 … range − 1, points joined by lines as in the chapter's figures. If all rates are 0 the
 * axis ends at 1.
 *
 * @param range the number of t, an integer ≥ 2
 * @throws RangeError for another range
 */
export function scheduleFigure(drawn: readonly Drawn[], range: number, title?: string): Figure {
  if (!Number.isSafeInteger(range) || range < 2) {
    throw new RangeError(`scheduleFigure: range must be an integer ≥ 2, the number of t, got ${range}`)
  }
  const lines = drawn.map(({ label, schedule }, i) => {
    const points = Array.from({ length: range }, (_, t): Point => [t, schedule(t)])
    return { label, points, ...STYLES[i % STYLES.length]! }
  })
  let highest = 0
  for (const { points } of lines) {
    for (const [, rate] of points) if (Number.isFinite(rate)) highest = Math.max(highest, rate)
  }
  // A rate on the upper edge of the frame would be invisible. The smallest numbers can't be divided into ticks.
  const end = highest > 0 ? Math.max(1.04 * highest, 1e-300) : 1
  // The last tick may not exceed the largest number.
  const [, top] = niceRange(0, Math.min(end, Number.MAX_VALUE), 5)
  return {
    ...(title !== undefined && { title }),
    xLabel: 't',
    yLabel: 'learning rate',
    x: [0, range - 1],
    wholeX: true,
    y: [0, Math.min(top, Number.MAX_VALUE)],
    lines,
  }
}
