// The loop of `fit`: submits, records, evaluations, checkpoints, and where it continues.
import type { Batches } from '../data/batches.ts'
import { BatchNorm } from '../nn/batch_norm.ts'
import { type Module, setMode } from '../nn/module.ts'
import { checkNotSwapped } from '../optim/average.ts'
import { defaultGenerator } from '../tensor/random.ts'
import type { FitCallback, FitEpoch, FitProgress, FitResult, FitRun } from './callbacks.ts'
import { type CheckpointOptions, saveState } from './checkpoint_store.ts'
import { batchOf, divergedInTraining } from './diverged.ts'
import { evaluateBy, evaluationStepper } from './evaluate.ts'
import { type HistoryRecord, isRecorded } from './history.ts'
import { checkKept } from './kept_values.ts'
import { METER_WORDS, Meter, type Totals } from './meter.ts'
import { momentumAt, type RateOptions, rateAt } from './rates.ts'
import { checkLastBatch, checkTestSet } from './rehearsal.ts'
import {
  type CallbackState,
  type Figures,
  type Position,
  restoreModes,
  type SavedSettings,
  type SavedState,
  valuesOf,
} from './saved_state.ts'
import type { Stepper } from './stepper.ts'
import { type AnyBatch, figuresOf, lossOf, type Task } from './task.ts'
import { type UpdateOptions, updateStepper, updatesOf } from './training_step.ts'
import { checkDraws } from './under_way.ts'

/**
 * How long the steps of one submit should take, in milliseconds, and how many there may be. While one is computed the next
 * is on its way, so the progress shown is at most twice as old.
 */
const SUBMIT_MS = 125
const MAX_STEPS = 64

/** What a hook returns to end the run; anything else lets it continue. */
const STOP = 'stop'

const NO_FIGURES: Figures = { trainLoss: Number.NaN, trainAcc: Number.NaN, testLoss: Number.NaN, testAcc: Number.NaN }

/** The options of `fit`, checked and complete. */
export interface LoopOptions extends UpdateOptions {
  readonly test: Batches | null
  /** What is evaluated on it. */
  readonly testTask: Task
  /** What the user calls the networks, and the optimizers if they have names. */
  readonly names: readonly string[] | null
  readonly epochs: number
  /** null: the rates and the momentum are those of the optimizer's groups. */
  readonly rates: RateOptions | null
  readonly capture: boolean
  readonly settings: SavedSettings
  readonly checkpoint: CheckpointOptions | undefined
  readonly signal: AbortSignal | undefined
  readonly callbacks: readonly FitCallback[]
}

export class Loop {
  readonly #options: LoopOptions
  readonly #about: FitRun
  readonly #from: SavedState | null
  /** Updates in an epoch. */
  readonly #updates: number
  readonly #meter: Meter
  /** Of its own: a step of the user's and an evaluation have different sums. */
  readonly #testMeter: Meter | null
  readonly #steps: Stepper
  readonly #evaluation: Stepper | null
  readonly #history: HistoryRecord[]
  #figures: Figures
  #epoch: number
  #step: number
  #trainSeconds: number
  /** Whether an epoch has been recorded and the next has not begun. */
  #isBetween = false

  /** @param from where the run continues; network and optimizer have their state already */
  constructor(options: LoopOptions, from: SavedState | null) {
    const { net, optimizers, epochs, test, testTask, capture } = options
    this.#options = options
    this.#from = from
    this.#updates = updatesOf(options)
    const optimizer = optimizers[0]!
    const state = () => this.#stateOfEpoch()
    this.#about = { net: net as Module, optimizer, optimizers, epochs, stepsPerEpoch: this.#updates, test, state }
    this.#history = [...(from?.history ?? [])]
    this.#figures = from?.figures ?? NO_FIGURES
    this.#epoch = from?.position.epoch ?? 0
    this.#step = from?.position.step ?? 0
    this.#trainSeconds = from?.position.trainSeconds ?? 0
    this.#meter = new Meter(net.parameters()[0]!.gpu)
    this.#steps = updateStepper(options, this.#meter, capture)
    this.#testMeter = test && new Meter(this.#meter.watch.gpu)
    this.#evaluation = test && evaluationStepper(net, test, testTask, this.#testMeter!, capture)
  }

