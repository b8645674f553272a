// Finds the best adapter of this machine: tries drivers in their order, and says in words what came of it.
import process from 'node:process'
import { isMainThread } from 'node:worker_threads'
import { GpuError } from '../gpu/errors.ts'
import type { GpuInfo } from '../gpu/info.ts'
import { commandLine } from '../node/command.ts'
import { recall, remember, situation } from './adapter_memory.ts'
import { ADAPTER_SOURCES, type AdapterSource, type Driver, findDrivers, forcedSource, userDrivers } from './drivers.ts'
import { nameOf, type Probed, preload, probe, sourceOf } from './probe.ts'

/** The result of trying one driver. */
export interface Attempt {
  readonly driver: Driver
  /** 'present': it gives an adapter; 'missing': it does not exist; 'untried': not wanted, or not needed. */
  readonly state: 'present' | 'missing' | 'failed' | 'untried'
  /** Where the adapter comes from, if it gives one. */
  readonly adapterSource: AdapterSource | null
  /** The adapter's name, or the reason without one. */
  readonly detail: string
}

export interface OpenAdapter {
  readonly adapter: GPUAdapter
  readonly driver: Driver
  readonly adapterSource: AdapterSource
}

type Prober = (driver: Driver) => Promise<Probed>

const UNPROBED = 'not tried in a separate process'

/**
 * Tries drivers in their order until no later one promises a better adapter than the best one found. With `forced`, only
 * an adapter from that source counts.
 */
export async function chooseDriver(
  drivers: readonly Driver[],
  forced: AdapterSource | null,
  prober: Prober = probe,
): Promise<{ choice: Driver | null; attempts: Attempt[] }> {
  const attempts: Attempt[] = []
  let choice: Driver | null = null
  let rank = ADAPTER_SOURCES.length
  for (const driver of drivers) {
    const needed = ADAPTER_SOURCES.indexOf(driver.adapterSource) < rank
    const attempt = needed
      ? await attemptOf(driver, forced, prober)
      : ({ driver, state: 'untried', adapterSource: null, detail: 'not needed' } as const)
    attempts.push(attempt)
    const reached =
      attempt.adapterSource === null ? ADAPTER_SOURCES.length : ADAPTER_SOURCES.indexOf(attempt.adapterSource)
    if (reached < rank) [choice, rank] = [driver, reached]
  }
  return { choice, attempts }
}

/** Tries every driver of this machine, whatever DAWNGRAD_ADAPTER forces. */
export async function survey(prober: Prober = probe): Promise<Attempt[]> {
  const { DAWNGRAD_ADAPTER: _, ...env } = process.env
  const attempts: Attempt[] = []
  for (const driver of findDrivers(env)) {
    // Drivers that the user has named may give any adapter.
    const wanted = driver.id === 'plain' && userDrivers(env) ? null : driver.adapterSource
    attempts.push(await attemptOf(driver, wanted, prober))
  }
  return attempts
}

async function attemptOf(driver: Driver, wanted: AdapterSource | null, prober: Prober): Promise<Attempt> {
  const none = (state: 'missing' | 'failed' | 'untried', detail: string) => ({
    driver,
    state,
    adapterSource: null,
    detail,
  })
  if (driver.unwanted !== null) return none('untried', driver.unwanted)
  if (driver.missing !== null) return none('missing', driver.missing)
  const result = await prober(driver)
  // The plain request may find nothing. Any other driver that is present and gives nothing does not work.
  if (!result.ok) return none(result.none && driver.id === 'plain' ? 'missing' : 'failed', result.why)
  if (!result.facts) return { driver, state: 'present', adapterSource: driver.adapterSource, detail: UNPROBED }
  const [adapterSource, name] = [sourceOf(result.facts), nameOf(result.facts)]
  if (wanted === null || adapterSource === wanted) return { driver, state: 'present', adapterSource, detail: name }
  return none('missing', `${ONLY[adapterSource]}: ${name}`)
}

const ONLY: Record<AdapterSource, string> = {
  hardware: 'it gives a hardware adapter',
  lavapipe: 'only a software adapter',
  swiftshader: 'only SwiftShader',
}

/** Dawn neither validates commands nor guards the bounds of buffers; the project's kernels guard their own bounds. */
const UNCHECKED = 'enable-dawn-features=skip_validation,disable_robustness'

const instanceKey = (key: string, fast: boolean) => (fast ? `${key} fast` : key)

/** Instances by situation, kept alive: after one is garbage-collected, the next dispatch crashes. */
const instances = new Map<string, { instance: GPU; driver: Driver }>()

/**
 * The best adapter of this machine: hardware, the system's lavapipe, then lavapipe and SwiftShader in the cache folder.
 * Each is tried in a child process first, since drivers may crash; the cache folder remembers which one worked.
 * Throws GpuError ('unavailable') that says why each gave no adapter, and what helps. `fast`: see `open`.
 */
