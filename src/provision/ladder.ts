import process from 'node:process'
import { GpuError } from '../gpu/errors.ts'
import { recall, remember, situation } from './adapter_memory.ts'
import { type Driver, findDrivers, forcedRung, RUNGS, type Rung, userDrivers } from './drivers.ts'
import { noAdapter } from './ladder_text.ts'
import { nameOf, type Probed, preload, probe, rungOf } from './probe.ts'

/** What became of one driver on the way to an adapter. */
export interface Attempt {
  readonly driver: Driver
  /** 'present': it gives an adapter; 'missing': there is none; 'untried': not wanted, or not needed. */
  readonly state: 'present' | 'missing' | 'failed' | 'untried'
  /** The rung of the adapter it gives, where it gives one. */
  readonly rung: Rung | null
  /** The adapter's name, or why there is none. */
  readonly detail: string
}

export interface OpenAdapter {
  readonly adapter: GPUAdapter
  readonly driver: Driver
  readonly rung: Rung
}

type Prober = (driver: Driver) => Promise<Probed>

const UNPROBED = 'not tried in a process of its own'

/**
 * Tries drivers in their order until none that follows promises a better rung than the best adapter found. With
 * `forced`, only an adapter of that rung counts.
 */
export async function climb(
  drivers: readonly Driver[],
  forced: Rung | null,
  prober: Prober = probe,
): Promise<{ choice: Driver | null; attempts: Attempt[] }> {
  const attempts: Attempt[] = []
  let choice: Driver | null = null
  let rank = RUNGS.length
  for (const driver of drivers) {
    const needed = RUNGS.indexOf(driver.rung) < rank
    const attempt = needed
      ? await attemptOf(driver, forced, prober)
      : ({ driver, state: 'untried', rung: null, detail: 'not needed' } as const)
    attempts.push(attempt)
    const reached = attempt.rung === null ? RUNGS.length : RUNGS.indexOf(attempt.rung)
    if (reached < rank) [choice, rank] = [driver, reached]
  }
  return { choice, attempts }
}

/** What every rung of this machine gives, whatever DAWNGRAD_ADAPTER forces. */
export async function survey(prober: Prober = probe): Promise<Attempt[]> {
  const { DAWNGRAD_ADAPTER: _, ...env } = process.env
  const attempts: Attempt[] = []
  for (const driver of findDrivers(env)) {
    // Drivers that the user has named may give what they like.
    const wanted = driver.id === 'plain' && userDrivers(env) ? null : driver.rung
    attempts.push(await attemptOf(driver, wanted, prober))
  }
  return attempts
}

async function attemptOf(driver: Driver, wanted: Rung | null, prober: Prober): Promise<Attempt> {
  const none = (state: 'missing' | 'failed' | 'untried', detail: string) => ({ driver, state, rung: null, detail })
  if (driver.unwanted !== null) return none('untried', driver.unwanted)
  if (driver.missing !== null) return none('missing', driver.missing)
  const result = await prober(driver)
  // The plain request may well find nothing; a driver that is there and gives nothing does not work.
  if (!result.ok) return none(result.none && driver.id === 'plain' ? 'missing' : 'failed', result.why)
  if (!result.facts) return { driver, state: 'present', rung: driver.rung, detail: UNPROBED }
  const [rung, name] = [rungOf(result.facts), nameOf(result.facts)]
  if (wanted === null || rung === wanted) return { driver, state: 'present', rung, detail: name }
  return none('missing', `${ONLY[rung]}: ${name}`)
}

const ONLY: Record<Rung, string> = {
  hardware: 'it gives a hardware adapter',
  lavapipe: 'only a software adapter',
  swiftshader: 'only SwiftShader',
}

/** Dawn neither validates commands nor guards the bounds of buffers: what the project's own kernels do by themselves. */
const UNCHECKED = 'enable-dawn-features=skip_validation,disable_robustness'

const instanceKey = (key: string, fast: boolean) => (fast ? `${key} fast` : key)

/** The situations of this process and their instances: once one is collected as garbage, the next dispatch crashes. */
const instances = new Map<string, { instance: GPU; driver: Driver }>()

/**
 * The best adapter of this machine: hardware, the system's lavapipe, then lavapipe and SwiftShader in the cache folder.
 * Each is tried in a child process first, since drivers crash; what worked is remembered in the cache folder.
 * Throws GpuError of kind 'unavailable' that says of every one why it gave none, and what helps. `fast`: see `open`.
 */
export async function openAdapter(fast = false): Promise<OpenAdapter> {
  const { env } = process
  const forced = forcedRung(env)
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
    const { choice, attempts } = await climb(drivers, forced)
    if (!choice) throw new GpuError('unavailable', noAdapter(attempts, env))
    const opened = await load(choice, forced, key, fast)
    if (opened) {
      const probed = attempts.find(({ driver }) => driver === choice)?.detail !== UNPROBED
      if (probed) remember(env, key, choice.id)
      return opened
    }
    const missing = 'it gives an adapter to a process of its own, but none to this one'
    drivers = drivers.map((driver) => (driver === choice ? { ...driver, missing } : driver))
  }
}

/** Uses a driver in this process, whose environment is changed only as long as Dawn looks for drivers. */
async function load(driver: Driver, forced: Rung | null, key: string, fast: boolean): Promise<OpenAdapter | null> {
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

async function ask(instance: GPU, driver: Driver, forced: Rung | null): Promise<OpenAdapter | null> {
  const adapter = await instance.requestAdapter({ powerPreference: 'high-performance' })
  if (!adapter) return null
  const rung = rungOf(adapter.info)
  return forced === null || rung === forced ? { adapter, driver, rung } : null
}
