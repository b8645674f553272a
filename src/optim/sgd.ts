import { codeOf } from '../kernels/finite.ts'
import { sgdStep } from '../kernels/sgd.ts'
import { detector, layerOf } from '../tensor/anomaly.ts'
import { empty } from '../tensor/create.ts'
import { requireOptions } from '../tensor/options.ts'
import { formatShape, sameShape } from '../tensor/shape.ts'
import { Tensor } from '../tensor/tensor.ts'

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

export interface SGDState {
  readonly paramGroups: readonly Omit<ParamGroup, 'params'>[]
  /** Momentum buffers in the order of the parameters; null where no step with momentum has been taken. */
  readonly momentum: readonly (Tensor | null)[]
}

const DEFAULTS = { momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false } as const
const OPTIONS = ['lr', 'momentum', 'dampening', 'weightDecay', 'nesterov', 'maximize'] as const

/**
 * Stochastic gradient descent as torch.optim.SGD defines it, with momentum, dampening, weight decay, Nesterov momentum
 * and groups. The first step with momentum starts its buffer with the gradient itself.
 */
export class SGD {
  readonly paramGroups: ParamGroup[]
  readonly #momentum = new Map<Tensor, Tensor>()

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
    checkParameters(this.paramGroups.flatMap((group) => group.params))
  }

  /** Forgets the gradients: the next backward starts anew. */
  zeroGrad(): void {
    for (const { params } of this.paramGroups) {
      for (const p of params) {
        p.grad?.release('zeroGrad() was called')
        p.grad = null
      }
    }
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
    const count = watch ? this.#parameters().length : 0
    let index = -1
    for (const group of this.paramGroups) {
      for (const p of group.params) {
        index++
        if (!p.grad) continue
        const watched = watch && {
          watch,
          gradientCode: codeOf.gradient(index, count),
          parameterCode: codeOf.parameter(index, count),
        }
        const before = this.#momentum.get(p)
        const buffer = group.momentum === 0 ? null : (before ?? this.#newBuffer(p))
        sgdStep(p, p.grad, buffer, before === undefined, group, watched)
        if (buffer) checkUpdate(buffer, p, 'the momentum of')
        checkUpdate(p, p, 'the parameter')
      }
    }
  }

  /** Options and momentum buffers; the buffers are the optimiser's own, not copies. */
  stateDict(): SGDState {
    const paramGroups = this.paramGroups.map(({ params: _, ...options }) => options)
    const momentum = this.#parameters().map((p) => this.#momentum.get(p) ?? null)
    return { paramGroups, momentum }
  }

  /** Takes over options and copies momentum buffers. Throws an Error when groups or shapes do not fit. */
  loadStateDict(state: SGDState): void {
    const parameters = this.#parameters()
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
    parameters.forEach((p, i) => {
      const given = state.momentum[i]
      const own = this.#momentum.get(p)
      if (given === own) return
      if (given) p.gpu.copy(given.storage, (own ?? this.#newBuffer(p)).storage, 4 * p.size)
      else {
        own?.release('the state loaded has no momentum for it')
        this.#momentum.delete(p)
      }
    })
  }

  /** Releases the momentum buffers. */
  dispose(): void {
    for (const buffer of this.#momentum.values()) buffer.dispose()
    this.#momentum.clear()
  }

  #parameters(): Tensor[] {
    return this.paramGroups.flatMap((group) => group.params)
  }

  #newBuffer(p: Tensor): Tensor {
    const buffer = empty(p.gpu, p.shape, 'float32', 'momentum').keep()
    buffer.name = `${p.name}.momentum`
    this.#momentum.set(p, buffer)
    return buffer
  }
}

/** Has what an update wrote looked at, where anomalies are looked for. */
function checkUpdate(written: Tensor, parameter: Tensor, what: string): void {
  const place = { operation: 'SGD', direction: 'update', layer: layerOf.get(parameter) ?? null } as const
  detector()?.check(written, { ...place, part: `${what} ${parameter.label}` }, true)
}

/** The entries that have a value: an option given as undefined has its default. */
function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}

function checkGroup(group: ParamGroup): void {
  requireOptions('optim.SGD', group, ['params', ...OPTIONS])
  for (const name of ['nesterov', 'maximize'] as const) {
    if (typeof group[name] !== 'boolean')
      throw new TypeError(`optim.SGD: ${name} must be true or false, not ${String(group[name])}`)
  }
  for (const name of ['lr', 'momentum', 'weightDecay'] as const) {
    if (typeof group[name] !== 'number' || !Number.isFinite(group[name]) || group[name] < 0) {
      throw new RangeError(`optim.SGD: ${name} must be a number, 0 or more, not ${group[name]}`)
    }
  }
  if (!Number.isFinite(group.dampening)) {
    throw new RangeError(`optim.SGD: dampening must be a number, not ${group.dampening}`)
  }
  if (group.nesterov && (group.momentum === 0 || group.dampening !== 0)) {
    throw new RangeError('optim.SGD: nesterov needs a momentum above 0 and a dampening of 0')
  }
}

function checkParameters(parameters: readonly Tensor[]): void {
  if (parameters.length === 0) throw new TypeError('optim.SGD: the list of parameters is empty')
  const seen = new Set<Tensor>()
  for (const [i, p] of parameters.entries()) {
    if (!(p instanceof Tensor)) throw new TypeError(`optim.SGD: parameter ${i} is no tensor`)
    if (p.dtype !== 'float32') throw new TypeError(`optim.SGD: ${p.label} is ${p.dtype}; parameters are float32`)
    if (p.node) throw new TypeError(`optim.SGD: ${p.label} is no parameter: it was computed by an operation`)
    if (seen.has(p)) throw new TypeError(`optim.SGD: ${p.label} is listed twice`)
    seen.add(p)
  }
}