  async run(): Promise<FitResult> {
    const { net, epochs, signal } = this.#options
    const states = this.#from?.callbacks
    const putBack = setMode(net, true)
    let stopped = false
    try {
      if (this.#from) restoreModes(net, this.#from)
      stopped = await this.#each((callback, i) => callback.onBegin?.(this.#about, states?.[i] ?? null))
      if (!stopped && this.#epoch < epochs) this.#checkBatches()
      if (this.#from === null && !stopped) await this.#save(this.#position())
      else if (this.#options.checkpoint && !stopped) await this.#kept() // what can't be saved is refused now
      stopped ||= signal?.aborted === true && this.#epoch < epochs
      while (!stopped && this.#epoch < epochs) stopped = await this.#runEpoch()
    } finally {
      this.#evalMode()
      putBack()
    }
    const result = {
      ...this.#figures,
      steps: this.#step,
      epochs: this.#epoch,
      stopped,
      trainSeconds: this.#trainSeconds,
      history: this.#history,
    }
    await this.#each((callback) => callback.onEnd?.(result, this.#about))
    return result
  }

  /**
   * Refuses batches that would be refused late. A network that is not captured is called once more for it, where there is
   * reason to: it may count its calls.
   */
  #checkBatches(): void {
    const { net, train, test, task, testTask, capture } = this.#options
    const rehearsed = (own: Task, meter: Meter) => ({
      net,
      loss: (batch: AnyBatch) => lossOf('fit', own, meter, own.forward(batch), batch),
    })
    const isOneRow = train.sizeOf(train.length - 1) === 1
    const hasNorm = [...net.namedModules().values()].some((module) => module instanceof BatchNorm)
    // A step of the user's can't be called for nothing.
    if (!task.step && (capture || (isOneRow && hasNorm))) checkLastBatch('fit', train, rehearsed(task, this.#meter))
    if (test && (capture || !test.isLike(train))) checkTestSet('fit', test, rehearsed(testTask, this.#testMeter!))
  }

  dispose(): void {
    for (const part of [this.#steps, this.#evaluation, this.#meter, this.#testMeter]) part?.dispose()
  }

  /** Calls a hook of every callback, one after the other; tells whether one asked to stop. */
  async #each(call: (callback: FitCallback, index: number) => unknown): Promise<boolean> {
    let stopped = false
    for (const [i, callback] of this.#options.callbacks.entries()) {
      stopped = (await call(callback, i)) === STOP || stopped
    }
    return stopped
  }

  /** Trains an epoch, evaluates, records and saves. Tells whether the run ends here. */
  async #runEpoch(): Promise<boolean> {
    const { test, net, task, testTask, train, epochs, signal } = this.#options
    const epoch = this.#epoch
    const trained = await this.#trainEpoch()
    this.#trainSeconds += trained.seconds
    this.#evalMode()
    if (trained.totals === null) return true
    const { lr, totals } = trained
    const before = performance.now()
    const evaluated = this.#evaluation
      ? await evaluateBy(this.#evaluation, { net, batches: test!, meter: this.#testMeter!, epoch })
      : null
    const tested = evaluated && figuresOf(testTask, evaluated)
    const testSeconds = (performance.now() - before) / 1000
    const { accuracy: trainAcc, metrics } = figuresOf(task, totals)
    const figures = {
      trainLoss: totals.loss,
      trainAcc,
      testLoss: evaluated?.loss ?? Number.NaN,
      testAcc: tested?.accuracy ?? Number.NaN,
      ...(metrics && { metrics }),
      ...(tested?.metrics && { testMetrics: tested.metrics }),
    }
    const step = (epoch + 1) * this.#updates
    const { testLoss: _, ...recorded } = figures
    await this.#record({ kind: 'epoch', epoch, step, lr, ...recorded })
    const seconds = { trainSeconds: trained.seconds, testSeconds }
    const report: FitEpoch = { epoch, step, lr, images: train.epochSize, ...figures, ...seconds }
    this.#figures = figures
    this.#epoch = epoch + 1
    this.#isBetween = true
    const stopped = await this.#each((callback) => callback.onEpoch?.(report, this.#about))
    this.#isBetween = false
    await this.#save(this.#position())
    // With the last epoch done the run has ended by itself.
    return stopped || (signal?.aborted === true && this.#epoch < epochs)
  }

  /** Trains what is left of the epoch; `totals` is null if the run was stopped before its end. */
  async #trainEpoch(): Promise<{ totals: Totals | null; lr: number; seconds: number }> {
    const { train, settings, task, accumulate = 1, callbacks, signal } = this.#options
    const [epoch, updates] = [this.#epoch, this.#updates]
    const began = performance.now()
    const before = epoch * updates
    const continues = this.#from?.position.epoch === epoch && this.#step > before ? this.#from.position : null
    train.beginEpoch(epoch, settings.seed)
    train.position = Math.min(train.length, (this.#step - before) * accumulate)
    if (continues) this.#meter.restore(continues.words, continues.metrics)
    else this.#meter.reset()
    const seconds = () => (continues?.epochSeconds ?? 0) + (performance.now() - began) / 1000
    // What `onBatch` sees after an update must not be a later one.
    const isWatched = callbacks.some(({ onBatch }) => onBatch !== undefined)
    let totals: Totals | null = null
    let stopped = false
    let lr = continues?.lr ?? this.#rateAt(Math.max(0, this.#step - 1))
    let most = 1
    let since = performance.now()
    /** Waits for the steps of a submit and tells of them. */
    const report = async (first: number, lrs: readonly number[], reading: Promise<Totals>) => {
      totals = await reading
      const now = performance.now()
      most = Math.min(MAX_STEPS, Math.max(1, Math.round((SUBMIT_MS * lrs.length) / (now - since))))
      since = now
      const last = first + lrs.length - 1
      const { accuracy, metrics } = figuresOf(task, totals)
      const means = { trainLoss: totals.loss, trainAcc: accuracy, ...(metrics && { metrics }) }
      const perUpdate = train.batchSize * accumulate
      for (const [i, rate] of lrs.entries()) {
        const images = Math.min(perUpdate, train.epochSize - (first + i) * perUpdate)
        const step = before + first + i + 1
        const progress: FitProgress = { epoch, step, images, lr: rate, ...(first + i === last && means) }
        const answered = await this.#each(async (callback) => {
          const answer = await callback.onProgress?.(progress, this.#about)
          const other = isWatched && (await callback.onBatch?.({ ...progress, ...means }, this.#about))
          return answer === STOP ? answer : other
        })
        stopped ||= answered
      }
      lr = lrs.at(-1)!
      if (isRecorded(last)) await this.#record({ kind: 'batch', epoch, step: before + last + 1, lr, ...means })
    }
    // One submit is computed while the next is on its way.
    let reported: Promise<void> | null = null
    let done = this.#step - before
    while (done < updates && !stopped) {
      const first = done
      if (train.position !== Math.min(train.length, first * accumulate)) throw moved(train, first * accumulate)
      const count = this.#stepsUntilPause(first, isWatched ? 1 : most)
      const lrs = Array.from({ length: count }, (_, i) => this.#rateAt(before + first + i))
      this.#setMomentum(before + first)
      for (const optimizer of this.#options.optimizers) optimizer.train()
      checkDraws('fit', this.#options.net, () => this.#steps.run(count, this.#options.rates ? lrs : undefined))
      done = first + count
      const reading = this.#readFinite()
      reading.catch(() => undefined) // it is thrown where it is waited for
      await reported
      reported = report(first, lrs, reading)
      reported.catch(() => undefined)
      this.#step = before + done
      const isDue = this.#isDue(this.#step)
      if (done === updates || !(isWatched || isDue || signal?.aborted)) continue
      await reported
      stopped ||= signal?.aborted === true
      if (stopped || isDue) await this.#save(this.#position(await this.#readFinite(), seconds(), lr))
      if (stopped) return { totals: null, lr, seconds: seconds() }
    }
    await reported
    totals ??= await this.#readFinite()
    if (!stopped) return { totals, lr, seconds: seconds() }
    await this.#save(this.#position(totals, seconds(), lr))
    return { totals: null, lr, seconds: seconds() }
  }

  /**
   * How many steps from update `first` on may go out at once: up to the next record, the next pause or the epoch's end. The
   * steps of one submit have one momentum: if it changes with every step, they go out one by one.
   */
  #stepsUntilPause(first: number, most: number): number {
    const before = this.#epoch * this.#updates
    const left = Math.min(most, this.#updates - first)
    if (this.#options.signal?.aborted) return 1
    const momentum = this.#momentumAt(before + first)
    for (let count = 1; count < left; count++) {
      if (isRecorded(first + count - 1) || this.#isDue(before + first + count)) return count
      if (this.#momentumAt(before + first + count) !== momentum) return count
    }
    return left
  }

  /** Whether a checkpoint is due after this update, in addition to those at the ends of epochs. */
  #isDue(step: number): boolean {
    const every = this.#options.checkpoint?.every
    return every !== undefined && step % every === 0
  }

  /** Gives every group the schedule's momentum, if it has one. */
  #setMomentum(step: number): void {
    const momentum = this.#momentumAt(step)
    if (momentum === undefined) return
    for (const { paramGroups } of this.#options.optimizers) {
      for (const group of paramGroups) Object.assign(group, { momentum })
    }
  }

  #momentumAt(step: number): number | undefined {
    const { rates } = this.#options
    return rates ? momentumAt(rates, this.#epoch, step) : undefined
  }

  /** The rate in force at an update of this epoch: without a schedule that of the first group. A callback may have taken all groups out: the update says so. */
  #rateAt(step: number): number {
    const { rates, optimizers } = this.#options
    return rates ? rateAt(rates, this.#epoch, step) : (optimizers[0]!.paramGroups[0]?.lr ?? Number.NaN)
  }

  /** The loop runs ahead of the reading: the step is that of the batch in which the device saw it, not the last one. */
  async #readFinite(): Promise<Totals> {
    const [epoch, totals] = [this.#epoch, await this.#meter.read()]
    if (!totals.notFinite) return totals
    const { train, accumulate = 1 } = this.#options
    const step = epoch * this.#updates + Math.floor(batchOf(totals.notFinite, train) / accumulate)
    throw divergedInTraining(totals.notFinite, this.#options, { epoch, step: step + 1, lr: this.#rateAt(step) })
  }

  async #record(record: HistoryRecord): Promise<void> {
    this.#history.push(record)
    await this.#each((callback) => callback.onRecord?.(record, this.#about))
  }

  #position(totals: Pick<Totals, 'words' | 'sumWords'> | null = null, epochSeconds = 0, lr?: number): Position {
    const { words = new Int32Array(METER_WORDS), sumWords: metrics = {} } = totals ?? {}
    const seconds = { trainSeconds: this.#trainSeconds, epochSeconds }
    return {
      epoch: this.#epoch,
      step: this.#step,
      words,
      ...(Object.keys(metrics).length > 0 && { metrics }),
      ...seconds,
      ...(lr !== undefined && { lr }),
    }
  }

  #evalMode(): void {
    for (const optimizer of this.#options.optimizers) optimizer.eval()
  }

  async #save(position: Position): Promise<void> {
    const { checkpoint } = this.#options
    if (checkpoint) await saveState(checkpoint, await this.#stateAt(position))
  }

  async #stateOfEpoch(): Promise<SavedState> {
    if (!this.#isBetween)
      throw new Error('fit: run.state() is asked for outside of onEpoch; it is there between two epochs alone')
    return await this.#stateAt(this.#position())
  }

  async #stateAt(position: Position): Promise<SavedState> {
    const { net, optimizers, names, settings } = this.#options
    for (const { paramGroups } of optimizers) checkNotSwapped('fit: checkpoint', paramGroups)
    this.#evalMode()
    const { seed, draws, positions: streams } = defaultGenerator() // before anything else may draw
    const values = await valuesOf(net, optimizers, position.step, names)
    const states = await this.#kept()
    const about = { settings, figures: this.#figures, history: [...this.#history], random: { seed, draws, streams } }
    return { position, ...values, ...about, callbacks: states }
  }

  /** What every callback keeps in a checkpoint; null for one that keeps nothing. */
  async #kept(): Promise<(CallbackState | null)[]> {
    const states = []
    for (const [i, callback] of this.#options.callbacks.entries()) {
      const state = (await callback.stateDict?.()) ?? null
      checkKept(state, i)
      states.push(state)
    }
    return states
  }
}

/** The error for a callback that has used up or set back the batches of the run. */
function moved({ position }: Batches, expected: number): Error {
  return new Error(
    `fit: a callback has moved the training batches to position ${position}, from ${expected}; look at them by batch(i), or make ` +
      'second batches of the same data',
  )
}
