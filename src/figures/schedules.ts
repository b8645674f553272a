// The figure of schedules: the learning rate over steps.
import type { Schedule } from '../sched/index.ts'
import { type Figure, type Line, niceRange, type Point } from './svg.ts'

/** Colours that differ in lightness too, after Okabe and Ito, and strokes for where there is no colour. */
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
 * The rates of schedules at t = 0 … range − 1, points joined by lines as the chapter's figures have them. Where every one
 * of the rates is 0 the axis goes up to 1.
 *
 * @param range how many t, an integer ≥ 2
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
  // A rate on the frame's upper edge would not be seen. The smallest numbers can't be cut into ticks.
  const end = highest > 0 ? Math.max(1.04 * highest, 1e-300) : 1
  // Above the last tick that is a number there is only the largest one.
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
