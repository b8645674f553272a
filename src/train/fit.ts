import { ImageBatches } from '../data/batches.ts'
import type { Module } from '../nn/index.ts'
import type { Optimizer } from '../optim/index.ts'
import type { Schedule } from '../sched/index.ts'
import { requireOptions } from '../tensor/options.ts'
import { checkNet, checkOptimizer } from './check.ts'
import type { HistoryRecord } from './history.ts'
import { type RunResult, run } from './run.ts'
import { checkUpdate, updatesOf } from './update.ts'

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
  /** 'before-epoch', the default: epoch (or update) t runs at s(t). 'after-epoch': the first at the optimiser's rate, then s(t − 1). */
  readonly lrTiming?: 'before-epoch' | 'after-epoch' | undefined
  readonly epochs: number
  /** The order of an epoch is a pure function of this, 0 unless given, and the epoch's number. */
  readonly seed?: number | undefined
  /** Called in their order, one after the other. */
  readonly callbacks?: readonly FitCallback[] | undefined
  /** The most that the norm over all gradients may be before an update, as `optim.clipGradNorm` has it. */
  readonly clipGradNorm?: number | undefined
  /** The most that an element of a gradient may be, as `optim.clipGradValue` has it; after clipping by norm. */
  readonly clipGradValue?: number | undefined
  /**
   * Batches an update, 1 unless given: their gradients are added up, each of the loss divided by how many they are. The last
   * update of an epoch takes the batches that are left, and divides by how many those are.
   */
  readonly accumulate?: number | undefined
  /** false: the step is not captured but called anew each time, to the same bits; for a network that varies by itself. */
  readonly capture?: boolean | undefined
}

/** What every callback is told of the run. */
export interface FitRun {
  readonly net: Module
  readonly optimizer: Optimizer
  readonly epochs: number
  readonly stepsPerEpoch: number
}

/** After an update; `step` counts updates from 1 over the whole run, `epoch` from 0. Means since the epoch's start. */
export interface FitBatch {
  readonly epoch: number
  readonly step: number
  readonly images: number
  readonly lr: number
  readonly trainLoss: number
  readonly trainAcc: number
}

/** After an epoch; the figures of the test are NaN without one. */
export interface FitEpoch {
  readonly epoch: number
  readonly step: number
  readonly lr: number
  readonly trainLoss: number
  readonly trainAcc: number
  readonly testLoss: number
  readonly testAcc: number
  /** Seconds of training, and of evaluation. */
  readonly trainSeconds: number
  readonly testSeconds: number
}

/** What {@link fit} returns. */
export interface FitResult extends RunResult {
  /** A record every 50 updates and every epoch, as in `history.jsonl`. */
  readonly history: readonly HistoryRecord[]
}

/**
 * What looks on in a run; all is optional, may be asynchronous and is waited for. `onBatch` and `onEpoch` end the run by
 * returning 'stop'; whatever else they return has no meaning. What one throws ends the run and is thrown by `fit` as it is.
 */
export interface FitCallback {
  /** Before the first update. */
  onBegin?(run: FitRun): unknown
  /**
   * After every update, when it has been computed and nothing else is on its way: parameters are those of this update, and
   * rates that it sets are in force from the next. So each update is a sync point; leave it out where `onEpoch` will do.
   * After 'stop' the running epoch is neither evaluated nor recorded.
   */
  onBatch?(batch: FitBatch, run: FitRun): unknown
  /** After every epoch and its evaluation. */
  onEpoch?(epoch: FitEpoch, run: FitRun): unknown
  /** After a run that went through its epochs or was stopped; not where an error ended it. */
  onEnd?(result: FitResult, run: FitRun): unknown
  /** Last of all, however the run ended: gives back what the callback holds. Where it throws, `fit` does, once
   * all are disposed and if nothing else went wrong. */
  dispose?(): unknown
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
] as const

/** What is being trained on: it has one order and one position. */
const training = new WeakSet<ImageBatches>()

/**
 * Trains a classifier on images by minibatches and returns its history and the last epoch's figures: softmax cross-entropy,
 * each epoch in an order of its own, loss and accuracy of training as running means since the epoch's start. Steps are
 * captured once and replayed. The same seed gives the same bits, and those of the loop written out.
 *
 *     const { history, testAcc } = await fit(net, { data: { train, test }, optimizer, epochs: 10 })
 *
 * Rejects with TypeError or RangeError for options that do not fit, before anything is done; with DivergedError, which names
 * the step, when the loss, the logits, a gradient or a parameter is no longer finite; with what a callback throws.
 */
