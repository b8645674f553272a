// Stochastic gradient Langevin dynamics: plain steps of SGD, and noise.
import { currentOn } from '../capture/current.ts'
import { grouped, type Piece } from '../kernels/rows.ts'
import { SGLD_WORDS, sgldNoise, sgldRow } from '../kernels/sgld.ts'
import { inWindows, type Window } from '../kernels/windows.ts'
import { requireOptions, tooMany } from '../tensor/options.ts'
import { checkInteger, defaultGenerator } from '../tensor/random.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkAmount, checkOptions } from './check.ts'
import { Optimizer, type OptimizerState, type Parameters, type ParamGroup, type Rule } from './optimizer.ts'
import { plainRule, type SGDOptions } from './sgd.ts'

export type SGLDOptions = Pick<SGDOptions, 'lr' | 'weightDecay' | 'maximize'>

/** Parameters that share their options. */
export type SGLDGroup = ParamGroup & Required<SGLDOptions>

/** What concerns the noise. */
export interface SGLDNoise {
  /** T, 0 or more: 1 / N for the posterior of N examples if the loss is their mean. */
  temperature: number
  /** Of the noise, 0 … 2⁵³ − 1; the default generator's, that of `manualSeed`, unless given. */
  seed?: number
}

/** The state of an SGLD, as `stateDict` gives it. */
export interface SGLDState extends OptimizerState<SGLDGroup> {
  readonly temperature: number
  readonly seed: number
}

const MAX_STEP = 2 ** 32 - 2

const rule: Rule<SGLDGroup> = {
  ...plainRule,
  name: 'optim.SGLD',
  defaults: { lr: undefined, weightDecay: 0, maximize: false },
  states: [],
  countsSteps: false,
  check: (group) => checkOptions('optim.SGLD', group, { flags: ['maximize'], amounts: ['lr', 'weightDecay'] }),
  settings: (group, t) => plainRule.settings({ ...group, momentum: 0, dampening: 0, nesterov: false }, t),
}

/**
 * Stochastic gradient Langevin dynamics (Welling and Teh, "Bayesian Learning via Stochastic Gradient Langevin Dynamics",
 * ICML 2011): θ ← θ − η g + √(2ηT) ξ, where g is the gradient of the mean loss L, with weight decay if there is any, and
 * ξ is standard normal. For small η its samples come from exp(−L / T): Welling and Teh's ε and sum of N losses are
 * ε = 2η/N and N·L, so that T = 1/N gives the posterior, whose prior is weightDecay · N's Gaussian. At T = 0 it is SGD, bit
 * for bit.
 *
 * ξ of an element is a pure function of (seed, step, number of the element): the noise has the same bits whether steps are
 * captured or not, and wherever a run was resumed. Elements are counted through the parameters of all groups, each
 * parameter beginning at a multiple of 4. The noise disturbs no other stream of the seed.
 *
 * A step takes one dispatch more than SGD's.
 */
export class SGLD extends Optimizer<SGLDGroup> {
  /** T; may be set at any time and is in force from the next step. */
  temperature: number
  #seed: number

  /** Throws TypeError or RangeError for options, a temperature or a seed that do not fit. */
  constructor(params: Parameters<SGLDGroup>, options: Partial<SGLDOptions> & SGLDNoise) {
    if (arguments.length > 2) throw tooMany(arguments, 'optim.SGLD(params, options)')
    requireOptions('optim.SGLD', options, ['lr', 'weightDecay', 'maximize', 'temperature', 'seed'])
    const { temperature, seed = defaultGenerator().seed, ...others } = options
    if (temperature === undefined) {
      throw new TypeError('optim.SGLD: temperature is needed, for example { temperature: 1 / 60000 }')
    }
    checkTemperature(temperature)
    checkInteger('optim.SGLD: seed', seed, Number.MAX_SAFE_INTEGER)
    super(rule, params, others)
    this.temperature = temperature
    this.#seed = seed
  }

  /** Updates every parameter that has a gradient, as `optim.SGD` does, and adds the step's noise to it. */
  override step(watch: Tensor | null = null): void {
    checkTemperature(this.temperature)
    super.step(watch)
  }

  override stateDict(): SGLDState {
    return { ...super.stateDict(), temperature: this.temperature, seed: this.#seed }
  }

  /** Takes over options, seed and steps: the noise continues from there. Throws if they do not fit, and changes nothing then. */
  override loadStateDict(state: SGLDState): void {
    const { temperature, seed, step } = state
    checkTemperature(temperature)
    checkInteger('optim.SGLD: seed', seed, Number.MAX_SAFE_INTEGER)
    checkInteger('optim.SGLD: step', step, MAX_STEP)
    super.loadStateDict(state)
    this.temperature = temperature
    this.#seed = seed
  }

  /** In a plan temperature and rates are read before every run, and each step has its own noise. */
  protected override afterUpdate(): void {
    if (this.temperature === 0 && !currentOn(this.gpu)) return
    let number = 0 // of the next parameter's first element
    for (const [i, group] of this.paramGroups.entries()) {
      const shaken = group.params.flatMap((p) => {
        const other = number
        number += 4 * Math.ceil(p.size / 4)
        return p.grad ? [{ whole: p.storage.whole, at: p.storage.offset / 4, other, size: p.size }] : []
      })
      if (shaken.length === 0) continue
      const settings = this.settingsOf(`noise ${i}`, SGLD_WORDS)
      const use = settings.use({
        takesRates: true,
        row: (use, lr = this.paramGroups[i]!.lr) => {
          // Rounded once: the device's own square root is not.
          const scale = Math.sqrt(2 * lr * this.temperature)
          return sgldRow({ seed: this.#seed, step: this.stepsTaken + use, scale })
        },
        check: () => checkTemperature(this.temperature),
        advance: () => undefined, // the steps are counted with the updates
      })
      for (const [parameters, pieces] of grouped(shaken, ({ whole }) => whole)) {
        const cut = (p: Piece, { first, count }: Window) => ({ at: 0, other: p.other + first, size: count })
        inWindows<Piece>(this.gpu, pieces, [[parameters, ({ at }) => at]], cut, (own, [part]) => {
          const { tensor, rows } = this.tables.ofPieces(own)
          sgldNoise(this.gpu, { table: tensor.storage, settings: settings.storage, parameters: part! }, rows, use)
        })
      }
    }
  }
}

function checkTemperature(temperature: number): void {
  checkAmount('optim.SGLD', 'temperature', temperature)
}
