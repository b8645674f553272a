// The skeleton of every optimizer: groups, flat memory, state, settings of each step. A rule says what is special about one.
import { currentOn, dependingOn, LOAD_FIRST, refuseInCapture } from '../capture/current.ts'
import { PerStep, type RowSource } from '../capture/per_step.ts'
import { tooLarge } from '../gpu/errors.ts'
import type { Gpu } from '../gpu/gpu.ts'
import type { Kernel } from '../gpu/kernel.ts'
import type { Storage } from '../gpu/pool.ts'
import { codeOf } from '../kernels/finite.ts'
import { grouped } from '../kernels/rows.ts'
import { TableCache } from '../kernels/table_cache.ts'
import { type EmitUpdate, emitUpdate, keyOfEntries, type UpdateEntry, updateTable } from '../kernels/update.ts'
import { inWindows, type Place, type Window } from '../kernels/windows.ts'
import { copyInto } from '../tensor/copy_into.ts'
import { observing } from '../tensor/observe.ts'
import { requireOptions } from '../tensor/options.ts'
import { forgetGradients, Tensor } from '../tensor/tensor.ts'
import { checkNotSwapped } from './average.ts'
import { checkGradients, checkParameters, checkState, defined } from './check.ts'
import { type FlatParameters, flatten } from './flat_parameters.ts'
import { watched } from './watched.ts'

/** Parameters that share their options. Every option may be set at any time and applies from the next step. */
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
  /** What is dispatched in place of the kernel, by an update that takes several. */
  readonly emit?: EmitUpdate
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
  /** The kernel's settings for a group at its update t, counted from 1; always as many numbers. */
  settings(group: G, t: number): readonly number[]
  /** The bits that every element of a state has before the first step. */
  readonly initial: number
  /** The names of all its states. */
  readonly states: readonly string[]
  /** What an update makes of a group, for settings that depend on all rates so far. */
  after?(group: G): Partial<G>
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

/** What the optimizer keeps for a parameter. */
interface Held {
  readonly parameter: Tensor
  /** Tells it apart from the optimizer's other parameters. */
  readonly id: number
  readonly flat: FlatParameters
  /** Steps that it has had. */
  steps: number
}

/** One parameter's part in an update. */
interface Part extends UpdateEntry {
  readonly held: Held
  /** What its gradient is read from, at `gradientAt`. */
  readonly gradients: Storage
}

