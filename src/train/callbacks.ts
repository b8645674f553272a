// Callbacks of `fit`: the hooks that they may have, and what they receive.
import type { Batches } from '../data/batches.ts'
import type { Module } from '../nn/index.ts'
import type { Optimizer } from '../optim/index.ts'
import type { HistoryRecord } from './history.ts'
import type { CallbackState, Figures, SavedState } from './saved_state.ts'
import type { Metrics } from './task.ts'

/** What every hook receives about the run. */
export interface FitRun {
  /** Several networks are one module here, whose children have their names. */
  readonly net: Module
  /** The first of the optimizers, and all of them. */
  readonly optimizer: Optimizer
  readonly optimizers: readonly Optimizer[]
  readonly epochs: number
  readonly stepsPerEpoch: number
  /** What every epoch is evaluated on; null without a test set. */
  readonly test: Batches | null
  /** All that `from` needs to continue here. In `onEpoch` alone, of the end of that epoch; elsewhere it rejects with an Error. */
  state(): Promise<SavedState>
}

/** After an update; `step` counts updates from 1 over the whole run, `epoch` from 0. Means since the epoch's start. */
export interface FitBatch {
  readonly epoch: number
  readonly step: number
  readonly images: number
  readonly lr: number
  readonly trainLoss: number
  readonly trainAcc: number
  readonly metrics?: Metrics
}

/** An update that is known to have been computed; the means are there if they have been read. */
export type FitProgress = Omit<FitBatch, 'trainLoss' | 'trainAcc'> & Partial<FitBatch>

/** After an epoch; the figures of the test are NaN without one. */
export interface FitEpoch extends Figures {
  readonly epoch: number
  readonly step: number
  readonly lr: number
  /** Images in an epoch. */
  readonly images: number
  /** Seconds of training, and of evaluation. */
  readonly trainSeconds: number
  readonly testSeconds: number
}

/** What `fit` returns: the figures are those of the last whole epoch, NaN if there was none. */
export interface FitResult extends Figures {
  /** Updates since the start of the run, and whole epochs. */
  readonly steps: number
  readonly epochs: number
  /** Whether a callback or the signal ended it. */
  readonly stopped: boolean
  /** Seconds of training, without evaluation. */
  readonly trainSeconds: number
  /** A record every 50 updates and every epoch, as in `history.jsonl`. */
  readonly history: readonly HistoryRecord[]
}

/**
 * Hooks of a run; each is optional, may be asynchronous and is waited for. `onBegin`, `onBatch`, `onProgress` and
 * `onEpoch` end the run by returning 'stop'; anything else they return is ignored. What one throws ends the run and is thrown
 * by `fit` as it is.
 */
export interface FitCallback {
  /** Before the first update. `state` is what `stateDict` gave, if the run continues from a saved state; else null. */
  onBegin?(run: FitRun, state: CallbackState | null): unknown
  /**
   * After every update, when it has been computed and nothing else is on its way: parameters are those of this update, and
   * rates that it sets are in force from the next. So each update is a sync point; use `onEpoch` or `onProgress` if they will
   * do. After 'stop' the running epoch is neither evaluated nor recorded.
   */
  onBatch?(batch: FitBatch, run: FitRun): unknown
  /** After every update too, but nothing waits: several are reported together, and later ones may be on their way. */
  onProgress?(batch: FitProgress, run: FitRun): unknown
  /** For every record of the history, in order. */
  onRecord?(record: HistoryRecord, run: FitRun): unknown
  /** After every epoch and its evaluation. */
  onEpoch?(epoch: FitEpoch, run: FitRun): unknown
  /** After a run that went through its epochs or was stopped; not after an error. */
  onEnd?(result: FitResult, run: FitRun): unknown
  /**
   * What belongs into a checkpoint, for `onBegin` of the run that continues; called before the first update and whenever one is
   * saved. `fit` rejects with TypeError for values that a checkpoint can't hold.
   */
  stateDict?(): CallbackState | Promise<CallbackState>
  /** Last of all, however the run ended: releases what the callback holds. If it throws, `fit` does, once all are disposed
   * and if nothing else went wrong. */
  dispose?(): unknown
}

const HOOKS = ['onBegin', 'onBatch', 'onProgress', 'onRecord', 'onEpoch', 'onEnd', 'stateDict', 'dispose'] as const

/** Throws TypeError for anything except callbacks, and for a name that looks like a hook but is unknown. */
export function checkCallbacks(callbacks: readonly FitCallback[] | undefined): void {
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
    const first = callbacks.indexOf(callback)
    if (first < i && callback.stateDict) {
      throw new TypeError(`fit: callback ${i} is callback ${first} again, and it keeps a state; make another one`)
    }
    const stray = strayHook(callback)
    if (stray === null) continue
    throw new TypeError(`fit: callback ${i} has ${stray}, which is not a hook; fit knows ${HOOKS.join(', ')}`)
  }
}

/** A name like a hook's: in other letters, or another library's, such as onEpochEnd. A callback may have other members. */
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
