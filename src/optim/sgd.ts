import type { DeferredSums } from '../gpu/deferred.ts'
import type { Gpu } from '../gpu/gpu.ts'
import type { Storage } from '../gpu/pool.ts'
import { codeOf } from '../kernels/finite.ts'
import { detector, layerOf } from '../tensor/anomaly.ts'
import { isCapturing, type Participant, type RunOptions, takePart } from '../tensor/capture.ts'
import { requireOptions } from '../tensor/options.ts'
import { formatShape, sameShape } from '../tensor/shape.ts'
import { forgetGradients, Tensor } from '../tensor/tensor.ts'
import { type Arena, arenasOf } from './arena.ts'
import { checkGroup, checkParameters, defined, OPTIONS } from './check.ts'
import { GroupUpdate, type Part } from './group_update.ts'

/** Options of {@link SGD}, as torch.optim.SGD has them; all but the rate are 0 or false unless given. */
export interface SGDOptions {
  /** Learning rate, 0 or more. */
  lr: number
  momentum?: number
  dampening?: number
  weightDecay?: number
  nesterov?: boolean
  maximize?: boolean
}

/** Parameters that share their options. Every option may be set at any time and is in force from the next step. */
export type ParamGroup = { params: Tensor[] } & Required<SGDOptions>

interface Updated {
  readonly group: ParamGroup
  readonly update: GroupUpdate
  readonly parts: readonly Part[]
}

/** The state of an SGD, as `stateDict` gives it. */
export interface SGDState {
  readonly paramGroups: readonly Omit<ParamGroup, 'params'>[]
  /** Momentum buffers in the order of the parameters; null where no step with momentum has been taken. */
  readonly momentum: readonly (Tensor | null)[]
}

const DEFAULTS = { momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false } as const

/**
 * Stochastic gradient descent as torch.optim.SGD defines it, with momentum, dampening, weight decay, Nesterov momentum
 * and groups. The first step with momentum starts its buffer with the gradient itself.
 */
export class SGD {
  readonly paramGroups: ParamGroup[]
  protected readonly gpu: Gpu
  readonly #arenas = new Map<Tensor, Arena>()
  readonly #updates = new Map<ParamGroup, GroupUpdate>()
  /** Parameters that have had a step with momentum. */
  readonly #moving = new Set<Tensor>()

  /**
   * `params` is a list of tensors or of groups `{ params, lr, … }` whose options override the given ones.
   * Throws TypeError or RangeError for options that torch.optim.SGD refuses, and for a parameter listed twice.
   */
  constructor(
    params: readonly Tensor[] | readonly ({ params: readonly Tensor[] } & Partial<SGDOptions>)[],
    options: Partial<SGDOptions> = {},
  ) {
    requireOptions('optim.SGD', options, OPTIONS)
    if (!Array.isArray(params))
      throw new TypeError('optim.SGD: params must be an array of tensors or groups, such as net.parameters()')
    const groups = params.every((p) => p instanceof Tensor) ? [{ params }] : params
    this.paramGroups = groups.map((group, i) => {
      if (group instanceof Tensor || !Array.isArray(group.params)) {
        throw new TypeError(`optim.SGD: entry ${i} is neither a tensor like the first nor a group { params, … }`)
      }
      requireOptions('optim.SGD', group, ['params', ...OPTIONS])
      const { lr, ...given } = { ...defined(options), ...defined(group) }
      if (lr === undefined) throw new TypeError('optim.SGD: lr is needed, for example { lr: 0.1 }')
      const made: ParamGroup = { ...DEFAULTS, ...given, lr, params: [...group.params] }
      checkGroup(made)
      return made
    })
    const parameters = this.parameters()
    checkParameters(parameters)
    this.gpu = parameters[0]!.gpu
    for (const arena of arenasOf(parameters)) this.#adopt(arena)
  }

  /** Forgets the gradients: the next backward starts anew. */
  zeroGrad(): void {
    for (const { params } of this.paramGroups) forgetGradients(params, 'zeroGrad() was called')
  }

