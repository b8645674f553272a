// Drives an optimizer's rates by schedules, for loops written PyTorch's way.
import { check, type Schedule, show } from './kinds.ts'

/** All that is asked of an optimiser: parameter groups whose `lr` can be set, and `momentum` by schedules that have one. */
export type HasParamGroups = { readonly paramGroups: { lr: number; momentum?: number }[] }

/** The whole state: the number of steps taken. */
export type SchedulerState = { readonly t: number }

/**
 * Sets s(0) into every group's `lr` on construction and s(t) after the t-th `step()`: epoch t runs at s(t) if `step()`
 * is called at the end of every epoch. The rates are absolute: one schedule gives every group the same rate; a list has
 * one schedule a group, in their order. A rate set by hand holds until the next `step()`. Where a schedule has a momentum,
 * the group's is set as well.
 *
 * Errors: TypeError if the optimiser has no groups, a schedule is not a function or their number is not that of the groups; RangeError if a
 * schedule's rate or momentum is not a finite number ≥ 0. Nothing has changed when an error is thrown.
 */
export class Scheduler {
  readonly #optimiser: HasParamGroups
  readonly #schedules: Schedule | readonly Schedule[]
  #t = 0
  #lastLr: readonly number[] = []

  constructor(optimiser: HasParamGroups, schedules: Schedule | readonly Schedule[]) {
    checkOptimiser('Scheduler', optimiser)
    for (const schedule of Array.isArray(schedules) ? schedules : [schedules]) {
      if (typeof schedule !== 'function') {
        const cure = typeof schedule === 'string' ? '; sched.parse makes one of a text' : ''
        throw new TypeError(`Scheduler: a schedule must be a function of t, got ${show(schedule)}${cure}`)
      }
    }
    this.#optimiser = optimiser
    this.#schedules = typeof schedules === 'function' ? schedules : [...schedules]
    this.#moveTo(0)
  }

  /** The rates this scheduler set last, one a group. */
  get lastLr(): number[] {
    return [...this.#lastLr]
  }

  /** Advances t by one and sets the rates. */
  step(): void {
    this.#moveTo(this.#t + 1)
  }

  /** The state, one integer: `{ t }`. */
  stateDict(): SchedulerState {
    return { t: this.#t }
  }

  /** Goes to the state's t, forwards or backwards, and sets the rates. Errors: TypeError and RangeError as above. */
  loadStateDict(state: SchedulerState): void {
    const keys = typeof state === 'object' && state !== null ? Object.keys(state) : []
    if (keys.length !== 1 || keys[0] !== 't') {
      const got = JSON.stringify(state) ?? String(state)
      throw new TypeError(`Scheduler.loadStateDict: the state must be { t }, as stateDict gives it, got ${got}`)
    }
    check('Scheduler.loadStateDict', 't', 'count', state.t)
    this.#moveTo(state.t)
  }

  /** Every rate is computed before the first is set, so that a schedule that throws leaves nothing half done. */
  #moveTo(t: number): void {
    const groups = this.#optimiser.paramGroups
    const schedules = this.#schedules
    if (typeof schedules !== 'function' && schedules.length !== groups.length) {
      const counts = `${schedules.length} schedules for ${groups.length} parameter groups`
      throw new TypeError(`Scheduler: ${counts}; give one schedule for all groups, or a list with one a group`)
    }
    const moved = groups.map(({ momentum: own }, i) => {
      const { rate, momentum } = at(typeof schedules === 'function' ? schedules : schedules[i]!, t, `group ${i}`)
      if (momentum !== undefined && own === undefined) {
        const cure = 'set cycleMomentum to false, or take an optimiser that has one'
        throw new TypeError(`Scheduler: the schedule sets the momentum, which group ${i} has not; ${cure}`)
      }
      return { lr: rate, ...(momentum !== undefined && { momentum }) }
    })
    for (const [i, group] of groups.entries()) Object.assign(group, moved[i])
    this.#t = t
    this.#lastLr = moved.map(({ lr }) => lr)
  }
}

/** Throws TypeError for what has no groups to set rates in. */
export function checkOptimiser(owner: string, optimiser: HasParamGroups): void {
  const groups: unknown = optimiser?.paramGroups
  if (Array.isArray(groups) && groups.every((group) => typeof group?.lr === 'number')) return
  throw new TypeError(
    `${owner}: the optimiser must have paramGroups, each with its lr, as optim.SGD has them, got ${show(optimiser)}`,
  )
}

/** What a schedule gives at t. Errors: RangeError where that is not a finite number ≥ 0. */
function at(schedule: Schedule, t: number, of: string): { rate: number; momentum: number | undefined } {
  const given = { rate: schedule(t), momentum: schedule.momentum?.(t) }
  for (const [what, value] of Object.entries(given)) {
    if (what === 'momentum' && value === undefined) continue
    check('Scheduler', `the ${what} of ${of} at t = ${t}`, 'number', value)
  }
  return given
}
