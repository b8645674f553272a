// The rate and the momentum of every update, from a schedule.
import type { Schedule } from '../sched/index.ts'
import { check } from '../sched/kinds.ts'

export interface RateOptions {
  readonly schedule: Schedule
  /** Whether the schedule's t counts epochs or updates. */
  readonly per: 'epoch' | 'step'
  /**
   * 'before-epoch': epoch (or update) t runs at s(t). 'after-epoch', the order of the chapter's notebook: the first runs
   * at the optimizer's own rate, the one after t at s(t).
   */
  readonly timing: 'before-epoch' | 'after-epoch'
  /** The optimizer's own rate. */
  readonly lr: number
}

/**
 * The momentum in force at an update; undefined where the schedule leaves it alone. 'after-epoch' uses s(0)'s for the first
 * too: switching momentum on later would need another kernel. Throws RangeError if it is not a
 * finite number ≥ 0.
 */
export function momentumAt(options: RateOptions, epoch: number, step: number): number | undefined {
  const { schedule, timing } = options
  const count = countOf(options, epoch, step)
  const t = timing === 'before-epoch' ? count : Math.max(0, count - 1)
  const momentum = schedule.momentum?.(t)
  return momentum === undefined ? undefined : checked(schedule, 'momentum', t, momentum)
}

/** The rate in force at an update, both counted from 0: a pure function of the position. Throws RangeError as `momentumAt` does. */
export function rateAt(options: RateOptions, epoch: number, step: number): number {
  const { schedule, timing, lr } = options
  const count = countOf(options, epoch, step)
  if (timing === 'after-epoch' && count === 0) return lr
  const t = timing === 'before-epoch' ? count : count - 1
  return checked(schedule, 'rate', t, schedule(t))
}

/** More t than a run in sight has; a later one is refused when the run gets there. */
const MOST_CHECKED = 100_000

/** Throws RangeError for a rate or a momentum of a run that is not a finite number ≥ 0. */
export function checkRates(options: RateOptions, epochs: number, updates: number): void {
  const count = options.per === 'epoch' ? epochs : epochs * updates
  for (let t = 0; t < Math.min(count, MOST_CHECKED); t++) {
    rateAt(options, t, t)
    momentumAt(options, t, t)
  }
}

/** Before it is given to a group: a group would keep it, and its own error would not say where it comes from. */
function checked({ spec }: Schedule, what: string, t: number, value: number): number {
  check(spec ?? 'schedule', `the ${what} at t = ${t}`, 'number', value)
  return value
}

function countOf({ per }: RateOptions, epoch: number, step: number): number {
  return per === 'epoch' ? epoch : step
}