export async function fit(net: Module, options: FitOptions): Promise<FitResult> {
  const { callbacks = [], ...checked } = check(net, options)
  training.add(checked.train)
  const errors: unknown[] = []
  let result: FitResult | null = null
  try {
    result = await fitBy(checked, callbacks)
  } catch (error) {
    errors.push(error)
  }
  training.delete(checked.train)
  for (const callback of callbacks) {
    try {
      await callback.dispose?.()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
  return result!
}

async function fitBy(
  options: Omit<ReturnType<typeof check>, 'callbacks'>,
  callbacks: readonly FitCallback[],
): Promise<FitResult> {
  const { net, epochs, optimizer } = options
  const about: FitRun = { net, optimizer, epochs, stepsPerEpoch: updatesOf(options) }
  const history: HistoryRecord[] = []
  const each = async (call: (callback: FitCallback) => unknown): Promise<'stop' | undefined> => {
    let stop = false
    for (const callback of callbacks) stop = (await call(callback)) === 'stop' || stop
    return stop ? 'stop' : undefined
  }
  // What a callback sees after an update must be no later one.
  const eachUpdate = callbacks.some(({ onBatch }) => onBatch !== undefined)
  await each((callback) => callback.onBegin?.(about))
  const result = await run({
    ...options,
    onRecord: (record) => void history.push(record),
    ...(eachUpdate && {
      pauseAfter: () => true,
      onBatch: async ({ totals, ...at }) => {
        const batch = { ...at, trainLoss: totals!.loss, trainAcc: totals!.accuracy }
        return await each((callback) => callback.onBatch?.(batch, about))
      },
    }),
    onEpoch: async ({ train: totals, ...at }) => {
      const epoch = { ...at, trainLoss: totals.loss, trainAcc: totals.accuracy }
      return await each((callback) => callback.onEpoch?.(epoch, about))
    },
  })
  const fitted = { ...result, history }
  await each((callback) => callback.onEnd?.(fitted, about))
  return fitted
}

/** The options as `run` takes them. */
function check(net: Module, options: FitOptions) {
  checkNet('fit', net)
  requireOptions('fit', options, KNOWN)
  const { data, optimizer, epochs, schedule, callbacks, accumulate, clipGradNorm, clipGradValue } = options
  const { seed = 0, capture = true, schedulePer = 'epoch', lrTiming = 'before-epoch' } = options
  const [train, test] = data instanceof ImageBatches ? [data, null] : [data?.train, data?.test]
  if (!(train instanceof ImageBatches) || !(test === null || test instanceof ImageBatches)) {
    throw new TypeError('fit: data must be ImageBatches, or { train, test } of two')
  }
  checkOptimizer('fit', net, optimizer)
  if (train === test) throw new TypeError('fit: train and test must be two ImageBatches: each has an order of its own')
  if (training.has(train)) {
    throw new Error(
      'fit: another fit is training on these batches; wait for it, or make a second ImageBatches of the same data set',
    )
  }
  for (const [name, value] of Object.entries({ epochs, seed })) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`fit: ${name} must be a whole number, 0 or more, not ${String(value)}`)
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
      throw new TypeError(`fit: ${name} must be '${known.join("' or '")}', not '${String(value)}'`)
    }
  }
  checkCallbacks(callbacks)
  if (typeof capture !== 'boolean') throw new TypeError(`fit: capture must be true or false, not ${String(capture)}`)
  const lr = optimizer.paramGroups[0]!.lr
  const rates = schedule ? { schedule, per: schedulePer, timing: lrTiming, lr } : null
  const update = { net, optimizer, train, accumulate, clipGradNorm, clipGradValue }
  checkUpdate('fit', update)
  return { ...update, test, epochs, seed, capture, rates, callbacks }
}

const HOOKS = ['onBegin', 'onBatch', 'onEpoch', 'onEnd', 'dispose'] as const

function checkCallbacks(callbacks: FitOptions['callbacks']): void {
  if (callbacks === undefined) return
  if (!Array.isArray(callbacks)) {
    throw new TypeError('fit: callbacks must be an array, such as [earlyStopping({ patience: 3 })]')
  }
  for (const [i, callback] of callbacks.entries()) {
    if (typeof callback !== 'object' || callback === null || Array.isArray(callback)) {
      throw new TypeError(
        `fit: callback ${i} must be an object with any of ${HOOKS.join(', ')}, such as earlyStopping()`,
      )
    }
    for (const name of HOOKS) {
      const type = typeof callback[name]
      if (type === 'function' || type === 'undefined') continue
      throw new TypeError(`fit: ${name} of callback ${i} must be a function, not ${type}`)
    }
    const stray = strayHook(callback)
    if (stray === null) continue
    throw new TypeError(`fit: callback ${i} has ${stray}, which is no hook; fit knows ${HOOKS.join(', ')}`)
  }
}

/** A name like a hook's: in other letters, or another library's, such as onEpochEnd. A callback may have others besides. */
function strayHook(callback: object): string | null {
  const known: readonly string[] = HOOKS
  const small = known.map((name) => name.toLowerCase())
  for (let part = callback; part && part !== Object.prototype; part = Object.getPrototypeOf(part)) {
    const stray = Object.getOwnPropertyNames(part).find(
      (name) => !known.includes(name) && (/^on[A-Z]/.test(name) || small.includes(name.toLowerCase())),
    )
    if (stray !== undefined) return stray
  }
  return null
}
