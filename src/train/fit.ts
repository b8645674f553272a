// Trains a network: `fit`, its options and their checks. The loop itself is in loop.ts.
import { ImageBatches } from '../data/batches.ts'
import type { Module } from '../nn/index.ts'
import type { Optimizer } from '../optim/index.ts'
import type { Schedule } from '../sched/index.ts'
import { requireFlags, requireOptions, shown, tooMany } from '../tensor/options.ts'
import { checkCallbacks, type FitCallback, type FitResult } from './callbacks.ts'
import { checkMomentum, checkNet, checkOptimizer } from './check.ts'
import { type CheckpointOptions, checkCheckpoint, lastState, refuseOthers } from './checkpoint_store.ts'
import { Loop, type LoopOptions } from './loop.ts'
import { checkRates } from './rates.ts'
import { restoreRandom, restoreValues, type SavedSettings, type SavedState } from './saved_state.ts'
import { checkUpdate, updatesOf } from './training_step.ts'
import { beginRun, checkFree } from './under_way.ts'

/** Options of {@link fit}. */
export interface FitOptions {
  /** The batches to train on, or with those that every epoch is evaluated on. */
  readonly data: ImageBatches | { readonly train: ImageBatches; readonly test: ImageBatches }
  /** Of parameters of the network, all or some; the others stay as they are. */
  readonly optimizer: Optimizer
  /** Gives every group its rate, and its momentum where it has one. Without it the groups' own are in force. */
  readonly schedule?: Schedule | undefined
  /** What the schedule's t counts: epochs, the default, or updates. */
  readonly schedulePer?: 'epoch' | 'step' | undefined
  /** 'before-epoch', the default: epoch (or update) t runs at s(t). 'after-epoch': the first at the optimizer's rate, then s(t − 1). */
  readonly lrTiming?: 'before-epoch' | 'after-epoch' | undefined
  readonly epochs: number
  /** The order of an epoch is a pure function of this, 0 unless given, and the epoch's number. */
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
 * Trains a classifier on images by minibatches and returns its history and the last epoch's figures: softmax cross-entropy,
 * each epoch in its own order, loss and accuracy of training as running means since the epoch's start. Steps are
 * captured once and replayed. The same seed gives the same bits, and those of the loop written out.
 *
 *     const { history, testAcc } = await fit(net, { data: { train, test }, optimizer, epochs: 10 })
 *
 * Rejects with TypeError or RangeError for options that do not fit, before anything is done; with DivergedError, which names
 * the step, when the loss, the logits, a gradient or a parameter is no longer finite; with DataError for a saved state that
 * does not fit; with what a callback or the store throws. The network is in training mode while it is trained, in evaluation mode while it
 * is evaluated, and has its own modes again at the end.
 */
export async function fit(net: Module, options: FitOptions): Promise<FitResult> {
  if (arguments.length > 2) throw tooMany(arguments, 'fit(net, options)')
  const { from, ...checked } = check(net, options)
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
  const { net, optimizer } = options
  let { settings, rates } = options
  if (state) {
    checkState(state, options)
    restoreValues(net, optimizer, state, 'fit: from')
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
function check(net: Module, options: FitOptions): LoopOptions & Pick<FitOptions, 'from'> {
  checkNet('fit', net)
  requireOptions('fit', options, KNOWN)
  requireFlags('fit', options, ['capture'])
  const { data, optimizer, epochs, schedule, callbacks = [], accumulate, clipGradNorm, clipGradValue } = options
  const { checkpoint, from, signal } = options
  const { seed = 0, capture = true, schedulePer = 'epoch', lrTiming = 'before-epoch' } = options
  const [train, test] = data instanceof ImageBatches ? [data, null] : [data?.train, data?.test]
  if (!(train instanceof ImageBatches) || !(test === null || test instanceof ImageBatches)) {
    throw new TypeError('fit: data must be ImageBatches, or { train, test } of two')
  }
  if (test !== null) requireOptions('fit: data', data, ['train', 'test'])
  checkOptimizer('fit', net, optimizer)
  if (train === test) throw new TypeError('fit: train and test must be two ImageBatches: each has its own order')
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
  checkFree('fit', { net, optimizer, train, callbacks })
  checkMomentum('fit', schedule, optimizer)
  const lr = optimizer.paramGroups[0]!.lr
  const rates = schedule ? { schedule, per: schedulePer, timing: lrTiming, lr } : null
  const update = { net, optimizer, train, accumulate, clipGradNorm, clipGradValue }
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
  const settings = { images: train.size, batchSize: train.batchSize, accumulate: accumulate ?? 1, seed, lr }
  return { ...update, test, epochs, settings, capture, rates, callbacks, checkpoint, from, signal }
}
