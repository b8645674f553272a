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

/** Where a run stands between two updates. */
export interface Position {
  /** Whole epochs, evaluated and recorded. */
  readonly epoch: number
  /** Updates since the start of the run. */
  readonly step: number
  /** The sums of the running epoch, as `Totals` has them; without meaning before its first update. */
  readonly words: Int32Array<ArrayBuffer>
  /** Seconds of training in the whole epochs, and in the running one. */
  readonly trainSeconds: number
  readonly epochSeconds: number
}

/** The settings that decide which images, and at which rate, an update sees. */
export interface SavedSettings {
  readonly images: number
  readonly batchSize: number
  readonly accumulate: number
  readonly seed: number
  /** The rate of the optimizer before the first update. */
  readonly lr: number
}

/** The means of the last whole epoch; NaN before the first. */
export interface Figures {
  readonly trainLoss: number
  readonly trainAcc: number
  readonly testLoss: number
  readonly testAcc: number
}

/** An optimizer's state by names, independent of the order of parameters and of their groups. */
export interface SavedOptimizer {
  /** The name of its class, such as 'SGD'. */
  readonly name: string
  readonly step: number
  /** How many of the steps each parameter was without a gradient; those without a missed step are absent. */
  readonly skipped?: Readonly<Record<string, number>>
  /** The options of its groups; those in force stay where they are absent. */
  readonly paramGroups?: readonly Readonly<Record<string, unknown>>[]
  /** What else belongs to its state, such as the seed of SGLD's noise. */
  readonly others?: Readonly<Record<string, number>>
  /** By the name of the state, such as 'momentum', then by that of the parameter; parameters without it are absent. */
  readonly state: ReadonlyMap<string, ReadonlyMap<string, HostTensor>>
}

/** What a callback keeps from update to update. */
export interface CallbackState {
  /** Anything that JSON can hold. */
  readonly values: unknown
  readonly tensors?: ReadonlyMap<string, HostTensor>
}

/** Where what is drawn on the device stands: the seed of the default generator, and how many draws were made. */
export interface SavedRandom {
  readonly seed: number
  readonly draws: number
}

/** All that a run needs to continue with the same bits. */
export interface SavedState {
  readonly position: Position
  /** Parameters and buffers of the network under PyTorch's names: '0.weight'. */
  readonly network: ReadonlyMap<string, HostTensor>
  readonly optimizer: SavedOptimizer
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

type Values = Pick<SavedState, 'network' | 'optimizer'>

/**
 * The state of a network after a step, and that of an optimizer of its parameters. Throws DivergedError where a number is
 * not finite, which a checkpoint must not hold; TypeError for an optimizer of other parameters. A sync point.
 */
export async function valuesOf(net: Module, optimizer: Optimizer, step: number): Promise<Values> {
  const { step: steps, skipped, paramGroups, state, ...others } = optimizer.stateDict()
  const names = namesOf(net, optimizer)
  const isParameter = new Set(net.namedParameters().keys())
  const network = await toHost(net.stateDict())
  const checkFinite = (what: string, { dtype, data }: HostTensor) => {
    if (dtype !== 'float32' || data.every(Number.isFinite)) return
    throw new DivergedError(
      `the ${what} is no longer finite after step ${step}: a smaller --lr, or a warm-up, keeps it finite`,
      { what, epoch: null, step, lr: null },
    )
  }
  for (const [name, value] of network) checkFinite(`${isParameter.has(name) ? 'parameter' : 'buffer'} ${name}`, value)
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
    network,
    optimizer: {
      name: optimizer.name,
      step: steps,
      ...(missed.length > 0 && { skipped: Object.fromEntries(missed) }),
      paramGroups: paramGroups as unknown as readonly Readonly<Record<string, unknown>>[],
      ...(Object.keys(others).length > 0 && { others: others as unknown as Record<string, number> }),
      state: saved,
    },
  }
}

/** Restores what {@link valuesOf} gave. Throws DataError, and changes nothing, if it does not fit. */
export function restoreValues(net: Module, optimizer: Optimizer, { network, optimizer: saved }: Values, where: string) {
  const names = namesOf(net, optimizer)
  const own = net.stateDict()
  const parameters = net.namedParameters()
  const check = (what: string, name: string, { dtype, shape }: HostTensor, wanted: Tensor | undefined) => {
    if (!wanted)
      throw new DataError(`${where}: it has the ${what} ${JSON.stringify(name)}, which the network does not have`)
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
  if (saved.name !== optimizer.name) {
    throw new DataError(`${where}: its optimizer is ${saved.name}, not ${optimizer.name}; continue with ${saved.name}`)
  }
  for (const [key, values] of saved.state) {
    for (const [name, value] of values) check(key, name, value, parameters.get(name))
  }
  const lists = [...saved.state].map(([key, values]) => [key, toDevice(values, optimizer.gpu)] as const)
  const tensors = toDevice(network, optimizer.gpu)
  try {
    const state = Object.fromEntries(lists.map(([key, made]) => [key, names.map((name) => made.get(name) ?? null)]))
    const { step, skipped = {}, others } = saved
    const now = optimizer.stateDict()
    const given = {
      ...now,
      ...others,
      step,
      skipped: names.map((name) => (Object.hasOwn(skipped, name) ? skipped[name]! : 0)),
      paramGroups: saved.paramGroups ?? now.paramGroups,
      state,
    }
    optimizer.loadStateDict(given as unknown as OptimizerState)
    net.loadStateDict(tensors)
  } catch (error) {
    throw new DataError(`${where}: ${(error as Error).message}`)
  } finally {
    for (const made of [...tensors.values(), ...lists.flatMap(([, values]) => [...values.values()])]) made.dispose()
  }
}

/** Has the default generator draw what would have followed: the one in force, if it has the saved seed, or a new one. */
export function restoreRandom({ seed, draws }: SavedRandom): void {
  const now = defaultGenerator()
  const generator = now.seed === seed ? now : manualSeed(seed)
  generator.draws = draws
}

/** The names in the network of an optimizer's parameters, in the optimizer's order. */
function namesOf(net: Module, optimizer: Optimizer): string[] {
  const named = new Map([...net.namedParameters()].map(([name, p]) => [p, name]))
  return optimizer.paramGroups.flatMap(({ params }, group) =>
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
