// Running averages of parameters along the path of training.
import { LOAD_FIRST, refuseInCapture } from '../capture/current.ts'
import { PerStep, type RowSource } from '../capture/per_step.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { averagePieces } from '../kernels/average.ts'
import { grouped } from '../kernels/rows.ts'
import { TableCache } from '../kernels/table_cache.ts'
import { copyInto } from '../tensor/copy_into.ts'
import { requireOptions, requireShare, shown, tooMany } from '../tensor/options.ts'
import { checkInPlace, standIn } from '../tensor/standing_in.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkParameters, checkValue } from './check.ts'
import { sideBySide } from './flat_parameters.ts'

/** The state of an average, as `stateDict` gives it. */
export interface AverageState {
  /** Updates so far. */
  readonly count: number
  /** In the order of the parameters; none where there was no update. */
  readonly averages: readonly Tensor[]
}

/** Throws an Error where averages stand in the place of a parameter: an update would train them. */
export function checkNotSwapped(operation: string, groups: readonly { readonly params: readonly Tensor[] }[]): void {
  for (const { params } of groups) checkInPlace(operation, params, 'trained')
}

/**
 * A running average of parameters along the path of training, a ← a + w (p − a), as PyTorch's
 * `torch.optim.swa_utils.AveragedModel` keeps it; the first update copies the parameters. It leaves them alone until
 * `swap` or `withAverages` puts the averages in their place, to evaluate them. Buffers, such as the running statistics of batch
 * norm, are not averaged and not exchanged: they stay those of the last step, which `updateBatchNorm` takes anew.
 *
 * In this order of operations a parameter that stays leaves its average as it is, bit for bit, and an update is off by at
 * most u |a| + 3 u w |p − a| for float32's unit roundoff u = 2⁻²⁴. An error that was made weighs 1 − w as much after the
 * next update; so equal averages of n are off by about n u / 2 of the largest parameter at worst, exponential ones by
 * u / (1 − decay).
 */
abstract class Average {
  readonly #name: string
  readonly #gpu: Gpu
  readonly #averages: readonly Tensor[]
  /** Every parameter, behind its average. */
  readonly #pairs: readonly (readonly [average: Tensor, parameter: Tensor])[]
  readonly #weights: PerStep
  readonly #tables: TableCache
  #count = 0
  #swapped = false

  constructor(name: string, parameters: readonly Tensor[]) {
    checkParameters(parameters, name)
    const { gpu } = parameters[0]!
    this.#name = name
    this.#gpu = gpu
    this.#tables = new TableCache(gpu)
    this.#averages = gpu.during(null, () => sideBySide(gpu, parameters, 'averages'))
    this.#pairs = this.#averages.map((average, i) => [average, parameters[i]!])
    this.#weights = new PerStep(gpu, 1, 'weights')
  }

  /** How much the parameters weigh in an average that has had `count` updates, 1 or more. */
  protected abstract weight(count: number): number

  /** Updates so far. */
  get count(): number {
    return this.#count
  }

  /** Whether the averages stand in the parameters' place. */
  get swapped(): boolean {
    return this.#swapped
  }

