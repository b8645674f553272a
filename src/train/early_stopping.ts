// earlyStopping: a callback that ends a run whose metric no longer improves.
import { toDevice, toHost } from '../data/host_tensors.ts'
import type { Module } from '../nn/index.ts'
import { empty } from '../tensor/create.ts'
import { requireFlags, requireOptions, shown, tooMany } from '../tensor/options.ts'
import { sameShape } from '../tensor/shape.ts'
import { bytesPerElement, type Tensor } from '../tensor/tensor.ts'
import type { FitCallback, FitEpoch, FitRun } from './callbacks.ts'
import type { CallbackState } from './saved_state.ts'

const METRICS = ['testAcc', 'testLoss', 'trainAcc', 'trainLoss'] as const

/** Options of {@link earlyStopping}. */
export interface EarlyStoppingOptions {
  /** What is watched after every epoch: an accuracy should rise, a loss fall. 'testAcc' unless given. */
  readonly metric?: (typeof METRICS)[number]
  /** So many epochs in a row without an improvement end the run: 3 unless given. */
  readonly patience?: number
  /** An improvement is a change for the better by more than this: 0 unless given. */
  readonly minDelta?: number
  /** Whether the run ends with the parameters and buffers of the best epoch, the default. */
  readonly restoreBest?: boolean
}

export interface EarlyStopping extends FitCallback {
  /** The best value of the metric in the last run, and its epoch; null before there was one. */
  readonly best: number | null
  readonly bestEpoch: number | null
}

/**
 * A callback for `fit` that ends the run when a metric has got no better for `patience` epochs. With `restoreBest` the
 * network has the parameters and buffers of the best epoch when `fit` returns, whatever ended the run; its figures remain those
 * of the last epoch, and the optimizer's momentum is the last update's. A copy of both is kept on the GPU meanwhile.
 *
 * Throws TypeError or RangeError for options that do not fit. `fit` rejects with an Error, before it trains, where the metric is
 * the test's and it has no `data.test`.
 */
export function earlyStopping(options: EarlyStoppingOptions = {}): EarlyStopping {
  if (arguments.length > 1) throw tooMany(arguments, 'earlyStopping(options)')
  requireOptions('earlyStopping', options, ['metric', 'patience', 'minDelta', 'restoreBest'])
  requireFlags('earlyStopping', options, ['restoreBest'])
  const { metric = 'testAcc', patience = 3, minDelta = 0, restoreBest = true } = options
  if (!METRICS.includes(metric)) {
    throw new TypeError(`earlyStopping: metric must be one of ${METRICS.join(', ')}, not ${shown(metric)}`)
  }
  if (!Number.isSafeInteger(patience) || patience < 1) {
    throw new RangeError(`earlyStopping: patience must be a whole number, 1 or more, not ${shown(patience)}`)
  }
  if (!Number.isFinite(minDelta) || minDelta < 0) {
    throw new RangeError(`earlyStopping: minDelta must be a number, 0 or more, not ${shown(minDelta)}`)
  }
  return new Stopper({ metric, patience, minDelta, restoreBest })
}

interface Counts {
  readonly best: number | null
  readonly bestEpoch: number | null
  /** Epochs since the best one. */
  readonly bad: number
}

/** What a saved run had counted by this metric; nothing without one. Older checkpoints do not say which metric it was. */
function countsOf(state: CallbackState | null, metric: string): Counts {
  if (state === null) return { best: null, bestEpoch: null, bad: 0 }
  const { best, bestEpoch, bad, metric: saved = metric } = state.values as Partial<Counts & { metric: unknown }>
  if (saved !== metric) {
    throw new TypeError(
      `earlyStopping: the saved state is of ${String(saved)}, this one watches ${metric}; give the callbacks in their order, each with the ` +
        'metric of the saved run',
    )
  }
  const isNumber = (value: unknown) => value === null || Number.isFinite(value)
  if (isNumber(best) && isNumber(bestEpoch) && Number.isSafeInteger(bad)) return state.values as Counts
  throw new TypeError('earlyStopping: the saved state belongs to another callback; give the callbacks in their order')
}

class Stopper implements EarlyStopping {
  readonly #options: Required<EarlyStoppingOptions>
  /** The state of the network after the best epoch, where it is to be restored. */
  #kept: ReadonlyMap<string, Tensor> | null = null
  #best: number | null = null
  #bestEpoch: number | null = null
  #bad = 0

  constructor(options: Required<EarlyStoppingOptions>) {
    this.#options = options
  }

  get best(): number | null {
    return this.#best
  }

  get bestEpoch(): number | null {
    return this.#bestEpoch
  }

  onBegin(run: FitRun, state: CallbackState | null): 'stop' | undefined {
    this.dispose()
    const { metric } = this.#options
    const { best, bestEpoch, bad } = countsOf(state, metric)
    if (metric.startsWith('test') && run.test === null) {
      throw new Error(`earlyStopping: there is no ${metric}: fit was given no data.test`)
    }
    this.#best = best
    this.#bestEpoch = bestEpoch
    this.#bad = bad
    const tensors = state?.tensors
    if (tensors && this.#options.restoreBest) this.#kept = toDevice(tensors, run.optimizer.gpu)
    return bad >= this.#options.patience ? 'stop' : undefined // the saved run had ended
  }

  async stateDict(): Promise<CallbackState> {
    const values = { metric: this.#options.metric, best: this.#best, bestEpoch: this.#bestEpoch, bad: this.#bad }
    return { values, ...(this.#kept && { tensors: await toHost(this.#kept) }) }
  }

  onEpoch(epoch: FitEpoch, { net }: { readonly net: Module }): 'stop' | undefined {
    const { metric, patience, minDelta, restoreBest } = this.#options
    const value = epoch[metric]
    const gain =
      this.#best === null ? Number.POSITIVE_INFINITY : metric.endsWith('Acc') ? value - this.#best : this.#best - value
    if (gain > minDelta) {
      this.#best = value
      this.#bestEpoch = epoch.epoch
      this.#bad = 0
      if (restoreBest) this.#keep(net)
      return undefined
    }
    this.#bad++
    return this.#bad >= patience ? 'stop' : undefined
  }

  onEnd(_: unknown, { net }: { readonly net: Module }): void {
    // After the best epoch as well: another callback may have ended the run some updates later.
    if (this.#kept) net.loadStateDict(this.#kept)
  }

  dispose(): void {
    for (const copy of this.#kept?.values() ?? []) copy.dispose()
    this.#kept = null
  }

  #keep(net: Module): void {
    const state = net.stateDict()
    const kept = this.#kept
    const fits = [...state].every(([name, t]) => sameShape(kept?.get(name)?.shape ?? [-1], t.shape))
    if (kept && !(fits && kept.size === state.size)) this.dispose() // another callback has changed the network
    this.#kept ??= new Map(
      [...state].map(([name, { gpu, shape, dtype }]) => [
        name,
        empty(gpu, shape, dtype, 'the best state', gpu.pool.largestInParts).keep(),
      ]),
    )
    for (const [name, { gpu, storage, size, dtype }] of this.#kept) {
      gpu.copy(state.get(name)!.storage, storage, bytesPerElement[dtype] * size)
    }
  }
}