/** Parameters of one group that have had as many steps: they are updated by the same numbers. */
interface Update {
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
  readonly #held = new Map<Tensor, Held>()
  readonly #settings = new Map<string, PerStep>()
  protected readonly tables: TableCache
  /** Steps in which any parameter had a gradient. */
  protected stepsTaken = 0
  #ids = 0

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
      const made = { ...defined(defaults), ...defined(options), ...defined(group), params: [...group.params] } as G
      if (made.lr === undefined) throw new TypeError(`${name}: lr is needed, for example { lr: 0.1 }`)
      rule.check(made)
      return made
    })
    const parameters = this.parameters()
    checkParameters(parameters, name)
    this.#rule = rule
    this.gpu = parameters[0]!.gpu
    this.tables = new TableCache(this.gpu)
    this.#adoptNew()
  }

  /** The name of its rule, such as 'SGD'. @internal */
  get name(): string {
    return this.#rule.name.replace('optim.', '')
  }

  /** Forgets the gradients: the next backward starts anew. */
  zeroGrad(): void {
    for (const { params } of this.paramGroups) forgetGradients(params, 'zeroGrad() was called')
  }

  /**
   * Updates every parameter that has a gradient. Gradients and parameters that are not finite are noted in `watch`, the
   * watch of a `Meter`, if one is given. Without any gradient it does nothing, as in PyTorch; in a function that is captured,
   * whose plan would never train, that is an Error.
   */
  step(watch: Tensor | null = null): void {
    const { name } = this.#rule
    const noted = watch === null ? watched() : null
    watch ??= noted?.watch ?? null
    // All is checked before anything is changed.
    this.checkReady()
    checkNotSwapped(name, this.paramGroups)
    watch?.checkUsable(name)
    for (const group of this.paramGroups) {
      this.#check(group)
      for (const p of group.params) for (const t of [p, p.grad]) t?.checkUsable(name)
    }
    const recording = currentOn(this.gpu)
    if (recording) checkGradients(`${name}: step() in a captured function`, this.paramGroups)
    this.#adoptNew()
    const updates = this.#updates(noted?.parameters ?? this.parameters())
    for (const { held } of recording ? updates.flatMap(({ parts }) => parts) : []) {
      const { parameter } = held
      // A gradient from outside of the recording is read where it lies now.
      if (!recording!.leaves.has(parameter)) {
        dependingOn(
          () => {
            parameter.grad?.checkUsable('plan.run')
            return parameter.grad?.storage
          },
          () => `the gradient of ${parameter.label} is not where it was`,
        )
      }
    }
    for (const update of updates) this.#dispatch(update, update.settings.use(update.source), watch?.storage ?? null)
    this.afterUpdate()
    for (const { settings, source } of updates) settings.used(source)
  }

  /** Called in every step when the updates have been dispatched, for what a rule adds to them. */
  protected afterUpdate(): void {}

  /** Called before every step, also of a plan: throws where none can be taken. */
  protected checkReady(): void {}

  /** Makes the parameters those that are trained. They always are, except in a schedule-free optimizer. */
  train(): void {}

  /** Makes the parameters those to evaluate and to keep: the same, except in a schedule-free optimizer. */
  eval(): void {}

  /** Says that the parameters are those that belong to the state, whichever was loaded first. @internal */
  settle(): void {}

  /** What a captured step depends on: it must be captured again when this changes. @internal */
  get variants(): string {
    const parameters = this.parameters()
    const trained = parameters.map((p) => p.requiresGrad)
    // Which have had as many steps as another: those that are not trained fall behind, which changes no update.
    const counted = this.#rule.countsSteps ? parameters.filter((p) => p.requiresGrad) : []
    const steps = counted.map((p) => this.#held.get(p)?.steps ?? 0)
    const alike = steps.map((n) => steps.indexOf(n))
    const variants = this.paramGroups.map((group) => this.#rule.variant(group).name)
    return [...variants, this.#listing(), ...trained, ...alike].join()
  }

  /** Steps, options and state; the tensors are the optimizer's own, not copies. */
  stateDict(): OptimizerState<G> {
    const parameters = this.parameters()
    const step = this.stepsTaken
    const skipped = parameters.map((p) => step - (this.#held.get(p)?.steps ?? 0))
    const stateOf = (name: string, p: Tensor) => this.#held.get(p)?.flat.stateOf(name, p) ?? null
    const state = Object.fromEntries(this.#rule.states.map((name) => [name, parameters.map((p) => stateOf(name, p))]))
    const paramGroups = this.paramGroups.map(({ params: _, ...options }) => defined(options))
    return { step, ...(skipped.some((n) => n > 0) && { skipped }), paramGroups, state }
  }

  /** Takes over steps and options and copies the state. Throws an Error if groups or shapes do not fit, and in a captured function; nothing is changed then. */
  loadStateDict(given: OptimizerState<G>): void {
    refuseInCapture(`optim.${this.name}: loadStateDict`, LOAD_FIRST)
    checkState(this.#rule, given, this.paramGroups)
    const { step, skipped, paramGroups, state } = given
    this.#adoptNew()
    paramGroups.forEach((options, i) => void Object.assign(this.paramGroups[i]!, defined(options)))
    this.stepsTaken = step
    const loaded: [value: Tensor, own: Tensor][] = []
    const cleared: (() => void)[] = []
    for (const [i, p] of this.parameters().entries()) {
      const held = this.#held.get(p)!
      held.steps = step - (skipped?.[i] ?? 0)
      for (const name of this.#rule.states) {
        const value = state[name]?.[i]
        if (!value && held.flat.stateOf(name, p)) cleared.push(() => held.flat.clearState(name, p))
        if (!value) continue
        held.flat.giveState(name, p)
        loaded.push([value, held.flat.stateOf(name, p)!])
      }
    }
    copyInto(loaded)
    for (const clear of cleared) clear() // last: what was there may be the value of another parameter
  }

  /** Releases the state and everything else that updates need except the parameters. */
  dispose(): void {
    const flats = new Set([...this.#held.values()].map(({ flat }) => flat))
    for (const part of [...flats, ...this.#settings.values(), this.tables]) part.dispose()
    this.#held.clear()
    this.#settings.clear()
    this.stepsTaken = 0
  }

  /** The parameters of all groups, in order. */
  protected parameters(): Tensor[] {
    return this.paramGroups.flatMap((group) => group.params)
  }

  /** Numbers of every step, made where they are first asked for under this key; they go with `dispose`. */
  protected settingsOf(key: string, width: number): PerStep {
    const settings = this.#settings.get(key) ?? new PerStep(this.gpu, width, 'settings')
    this.#settings.set(key, settings)
    return settings
  }

  /** The state of this name of a parameter, which has it from now on. */
  protected giveState(name: string, p: Tensor): Tensor {
    const { flat } = this.#held.get(p)!
    flat.giveState(name, p)
    return flat.stateOf(name, p)!
  }

  /** Makes a parameter's state what it was before the first step. */
  protected clearState(name: string, p: Tensor): void {
    this.#held.get(p)!.flat.clearState(name, p)
  }

  /** @param numbered the parameters in the order by which a watch numbers them */
  #updates(numbered: readonly Tensor[]): Update[] {
    const { countsSteps } = this.#rule
    const places = new Map(numbered.map((p, i) => [p, i]))
    let counts = true // the first update counts the optimizer's steps
    return this.paramGroups.flatMap((group, g) => {
      const own = group.params.filter((p) => p.grad).map((p) => this.#partOf(p, places.get(p)!, places.size))
      return [...grouped(own, ({ held }) => (countsSteps ? held.steps : 0)).values()].map((parts, i) => {
        const settings = this.settingsOf(`${g} ${i}`, this.#rule.settings(group, 1).length)
        const made = { parts, settings, variant: this.#rule.variant(group) }
        if (made.variant.emit) for (const { held } of parts) this.#requireWhole(held.parameter)
        const source = this.#sourceOf(g, made, counts)
        counts = false
        return { ...made, source }
      })
    })
  }

  /** Throws for a parameter that is larger than a binding: an update that needs all of it at once cannot have it. */
  #requireWhole({ label, storage: { byteLength } }: Tensor): void {
    const { largest } = this.gpu.pool
    if (byteLength <= largest) return
    const cure = 'Give it to an optimizer that takes no norms of it, such as optim.AdamW'
    throw tooLarge(`${this.#rule.name}: ${label}`, byteLength, largest, cure)
  }

  /** The part of the parameter at this place among `count`. */
  #partOf(parameter: Tensor, index: number, count: number): Part {
    const held = this.#held.get(parameter)!
    const { storage } = parameter.grad!
    const inPlace = storage.whole === held.flat.gradients
    return {
      held,
      gradients: inPlace ? held.flat.gradients : storage,
      at: parameter.storage.offset / 4,
      gradientAt: inPlace ? storage.offset / 4 : 0,
      size: parameter.size,
      gradientCode: codeOf.gradient(index, count),
      parameterCode: codeOf.parameter(index, count),
    }
  }

  /** The settings of an update, step by step. In a plan the options are read before every run, of the group that is there then. */
  #sourceOf(index: number, { parts, settings, variant }: Omit<Update, 'source'>, counts: boolean): RowSource {
    const rule = this.#rule
    const listing = this.#listing()
    const { held: first } = parts[0]!
    const group = () => this.paramGroups[index]!
    const withRate = (lr?: number, options = group()): G => ({ ...options, ...(lr !== undefined && { lr }) })
    let left = group() // as the uses before leave it
    return {
      takesRates: true,
      // Asked for only where a plan is captured.
      get key() {
        return `${counts} ${keyOfEntries(parts)}`
      },
      row: (use, lr) => {
        const options = withRate(lr, use === 0 || !rule.after ? group() : left)
        if (rule.after) left = { ...options, ...rule.after(options) }
        return Float32Array.from(rule.settings(options, first.steps + 1 + use))
      },
      check: (uses, rateOf) => {
        if (settings.released) throw new Error(`${rule.name}: plan.run(): the optimizer was disposed`)
        this.checkReady()
        checkNotSwapped(`${rule.name}: plan.run()`, this.paramGroups)
        if (this.#listing() !== listing) {
          throw new Error(`${rule.name}: the groups have other parameters since the plan was captured; capture again`)
        }
        for (let use = 0; use < uses; use++) {
          this.#check(withRate(rateOf(use)))
          if (rateOf(use) === undefined) break
        }
        const now = rule.variant(group()).name
        if (now !== variant.name) {
          throw new Error(`${rule.name}: the plan was captured ${variant.name}, the group is now ${now}; capture again`)
        }
        if (rule.countsSteps && parts.some(({ held }) => held.steps !== first.steps)) {
          throw new Error(
            `${rule.name}: some parameters have had different numbers of steps since the plan was captured; capture again`,
          )
        }
      },
      advance: (uses, rateOf) => {
        for (let use = rule.after ? 0 : uses - 1; use < uses; use++) {
          const lr = rateOf(use)
          // A rate that is given to a run is all groups', also that of one that has no gradients now.
          if (lr !== undefined) for (const own of counts ? this.paramGroups : [group()]) own.lr = lr
          Object.assign(group(), rule.after?.(group()))
        }
        if (counts) this.stepsTaken += uses
        for (const { held } of parts) {
          const { parameter, flat } = held
          parameter.storage.version++
          held.steps += uses
          for (const name of variant.state) {
            flat.giveState(name, parameter)
            for (const observer of observing()) {
              observer.update?.(flat.stateOf(name, parameter)!, this.name, `the ${name} of`, parameter)
            }
          }
          for (const observer of observing()) observer.update?.(parameter, this.name, 'the parameter', parameter)
        }
      },
    }
  }

  /** One dispatch, except for parameters whose gradient lies elsewhere, and for one that is larger than a binding. */
  #dispatch({ parts, settings, variant }: Update, use: number, watch: Storage | null): void {
    for (const [flat, own] of grouped(parts, ({ held }) => held.flat)) {
      const ofAll = variant.state.map((name) => flat.state(name))
      for (const [from, all] of grouped(own, (part) => part.gradients)) {
        const places = [flat.storage, ...ofAll].map((storage): Place<Part> => [storage, ({ at }) => at])
        places.push([from, ({ gradientAt }) => gradientAt])
        const cut = (part: Part, { count }: Window) => ({ ...part, at: 0, gradientAt: 0, size: count })
        inWindows(this.gpu, all, places, cut, (entries, [parameters, ...others]) => {
          const { tensor, rows } = this.tables.get(keyOfEntries(entries), () => updateTable(entries))
          const states = Object.fromEntries(variant.state.map((name, i) => [name, others[i]!]))
          const bound = { parameters: parameters!, gradients: others.at(-1)!, states, watch }
          const storages = { table: tensor.storage, settings: settings.storage, ...bound }
          if (!variant.emit) emitUpdate(this.gpu, variant.kernel, storages, rows, use)
          else
            variant.emit(
              this.gpu,
              storages,
              rows,
              use,
              entries.map(({ held }) => held.parameter),
            )
        })
      }
    }
  }

  #check(group: G): void {
    const { name, defaults } = this.#rule
    requireOptions(name, group, ['params', ...Object.keys(defaults)])
    this.#rule.check(group)
  }

  /** Adopts parameters that were added to a group since the last step. */
  #adoptNew(): void {
    const all = this.parameters()
    const strangers = all.filter((p) => !this.#held.has(p))
    if (strangers.length === 0 && new Set(all).size === all.length) return
    checkParameters(all, this.#rule.name)
    const recording = currentOn(this.gpu)
    if (recording) recording.adopted = true
    for (const flat of this.gpu.during(null, () => flatten(strangers, this.#rule.initial))) {
      for (const p of flat.parameters) this.#held.set(p, { parameter: p, id: this.#ids++, flat, steps: 0 })
    }
  }

  /** Which parameters the groups have. */
  #listing(): string {
    return this.paramGroups.map(({ params }) => params.map((p) => this.#held.get(p)?.id).join()).join('; ')
  }
}
