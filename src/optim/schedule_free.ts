// Schedule-free SGD and AdamW: they train at one point and evaluate at the mean of all, so that no rate need fall.
import { perStepWords } from '../capture/per_step.ts'
import { KernelFile } from '../gpu/kernel.ts'
import { averagePieces } from '../kernels/average.ts'
import * as wgsl from '../kernels/generated/wgsl.ts'
import { grouped } from '../kernels/rows.ts'
import { UNSET } from '../kernels/update.ts'
import { copyInto } from '../tensor/copy_into.ts'
import { tensor } from '../tensor/create.ts'
import { shown, tooMany } from '../tensor/options.ts'
import { timesWritten } from '../tensor/standing_in.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkNotSwapped } from './average.ts'
import { checkBetas, checkOptions } from './check.ts'
import { Optimizer, type OptimizerState, type Parameters, type ParamGroup, type Rule } from './optimizer.ts'

/** The options that both have. */
interface ScheduleFreeOptions {
  /** What is added to the direction, times the parameter; 0. */
  weightDecay?: number
  /** Steps in which the rate rises in proportion to their number; 0. */
  warmupSteps?: number
  /** A step weighs in the mean as the power r of its number; 0. */
  r?: number
  /** And as this power of the largest rate so far; 2. */
  weightLrPower?: number
}

/** Options of {@link ScheduleFreeSGD}. */
export interface ScheduleFreeSGDOptions extends ScheduleFreeOptions {
  /** Learning rate, 0 or more; 1 unless given. */
  lr?: number
  /** β: how near to the mean gradients are taken, above 0 and below 1; 0.9. */
  momentum?: number
}

/** Options of {@link ScheduleFreeAdamW}. */
export interface ScheduleFreeAdamWOptions extends ScheduleFreeOptions {
  /** Learning rate, 0 or more; 0.0025 unless given. */
  lr?: number
  /** How near to the mean gradients are taken, above 0 and below 1; what the average of squares keeps; [0.9, 0.999]. */
  betas?: readonly [number, number]
  /** Added to the root of the average of squares; 1e-8. */
  eps?: number
}

/** What a group has counted; the optimizer sets it. */
export interface ScheduleFreeProgress {
  /** Steps in which the group had a gradient. */
  k: number
  /** The weights of all steps in the mean. */
  weightSum: number
  /** The largest rate so far. */
  lrMax: number
}

/** Parameters that share their options. */
export type ScheduleFreeSGDGroup = ParamGroup & Required<ScheduleFreeSGDOptions> & ScheduleFreeProgress
export type ScheduleFreeAdamWGroup = ParamGroup & Required<ScheduleFreeAdamWOptions> & ScheduleFreeProgress

/** The state of a schedule-free optimizer: `state` holds `z`, AdamW's `expAvgSq` and, in evaluation mode, `y`. */
export type ScheduleFreeSGDState = OptimizerState<ScheduleFreeSGDGroup>
export type ScheduleFreeAdamWState = OptimizerState<ScheduleFreeAdamWGroup>

const file = new KernelFile('schedule_free', wgsl.schedule_free)

export const scheduleFreeAdamWStep = file.entry('step_adamw')

const SGD = { name: 'SGD', kernel: file.entry('step'), state: ['z'] } as const
const ADAMW = { name: 'AdamW', kernel: scheduleFreeAdamWStep, state: ['z', 'expAvgSq'] } as const

const DEFAULTS = { weightDecay: 0, warmupSteps: 0, r: 0, weightLrPower: 2, k: 0, weightSum: 0, lrMax: 0 } as const
const AMOUNTS = ['lr', ...Object.keys(DEFAULTS)]

type Group = ParamGroup & Required<ScheduleFreeOptions> & ScheduleFreeProgress

/** The rate of the next step, what its z weighs in the mean, and what has been counted then. */
function next(group: Group, correction: number): ScheduleFreeProgress & { rate: number; share: number } {
  const { lr, warmupSteps, r, weightLrPower } = group
  const k = group.k + 1
  const rate = lr * Math.min(1, k / Math.max(1, warmupSteps)) * correction
  const lrMax = Math.max(rate, group.lrMax)
  const weight = k ** r * lrMax ** weightLrPower
  const weightSum = group.weightSum + weight
  return { rate, share: weightSum === 0 ? 0 : weight / weightSum, k, weightSum, lrMax }
}

