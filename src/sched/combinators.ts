// Schedules made of schedules. If a part has a momentum, the whole has it too.

import { shown } from '../tensor/options.ts'
import { ramp } from './chapter.ts'
import { type Args, check, type Schedule } from './kinds.ts'
import { readOptions, schedule } from './options.ts'

export type WarmupOptions = {
  /** w, an integer ≥ 0; 0 leaves the schedule as it is. */
  readonly steps: number
  readonly beginLr?: number
}

const WARMUP_OPTIONS = {
  steps: { kind: 'count' },
  beginLr: { kind: 'number', default: 0 },
} as const satisfies Args

export const WARMUP = { schedule: { kind: 'schedule' }, ...WARMUP_OPTIONS } as const satisfies Args

/** t < w: η_b + (s(0) − η_b) t/w; then s(t − w), for any schedule s. The momentum is that of s at 0, then at t − w. */
export function warmup(inner: Schedule, options: WarmupOptions): Schedule {
  check('warmup', 'schedule', 'schedule', inner)
  // The options are read separately, so that a second schedule among them is refused instead of ignored.
  const values = { schedule: inner, ...readOptions('warmup', WARMUP_OPTIONS, options) }
  const { steps, beginLr } = values
  const { momentum } = inner
  return schedule(
    'warmup',
    WARMUP,
    values,
    (t) => (t < steps ? ramp(beginLr, inner(0), t, steps) : inner(t - steps)),
    momentum && ((t) => momentum(Math.max(0, t - steps))),
  )
}

export type SequenceOptions = {
  /** The t at which the second schedule begins, the third, and so on: one fewer than schedules. */
  readonly milestones: readonly number[]
}

const SEQUENCE_OPTIONS = { milestones: { kind: 'milestones' } } as const satisfies Args

export const SEQUENCE = { schedules: { kind: 'schedules' }, ...SEQUENCE_OPTIONS } as const satisfies Args

/**
 * One schedule after another: s_i(t − m_i) with m_i the last milestone ≤ t, m_0 = 0. Each starts at its t = 0.
 * torch.optim.lr_scheduler.SequentialLR in closed form. PyTorch's recursion passes the rate at a milestone to a part that
 * is defined by ratios (for example LinearLR after ExponentialLR); here each part gives its own rates.
 */
export function sequence(schedules: readonly Schedule[], options: SequenceOptions): Schedule {
  check('sequence', 'schedules', 'schedules', schedules)
  const parts = [...schedules]
  const { milestones } = readOptions('sequence', SEQUENCE_OPTIONS, options)
  if (milestones.length !== parts.length - 1) {
    const count = `${parts.length - 1} for ${parts.length} schedules`
    throw new RangeError(
      `sequence: milestones must be one fewer than the schedules, ${count}, got ${shown(milestones)}`,
    )
  }
  const without = parts.findIndex(({ momentum }) => momentum === undefined)
  const within = parts.findIndex(({ momentum }) => momentum !== undefined)
  if (within >= 0 && without >= 0) {
    const which = `schedule ${within} sets the momentum and schedule ${without} does not`
    throw new RangeError(`sequence: schedules must all set the momentum, or none: ${which}`)
  }
  const at = <T>(t: number, of: (part: Schedule, t: number) => T): T => {
    const passed = milestones.findLastIndex((milestone) => milestone <= t)
    return of(parts[passed + 1]!, t - (milestones[passed] ?? 0))
  }
  const values = { schedules: parts, milestones }
  const rate = (t: number): number => at(t, (part, since) => part(since))
  const momentum = (t: number): number => at(t, (part, since) => part.momentum!(since))
  return schedule('sequence', SEQUENCE, values, rate, within >= 0 ? momentum : undefined)
}

export const CHAIN = { schedules: { kind: 'schedules', baseOfOthers: 1 } } as const satisfies Args

/**
 * The product of schedules at the same t: Π s_i(t), whatever they are and in any order. Give the base rate to one of them and
 * base rate 1 to the others; in a text form, parts after the first that name no base rate have 1.
 *
 * In torch.optim.lr_scheduler.ChainedScheduler each part changes the rate that the one before it left. That is the same product
 * for parts that multiply the rate: ConstantLR, LinearLR, StepLR, MultiStepLR, ExponentialLR, PolynomialLR and
 * MultiplicativeLR, and CosineAnnealingLR with an etaMin of 0 up to tMax. It is another rate for the others:
 *
 * - LambdaLR, CosineAnnealingWarmRestarts, CyclicLR and OneCycleLR set the rate there, so that the parts before them are
 *   lost. Here they are factors.
 * - CosineAnnealingLR rises again from its base rate after tMax there, as if the other parts began anew. Here they go on.
 * - An etaMin above 0 is a floor for the rate there, and may even lead below 0. Here it is a part of a factor.
 */
export function chain(schedules: readonly Schedule[]): Schedule {
  check('chain', 'schedules', 'schedules', schedules)
  const parts = [...schedules]
  const moving = parts.filter(({ momentum }) => momentum !== undefined)
  if (moving.length > 1) {
    throw new RangeError(`chain: schedules must set the momentum at most once, here ${moving.length} do`)
  }
  const rate = (t: number): number => parts.reduce((product, part) => product * part(t), 1)
  return schedule('chain', CHAIN, { schedules: parts }, rate, moving[0]?.momentum)
}

export type ScaleOptions = { readonly factor: number }

const SCALE_OPTIONS = { factor: { kind: 'number' } } as const satisfies Args

export const SCALE = { schedule: { kind: 'schedule' }, ...SCALE_OPTIONS } as const satisfies Args

/** factor · s(t), for example for a batch k times as large (Goyal et al. 2017). The momentum does not change. */
export function scale(inner: Schedule, options: ScaleOptions): Schedule {
  check('scale', 'schedule', 'schedule', inner)
  const { factor } = readOptions('scale', SCALE_OPTIONS, options)
  return schedule('scale', SCALE, { schedule: inner, factor }, (t) => factor * inner(t), inner.momentum)
}
