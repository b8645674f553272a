// modelCheckpoint: a callback that keeps the states of the best epochs, and of the last.
import { toDevice } from '../data/host_tensors.ts'
import type { Module } from '../nn/index.ts'
import { requireFlags, requireOptions, shown, tooMany } from '../tensor/options.ts'
import type { FitCallback, FitEpoch, FitRun } from './callbacks.ts'
import type { CheckpointStore } from './checkpoint_store.ts'
import type { CallbackState } from './saved_state.ts'

const FIGURES = ['testLoss', 'testAcc', 'trainLoss', 'trainAcc'] as const

/** Options of {@link modelCheckpoint}. */
export interface ModelCheckpointOptions {
  /** Where the states are kept, such as `checkpointFolder('best')`. */
  readonly store: CheckpointStore
  /** 'testLoss' unless given, 'testAcc', 'trainLoss', 'trainAcc', or a metric: 'metrics.NAME', 'testMetrics.NAME'. */
  readonly monitor?: string
  /** Whether the smallest is the best, or the largest; unless given the largest accuracy and the smallest of anything else. */
  readonly mode?: 'min' | 'max'
  /** How many of the best epochs are kept: 1 unless given. */
  readonly saveTopK?: number
  /** Whether the last epoch is kept too, under the name 'last'; not unless given. */
  readonly saveLast?: boolean
}

/** An epoch whose state is kept. */
export type KeptEpoch = {
  /** The state's name in the store. */
  readonly name: string
  readonly epoch: number
  readonly value: number
}

/** What {@link modelCheckpoint} returns. */
export interface ModelCheckpoint extends FitCallback {
  /** The epochs that are kept, the best first; of equal ones the earliest. */
  readonly kept: readonly KeptEpoch[]
  /** Gives a network the parameters and buffers of the best epoch. Rejects with an Error where there is none. */
  loadBest(net: Module<unknown>): Promise<void>
}

/**
 * A callback for `fit` that saves the whole state after the best epochs, as `fit`'s own checkpoints are, and removes those that are
 * no longer among them. `from: await store.load(name)` continues from one; other callbacks that keep a state come before this one, so that
 * theirs is of the end of the epoch. PyTorch Lightning's ModelCheckpoint.
 *
 * Throws TypeError or RangeError for options that do not fit. `fit` rejects with an Error where the run does not have what is
 * monitored. A value that is NaN is never kept.
 */
export function modelCheckpoint(options: ModelCheckpointOptions): ModelCheckpoint {
  if (arguments.length > 1) throw tooMany(arguments, 'modelCheckpoint(options)')
  requireOptions('modelCheckpoint', options, ['store', 'monitor', 'mode', 'saveTopK', 'saveLast'])
  requireFlags('modelCheckpoint', options, ['saveLast'])
  const { store, monitor = 'testLoss', saveTopK = 1, saveLast = false } = options
  const missing = (['save', 'load', 'remove'] as const).find((name) => typeof store?.[name] !== 'function')
  if (missing !== undefined) {
    throw new TypeError(
      `modelCheckpoint: store has no ${missing}; it must be a CheckpointStore, such as checkpointFolder('best')`,
    )
  }
  if (typeof monitor !== 'string' || !/^(?:test(?:Loss|Acc)|train(?:Loss|Acc)|(?:testM|m)etrics\..+)$/.test(monitor)) {
    throw new TypeError(
      `modelCheckpoint: monitor must be one of ${FIGURES.join(', ')}, or 'metrics.NAME' or 'testMetrics.NAME', not ${shown(monitor)}`,
    )
  }
  const { mode = /Acc$|\.accuracy$/.test(monitor) ? 'max' : 'min' } = options
  if (mode !== 'min' && mode !== 'max') {
    throw new TypeError(`modelCheckpoint: mode must be 'min' or 'max', not ${shown(mode)}`)
  }
  if (!Number.isSafeInteger(saveTopK) || saveTopK < 0) {
    throw new RangeError(`modelCheckpoint: saveTopK must be a whole number, 0 or more, not ${shown(saveTopK)}`)
  }
  return new Keeper({ store, monitor, mode, saveTopK, saveLast })
}

