// `dawngrad setup`: brings what the plan names into the cache folder, reports, and removes it again.
import { readdir, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { AptSession, aptFolder } from './apt.ts'
import { type SetupContext, setupContext } from './context.ts'
import { bringDataset } from './dataset.ts'
import { isFull, megabytes, SetupError, writing } from './errors.ts'
import { bytesIn, makeFolder } from './folders.ts'
import { bringLavapipe } from './lavapipe.ts'
import { removeDrafts, withLock } from './lock.ts'
import { inspect, planFor, type SetupPlan, type SetupState } from './plan.ts'
import { silent } from './report.ts'
import { adapterLine, announcement, checkLines, dataLine, nothingToBring } from './setup_text.ts'
import { bringSwiftShader } from './swiftshader.ts'

const LOCK = 'setup.lock'
/** Everything that setup and the record of working adapters ever leave in the cache folder. */
const OURS = /^((fashion-mnist|lavapipe|swiftshader)(\.partial|\.old-\d+)?|apt\.partial|adapter\.json)$/

/**
 * Reports what is present and what is missing.
 * @returns whether nothing is missing
 */
export async function checkSetup(changes: Partial<SetupContext> = {}): Promise<boolean> {
  const context = setupContext(changes)
  const state = await inspect(context)
  for (const line of checkLines(context, state, planFor(state, false))) context.report.line(line)
  return state.adapter.adapterSource !== null && state.data.folder !== null
}

/**
 * Fetches what the machine lacks into the cache folder: the data set, and a driver if there is no adapter. It announces
 * what it will fetch. Two processes that do this at once do it one after another.
 *
 * @throws SetupError that says what is still missing, why, and what helps
 */
export async function setup(changes: Partial<SetupContext> = {}): Promise<void> {
  const context = setupContext(changes)
  const state = await inspect(context)
  const plan = planFor(state, true)
  const { adapter, data } = plan.data || plan.drivers.length > 0 ? await locked(context, true) : state
  const lacking: string[] = []
  if (adapter.adapterSource !== null) context.report.line(adapterLine(adapter, adapter.adapterSource))
  else lacking.push(`adapter: ${adapter.text}; ${nothingToBring(context, adapter)}`)
  if (data.folder !== null) context.report.line(dataLine(data))
  else lacking.push(dataLine(data))
  if (lacking.length > 0) throw new SetupError(lacking.join('\n'))
}

/**
 * The same on first use: fast and silent if adapter and data are present. What setup can't fetch for this machine is reported
 * later, by the code that needs it. `DAWNGRAD_NO_SETUP=1` forbids it.
 *
 * @throws SetupError if something could not be fetched
 */
export async function ensureSetup(options: { quiet?: boolean | undefined } = {}, changes: Partial<SetupContext> = {}) {
  const context = setupContext({ ...(options.quiet && { report: silent }), ...changes })
  if (context.env.DAWNGRAD_NO_SETUP === '1') return
  const plan = planFor(await inspect(context, false), false)
  if (plan.data || plan.drivers.length > 0) await locked(context, false)
}

/** Plans again under the lock, since another process may have fetched everything by then, and carries the plan out. */
async function locked(context: SetupContext, thorough: boolean): Promise<SetupState> {
  await makeFolder(context.cache)
  const onWait = (owner: { pid: number } | null): void => {
    const who = owner ? `process ${owner.pid}` : 'another process'
    context.report.line(`waiting for ${who}, which is setting up ${context.cache}`)
  }
  const lock = join(context.cache, LOCK)
  return await withLock(lock, () => carryOut(context, thorough), { onWait })
}

async function carryOut(context: SetupContext, thorough: boolean): Promise<SetupState> {
  const state = await inspect(context, thorough)
  const plan = planFor(state, thorough)
  if (!plan.data && plan.drivers.length === 0) return state
  for (const line of announcement(context, plan)) context.report.line(line)
  const apt = aptFolder(context)
  let session: Promise<AptSession> | undefined
  const openApt = (): Promise<AptSession> => {
    session ??= AptSession.open(context)
    return session
  }
  const failures: unknown[] = []
  const attempt = async (act: () => Promise<void>): Promise<void> => {
    await act().catch((error: unknown) => failures.push(error))
  }
  if (plan.data) await attempt(() => bringDataset(context, context.has('apt-get') ? openApt : null))
  await attempt(() => bringDriver(context, plan, openApt))
  // Archives take much space, and help a later run only if this one could not finish.
  const unfinished = failures.length > 0 && !failures.some(isFull) && (await bytesIn(join(apt, 'archives'))) > 0
  if (!unfinished) await rm(apt, { recursive: true, force: true })
  const other = failures.find((error) => !(error instanceof SetupError))
  if (other !== undefined) throw other
  if (failures.length > 0) throw new SetupError(failures.map((error) => (error as Error).message).join('\n'))
  return await inspect(context, true)
}

/** Fetches the planned drivers in order, until one works. */
async function bringDriver(context: SetupContext, plan: SetupPlan, openApt: () => Promise<AptSession>): Promise<void> {
  const failures: string[] = []
  for (const [i, driver] of plan.drivers.entries()) {
    try {
      return driver === 'lavapipe' ? await bringLavapipe(context, openApt) : await bringSwiftShader(context)
    } catch (error) {
      if (!(error instanceof SetupError) || isFull(error)) throw error
      failures.push(`  ${driver}: ${error.message}`)
      if (plan.better || i + 1 < plan.drivers.length) {
        context.report.line(`  ${driver} could not be installed: ${error.message}`)
      }
    }
  }
  if (failures.length === 0) return
  if (plan.better) return context.report.line('SwiftShader stays in use.')
  throw new SetupError(['no driver could be installed:', ...failures].join('\n'))
}

/** Removes everything that setup has fetched, and nothing else. Returns the bytes freed. */
export async function removeSetup(changes: Partial<SetupContext> = {}): Promise<number> {
  const context = setupContext(changes)
  const { cache, report } = context
  const names = await readdir(cache).catch(() => [])
  if (names.length === 0) {
    report.line(`nothing to remove: ${cache} is empty or does not exist`)
    return 0
  }
  const freed = await withLock(join(cache, LOCK), async () => {
    let bytes = 0
    for (const name of (await readdir(cache)).filter((entry) => OURS.test(entry)).sort()) {
      const path = join(cache, name)
      const size = await bytesIn(path)
      await writing(path, () => rm(path, { recursive: true, force: true }))
      report.line(`removed ${path}: ${megabytes(size)}`)
      bytes += size
    }
    await removeDrafts(cache, LOCK)
    return bytes
  })
  await rmdir(cache).catch(() => {}) // stays if something else is in it
  return freed
}
