// The skeleton of every optimizer: groups, flat memory, state, settings of each step. A rule says what is special about one.
import { PerStep, type RowSource } from '../capture/per_step.ts'
import type { Gpu } from '../gpu/gpu.ts'
import type { Kernel } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { codeOf } from '../kernels/finite.ts'
import { TableCache } from '../kernels/table_cache.ts'
import { emitUpdate, keyOfEntries, type UpdateEntry, updateTable } from '../kernels/update.ts'
import { observing } from '../tensor/observe.ts'
import { requireOptions } from '../tensor/options.ts'
import { formatShape, sameShape } from '../tensor/shape.ts'
import { forgetGradients, Tensor } from '../tensor/tensor.ts'
import { checkParameters, defined } from './check.ts'
import { type FlatParameters, flatten } from './flat_parameters.ts'

/** Parameters that share their options. Every option may be set at any time and is in force from the next step. */
export interface ParamGroup {
  params: Tensor[]
  lr: number
}

/** A list of parameters, or of groups `{ params, … }` whose options override the optimizer's. */
export type Parameters<G extends ParamGroup> =
  | readonly Tensor[]
  | readonly ({ params: readonly Tensor[] } & Partial<Omit<G, 'params'>>)[]

/** What a group is updated by. Which variant it is must stay the same in a captured step. */
export interface Variant {
  readonly name: string
  readonly kernel: Kernel
  /** The states that it reads and writes, by the kernel's names for them. */
  readonly state: readonly string[]
}

/** What is special about an optimizer. */
export interface Rule<G extends ParamGroup> {
  /** As errors name it: 'optim.SGD'. */
  readonly name: string
  /** Every option with its default; undefined for one that must be given. */
  readonly defaults: { readonly [K in keyof Omit<G, 'params'>]: G[K] | undefined }
  /** Throws for options that do not fit. */
  check(group: G): void
  /** What a group with its present options is updated by. */
  variant(group: G): Variant
  /** The kernel's settings for a group at its update t, counted from 1; as many numbers for every group. */
  settings(group: G, t: number): readonly number[]
  /** How many they are. */
  readonly width: number
  /** The bits that every element of a state has before the first step. */
  readonly initial: number
  /** The names of all its states. */
  readonly states: readonly string[]
  /** Whether settings depend on t: then parameters that have had fewer steps than others are updated by themselves. */
  readonly countsSteps: boolean
}

/** The state of an optimizer, as `stateDict` gives it. */
export interface OptimizerState<G extends ParamGroup = ParamGroup> {
  /** Steps taken. */
  readonly step: number
  /** How many of them each parameter was without a gradient; absent if none was. */
  readonly skipped?: readonly number[]
  readonly paramGroups: readonly Omit<G, 'params'>[]
  /** By name, in the order of the parameters; null for one that has had no step with it. */
  readonly state: Readonly<Record<string, readonly (Tensor | null)[]>>
}

/** One parameter's part in an update. */
interface Part extends UpdateEntry {
  readonly parameter: Tensor
  readonly gradient: Tensor
  readonly flat: FlatParameters
}

/** Parameters of one group that have had as many steps: they are updated by the same numbers. */
interface Update<G extends ParamGroup> {
  readonly group: G
  readonly parts: readonly Part[]
  readonly settings: PerStep
  readonly source: RowSource
  readonly variant: Variant
}

/** What all optimizers have in common; `optim.SGD` and the others add a rule. */
export abstract class Optimizer<G extends ParamGroup = ParamGroup> {
  readonly paramGroups: G[]
  /** @internal */
  readonly gpu: Gpu
  readonly #rule: Rule<G>
  readonly #flat = new Map<Tensor, FlatParameters>()
  readonly #settings = new Map<G, PerStep[]>()
  readonly #tables: TableCache
  /** Steps that each parameter has had. */
  readonly #steps = new Map<Tensor, number>()
  /** The parameters that have each state. */
  readonly #having = new Map<string, Set<Tensor>>()

