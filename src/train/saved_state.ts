// What a run needs to continue with the same bits, taken from a network and its optimizer and put back into them.
import { toDevice, toHost } from '../data/host_tensors.ts'
import type { HostTensor } from '../data/safetensors.ts'
import { DataError } from '../errors.ts'
import type { Module } from '../nn/index.ts'
import type { Optimizer, OptimizerState } from '../optim/index.ts'
import { defaultGenerator, manualSeed } from '../tensor/random.ts'
import { formatShape, sameShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { DivergedError } from './diverged.ts'
import type { HistoryRecord } from './history.ts'
import type { Metrics } from './task.ts'

/** Where a run stands between two updates. */
export interface Position {
  /** Whole epochs, evaluated and recorded. */
  readonly epoch: number
  /** Updates since the start of the run. */
  readonly step: number
  /** The sums of the running epoch, as `Totals` has them; without meaning before its first update. */
  readonly words: Int32Array<ArrayBuffer>
  /** Those of its metrics, by their names; absent without any. */
  readonly metrics?: Readonly<Record<string, Int32Array<ArrayBuffer>>>
  /** Seconds of training in the whole epochs, and in the running one. */
  readonly trainSeconds: number
  readonly epochSeconds: number
  /** The rate of the last update of the running epoch; a callback may have set another since. */
  readonly lr?: number
}

/** The settings that decide which images, and at which rate, an update sees. */
export interface SavedSettings {
  /** `augment` and `normalize` of the batches as JSON; absent without either. */
  readonly changes?: string
  readonly images: number
  readonly batchSize: number
  readonly accumulate: number
  readonly seed: number
  /** The rate of the optimizer before the first update. */
  readonly lr: number
  /** How batches that order themselves do so; absent where `fit` sets the order. */
  readonly order?: string
}

/** The means of the last whole epoch; NaN before the first. */
export interface Figures {
  readonly trainLoss: number
  readonly trainAcc: number
  readonly testLoss: number
  readonly testAcc: number
  /** By their names, where there are any. */
  readonly metrics?: Metrics
  readonly testMetrics?: Metrics
}

/** An optimizer's state by names, independent of the order in which an optimizer was given parameters and groups. */
export interface SavedOptimizer {
  /** The name of its class, such as 'SGD'. */
  readonly name: string
  /** What the run calls it, where there are several. */
  readonly role?: string
  readonly step: number
  /** How many of the steps each parameter was without a gradient; those without a missed step are absent. */
  readonly skipped?: Readonly<Record<string, number>>
  /** The options of its groups; those in force stay where they are absent. */
  readonly paramGroups?: readonly Readonly<Record<string, unknown>>[]
  /** The names of their parameters, which a callback may have put there; those that the optimizer has stay where they are absent. */
  readonly groups?: readonly (readonly string[])[]
  /** What else belongs to its state, such as the seed of SGLD's noise. */
  readonly others?: Readonly<Record<string, number>>
  /** By the name of the state, such as 'momentum', then by that of the parameter; parameters without it are absent. */
  readonly state: ReadonlyMap<string, ReadonlyMap<string, HostTensor>>
}

/** What a callback keeps from update to update. */
export interface CallbackState {
  /** null, booleans, finite numbers (−0 becomes 0), texts, and arrays and plain objects of these. */
  readonly values: unknown
  readonly tensors?: ReadonlyMap<string, HostTensor>
}

/** Where the default generator stands: its seed, how many draws were made on the device, and the positions of its streams. */
export interface SavedRandom {
  readonly seed: number
  readonly draws: number
  /** By their names; absent in checkpoints of earlier versions. */
  readonly streams?: Readonly<Record<string, number>>
}

/** All that a run needs to continue with the same bits. */
export interface SavedState {
  readonly position: Position
  /** Parameters and buffers of the network under PyTorch's names: '0.weight'. */
  readonly network: ReadonlyMap<string, HostTensor>
  readonly optimizer: SavedOptimizer
  /** Those beside it, in the order of the run. */
  readonly others?: readonly SavedOptimizer[]
  /** The names of the parameters without a gradient, and of the modules in evaluation mode; they stay as they are if absent. */
  readonly frozen?: readonly string[]
  readonly evaluated?: readonly string[]
  /** What the run was begun with; absent in checkpoints of format 1. */
  readonly settings?: SavedSettings
  readonly figures?: Figures
  /** Every record so far, unless it is kept elsewhere. */
  readonly history?: readonly HistoryRecord[]
  /** Absent in checkpoints of versions that drew nothing. */
  readonly random?: SavedRandom
  /** Of every callback in its order; null for one that keeps nothing. */
  readonly callbacks?: readonly (CallbackState | null)[]
}

type Values = Pick<SavedState, 'network' | 'optimizer' | 'others' | 'frozen' | 'evaluated'>

/**
 * The state of a network after a step, and that of optimizers of its parameters, which have names if there are several. Throws
 * DivergedError where a number is not finite, which a checkpoint must not hold; TypeError for an optimizer of other parameters. A
 * sync point.
 */
export async function valuesOf(
  net: Module<unknown>,
  given: Optimizer | readonly Optimizer[],
  step: number,
  roles: readonly string[] | null = null,
): Promise<Values> {
  const optimizers = [given].flat()
  const isParameter = new Set(net.namedParameters().keys())
  const checkFinite = (what: string, { dtype, data }: HostTensor) => {
    if (dtype !== 'float32' || data.every(Number.isFinite)) return
    throw new DivergedError(
      `the ${what} is no longer finite after step ${step}: a smaller --lr, or a warm-up, keeps it finite`,
      { what, epoch: null, step, lr: null },
    )
  }
  for (const optimizer of optimizers) namesOf(net, optimizer)
  const network = await toHost(net.stateDict())
  for (const [name, value] of network) checkFinite(`${isParameter.has(name) ? 'parameter' : 'buffer'} ${name}`, value)
  const saved: SavedOptimizer[] = []
  for (const [i, optimizer] of optimizers.entries()) {
    const own = await valuesOfOptimizer(net, optimizer, checkFinite)
    saved.push(roles ? { ...own, role: roles[i]! } : own)
  }
  const [optimizer, ...others] = saved as [SavedOptimizer, ...SavedOptimizer[]]
  return {
    network,
    ...modesOf(net),
    optimizer,
    ...(others.length > 0 && { others }),
  }
}

/** The state of an optimizer of a network's parameters. */
async function valuesOfOptimizer(
  net: Module<unknown>,
  optimizer: Optimizer,
  checkFinite: (what: string, value: HostTensor) => void,
): Promise<SavedOptimizer> {
  const { step, skipped, paramGroups, state, ...others } = optimizer.stateDict()
  const groups = namesOf(net, optimizer)
  const names = groups.flat()
  const saved = new Map<string, Map<string, HostTensor>>()
  for (const [key, list] of Object.entries(state)) {
    const having = names.flatMap((name, i) => (list[i] ? [[name, list[i]] as const] : []))
    if (having.length === 0) continue
    const values = await toHost(having)
    for (const [name, value] of values) checkFinite(`${key} of ${name}`, value)
    saved.set(key, values)
  }
  const missed = names.flatMap((name, i) => (skipped?.[i] ? [[name, skipped[i]] as const] : []))
  return {
    name: optimizer.name,
    step,
    groups,
    ...(missed.length > 0 && { skipped: Object.fromEntries(missed) }),
    paramGroups: paramGroups as unknown as readonly Readonly<Record<string, unknown>>[],
    ...(Object.keys(others).length > 0 && { others: others as unknown as Record<string, number> }),
    state: saved,
  }
}

/** Restores what {@link valuesOf} gave, except the modes. Throws DataError, and changes nothing, if it does not fit. */
export function restoreValues(
  net: Module<unknown>,
  given: Optimizer | readonly Optimizer[],
  saved: Values,
  where: string,
  roles: readonly string[] | null = null,
): void {
  const optimizers = [given].flat()
  const { network, frozen } = saved
  const all = [saved.optimizer, ...(saved.others ?? [])]
  const own = net.stateDict()
  const parameters = net.namedParameters()
  const unknown = (what: string, name: string) =>
    new DataError(`${where}: it has the ${what} ${JSON.stringify(name)}, which the network does not have`)
  const check = (what: string, name: string, { dtype, shape }: HostTensor, wanted: Tensor | undefined) => {
    if (!wanted) throw unknown(what, name)
    if (dtype === wanted.dtype && sameShape(shape, wanted.shape)) return
    const right = `the network's is ${wanted.dtype} ${formatShape(wanted.shape)}`
    throw new DataError(`${where}: its ${what} ${name} is ${dtype} ${formatShape(shape)}, ${right}`)
  }
  const kindOf = (name: string) => (own.has(name) && !parameters.has(name) ? 'buffer' : 'parameter')
  for (const [name, value] of network) check(kindOf(name), name, value, own.get(name))
  const found = new Set([...network.keys()].map((name) => own.get(name)))
  for (const [name, tensor] of own) {
    if (!found.has(tensor)) throw new DataError(`${where}: it has no ${kindOf(name)} ${name}`)
  }
  const called = (list: readonly (string | undefined)[]) => list.map((role) => role ?? 'one without a name').join(', ')
  const [its, wanted] = [all.map(({ role }) => role), optimizers.map((_, i) => roles?.[i])]
  if (called(its) !== called(wanted)) {
    throw new DataError(`${where}: its optimizers are ${called(its)}, those of this run ${called(wanted)}`)
  }
  for (const [i, { name, groups, state }] of all.entries()) {
    if (name !== optimizers[i]!.name) {
      throw new DataError(`${where}: its optimizer is ${name}, not ${optimizers[i]!.name}; continue with ${name}`)
    }
    const names = groups ?? namesOf(net, optimizers[i]!)
    for (const name of names.flat()) if (!parameters.has(name)) throw unknown('parameter', name)
    for (const [key, values] of state) {
      for (const [name, value] of values) check(key, name, value, parameters.get(name))
    }
  }
  for (const name of frozen ?? []) if (!parameters.has(name)) throw unknown('parameter', name)
  const tensors = toDevice(network, optimizers[0]!.gpu)
  const undo: (() => void)[] = []
  try {
    for (const [i, one] of all.entries()) undo.push(restoreOptimizer(net, optimizers[i]!, one))
    net.loadStateDict(tensors)
    for (const optimizer of optimizers) optimizer.settle()
    if (frozen) for (const [name, p] of parameters) p.requiresGrad = !frozen.includes(name)
  } catch (error) {
    for (const back of undo.reverse()) back()
    throw new DataError(`${where}: ${(error as Error).message}`)
  } finally {
    for (const made of tensors.values()) made.dispose()
  }
}

/** Restores an optimizer whose state has been checked. What is returned puts its groups back. */
function restoreOptimizer(net: Module<unknown>, optimizer: Optimizer, its: SavedOptimizer): () => void {
  const parameters = net.namedParameters()
  const groups = its.groups ?? namesOf(net, optimizer)
  const names = groups.flat()
  const lists = [...its.state].map(([key, values]) => [key, toDevice(values, optimizer.gpu)] as const)
  const now = optimizer.stateDict()
  const undo = regroup(
    optimizer,
    groups.map((list) => list.map((name) => parameters.get(name)!)),
  )
  try {
    const { step, skipped = {}, others, paramGroups = now.paramGroups } = its
    const given = {
      ...now,
      ...others,
      step,
      skipped: names.map((name) => (Object.hasOwn(skipped, name) ? skipped[name]! : 0)),
      paramGroups,
      state: Object.fromEntries(lists.map(([key, values]) => [key, names.map((name) => values.get(name) ?? null)])),
    }
    optimizer.loadStateDict(given as unknown as OptimizerState)
    return undo
  } catch (error) {
    undo()
    throw error
  } finally {
    for (const made of lists.flatMap(([, values]) => [...values.values()])) made.dispose()
  }
}

/** Gives the groups these parameters. Groups that stay are the objects that they were. What is returned undoes it. */
function regroup({ paramGroups }: Optimizer, lists: readonly (readonly Tensor[])[]): () => void {
  const before = paramGroups.map((group) => [group, group.params] as const)
  const groups = lists.map((params, i) => {
    const [group, own] = before[i] ?? [{ ...paramGroups[0]! }, []]
    const isSame = own.length === params.length && own.every((p, k) => p === params[k])
    return isSame ? group : Object.assign(group, { params: [...params] })
  })
  paramGroups.splice(0, paramGroups.length, ...groups)
  return () => {
    paramGroups.splice(0, paramGroups.length, ...before.map(([group, params]) => Object.assign(group, { params })))
  }
}

/** The names of the parameters without a gradient, and of the modules in evaluation mode. */
export function modesOf(net: Module<unknown>): Required<Pick<Values, 'frozen' | 'evaluated'>> {
  const namesWhere = <T>(list: ReadonlyMap<string, T>, holds: (value: T) => boolean) =>
    [...list].flatMap(([name, value]) => (holds(value) ? [name] : []))
  return {
    frozen: namesWhere(net.namedParameters(), (p) => !p.requiresGrad),
    evaluated: namesWhere(net.namedModules(), (module) => !module.training),
  }
}

/** Puts modules into the modes that they had when {@link valuesOf} was called. */
export function restoreModes(net: Module<unknown>, { evaluated }: Pick<Values, 'evaluated'>): void {
  // Those around others come first: a mode is that of all inside.
  if (evaluated) for (const [name, module] of net.namedModules()) module.train(!evaluated.includes(name))
}

/** Has the default generator draw what would have followed: the one in force, if it has the saved seed, or a new one. */
export function restoreRandom({ seed, draws, streams }: SavedRandom): void {
  const now = defaultGenerator()
  const generator = now.seed === seed ? now : manualSeed(seed)
  generator.draws = draws
  if (streams) generator.moveTo(streams)
}

/** The names in the network of the parameters in each of an optimizer's groups. */
function namesOf(net: Module<unknown>, optimizer: Optimizer): string[][] {
  const named = new Map([...net.namedParameters()].map(([name, p]) => [p, name]))
  return optimizer.paramGroups.map(({ params }, group) =>
    params.map((p, i) => {
      const name = named.get(p)
      if (name !== undefined) return name
      throw new TypeError(
        `a checkpoint: parameter ${i} of the optimizer's group ${group}, ${p.label}, is not in the network; ` +
          'only parameters of the network can be saved with it',
      )
    }),
  )
}
