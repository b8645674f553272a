import type { PackedCopy } from '../gpu/packed_copy.ts'
import { MAX_STEPS } from '../gpu/params.ts'
import { type SgldEntry, sgldNoise, sgldSettings, sgldSettingsBytes, sgldTable } from '../kernels/sgld.ts'
import { TableCache } from '../kernels/table_cache.ts'
import { isCapturing, type Participant, takePart } from '../tensor/capture.ts'
import { empty } from '../tensor/create.ts'
import { requireOptions } from '../tensor/options.ts'
import { defaultGenerator } from '../tensor/random.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Arena } from './arena.ts'
import { type ParamGroup, SGD, type SGDOptions, type SGDState } from './sgd.ts'

export type SGLDOptions = Pick<SGDOptions, 'lr' | 'weightDecay' | 'maximize'>

/** What concerns the noise. */
export interface SGLDNoise {
  /** T, 0 or more: 1 / N for the posterior of N examples where the loss is their mean. */
  temperature: number
  /** Of the noise, 0 … 2⁵³ − 1; the default generator's, that of `manualSeed`, unless given. */
  seed?: number
}

/** The state of an SGLD, as `stateDict` gives it. */
export interface SGLDState extends SGDState {
  readonly temperature: number
  readonly seed: number
  /** Steps taken. */
  readonly step: number
}

const MAX_STEP = 2 ** 32 - 2

/** One parameter that noise is added to, and to its packed copy. */
interface Shaken extends SgldEntry {
  readonly parameter: Tensor
  readonly copy: PackedCopy | null
}

/** Those of a group, by where they lie. */
interface ShakenGroup {
  readonly group: ParamGroup
  readonly arenas: ReadonlyMap<Arena, readonly Shaken[]>
}

/**
 * Stochastic gradient Langevin dynamics (Welling and Teh, "Bayesian Learning via Stochastic Gradient Langevin Dynamics",
 * ICML 2011): θ ← θ − η g + √(2ηT) ξ, where g is the gradient of the mean loss L, with weight decay where there is any, and
 * ξ is standard normal. For small η its samples come from exp(−L / T): Welling and Teh's ε and sum of N losses are
 * ε = 2η/N and N·L, so that T = 1/N gives the posterior, whose prior is weightDecay · N's Gaussian. At T = 0 it is SGD, bit
 * for bit.
 *
 * ξ of an element is a pure function of (seed, step, number of the element): the noise has the same bits whether steps are
 * captured or not, and wherever a run was resumed. Elements are counted through the parameters of all groups, each
 * parameter beginning at a multiple of 4. The noise disturbs no other stream of the seed.
 *
 * An update takes a dispatch more than SGD's.
 */
export class SGLD extends SGD {
  /** T; may be set at any time and is in force from the next step. */
  temperature: number
  readonly #settings = new Map<ParamGroup, Tensor>()
  readonly #tables: TableCache
  #seed: number
  #step = 0
  /** How the step that is being captured uses `step`; it stands for this optimiser's noise among a plan's participants. */
  #use = { calls: 0 }
  readonly #noise = {}

  /**
   * `params` as for `optim.SGD`, whose errors it has for them. Throws TypeError or RangeError for a temperature or a seed
   * that is none, and for a momentum.
   */
  constructor(
    params: readonly Tensor[] | readonly ({ params: readonly Tensor[] } & Partial<SGLDOptions>)[],
    options: Partial<SGLDOptions> & SGLDNoise,
  ) {
    requireOptions('optim.SGLD', options, ['lr', 'weightDecay', 'maximize', 'temperature', 'seed'])
    const { temperature, seed = defaultGenerator().seed, ...others } = options
    if (temperature === undefined) {
      throw new TypeError('optim.SGLD: temperature is needed, for example { temperature: 1 / 60000 }')
    }
    checkTemperature(temperature)
    checkInteger('seed', seed, Number.MAX_SAFE_INTEGER)
    super(params, others)
    checkMomentum(this.paramGroups)
    this.temperature = temperature
    this.#seed = seed
    this.#tables = new TableCache(this.gpu)
  }