  /**
   * Adds the present parameters to the average, in one dispatch if an optimizer holds them. In a captured
   * function every run continues where the last one ended; call it only once there. Throws an Error while swapped, and while
   * other averages stand in the place of a parameter.
   */
  update(): void {
    this.#check('update')
    for (const p of this.#parameters()) p.checkUsable(this.#name)
    checkInPlace(`${this.#name}: update()`, this.#parameters(), 'averaged')
    if (this.#weights.use(this.#source) > 0) {
      throw new Error(`${this.#name}: update() is called twice in a captured function; capture one step at a time`)
    }
    const weights = this.#weights.storage
    // A dispatch covers the parameters of one buffer, and averages of one.
    for (const [parameters, beside] of grouped(this.#pairs, ([, p]) => p.storage.whole)) {
      for (const [averages, pairs] of grouped(beside, ([a]) => a.storage.whole)) {
        const pieces = pairs.map(([{ storage: a }, { storage: p, size }]) => {
          return { at: a.offset / 4, other: p.offset / 4, size }
        })
        averagePieces(this.#gpu, this.#tables, pieces, { weights, parameters, averages })
      }
    }
    this.#weights.used(this.#source)
  }

  /**
   * Exchanges the averages and the parameters; a second call exchanges them back, bit for bit. Until then every update of
   * the parameters is refused: the averages would be trained. Throws an Error where there was no update yet, where other
   * averages stand in the place of a parameter, and in a captured function.
   */
  swap(): void {
    this.#checkAlive('swap')
    if (this.#count === 0) throw new Error(`${this.#name}: there are no averages yet; update() makes them`)
    for (const p of this.#parameters()) p.checkUsable(this.#name)
    if (!this.#swapped) checkInPlace(`${this.#name}: swap()`, this.#parameters(), 'exchanged')
    for (const [a, p] of this.#pairs) {
      copyInto([
        [a, p],
        [p, a],
      ])
    }
    this.#swapped = !this.#swapped
    standIn(this.#swapped ? this.#name : null, this.#parameters())
  }

  /**
   * What `fn` returns, run with the averages in the parameters' place. They are exchanged back when it is done: when it
   * returns, or the promise that it returns is settled, also where it fails. Await the promise before anything else reads the
   * parameters: an `evaluate` beside it would be given the averages.
   */
  withAverages<T>(fn: () => T): T {
    this.#check('withAverages')
    this.swap()
    const back = () => {
      if (this.#swapped) this.swap()
    }
    let result: T
    try {
      result = fn()
    } catch (error) {
      back()
      throw error
    }
    if (result instanceof Promise) return result.finally(back) as T
    back()
    return result
  }

  /** The averages are the object's own, not copies, and change with the next update. Throws an Error while swapped. */
  stateDict(): AverageState {
    this.#check('stateDict')
    return { count: this.#count, averages: this.#count === 0 ? [] : this.#averages }
  }

  /** Copies a state. Throws TypeError, RangeError or Error where it does not fit; nothing is changed then. */
  loadStateDict(state: AverageState): void {
    refuseInCapture(`${this.#name}: loadStateDict`, LOAD_FIRST)
    this.#check('loadStateDict')
    if (!Array.isArray(state?.averages)) {
      throw new TypeError(`${this.#name}: a state is { count, averages }, as stateDict() gives it`)
    }
    const { count, averages } = state
    if (!Number.isSafeInteger(count) || count < 0) {
      throw new RangeError(`${this.#name}: count must be a whole number, 0 or more, not ${shown(count)}`)
    }
    const wanted = count === 0 ? 0 : this.#averages.length
    if (averages.length !== wanted) {
      throw new Error(
        `${this.#name}: the state has ${averages.length} averages after ${count} updates, ${wanted} are needed`,
      )
    }
    averages.forEach((given, i) => void checkValue(this.#name, `average ${i}`, given, this.#pairs[i]![1]))
    copyInto(averages.map((given, i) => [given, this.#averages[i]!]))
    this.#count = count
  }

  /** Gives the averages' memory back; the object is of no use then. Throws an Error while swapped: the parameters would go with it. */
  dispose(): void {
    this.#check('dispose')
    for (const part of [...this.#averages, this.#weights, this.#tables]) part.dispose()
  }

  #parameters(): Tensor[] {
    return this.#pairs.map(([, p]) => p)
  }

  #check(what: string): void {
    this.#checkAlive(what)
    if (!this.#swapped) return
    throw new Error(`${this.#name}: ${what}() while the averages are swapped in; swap() back first`)
  }

  /** Others may have had the memory since. */
  #checkAlive(what: string): void {
    if (this.#weights.released) throw new Error(`${this.#name}: ${what}(): the average was disposed`)
  }

  /** The weight of each update; in a plan they are worked out before every run. */
  readonly #source: RowSource = {
    row: (use) => Float32Array.of(this.#count + use === 0 ? 1 : this.weight(this.#count + use)),
    check: () => {
      this.#check('plan.run')
      checkInPlace(`${this.#name}: plan.run()`, this.#parameters(), 'averaged')
    },
    advance: (uses) => {
      this.#count += uses
    },
  }
}

/**
 * Stochastic weight averaging: the equal average of the parameters at every `update()`, a ← a + (p − a) / (n + 1) after n of
 * them (Izmailov, Podoprikhin, Garipov, Vetrov and Wilson, "Averaging Weights Leads to Wider Optima and Better
 * Generalization", UAI 2018, algorithm 1). Usually updated once an epoch, late in training and at a rate that stays high
 * or cycles.
 */
export class SWA extends Average {
  /** `parameters`: tensors, such as `net.parameters()`. Throws TypeError or Error for a list that optim.SGD refuses. */
  constructor(parameters: readonly Tensor[]) {
    if (arguments.length > 1) throw tooMany(arguments, 'optim.SWA(parameters)')
    super('optim.SWA', parameters)
  }

  protected weight(count: number): number {
    return 1 / (count + 1)
  }
}

/**
 * The exponential moving average of parameters, a ← decay · a + (1 − decay) · p as a + (1 − decay) (p − a), whose first
 * update copies them: `get_ema_multi_avg_fn` of `torch.optim.swa_utils`. Usually updated after every step.
 */
export class EMA extends Average {
  readonly decay: number

  /**
   * `decay` 0.999 unless given. Throws RangeError for one that is not from 0 to 1, TypeError or Error for parameters that
   * optim.SGD refuses.
   */
  constructor(parameters: readonly Tensor[], options: { decay?: number } = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'optim.EMA(parameters, options)')
    requireOptions('optim.EMA', options, ['decay'])
    const { decay = 0.999 } = options
    requireShare('optim.EMA', 'decay', decay)
    super('optim.EMA', parameters)
    this.decay = decay
  }

  protected weight(): number {
    return 1 - this.decay
  }
}
