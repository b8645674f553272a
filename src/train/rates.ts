import type { Schedule } from '../sched/index.ts'

export interface RateOptions {
  readonly schedule: Schedule
  /** Whether the schedule's t counts epochs or updates. */
  readonly per: 'epoch' | 'step'
  /**
   * 'before-epoch': epoch (or update) t runs at s(t). 'after-epoch', the order of the chapter's notebook: the first runs
   * at the optimiser's own rate, the one after t at s(t).
   */
  readonly timing: 'before-epoch' | 'after-epoch'
  /** The optimiser's own rate. */
  readonly lr: number
}

/**
 * The momentum in force at an update; undefined where the schedule leaves it alone. 'after-epoch' has s(0)'s for the first
 * as well: the optimiser's own may be none, and a step without momentum is another step.
 */
export function momentumAt(options: RateOptions, epoch: number, step: number): number | undefined {
  const { schedule, timing } = options
  const t = countOf(options, epoch, step)
  return schedule.momentum?.(timing === 'before-epoch' ? t : Math.max(0, t - 1))
}

/** The rate in force at an update, both counted from 0: a pure function of the position. */
export function rateAt(options: RateOptions, epoch: number, step: number): number {
  const { schedule, timing, lr } = options
  const t = countOf(options, epoch, step)
  if (timing === 'before-epoch') return schedule(t)
  return t === 0 ? lr : schedule(t - 1)
}

function countOf({ per }: RateOptions, epoch: number, step: number): number {
  return per === 'epoch' ? epoch : step
}
