// Trains a network: `fit`, its options and their checks. The loop itself is in loop.ts.
import { Batches, type BatchOf } from '../data/batches.ts'
import type { BatchField, BatchFields } from '../data/check_fields.ts'
import type { Module } from '../nn/index.ts'
import { Optimizer } from '../optim/index.ts'
import type { Schedule } from '../sched/index.ts'
import { requireFlags, requireOptions, shown, tooMany } from '../tensor/options.ts'
import { checkCallbacks, type FitCallback, type FitResult } from './callbacks.ts'
import { checkMomentum, checkOptimizer, parametersOf } from './check.ts'
import { type CheckpointOptions, checkCheckpoint, lastState, refuseOthers } from './checkpoint_store.ts'
import { Loop, type LoopOptions } from './loop.ts'
import { checkRates } from './rates.ts'
import { restoreRandom, restoreValues, type SavedSettings, type SavedState } from './saved_state.ts'
import { type EvaluationOptions, type OutputOf, type TaskOptions, taskOf } from './task.ts'
import { checkUpdate, updatesOf } from './training_step.ts'
import { beginRun, checkFree } from './under_way.ts'
import { type Network, wholeOf } from './whole.ts'

/** The fields of images with labels. */
export type ImageFields = Readonly<Record<'images' | 'labels', BatchField>>

/** Options of {@link fit}. */
export interface FitOptions<N = Module, F extends BatchFields = ImageFields, Out = OutputOf<N>>
  extends EvaluationOptions<N, F, Out> {
  /** The batches to train on, or with those that every epoch is evaluated on. */
  readonly data: Batches<F> | { readonly train: Batches<F>; readonly test: Batches<F> }
  /** Of parameters of the network, all or some; the others stay as they are. Several by names need a `step`. */
  readonly optimizer: Optimizer | Readonly<Record<string, Optimizer>>
  /**
   * One update in place of the loop's own, for several networks or losses: it computes losses, calls backward and the optimizers'
   * `step`, and returns its mean loss, or several by their names. It is captured, as the loop's own is. Gradients are forgotten
   * before it. `loss`, `forward` and `metrics` are then those of the evaluation alone.
   */
  readonly step?: ((batch: BatchOf<F>) => unknown) | undefined
  /** Gives every group its rate, and its momentum where it has one. Without it the groups' own are in force. */
  readonly schedule?: Schedule | undefined
  /** What the schedule's t counts: epochs, the default, or updates. */
  readonly schedulePer?: 'epoch' | 'step' | undefined
  /** 'before-epoch', the default: epoch (or update) t runs at s(t). 'after-epoch': the first at the optimizer's rate, then s(t − 1). */
  readonly lrTiming?: 'before-epoch' | 'after-epoch' | undefined
  readonly epochs: number
  /** The order of an epoch of ImageBatches is a pure function of this, 0 unless given, and the epoch's number; Batches have their own seed. */
  readonly seed?: number | undefined
  /** Called in their order, one after the other. */
  readonly callbacks?: readonly FitCallback[] | undefined
  /** The most that the norm over all gradients may be before an update, as in `optim.clipGradNorm`. */
  readonly clipGradNorm?: number | undefined
  /** The most that an element of a gradient may be, as in `optim.clipGradValue`; after clipping by norm. */
  readonly clipGradValue?: number | undefined
  /**
   * Batches an update, 1 unless given: the gradients of their mean losses are added up, each times its batch's share of
   * their images, Σ nᵢgᵢ / Σ nᵢ, as one large batch would have it. The last update of an epoch takes the batches that are left.
   */
  readonly accumulate?: number | undefined
  /** false: the step is not captured but called anew each time, to the same bits; for a network that varies by itself. */
  readonly capture?: boolean | undefined
  /** Where states are saved, and how often. */
  readonly checkpoint?: CheckpointOptions | undefined
  /**
   * Where to continue: a state that was saved, or 'last' for the newest in `checkpoint.store` that is whole, and the beginning if
   * it has none; a damaged one is named by `console.warn`. Network and optimizer take over the state; data, seed and `accumulate` must be those of the saved run. It ends with
   * the bits of a run that nothing interrupted.
   */
  readonly from?: SavedState | 'last' | undefined
  /** Ends the run when it is aborted, once the updates on their way are computed; with `checkpoint` the state is saved. */
  readonly signal?: AbortSignal | undefined
}

const KNOWN = [
  'data',
  'loss',
  'forward',
  'metrics',
  'step',
  'optimizer',
  'schedule',
  'schedulePer',
  'lrTiming',
  'epochs',
  'seed',
  'callbacks',
  'clipGradNorm',
  'clipGradValue',
  'accumulate',
  'capture',
  'checkpoint',
  'from',
  'signal',
] as const

