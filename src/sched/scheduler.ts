// Drives an optimizer's rates by schedules, for loops written PyTorch's way.

import { LOAD_FIRST, refuseInCapture } from '../capture/current.ts'
import { shown } from '../tensor/options.ts'
import { check, type Schedule } from './kinds.ts'

/** What a scheduler needs of an optimizer: groups whose `lr` can be set, and `momentum` if a schedule has one. */
export type HasParamGroups = { readonly paramGroups: { lr: number; momentum?: number }[] }

/** The whole state: the number of steps taken. */
export type SchedulerState = { readonly t: number }

/**
 * Sets every group's `lr` to s(0) on construction and to s(t) after the t-th `step()`. So epoch t runs at s(t) if you call
 * `step()` at the end of every epoch. The rates are absolute: one schedule gives every group the same rate; a list has one
 * schedule a group, in order. A rate set by hand lasts until the next `step()`. If a schedule has a momentum, the group's
 * is set too.
 *
 * Throws TypeError if the optimizer has no groups, a schedule is not a function, or there are not as many schedules as
 * groups; RangeError if a rate or momentum is not a finite number ≥ 0. If it throws, nothing has changed.
 */
export class Scheduler {
  readonly #optimizer: HasParamGroups
  readonly #schedules: Schedule | readonly Schedule[]
  #t = 0
  #lastLr: readonly number[] = []

  constructor(optimizer: HasParamGroups, schedules: Schedule | readonly Schedule[]) {
    checkOptimizer('Scheduler', optimizer)
    for (const schedule of Array.isArray(schedules) ? schedules : [schedules]) {
      if (typeof schedule !== 'function') {
        const cure = typeof schedule === 'string' ? '; sched.parse makes one from a string' : ''
        throw new TypeError(`Scheduler: a schedule must be a function of t, got ${shown(schedule)}${cure}`)
      }
    }
    this.#optimizer = optimizer
    this.#schedules = typeof schedules === 'function' ? schedules : [...schedules]
    this.#moveTo(0)
  }

  /** The rates that this scheduler set last, one a group. */
  get lastLr(): number[] {
    return [...this.#lastLr]
  }

  /** Advances t by one and sets the rates. Throws an Error in a captured function, whose plan would not do so. */
  step(): void {
    refuseInCapture('Scheduler.step', 'call it after plan.run(), or give plan.run the rates')
    this.#moveTo(this.#t + 1)
  }

  /** The state, one integer: `{ t }`. */
  stateDict(): SchedulerState {
    return { t: this.#t }
  }

  /** Moves to the state's t, forwards or backwards, and sets the rates. Throws TypeError and RangeError as above. */
  loadStateDict(state: SchedulerState): void {
    refuseInCapture('Scheduler.loadStateDict', LOAD_FIRST)
    const keys = typeof state === 'object' && state !== null ? Object.keys(state) : []
    if (keys.length !== 1 || keys[0] !== 't') {
      const got = JSON.stringify(state) ?? String(state)
      throw new TypeError(`Scheduler.loadStateDict: the state must be { t }, as stateDict() returns it, got ${got}`)
    }
    check('Scheduler.loadStateDict', 't', 'count', state.t)
    this.#moveTo(state.t)
  }

  /** Computes every rate before setting the first, so that a schedule that throws changes nothing. */
  #moveTo(t: number): void {
    const groups = this.#optimizer.paramGroups
    const schedules = this.#schedules
    if (typeof schedules !== 'function' && schedules.length !== groups.length) {
      const counts = `${schedules.length} schedules for ${groups.length} parameter groups`
      throw new TypeError(`Scheduler: ${counts}; give one schedule for all groups, or a list with one per group`)
    }
    const moved = groups.map(({ momentum: own }, i) => {
      const { rate, momentum } = at(typeof schedules === 'function' ? schedules : schedules[i]!, t, `group ${i}`)
      if (momentum !== undefined && own === undefined) {
        const cure = 'set cycleMomentum to false, or use an optimizer that has one'
        throw new TypeError(`Scheduler: the schedule sets the momentum, but group ${i} has none; ${cure}`)
      }
      return { lr: rate, ...(momentum !== undefined && { momentum }) }
    })
    for (const [i, group] of groups.entries()) Object.assign(group, moved[i])
    this.#t = t
    this.#lastLr = moved.map(({ lr }) => lr)
  }
}

/** Throws TypeError for a value without parameter groups. */
export function checkOptimizer(owner: string, optimizer: HasParamGroups): void {
  const groups: unknown = optimizer?.paramGroups
  if (Array.isArray(groups) && groups.every((group) => typeof group?.lr === 'number')) return
  throw new TypeError(
    `${owner}: the optimizer must have paramGroups, each with an lr, as optim.SGD does, got ${shown(optimizer)}`,
  )
}

/** The value of a schedule at t. Throws RangeError if it is not a finite number ≥ 0. */
function at(schedule: Schedule, t: number, of: string): { rate: number; momentum: number | undefined } {
  const given = { rate: schedule(t), momentum: schedule.momentum?.(t) }
  for (const [what, value] of Object.entries(given)) {
    if (what === 'momentum' && value === undefined) continue
    check('Scheduler', `the ${what} of ${of} at t = ${t}`, 'number', value)
  }
  return given
}