export async function openAdapter(fast = false): Promise<OpenAdapter> {
  const { env } = process
  const forced = forcedSource(env)
  const key = situation(env)
  const kept = instances.get(instanceKey(key, fast))
  const again = kept && (await ask(kept.instance, kept.driver, forced))
  if (again) return again

  let drivers = findDrivers(env)
  const id = recall(env, key)
  const known = drivers.find((driver) => driver.id === id && driver.missing === null && driver.unwanted === null)
  const first = known && (await load(known, forced, key, fast))
  if (first) return first

  for (;;) {
    const { choice, attempts } = await chooseDriver(drivers, forced)
    if (!choice) throw new GpuError('unavailable', noAdapter(attempts, env))
    const opened = await load(choice, forced, key, fast)
    if (opened) {
      const probed = attempts.find(({ driver }) => driver === choice)?.detail !== UNPROBED
      if (probed) remember(env, key, choice.id)
      return opened
    }
    if (!isMainThread && choice.env.VK_DRIVER_FILES) throw new GpuError('unavailable', noAdapterInWorker(choice))
    const missing = 'it gives an adapter to a separate process, but not to this one'
    drivers = drivers.map((driver) => (driver === choice ? { ...driver, missing } : driver))
  }
}

/** Uses a driver in this process. The environment is changed only while Dawn looks for drivers. */
async function load(
  driver: Driver,
  forced: AdapterSource | null,
  key: string,
  fast: boolean,
): Promise<OpenAdapter | null> {
  const before = Object.keys(driver.env).map((name) => [name, process.env[name]] as const)
  Object.assign(process.env, driver.env)
  try {
    preload(driver)
    const { create } = await import('webgpu')
    const instance = create(fast ? [UNCHECKED] : [])
    instances.set(instanceKey(key, fast), { instance, driver })
    return await ask(instance, driver, forced)
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}

async function ask(instance: GPU, driver: Driver, forced: AdapterSource | null): Promise<OpenAdapter | null> {
  const adapter = await instance.requestAdapter({ powerPreference: 'high-performance' })
  if (!adapter) return null
  const adapterSource = sourceOf(adapter.info)
  return forced === null || adapterSource === forced ? { adapter, driver, adapterSource } : null
}

/** One line: the adapter in use, its source, and what a better one would give. */
export function describeAdapter(info: GpuInfo): string {
  const { name } = info
  if (info.adapterSource === 'swiftshader') {
    return `${name} (SwiftShader, on the processor; lavapipe is several times faster: ${commandLine('setup')})`
  }
  if (info.adapterSource === 'lavapipe') {
    const kind = /llvmpipe|lavapipe/i.test(name) ? 'lavapipe' : 'software'
    return `${name} (${kind}, on the processor; a GPU with its driver is far faster)`
  }
  return info.adapterSource === 'hardware' ? `${name} (hardware)` : name
}

/** The error when no driver gives an adapter: what was tried, why it failed, and the commands that help. */
export function noAdapter(
  attempts: readonly Attempt[],
  env: NodeJS.ProcessEnv,
  platform: string = process.platform,
): string {
  const forced = forcedSource(env)
  const named = userDrivers(env)
  const tried = attempts.filter(({ state }) => state !== 'untried')
  const head = forced
    ? `DAWNGRAD_ADAPTER is ${forced}, but there is no such adapter. Tried:`
    : 'no WebGPU adapter was found. Tried, in this order:'
  const lines = [head, ...columns(tried.map(({ driver, detail }) => [`${driver.label}:`, detail]))]
  if (forced) lines.push('Without DAWNGRAD_ADAPTER the best adapter of this machine is used.')
  else if (named) lines.push(`Without ${named.variable} the drivers of this machine are used.`)
  return [...lines, ...remedies(forced, platform)].join('\n')
}

/** The error in a worker thread, which cannot name a driver to the Vulkan loader. */
export function noAdapterInWorker({ label, env }: Pick<Driver, 'label' | 'env'>): string {
  return [
    `a worker thread can't use ${label}: what it sets in process.env is not seen by drivers. Either of these helps:`,
    ...columns([
      ['new Worker(file, { env: SHARE_ENV })', 'SHARE_ENV is from node:worker_threads'],
      [`VK_DRIVER_FILES=${env.VK_DRIVER_FILES} node …`, 'in the shell that starts the program'],
    ]),
  ].join('\n')
}

const SETUP = [commandLine('setup'), 'puts a driver for the processor into the cache folder; needs no root'] as const
const APT = [
  ['apt-get install mesa-vulkan-drivers libvulkan1', 'Debian 13, Ubuntu 24.04 and newer'],
  ['apt-get install -t bookworm-backports mesa-vulkan-drivers libvulkan1', 'Debian 12'],
] as const
const GPU_DRIVER = "A GPU needs its vendor's Vulkan driver; `vulkaninfo --summary` lists what the system has."

/** How to get an adapter, or one from the forced source: the last lines of an error. */
function remedies(forced: AdapterSource | null, platform: string): string[] {
  if (platform !== 'linux') {
    const backend = platform === 'darwin' ? 'Metal' : platform === 'win32' ? 'Direct3D 12' : 'Vulkan'
    return [`On this system adapters come from ${backend}: a newer system or graphics driver may help.`]
  }
  if (forced === 'hardware') return [GPU_DRIVER]
  if (forced === 'swiftshader') return ['This helps:', ...columns([SETUP])]
  return [
    'Any of these helps:',
    ...columns([SETUP, ...APT]),
    "On Debian 12, add bookworm-backports to apt's sources: Debian 12's own Mesa, 22.3, is too old.",
    ...(forced ? [] : [GPU_DRIVER]),
  ]
}

/** Lines of two columns; the first is as wide as its longest cell. */
function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}