/**
 * Trains a network by minibatches and returns its history and the last epoch's figures: each epoch in its own order, loss,
 * accuracy and metrics of training as running means since the epoch's start. The loss is softmax cross-entropy of images and labels
 * unless another is given. Steps are captured once and replayed. The same seed gives the same bits, and those of the loop written out.
 *
 *     const { history, testAcc } = await fit(net, { data: { train, test }, optimizer, epochs: 10 })
 *     await fit(net, { data: batches, loss: (output, { y }) => mseLoss(output, y), optimizer, epochs: 10 })
 *     await fit({ g, d }, { data: batches, step, optimizer: { g: ofG, d: ofD }, epochs: 10 })
 *
 * Rejects with TypeError or RangeError for options that do not fit, before anything is done; with DivergedError, which names
 * the step, when the loss, the logits, a gradient or a parameter is no longer finite; with DataError for a saved state that
 * does not fit; with what a callback or the store throws. The network is in training mode while it is trained, in evaluation mode while it
 * is evaluated, and has its own modes again at the end.
 */
export async function fit<N extends Network, F extends BatchFields, Out = OutputOf<N>>(
  net: N,
  options: FitOptions<N, F, Out>,
): Promise<FitResult> {
  if (arguments.length > 2) throw tooMany(arguments, 'fit(net, options)')
  const { from, ...checked } = check(net, options as unknown as FitOptions)
  const end = beginRun('fit', checked)
  const errors: unknown[] = []
  let result: FitResult | null = null
  let release: (() => Promise<void>) | undefined
  try {
    release = await checked.checkpoint?.store.hold?.()
    const store = checked.checkpoint?.store
    const found = from === 'last' ? await lastState(store!) : { state: from ?? null, passedOver: [] }
    if (store) await refuseOthers(store, found)
    result = await fitFrom(found.state, checked)
  } catch (error) {
    errors.push(error)
  }
  end()
  for (const last of [...checked.callbacks.map((callback) => () => callback.dispose?.()), release]) {
    try {
      await last?.()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
  return result!
}

async function fitFrom(state: SavedState | null, options: LoopOptions): Promise<FitResult> {
  const { net, optimizers, names } = options
  let { settings, rates } = options
  if (state) {
    checkState(state, options)
    restoreValues(net, optimizers, state, 'fit: from', names)
    if (state.random) restoreRandom(state.random)
    const lr = state.settings?.lr ?? settings.lr
    settings = { ...settings, lr }
    rates = rates && { ...rates, lr }
  }
  const loop = new Loop({ ...options, settings, rates }, state)
  try {
    return await loop.run()
  } finally {
    loop.dispose()
  }
}

/**
 * Throws RangeError for a state of another data set or order, one that is between no two updates, one of more updates than the
 * run is to have, or one with the state of a callback that nothing would take.
 */
function checkState({ position, settings, callbacks = [] }: SavedState, options: LoopOptions): void {
  const [changed, changes] = [settings?.changes ?? 'nothing', options.settings.changes ?? 'nothing']
  if (settings && changed !== changes) {
    throw new RangeError(
      `fit: from: the saved run changed its images by ${changed}, this one by ${changes}; give both the same augment and normalize`,
    )
  }
  for (const [name, value] of Object.entries(settings ?? {})) {
    const own = options.settings[name as keyof SavedSettings]
    if (name === 'lr' || own === value) continue
    throw new RangeError(`fit: from: the saved run had ${name} ${value}, this one has ${own}; give both the same`)
  }
  const { epoch, step } = position
  const updates = updatesOf(options)
  const done = step - epoch * updates
  const isPlace = Number.isSafeInteger(epoch) && epoch >= 0 && Number.isSafeInteger(step) && done >= 0
  if (!(isPlace && done <= updates)) {
    throw new RangeError(`fit: from: a run of ${updates} steps an epoch can't be at epoch ${epoch}, step ${step}`)
  }
  const least = Math.max(epoch, Math.ceil(step / updates))
  if (least > options.epochs) {
    throw new RangeError(
      `fit: from: the saved run has had ${step} updates, of ${updates} an epoch, and epochs is ${options.epochs}; give epochs: ${least} or more`,
    )
  }
  const lost = callbacks.findIndex((kept, i) => {
    const { onBegin, stateDict } = options.callbacks[i] ?? {}
    return kept !== null && onBegin === undefined && stateDict === undefined
  })
  if (lost < 0) return
  throw new RangeError(
    `fit: from: callback ${lost} of the saved run kept a state, and there is no callback ${lost} that could take it; give the callbacks ` +
      'of the saved run, in their order',
  )
}

/** The options, complete. */
function check(given: Network, options: FitOptions): LoopOptions & Pick<FitOptions, 'from'> {
  const net = wholeOf('fit', given)
  requireOptions('fit', options, KNOWN)
  requireFlags('fit', options, ['capture'])
  const { data, optimizer, epochs, schedule, callbacks = [], accumulate, clipGradNorm, clipGradValue } = options
  const { checkpoint, from, signal } = options
  const { seed = 0, capture = true, schedulePer = 'epoch', lrTiming = 'before-epoch' } = options
  const [train, test] = data instanceof Batches ? [data, null] : [data?.train, data?.test]
  if (!(train instanceof Batches) || !(test === null || test instanceof Batches)) {
    throw new TypeError('fit: data must be Batches or ImageBatches, or { train, test } of two')
  }
  if (test !== null) requireOptions('fit: data', data, ['train', 'test'])
  const isNamed = typeof optimizer === 'object' && optimizer !== null && !(optimizer instanceof Optimizer)
  const names = isNamed && Object.keys(optimizer).length > 0 ? Object.keys(optimizer) : null
  const optimizers = names ? Object.values(optimizer as Readonly<Record<string, Optimizer>>) : [optimizer as Optimizer]
  for (const one of optimizers) checkOptimizer('fit', net, one)
  checkApart(optimizers)
  if (train === test) throw new TypeError('fit: train and test must be two sets of batches: each has its own order')
  const task = taskOf('fit', given, options as TaskOptions, train)
  checkStep(options, optimizers, test)
  const testTask = test ? taskOf('fit: test', given, { ...(options as TaskOptions), step: undefined }, test) : task
  if (train.ordering && options.seed !== undefined) {
    throw new TypeError('fit: seed is for ImageBatches; Batches have their own: new Batches(fields, { seed })')
  }
  for (const [name, value] of Object.entries({ epochs, seed })) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`fit: ${name} must be a whole number, 0 or more, not ${shown(value)}`)
    }
  }
  if (schedule !== undefined && typeof schedule !== 'function') {
    throw new TypeError(`fit: schedule must be a function of t, such as sched.cosine(…), not ${typeof schedule}`)
  }
  const choices = [
    ['schedulePer', schedulePer, ['epoch', 'step']],
    ['lrTiming', lrTiming, ['before-epoch', 'after-epoch']],
  ] as const
  for (const [name, value, known] of choices) {
    if (!known.some((word) => word === value)) {
      throw new TypeError(`fit: ${name} must be '${known.join("' or '")}', not ${shown(value)}`)
    }
  }
  if (!schedule) {
    const given = (['schedulePer', 'lrTiming'] as const).find((name) => options[name] !== undefined)
    if (given) throw new TypeError(`fit: ${given} counts for nothing without a schedule; give one, or leave it out`)
  }
  if (test?.isAugmented) {
    throw new TypeError(
      'fit: the test batches have augment, and their figures would be of other images each epoch; leave it out there',
    )
  }
  checkCallbacks(callbacks)
  checkFree('fit', { net, optimizers, train, callbacks })
  for (const one of optimizers) checkMomentum('fit', schedule, one)
  const lr = optimizers[0]!.paramGroups[0]!.lr
  const rates = schedule ? { schedule, per: schedulePer, timing: lrTiming, lr } : null
  const update = { net, optimizers, train, task, accumulate, clipGradNorm, clipGradValue }
  checkUpdate('fit', update)
  if (rates) checkRates(rates, epochs, updatesOf(update))
  checkCheckpoint(checkpoint)
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError('fit: signal must be an AbortSignal, such as new AbortController().signal')
  }
  if (from === 'last' && checkpoint === undefined) {
    throw new TypeError("fit: from 'last' needs a checkpoint: { store } to look in")
  }
  if (from !== undefined && from !== 'last' && !(typeof from === 'object' && from?.position && from.network)) {
    throw new TypeError("fit: from must be 'last' or a saved state, such as store.load(name) gives")
  }
  const { ordering, batchSize } = train
  const order = ordering ? { seed: ordering.seed, order: ordering.rule } : { seed }
  const changes = train.changedBy === '' ? {} : { changes: train.changedBy }
  const settings = { images: train.epochSize, batchSize, accumulate: accumulate ?? 1, ...order, lr, ...changes }
  return { ...update, test, testTask, names, epochs, settings, capture, rates, callbacks, checkpoint, from, signal }
}

/** Throws TypeError where two optimizers have one parameter: each would count it as its own. */
function checkApart(optimizers: readonly Optimizer[]): void {
  const seen = new Set<unknown>()
  for (const p of parametersOf(optimizers)) {
    if (seen.has(p)) throw new TypeError(`fit: two optimizers have ${p.label}; give each parameter to one`)
    seen.add(p)
  }
}

/** Throws TypeError for options that a step of the user's leaves without a meaning, and for several optimizers without one. */
function checkStep(options: FitOptions, optimizers: readonly Optimizer[], test: Batches | null): void {
  if (options.step === undefined) {
    if (optimizers.length === 1) return
    throw new TypeError('fit: several optimizers need a step, which says what each of them updates')
  }
  const own = (['accumulate', 'clipGradNorm', 'clipGradValue'] as const).find((name) => options[name] !== undefined)
  if (own !== undefined) {
    throw new TypeError(`fit: ${own} is given beside a step, which makes its updates itself; do it there`)
  }
  if (test !== null || (options.loss === undefined && options.metrics === undefined && options.forward === undefined))
    return
  throw new TypeError('fit: with a step, loss, forward and metrics are those of data.test, and there is none')
}
