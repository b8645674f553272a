// What this machine has and lacks: an adapter, the data set; and what setup would bring.
import type { FashionMnistParts } from '../data/fashion_mnist.ts'
import { DataError } from '../errors.ts'
import { findFashionMnist } from '../node/fashion_mnist.ts'
import { recall, remember, situation } from './adapter_memory.ts'
import { chooseDriver } from './adapters.ts'
import type { SetupContext } from './context.ts'
import { problemOf } from './dataset.ts'
import { type AdapterSource, findDrivers, forcedSource, userDrivers } from './drivers.ts'

/** A driver that setup can fetch. */
export type Bringable = 'lavapipe' | 'swiftshader'

export interface AdapterState {
  /** Where the adapter comes from; null if there is none. */
  readonly adapterSource: AdapterSource | null
  /** The adapter's name, or why there is none. */
  readonly text: string
  /** Drivers that setup could fetch for this machine, best first, needed or not. */
  readonly bringable: readonly Bringable[]
}

export interface DataState {
  /** The folder of the files; null if they are missing or damaged. */
  readonly folder: string | null
  readonly text: string
  /** Whether setup can fetch it: not if FASHION_MNIST_DIR names another folder. */
  readonly bringable: boolean
}

/** What is present and what is missing. */
export interface SetupState {
  readonly adapter: AdapterState
  readonly data: DataState
}

/** What setup would fetch now. */
export interface SetupPlan {
  readonly data: boolean
  /** Drivers to try, in this order, until one works. */
  readonly drivers: AdapterState['bringable']
  /** Whether the drivers would only replace a working, slower one. */
  readonly better: boolean
}

/** Inspects the machine. It changes only the record of which adapter worked. */
export async function inspect(context: SetupContext, thorough = true): Promise<SetupState> {
  return { adapter: await adapterState(context, thorough), data: await dataState(context, thorough) }
}

/** What setup would fetch in a state: what is missing; with `better`, also lavapipe to replace SwiftShader. */
export function planFor({ adapter, data }: SetupState, better: boolean): SetupPlan {
  const replace = better && adapter.adapterSource === 'swiftshader' && adapter.bringable[0] === 'lavapipe'
  const drivers = adapter.adapterSource === null ? adapter.bringable : replace ? (['lavapipe'] as const) : []
  return { data: data.folder === null && data.bringable, drivers, better: replace }
}

/**
 * Finds out which adapter this machine has.
 * @param thorough tries every driver; otherwise one that worked before in the same situation is accepted
 */
async function adapterState(context: SetupContext, thorough: boolean): Promise<AdapterState> {
  const { env, platform } = context
  const forced = forcedSource(env)
  const key = situation(env)
  const drivers = findDrivers(env, platform)
  const bringable = bringableHere(context, forced)
  const id = recall(env, key)
  const known = drivers.find((driver) => driver.id === id && driver.missing === null && driver.unwanted === null)
  if (known && !thorough) return { adapterSource: known.adapterSource, text: known.label, bringable }
  const { choice, attempts } = await chooseDriver(drivers, forced, context.probe)
  const best = attempts.find(({ driver }) => driver === choice)
  if (choice && best) {
    remember(env, key, choice.id)
    const adapterSource = best.adapterSource ?? choice.adapterSource
    // Asked for a hardware adapter, the system may give another one.
    const label = adapterSource === choice.adapterSource ? choice.label : "of the system's drivers"
    return { adapterSource, text: `${best.detail} (${label})`, bringable }
  }
  const named = userDrivers(env)
  const only = forced ? `DAWNGRAD_ADAPTER is ${forced}` : named ? `${named.variable} names the only drivers` : null
  const text = `no driver of this machine gives one${only === null ? '' : `, and ${only}`}`
  return { adapterSource: null, text, bringable }
}

function bringableHere({ env, platform, arch, has }: SetupContext, forced: AdapterSource | null): Bringable[] {
  if (platform !== 'linux' || (userDrivers(env) && !forced)) return []
  const all: Bringable[] = []
  if (has('apt-get') && has('dpkg')) all.push('lavapipe')
  if (arch === 'x64') all.push('swiftshader')
  return all.filter((driver) => forced === null || driver === forced)
}

/**
 * Finds out where the data set is.
 * @param thorough reads the files and compares their checksums; otherwise their presence is enough
 */
async function dataState({ search, files }: SetupContext, thorough: boolean): Promise<DataState> {
  const bringable = search.chosenBy === null
  try {
    const { dir, paths } = await findFashionMnist(search)
    if (!thorough) return { folder: dir, text: dir, bringable }
    for (const part of Object.keys(files) as (keyof FashionMnistParts<unknown>)[]) {
      const path = paths[part]
      const problem = await problemOf(path, files[part])
      if (problem !== null) return { folder: null, text: `${path}: ${problem}`, bringable }
    }
    return { folder: dir, text: dir, bringable }
  } catch (error) {
    if (!(error instanceof DataError)) throw error
    const named = `not all four files are in ${search.folders[0]}, which ${search.chosenBy} names`
    return { folder: null, text: bringable ? 'not on this machine' : named, bringable }
  }
}