/** The first settings: what moves y and z. */
function moves(group: Group, beta: number, correction = 1): readonly number[] {
  const { rate, share } = next(group, correction)
  return [rate, share, rate * (beta * (1 - share) - 1), group.weightDecay]
}

function counted(group: Group, correction = 1): ScheduleFreeProgress {
  const { k, weightSum, lrMax } = next(group, correction)
  return { k, weightSum, lrMax }
}

const sgd: Rule<ScheduleFreeSGDGroup> = {
  name: 'optim.ScheduleFreeSGD',
  defaults: { lr: 1, momentum: 0.9, ...DEFAULTS },
  states: [...SGD.state, 'y'],
  initial: UNSET,
  countsSteps: false,

  check(group) {
    checkOptions('optim.ScheduleFreeSGD', group, { amounts: AMOUNTS })
    const { momentum } = group
    if (typeof momentum === 'number' && momentum > 0 && momentum < 1) return
    throw new RangeError(`optim.ScheduleFreeSGD: momentum must be above 0 and below 1, not ${shown(momentum)}`)
  },

  variant: () => SGD,
  settings: (group) => [...moves(group, group.momentum), 0, 0, 0],
  after: (group) => counted(group),
}

/** As in Adam, but in the rate. */
const correctionOf = ({ betas, k }: ScheduleFreeAdamWGroup) => Math.sqrt(1 - betas[1] ** (k + 1))

const adamw: Rule<ScheduleFreeAdamWGroup> = {
  name: 'optim.ScheduleFreeAdamW',
  defaults: { lr: 0.0025, betas: [0.9, 0.999], eps: 1e-8, ...DEFAULTS },
  states: [...ADAMW.state, 'y'],
  initial: UNSET,
  countsSteps: false,

  check(group) {
    checkOptions('optim.ScheduleFreeAdamW', group, { amounts: [...AMOUNTS, 'eps'] })
    checkBetas('optim.ScheduleFreeAdamW', group.betas)
    if (group.betas[0] > 0) return
    throw new RangeError('optim.ScheduleFreeAdamW: the first of betas must be above 0: the mean is found by way of it')
  },

  variant: () => ADAMW,

  settings(group) {
    const [beta1, beta2] = group.betas
    return [...moves(group, beta1, correctionOf(group)), beta2, 1 - beta2, group.eps]
  },

  after: (group) => counted(group, correctionOf(group)),
}

/** What both have in common: the two modes. */
abstract class ScheduleFree<G extends Group> extends Optimizer<G> {
  #training = true
  /** In evaluation mode: how often each parameter had been written when its y was kept. */
  readonly #writes = new WeakMap<Tensor, number>()
  /** Whether y is from a state that was loaded: what is loaded into the network after it may belong to it or not. */
  #isLoaded = false

  /** β of a group. */
  protected abstract betaOf(group: G): number