  /**
   * Updates every parameter that has a gradient. Gradients and parameters that are not finite are noted in `watch`, the
   * watch of a `Meter`, where one is given.
   */
  step(watch: Tensor | null = null): void {
    // All is checked before anything is changed.
    watch?.checkUsable('optim.SGD')
    for (const group of this.paramGroups) {
      checkGroup(group)
      for (const p of group.params) for (const t of [p, p.grad]) t?.checkUsable('optim.SGD')
    }
    const groups = this.#groups()
    const capturing = isCapturing(this.gpu)
    const deferred = this.#takeDeferred(groups)
    const along = { watch: watch?.storage ?? null, deferred }
    try {
      for (const { group, update, parts } of groups) {
        if (!capturing) update.write(group)
        for (const arena of new Set(parts.map(({ parameter }) => this.arenaOf(parameter)))) {
          const own = parts.filter(({ parameter }) => this.arenaOf(parameter) === arena)
          update.dispatch(arena, own, group.momentum !== 0, along)
        }
        if (!capturing) this.#stepped(group, parts)
      }
    } finally {
      for (const sums of deferred) sums.release()
    }
    if (capturing) takePart(this, this.#participant(groups))
  }

  /** Options and momentum buffers; the buffers are the optimiser's own, not copies. */
  stateDict(): SGDState {
    const paramGroups = this.paramGroups.map(({ params: _, ...options }) => options)
    const momentum = this.parameters().map((p) => (this.#moving.has(p) ? this.arenaOf(p).momentumOf(p) : null))
    return { paramGroups, momentum }
  }

  /** Takes over options and copies momentum buffers. Throws an Error when groups or shapes do not fit. */
  loadStateDict(state: SGDState): void {
    const parameters = this.parameters()
    if (!Array.isArray(state?.paramGroups) || !Array.isArray(state.momentum)) {
      throw new TypeError('optim.SGD: a state is { paramGroups, momentum }, as stateDict() gives it')
    }
    for (const options of state.paramGroups) requireOptions('optim.SGD state', options, OPTIONS)
    if (state.paramGroups.length !== this.paramGroups.length || state.momentum.length !== parameters.length) {
      throw new Error(
        `optim.SGD: the state has ${state.paramGroups.length} groups and ${state.momentum.length} parameters, ` +
          `this optimiser ${this.paramGroups.length} and ${parameters.length}`,
      )
    }
    parameters.forEach((p, i) => {
      const given = state.momentum[i]
      if (given && (given.dtype !== 'float32' || !sameShape(given.shape, p.shape))) {
        const type = given.dtype === 'float32' ? '' : `${given.dtype} `
        throw new Error(`optim.SGD: momentum ${i} is ${type}${formatShape(given.shape)}, its parameter ${p.label}`)
      }
      given?.checkUsable('optim.SGD')
    })
    for (const options of state.paramGroups) checkGroup({ ...options, params: [] })
    state.paramGroups.forEach((options, i) => {
      Object.assign(this.paramGroups[i]!, options)
    })
    this.#adoptNew()
    parameters.forEach((p, i) => {
      const given = state.momentum[i]
      const arena = this.arenaOf(p)
      if (given) {
        const own = arena.momentumOf(p)
        if (given !== own) p.gpu.copy(given.storage, own.storage, 4 * p.size)
        this.#moving.add(p)
      } else if (this.#moving.delete(p)) arena.forgetMomentum(p)
    })
  }

  /** Releases the momentum buffers, and what updates need beside the parameters. */
  dispose(): void {
    for (const part of [...new Set(this.#arenas.values()), ...this.#updates.values()]) part.dispose()
    this.#arenas.clear()
    this.#updates.clear()
    this.#moving.clear()
  }

  /** The parameters of each group that have a gradient. */
  #groups(): Updated[] {
    this.#adoptNew()
    const count = this.parameters().length
    let index = -1
    return this.paramGroups.map((group) => {
      const update = this.#updates.get(group) ?? new GroupUpdate(this.gpu)
      this.#updates.set(group, update)
      const parts: Part[] = []
      for (const parameter of group.params) {
        index++
        const gradient = parameter.grad
        const codes = { gradientCode: codeOf.gradient(index, count), parameterCode: codeOf.parameter(index, count) }
        if (!gradient) continue
        parts.push({ parameter, gradient, ...codes, copy: this.arenaOf(parameter).copyOf(parameter) })
      }
      return { group, update, parts }
    })
  }

  /** The sums put off of which one dispatch will update all that they are gradients of; others are made. */
  #takeDeferred(groups: readonly Updated[]): DeferredSums[] {
    return this.gpu.takeDeferred().filter((sums) => {
      const here = ({ parameter, gradient }: Part, storage: Storage) => {
        const arena = this.arenaOf(parameter)
        return gradient.storage === storage && storage.whole === arena.gradients && sums.sums.whole === arena.sums
      }
      const wanted = groups.some(({ parts }) =>
        sums.results.every(({ storage }) => parts.some((p) => here(p, storage))),
      )
      if (!wanted) sums.run()
      return wanted
    })
  }

  /** In a plan the options are read before every run; with or without momentum is part of what was captured. */
  #participant(groups: readonly Updated[]): Participant {
    const withMomentum = groups.map(({ group }) => group.momentum !== 0)
    return {
      takesRates: true,
      check: (_, lr) => {
        groups.forEach(({ group }, i) => {
          checkGroup(group)
          for (const rate of ratesOf(lr) ?? []) checkGroup({ ...group, lr: rate })
          if ((group.momentum !== 0) !== withMomentum[i]) {
            const now = group.momentum === 0 ? 'without momentum' : 'with momentum'
            throw new Error(`optim.SGD: the plan was captured otherwise, the group is now ${now}; capture again`)
          }
        })
      },
      before: (_, lr) => {
        const rates = ratesOf(lr)
        for (const { group, update } of groups) {
          if (rates) group.lr = rates.at(-1)!
          update.write({ ...group, lr: rates ?? group.lr })
        }
      },
      after: () => {
        for (const { group, parts } of groups) this.#stepped(group, parts)
      },
    }
  }

  /** Notes that the parameters were updated, and has them looked at where anomalies are looked for. */
  #stepped(group: ParamGroup, parts: readonly Part[]): void {
    for (const { parameter: p, copy } of parts) {
      p.storage.written(copy)
      if (group.momentum !== 0) this.#moving.add(p)
      if (!detector()) continue
      if (group.momentum !== 0) checkUpdate(this.arenaOf(p).momentumOf(p), p, 'the momentum of')
      checkUpdate(p, p, 'the parameter')
    }
  }

  #adopt(arena: Arena): void {
    for (const p of arena.parameters) this.#arenas.set(p, arena)
  }

  /** Parameters that were put into a group since. */
  #adoptNew(): void {
    const strangers = this.parameters().filter((p) => !this.#arenas.has(p))
    if (strangers.length === 0) return
    checkParameters(this.parameters())
    for (const arena of this.gpu.during(null, () => arenasOf(strangers))) this.#adopt(arena)
  }

  /** Where a parameter lies with what belongs to it; not before a step for one that was put into a group since. */
  protected arenaOf(p: Tensor): Arena {
    return this.#arenas.get(p)!
  }

  /** Those of all groups, in order. */
  protected parameters(): Tensor[] {
    return this.paramGroups.flatMap((group) => group.params)
  }
}

/** The rates that a run of a plan was given, if any. */
function ratesOf(lr: RunOptions['lr']): readonly number[] | null {
  return lr === undefined ? null : typeof lr === 'number' ? [lr] : lr
}

/** Has what an update wrote looked at, where anomalies are looked for. */
function checkUpdate(written: Tensor, parameter: Tensor, what: string): void {
  const place = { operation: 'SGD', direction: 'update', layer: layerOf.get(parameter) ?? null } as const
  detector()?.check(written, { ...place, part: `${what} ${parameter.label}` }, true)
}