/** What an epoch's report has under the name of a figure or a metric; undefined for a name that it does not have. */
function valueIn(epoch: FitEpoch, monitor: string): unknown {
  const metric = /^(metrics|testMetrics)\.(.+)$/s.exec(monitor)
  if (!metric) return epoch[monitor as (typeof FIGURES)[number]]
  return epoch[metric[1] as 'metrics' | 'testMetrics']?.[metric[2]!]
}

class Keeper implements ModelCheckpoint {
  readonly #options: Required<ModelCheckpointOptions>
  #kept: readonly KeptEpoch[] = []

  constructor(options: Required<ModelCheckpointOptions>) {
    this.#options = options
  }

  get kept(): readonly KeptEpoch[] {
    return this.#kept
  }

  onBegin({ test }: FitRun, state: CallbackState | null): void {
    const { monitor } = this.#options
    if (monitor.startsWith('test') && test === null) {
      throw new Error(`modelCheckpoint: there is no ${monitor}: fit was given no data.test`)
    }
    const saved = state?.values as { readonly monitor?: unknown; readonly kept?: readonly KeptEpoch[] } | undefined
    if (saved && saved.monitor !== monitor) {
      throw new TypeError(
        `modelCheckpoint: the saved state is of ${String(saved.monitor)}, this one monitors ${monitor}; give the callbacks in their order, each ` +
          'with the options of the saved run',
      )
    }
    this.#kept = saved?.kept ?? []
  }

  stateDict(): CallbackState {
    return { values: { monitor: this.#options.monitor, kept: this.#kept } }
  }

  async onEpoch(epoch: FitEpoch, run: FitRun): Promise<void> {
    const { store, monitor, mode, saveTopK, saveLast } = this.#options
    const value = valueIn(epoch, monitor)
    if (typeof value !== 'number') {
      const there = (['metrics', 'testMetrics'] as const).flatMap((kind) =>
        Object.keys(epoch[kind] ?? {}).map((name) => `${kind}.${name}`),
      )
      const what = value === undefined ? 'it is not there' : 'it is not one number'
      throw new Error(
        `modelCheckpoint: ${monitor} can't be compared: ${what}; the run has ${[...FIGURES, ...there].join(', ')}`,
      )
    }
    const sign = mode === 'min' ? 1 : -1
    const own: KeptEpoch = {
      name: `${monitor}-epoch-${String(epoch.epoch).padStart(6, '0')}`,
      epoch: epoch.epoch,
      value,
    }
    const others = this.#kept.filter(({ name }) => name !== own.name)
    const all = Number.isNaN(value) ? others : [...others, own]
    // Sorting keeps the order of equal ones: the earliest first.
    const ranked = [...all].sort((a, b) => sign * (a.value - b.value)).slice(0, saveTopK)
    const dropped = others.filter((one) => !ranked.includes(one))
    this.#kept = ranked
    const isKept = ranked.includes(own)
    if (!isKept && !saveLast) return
    const state = await run.state()
    if (isKept) await store.save(own.name, state)
    if (saveLast) await store.save('last', state)
    for (const { name } of dropped) await store.remove(name)
  }

  async loadBest(net: Module<unknown>): Promise<void> {
    const [best] = this.#kept
    if (!best) throw new Error('modelCheckpoint: loadBest(): no epoch is kept')
    const { network } = await this.#options.store.load(best.name)
    const [first] = net.stateDict().values()
    const tensors = toDevice(network, first?.gpu)
    try {
      net.loadStateDict(tensors)
    } finally {
      for (const t of tensors.values()) t.dispose()
    }
  }
}