  /** Throws TypeError or RangeError for options that do not fit, and for a parameter that is listed twice. */
  constructor(rule: Rule<G>, params: Parameters<G>, options: Partial<Omit<G, 'params'>>) {
    const { name, defaults } = rule
    requireOptions(name, options, Object.keys(defaults))
    if (!Array.isArray(params)) {
      throw new TypeError(`${name}: params must be an array of tensors or groups, such as net.parameters()`)
    }
    const groups = params.every((p) => p instanceof Tensor) ? [{ params: params as Tensor[] }] : params
    this.paramGroups = groups.map((group, i) => {
      if (group instanceof Tensor || !Array.isArray(group.params)) {
        throw new TypeError(`${name}: entry ${i} is neither a tensor like the first nor a group { params, … }`)
      }
      requireOptions(name, group, ['params', ...Object.keys(defaults)])
      const made = { ...defaults, ...defined(options), ...defined(group), params: [...group.params] } as G
      if (made.lr === undefined) throw new TypeError(`${name}: lr is needed, for example { lr: 0.1 }`)
      rule.check(made)
      return made
    })
    const parameters = this.parameters()
    checkParameters(parameters, name)
    this.#rule = rule
    this.gpu = parameters[0]!.gpu
    this.#tables = new TableCache(this.gpu)
    this.#adoptNew()
  }

  /** Forgets the gradients: the next backward starts anew. */
  zeroGrad(): void {
    for (const { params } of this.paramGroups) forgetGradients(params, 'zeroGrad() was called')
  }

  /**
   * Updates every parameter that has a gradient. Gradients and parameters that are not finite are noted in `watch`, the
   * watch of a `Meter`, if one is given.
   */
  step(watch: Tensor | null = null): void {
    const { name } = this.#rule
    // All is checked before anything is changed.
    watch?.checkUsable(name)
    for (const group of this.paramGroups) {
      this.#check(group)
      for (const p of group.params) for (const t of [p, p.grad]) t?.checkUsable(name)
    }
    this.#adoptNew()
    const updates = this.#updates()
    for (const update of updates) this.#dispatch(update, update.settings.use(update.source), watch?.storage ?? null)
    this.afterUpdate()
    for (const { settings, source } of updates) settings.used(source)
  }

  /** Called in every step when the updates have been dispatched, for what a rule adds to them. */
  protected afterUpdate(): void {}