  /** Updates every parameter that has a gradient, as `optim.SGD`'s, and adds the step's noise to it. */
  override step(watch: Tensor | null = null): void {
    checkTemperature(this.temperature)
    checkMomentum(this.paramGroups)
    super.step(watch)
    const groups = this.#shaken()
    const capturing = isCapturing(this.gpu)
    if (capturing) this.#takePart(groups)
    const call = capturing ? this.#use.calls++ : 0
    if (capturing || this.temperature !== 0) {
      for (const { group, arenas } of groups) {
        const settings = this.#settingsOf(group)
        if (!capturing) this.#write(settings, [group.lr], 1)
        for (const [{ whole: parameters, copies }, entries] of arenas) {
          const { tensor, rows } = this.#tables.get(entries.map(keyOf).join(), () => sgldTable(entries))
          const storages = { table: tensor.storage, settings: settings.storage, parameters, copies }
          sgldNoise(this.gpu, storages, rows, call)
        }
      }
    }
    if (!capturing) this.#stepped(groups, 1)
  }

  override stateDict(): SGLDState {
    return { ...super.stateDict(), temperature: this.temperature, seed: this.#seed, step: this.#step }
  }

  /** Takes over options, seed and step: the noise goes on from there. Throws where `optim.SGD` does, and changes nothing. */
  override loadStateDict(state: SGLDState): void {
    const { temperature, seed, step } = state
    checkTemperature(temperature)
    checkInteger('seed', seed, Number.MAX_SAFE_INTEGER)
    checkInteger('step', step, MAX_STEP)
    super.loadStateDict(state)
    this.temperature = temperature
    this.#seed = seed
    this.#step = step
  }

  override dispose(): void {
    super.dispose()
    for (const settings of this.#settings.values()) settings.dispose()
    this.#settings.clear()
    this.#tables.dispose()
  }

  /** Of each group the parameters that have a gradient, with the copies that SGD's update has written. */
  #shaken(): ShakenGroup[] {
    let number = 0
    return this.paramGroups.map((group) => {
      const arenas = new Map<Arena, Shaken[]>()
      for (const parameter of group.params) {
        const { storage, size, grad } = parameter
        const entry = { parameter, at: storage.offset / 4, number, size, copy: storage.copy }
        number += 4 * Math.ceil(size / 4)
        if (!grad) continue
        const arena = this.arenaOf(parameter)
        const own = arenas.get(arena)
        if (own) own.push(entry)
        else arenas.set(arena, [entry])
      }
      return { group, arenas }
    })
  }

  #settingsOf(group: ParamGroup): Tensor {
    const found = this.#settings.get(group)
    if (found) return found
    const size = sgldSettingsBytes(MAX_STEPS) / 4
    const made = this.gpu.during(null, () => empty(this.gpu, [size], 'int32', 'settings').keep())
    this.#settings.set(group, made)
    return made
  }

  #write({ storage }: Tensor, rates: readonly number[], stride: number): void {
    // Rounded once: the device's own square root is not.
    const scales = rates.map((lr) => Math.sqrt(2 * lr * this.temperature))
    this.gpu.write(storage, sgldSettings({ seed: this.#seed, step: this.#step, stride, scales }))
  }

  /** In a plan temperature and rates are read before every run, and each step has its own noise. */
  #takePart(groups: readonly ShakenGroup[]): void {
    const use = { calls: 0 }
    const participant: Participant = {
      takesRates: true,
      check: () => checkTemperature(this.temperature),
      before: (_, lr) => {
        for (const [group, settings] of this.#settings) {
          const rates = typeof lr === 'object' ? lr : [lr ?? group.lr]
          this.#write(settings, rates, use.calls)
        }
      },
      after: (steps) => this.#stepped(groups, steps * use.calls),
    }
    if (takePart(this.#noise, participant)) this.#use = use
  }

  #stepped(groups: readonly ShakenGroup[], steps: number): void {
    this.#step += steps
    for (const { arenas } of groups) {
      for (const { parameter, copy } of [...arenas.values()].flat()) parameter.storage.written(copy)
    }
  }
}

function keyOf({ at, number, size, copy }: SgldEntry): string {
  return `${at} ${number} ${size} ${copy ? `copy ${copy.at}` : ''}`
}

function checkTemperature(temperature: number): void {
  if (typeof temperature === 'number' && Number.isFinite(temperature) && temperature >= 0) return
  throw new RangeError(`optim.SGLD: temperature must be a number, 0 or more, not ${String(temperature)}`)
}

function checkMomentum(groups: readonly ParamGroup[]): void {
  for (const { momentum } of groups) {
    if (momentum !== 0) throw new RangeError(`optim.SGLD: its dynamics have no momentum, it must be 0, not ${momentum}`)
  }
}

function checkInteger(what: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= max) return
  throw new RangeError(`optim.SGLD: ${what} must be an integer from 0 to ${max}, not ${String(value)}`)
}