  /**
   * Puts y in the parameters' place, to train: the bits that it had at `eval()`. It is there from the start. A parameter that
   * was written since, as by the network's `loadStateDict`, is trained from its new values: they become x, y and z. Throws an
   * Error where the optimizer's state was loaded in between, before that: it may belong to the new values or not.
   */
  override train(): void {
    if (this.#training) return
    checkNotSwapped(`optim.${this.name}: train()`, this.paramGroups)
    this.#startAtWritten('train')
    const { y } = super.stateDict().state
    const stepped = this.parameters().flatMap((p, i) => (y![i] ? [[y![i], p] as [Tensor, Tensor]] : []))
    copyInto(stepped)
    for (const [, p] of stepped) this.clearState('y', p)
    this.#training = true
  }

  /** Puts x, the mean, in the parameters' place, to evaluate and to save them. `step()` throws until `train()` is called. */
  override eval(): void {
    if (!this.#training) return
    checkNotSwapped(`optim.${this.name}: eval()`, this.paramGroups)
    const { z } = super.stateDict().state
    const places = new Map(this.parameters().map((p, i) => [p, z![i]]))
    for (const group of this.paramGroups) {
      const stepped = group.params.filter((p) => places.get(p))
      copyInto(stepped.map((p) => [p, this.giveState('y', p)]))
      const words = perStepWords([Float32Array.of(1 - 1 / this.betaOf(group))], 1)
      const weights = tensor(new Int32Array(words.buffer), [words.length], { gpu: this.gpu })
      for (const [averages, own] of grouped(stepped, (p) => p.storage.whole)) {
        const pieces = own.map(({ storage: { offset }, size }) => ({ at: offset / 4, other: offset / 4, size }))
        const parameters = places.get(own[0]!)!.storage.whole // all z lie in it as the parameters in theirs
        // x = y + (1 − 1 / β) (z − y)
        averagePieces(this.gpu, this.tables, pieces, { weights: weights.storage, parameters, averages })
      }
      for (const p of stepped) p.storage.version++
      weights.dispose()
    }
    this.#training = false
    this.settle()
  }

  /** As of every optimizer. In evaluation mode, parameters that were written since `eval()` are y and z as well, as `train()` says. */
  override stateDict(): OptimizerState<G> {
    if (!this.#training) this.#startAtWritten('stateDict')
    return super.stateDict()
  }

  /** Takes over steps, options, state and mode: that of evaluation where the state has y. */
  override loadStateDict(state: OptimizerState<G>): void {
    super.loadStateDict(state)
    this.#training = !state.state.y?.some((y) => y !== null)
    this.settle()
    this.#isLoaded = true
  }

  /** @internal */
  override settle(): void {
    for (const p of this.parameters()) this.#writes.set(p, timesWritten(p))
    this.#isLoaded = false
  }

  /** Makes the values of parameters that were written since `eval()` also those of y and z: the mean goes on from them. */
  #startAtWritten(what: string): void {
    const { y } = super.stateDict().state
    const written = this.parameters().filter((p, i) => y![i] && timesWritten(p) !== this.#writes.get(p))
    if (written.length === 0) return
    checkNotSwapped(`optim.${this.name}: ${what}()`, [{ params: written }])
    if (this.#isLoaded) {
      throw new Error(
        `optim.${this.name}: ${what}(): ${written[0]!.label} was written after the optimizer's state was loaded, which may belong ` +
          "to it or not; load the network's state first, and the optimizer's after it",
      )
    }
    copyInto(written.flatMap((p) => ['y', 'z'].map((name): [Tensor, Tensor] => [p, this.giveState(name, p)])))
    this.settle()
  }

  protected override checkReady(): void {
    if (this.#training) return
    throw new Error(
      `optim.${this.name}: the parameters are those to evaluate; call the optimizer's train() before a step`,
    )
  }
}

/**
 * Schedule-free SGD (Defazio, Yang, Mehta, Mishchenko, Khaled and Cutkosky, "The Road Less Scheduled", NeurIPS 2024), as its
 * authors' code computes it, with g from y: z ← z − η (g + weightDecay · y), x ← (1 − c) x + c z, y ← β x + (1 − β) z. η is
 * the rate times t / warmupSteps at most 1, and c the weight of step t, tʳ · (largest η so far) to the power weightLrPower,
 * among all so far.
 *
 * While it trains, the parameters are y; `eval()` makes them x, which is what to evaluate and to keep, and `train()` makes
 * them y again, bit for bit. `fit` calls both and ends with x. Save in evaluation mode: then the network's file has x, the
 * optimizer's state y; load the network's first. What is loaded into the network alone in evaluation mode takes the place of x
 * and y and z, and weighs in the mean as the steps so far did. A group counts the steps in which any of its parameters has a gradient.
 */
export class ScheduleFreeSGD extends ScheduleFree<ScheduleFreeSGDGroup> {
  /** Throws TypeError or RangeError for options that do not fit, and for a parameter that is listed twice. */
  constructor(params: Parameters<ScheduleFreeSGDGroup>, options: ScheduleFreeSGDOptions = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'optim.ScheduleFreeSGD(params, options)')
    super(sgd, params, options)
  }

  protected override betaOf({ momentum }: ScheduleFreeSGDGroup): number {
    return momentum
  }
}

/**
 * Schedule-free AdamW: {@link ScheduleFreeSGD}'s steps along g / (√v + eps) with v ← β₂ v + (1 − β₂) g², where β is the first
 * of the betas and η has the factor √(1 − β₂ᵗ).
 */
export class ScheduleFreeAdamW extends ScheduleFree<ScheduleFreeAdamWGroup> {
  /** Throws TypeError or RangeError for options that do not fit, and for a parameter that is listed twice. */
  constructor(params: Parameters<ScheduleFreeAdamWGroup>, options: ScheduleFreeAdamWOptions = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'optim.ScheduleFreeAdamW(params, options)')
    super(adamw, params, options)
  }

  protected override betaOf({ betas }: ScheduleFreeAdamWGroup): number {
    return betas[0]
  }
}