  /** What a captured step depends on: it must be captured again when this changes. @internal */
  get variants(): string {
    return this.paramGroups.map((group) => this.#rule.variant(group).name).join()
  }

  /** Steps, options and state; the tensors are the optimizer's own, not copies. */
  stateDict(): OptimizerState<G> {
    const parameters = this.parameters()
    const step = this.stepsTaken
    const skipped = parameters.map((p) => step - this.#stepsOf(p))
    const listOf = (name: string) => {
      const having = this.#havingOf(name)
      return parameters.map((p) => (having.has(p) ? this.#stateOf(name, p) : null))
    }
    const state = Object.fromEntries(this.#rule.states.map((name) => [name, listOf(name)]))
    const paramGroups = this.paramGroups.map(({ params: _, ...options }) => options)
    return { step, ...(skipped.some((n) => n > 0) && { skipped }), paramGroups, state }
  }

  /** Takes over steps and options and copies the state. Throws an Error if groups or shapes do not fit; nothing is changed then. */
  loadStateDict(given: OptimizerState<G>): void {
    const { initial } = this.#rule
    const parameters = this.parameters()
    this.#checkState(given)
    const { step, skipped, paramGroups, state } = given
    this.#adoptNew()
    paramGroups.forEach((options, i) => void Object.assign(this.paramGroups[i]!, options))
    parameters.forEach((p, i) => void this.#steps.set(p, step - (skipped?.[i] ?? 0)))
    for (const key of new Set([...this.#having.keys(), ...Object.keys(state)])) {
      const having = this.#havingOf(key)
      for (const [i, p] of parameters.entries()) {
        const value = state[key]?.[i] ?? null
        if (value) {
          const own = this.#stateOf(key, p)
          if (value !== own) p.gpu.copy(value.storage, own.storage, 4 * p.size)
          having.add(p)
        } else if (having.delete(p)) this.#flatOf(p).clearState(key, initial, p)
      }
    }
  }

  /** Gives back the state, and what updates need besides the parameters. */
  dispose(): void {
    for (const part of [...new Set(this.#flat.values()), ...[...this.#settings.values()].flat(), this.#tables])
      part.dispose()
    this.#flat.clear()
    this.#settings.clear()
    this.#steps.clear()
    this.#having.clear()
  }

  /** The parameters of all groups, in order. */
  protected parameters(): Tensor[] {
    return this.paramGroups.flatMap((group) => group.params)
  }

  /** The parameters of a group that have a gradient, by the memory that they lie in. */
  protected lyingTogether(group: G): Map<FlatParameters, Tensor[]> {
    const found = new Map<FlatParameters, Tensor[]>()
    for (const p of group.params) {
      if (!p.grad) continue
      const flat = this.#flatOf(p)
      found.set(flat, [...(found.get(flat) ?? []), p])
    }
    return found
  }

  #updates(): Update<G>[] {
    const count = this.parameters().length
    const step = this.stepsTaken
    let index = -1
    return this.paramGroups.flatMap((group) => {
      const bySkipped = new Map<number, Part[]>()
      for (const parameter of group.params) {
        index++
        const { grad: gradient, size, storage } = parameter
        if (!gradient) continue
        const flat = this.#flatOf(parameter)
        const inPlace = gradient.storage.whole === flat.gradients
        const skipped = this.#rule.countsSteps ? step - this.#stepsOf(parameter) : 0
        const parts = bySkipped.get(skipped) ?? []
        bySkipped.set(skipped, parts)
        parts.push({
          parameter,
          gradient,
          flat,
          at: storage.offset / 4,
          gradientAt: inPlace ? gradient.storage.offset / 4 : 0,
          size,
          gradientCode: codeOf.gradient(index, count),
          parameterCode: codeOf.parameter(index, count),
        })
      }
      const perStep = this.#settings.get(group) ?? []
      this.#settings.set(group, perStep)
      return [...bySkipped.values()].map((parts, i) => {
        const settings = perStep[i] ?? new PerStep(this.gpu, this.#rule.width, 'settings')
        perStep[i] = settings
        const variant = this.#rule.variant(group)
        return { group, parts, settings, variant, source: this.#sourceOf(group, parts, variant) }
      })
    })
  }

  /** The settings of an update, step by step. In a plan the options are read before every run. */
  #sourceOf(group: G, parts: readonly Part[], variant: Variant): RowSource {
    const rule = this.#rule
    const first = parts[0]!.parameter
    return {
      takesRates: true,
      key: keyOfEntries(parts),
      row: (use, lr) => {
        const options = lr === undefined ? group : { ...group, lr }
        return Float32Array.from(rule.settings(options, this.#stepsOf(first) + 1 + use))
      },
      check: (uses, rateOf) => {
        for (let use = 0; use < uses; use++) {
          const lr = rateOf(use)
          this.#check(lr === undefined ? group : { ...group, lr })
          if (lr === undefined) break
        }
        const now = rule.variant(group).name
        if (now !== variant.name) {
          throw new Error(`${rule.name}: the plan was captured ${variant.name}, the group is now ${now}; capture again`)
        }
        if (rule.countsSteps && parts.some(({ parameter }) => this.#stepsOf(parameter) !== this.#stepsOf(first))) {
          throw new Error(
            `${rule.name}: some parameters have had other steps since the plan was captured; capture again`,
          )
        }
      },
      advance: (uses, rateOf) => {
        group.lr = rateOf(uses - 1) ?? group.lr
        for (const { parameter, flat } of parts) {
          parameter.storage.version++
          this.#steps.set(parameter, this.#stepsOf(parameter) + uses)
          for (const name of variant.state) this.#havingOf(name).add(parameter)
          for (const observer of observing()) {
            const [, short = rule.name] = rule.name.split('.')
            for (const name of variant.state) {
              observer.update?.(flat.stateOf(name, rule.initial, parameter), short, `the ${name} of`, parameter)
            }
            observer.update?.(parameter, short, 'the parameter', parameter)
          }
        }
      },
    }
  }

  /** One dispatch, except for parameters whose gradient lies elsewhere. */
  #dispatch({ parts, settings, variant }: Update<G>, use: number, watch: Storage | null): void {
    const batches = new Map<FlatParameters, Map<Storage, Part[]>>()
    for (const part of parts) {
      const { flat, gradient } = part
      const gradients = gradient.storage.whole === flat.gradients ? flat.gradients : gradient.storage
      const own = batches.get(flat) ?? new Map<Storage, Part[]>()
      batches.set(flat, own.set(gradients, [...(own.get(gradients) ?? []), part]))
    }
    for (const [flat, byGradients] of batches) {
      const states = Object.fromEntries(variant.state.map((name) => [name, flat.state(name, this.#rule.initial)]))
      for (const [gradients, entries] of byGradients) {
        const { tensor, rows } = this.#tables.get(keyOfEntries(entries), () => updateTable(entries))
        const storages = {
          table: tensor.storage,
          settings: settings.storage,
          parameters: flat.storage,
          gradients,
          states,
          watch,
        }
        emitUpdate(this.gpu, variant.kernel, storages, rows, use)
      }
    }
  }

  #check(group: G): void {
    const { name, defaults } = this.#rule
    requireOptions(name, group, ['params', ...Object.keys(defaults)])
    this.#rule.check(group)
  }

  #checkState(given: OptimizerState<G>): void {
    const { name, defaults, states } = this.#rule
    const parameters = this.parameters()
    const isState = Array.isArray(given?.paramGroups) && typeof given.state === 'object' && given.state !== null
    if (!isState) throw new TypeError(`${name}: a state is { step, paramGroups, state }, as stateDict() gives it`)
    const { step, skipped = [], paramGroups, state } = given
    for (const count of [step, ...skipped]) {
      if (Number.isSafeInteger(count) && count >= 0 && count <= step) continue
      throw new RangeError(`${name}: steps must be whole numbers, 0 or more, not ${String(count)}`)
    }
    for (const options of paramGroups) requireOptions(`${name} state`, options, Object.keys(defaults))
    const lists = Object.entries(state)
    const other = lists.find(([, list]) => !Array.isArray(list) || list.length !== parameters.length)
    if (paramGroups.length !== this.paramGroups.length || other) {
      const size = other ? other[1]?.length : parameters.length
      throw new Error(
        `${name}: the state has ${paramGroups.length} groups and ${size} parameters, ` +
          `this optimizer ${this.paramGroups.length} and ${parameters.length}`,
      )
    }
    for (const [key, list] of lists) {
      if (!states.includes(key)) {
        const right = states.length === 0 ? 'no state' : states.join(', ')
        throw new Error(`${name}: the state has ${key}, this optimizer has ${right}`)
      }
      for (const [i, p] of parameters.entries()) {
        const value = list[i]
        if (!value) continue
        if (value.dtype !== 'float32' || !sameShape(value.shape, p.shape)) {
          const type = value.dtype === 'float32' ? '' : `${value.dtype} `
          throw new Error(`${name}: ${key} ${i} is ${type}${formatShape(value.shape)}, its parameter ${p.label}`)
        }
        value.checkUsable(name)
      }
    }
    paramGroups.forEach((options, i) => void this.#rule.check({ ...this.paramGroups[i]!, ...options }))
  }

  /** Takes in parameters that were put into a group since. */
  #adoptNew(): void {
    const strangers = this.parameters().filter((p) => !this.#flat.has(p))
    if (strangers.length === 0) return
    checkParameters(this.parameters(), this.#rule.name)
    for (const flat of this.gpu.during(null, () => flatten(strangers))) {
      for (const p of flat.parameters) this.#flat.set(p, flat)
    }
  }

  #flatOf(p: Tensor): FlatParameters {
    return this.#flat.get(p)!
  }

  #stateOf(name: string, p: Tensor): Tensor {
    return this.#flatOf(p).stateOf(name, this.#rule.initial, p)
  }

  #havingOf(name: string): Set<Tensor> {
    const found = this.#having.get(name) ?? new Set<Tensor>()
    this.#having.set(name, found)
    return found
  }

  #stepsOf(p: Tensor): number {
    return this.#steps.get(p) ?? 0
  }

  /** The steps of the parameter that has had the most. */
  protected get stepsTaken(): number {
    return Math.max(0, ...this.parameters().map((p) => this.#stepsOf(p)))
  }
}
