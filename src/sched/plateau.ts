// The one schedule with a state: the rate falls where a metric has stopped getting better.

import { LOAD_FIRST, refuseInCapture } from '../capture/current.ts'
import { shown } from '../tensor/options.ts'
import { type Args, fault, type Options } from './kinds.ts'
import { readOptions } from './options.ts'
import { parseArguments } from './parse.ts'
import { checkOptimizer, type HasParamGroups } from './scheduler.ts'

const RULES = {
  factor: { kind: 'shrinking', default: 0.1 },
  patience: { kind: 'count', default: 10 },
  threshold: { kind: 'number', default: 1e-4 },
  thresholdMode: { kind: 'choice', of: ['rel', 'abs'], default: 'rel' },
  cooldown: { kind: 'count', default: 0 },
  minLr: { kind: 'number', default: 0 },
  eps: { kind: 'number', default: 1e-8 },
} as const satisfies Args

const PLATEAU = { mode: { kind: 'choice', of: ['min', 'max'], default: 'min' }, ...RULES } as const satisfies Args
/**
 * Options of {@link ReduceLROnPlateau}.
 * @interface
 */
export type PlateauOptions = Options<typeof PLATEAU>

/** The whole state. `best` is null until the first finite metric. */
export type PlateauState = {
  readonly best: number | null
  readonly badEpochs: number
  readonly cooldownLeft: number
  /** The current rates, one a group. */
  readonly lr: readonly number[]
}

/**
 * Multiplies every group's rate by `factor`, down to `minLr`, when a metric has not improved for more than `patience`
 * epochs: torch.optim.lr_scheduler.ReduceLROnPlateau, step by step. With mode min a metric improves below
 * best (1 − threshold) (thresholdMode rel) or best − threshold (abs); with max above best (1 + threshold) or
 * best + threshold. After a reduction the next `cooldown` epochs do not count as bad. A reduction by `eps` or less is not
 * made. As in PyTorch, a rate set by hand is reduced next. Unlike PyTorch's, the state contains the rates, and a metric of
 * minus infinity is never better. To give a group its own `minLr`, give it its own ReduceLROnPlateau, with
 * `{ paramGroups: [group] }` as the optimizer.
 *
 * Throws the same errors as the schedules.
 */
export class ReduceLROnPlateau {
  readonly #optimizer: HasParamGroups
  readonly #options: ReturnType<typeof readOptions<typeof PLATEAU>>
  #best: number | null = null
  #badEpochs = 0
  #cooldownLeft = 0

  constructor(optimizer: HasParamGroups, options: PlateauOptions = {}) {
    checkOptimizer('ReduceLROnPlateau', optimizer)
    this.#options = readOptions('ReduceLROnPlateau', PLATEAU, options)
    this.#optimizer = optimizer
  }

  /** The current rates, one a group. */
  get lastLr(): number[] {
    return this.#optimizer.paramGroups.map(({ lr }) => lr)
  }

  /**
   * Call it after every epoch with its metric. NaN and infinities are never better.
   *
   * @returns whether a rate was reduced
   */
  step(metric: number): boolean {
    refuseInCapture('ReduceLROnPlateau.step', 'call it after plan.run()')
    if (typeof metric !== 'number') {
      throw new TypeError(`ReduceLROnPlateau.step: the metric must be a number, got ${shown(metric)}`)
    }
    const better = this.#isBetter(metric)
    if (better) this.#best = metric
    this.#badEpochs = better ? 0 : this.#badEpochs + 1
    if (this.#cooldownLeft > 0) {
      this.#cooldownLeft -= 1
      this.#badEpochs = 0
    }
    if (this.#badEpochs <= this.#options.patience) return false
    this.#cooldownLeft = this.#options.cooldown
    this.#badEpochs = 0
    return this.#reduce()
  }

  /** The state: the best metric, the counts and the rates. */
  stateDict(): PlateauState {
    return { best: this.#best, badEpochs: this.#badEpochs, cooldownLeft: this.#cooldownLeft, lr: this.lastLr }
  }

  /** Restores a state and sets its rates. If it throws, nothing has changed. */
  loadStateDict(state: PlateauState): void {
    refuseInCapture('ReduceLROnPlateau.loadStateDict', LOAD_FIRST)
    const groups = this.#optimizer.paramGroups
    const problem = plateauStateProblem(state, groups.length)
    if (problem !== null) throw new TypeError(`ReduceLROnPlateau.loadStateDict: ${problem}`)
    for (const [i, group] of groups.entries()) group.lr = state.lr[i]!
    this.#best = state.best
    this.#badEpochs = state.badEpochs
    this.#cooldownLeft = state.cooldownLeft
  }

  #isBetter(metric: number): boolean {
    if (!Number.isFinite(metric)) return false
    if (this.#best === null) return true
    const { mode, threshold, thresholdMode } = this.#options
    const margin = mode === 'min' ? -threshold : threshold
    const bar = thresholdMode === 'rel' ? this.#best * (1 + margin) : this.#best + margin
    return mode === 'min' ? metric < bar : metric > bar
  }

  #reduce(): boolean {
    const { factor, minLr, eps } = this.#options
    let reduced = false
    for (const group of this.#optimizer.paramGroups) {
      const lr = Math.max(group.lr * factor, minLr)
      if (group.lr - lr <= eps) continue
      group.lr = lr
      reduced = true
    }
    return reduced
  }
}

/** Why something is not a state of a plateau over so many groups, or null. */
export function plateauStateProblem(state: unknown, groups: number): string | null {
  const shape = 'the state must be { best, badEpochs, cooldownLeft, lr }, as stateDict() returns it'
  const given = (typeof state === 'object' && state !== null ? state : {}) as Readonly<Record<string, unknown>>
  if (Object.keys(given).sort().join() !== 'badEpochs,best,cooldownLeft,lr') {
    return `${shape}, got ${JSON.stringify(state) ?? String(state)}`
  }
  const { best, badEpochs, cooldownLeft, lr } = given
  if (best !== null && !Number.isFinite(best)) return `best must be a finite number or null, got ${shown(best)}`
  if (!Array.isArray(lr) || lr.length !== groups)
    return `lr must be a list of ${groups}, one per group, got ${shown(lr)}`
  const problems = [
    ...Object.entries({ badEpochs, cooldownLeft }).map(([name, n]) => fault('', name, { kind: 'count' }, n)),
    ...lr.map((rate, i) => fault('', `lr[${i}]`, { kind: 'number' }, rate)),
  ]
  return problems.find((problem) => problem !== undefined)?.slice(2) ?? null
}

const METRIC = { metric: { kind: 'choice', of: ['testAcc', 'trainLoss'], default: 'testAcc' }, ...RULES } as const

/**
 * The metric to watch and the options that a text such as `factor=0.1, patience=3` gives; the mode follows from the
 * metric. The empty text means all defaults. Throws SyntaxError as `parse` does.
 */
export function parsePlateau(text: string): { metric: 'testAcc' | 'trainLoss'; options: PlateauOptions } {
  if (typeof text !== 'string') throw new TypeError(`parsePlateau: the rules must be a string, got ${shown(text)}`)
  const { metric, ...options } = readOptions('plateau', METRIC, parseArguments('plateau', METRIC, text))
  return { metric, options: { ...options, mode: metric === 'trainLoss' ? 'min' : 'max' } }
}
