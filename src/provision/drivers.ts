// The drivers that this machine may have, in the order to try them.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join, relative, resolve, sep } from 'node:path'
import process from 'node:process'
import { GpuError } from '../gpu/errors.ts'
import type { GpuInfo } from '../gpu/info.ts'
import { cacheDir } from '../node/cache.ts'

/** Where adapters come from, best first. */
export type AdapterSource = NonNullable<GpuInfo['adapterSource']>
export const ADAPTER_SOURCES: readonly AdapterSource[] = ['hardware', 'lavapipe', 'swiftshader']

/** One way to get an adapter: what the process needs before Dawn looks for drivers. */
export interface Driver {
  /** Its name in the cache folder's record of working drivers. */
  readonly id: 'plain' | 'system-lavapipe' | 'cache-lavapipe' | 'cache-swiftshader'
  /** The source it is tried for; its adapter may belong to another. */
  readonly adapterSource: AdapterSource
  /** Its name in messages. */
  readonly label: string
  /** Environment variables of the Vulkan loader. */
  readonly env: Readonly<Record<string, string>>
  /** Vulkan loaders; one is loaded if the system has none. */
  readonly libvulkan: readonly string[]
  /** Libraries to load before the driver, in this order. */
  readonly libraries: readonly string[]
  /** Why it cannot be tried, or null. */
  readonly missing: string | null
  /** Why it should not be tried, or null. */
  readonly unwanted: string | null
}

/** The adapter source that DAWNGRAD_ADAPTER forces, or null. Throws GpuError for an unknown value. */
export function forcedSource(env: NodeJS.ProcessEnv): AdapterSource | null {
  const value = env.DAWNGRAD_ADAPTER ?? ''
  if (value === '') return null
  const adapterSource = ADAPTER_SOURCES.find((name) => name === value)
  if (adapterSource) return adapterSource
  throw new GpuError('unavailable', `DAWNGRAD_ADAPTER must be hardware, lavapipe or swiftshader, it is '${value}'`)
}

/** The driver files that the user has named for the Vulkan loader, or null. */
export function userDrivers(env: NodeJS.ProcessEnv): { variable: string; files: string } | null {
  // As in the loader: the old name counts only if the new one is absent.
  for (const variable of ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES']) {
    const files = env[variable] ?? ''
    if (files !== '') return { variable, files }
  }
  return null
}

/**
 * Every way to get an adapter, in the order to try them, including impossible ones with the reason. If the user names
 * drivers in VK_DRIVER_FILES, only those are tried, unless DAWNGRAD_ADAPTER forces an adapter source.
 */
export function findDrivers(env: NodeJS.ProcessEnv, platform: string = process.platform): Driver[] {
  const forced = forcedSource(env)
  const named = userDrivers(env)
  const cache = cacheDir(env)
  const linux = platform === 'linux'
  const lavapipe = linux ? readCache(join(cache, 'lavapipe')) : notLinux
  const swiftshader = linux ? readCache(join(cache, 'swiftshader')) : notLinux
  const libvulkan = [...lavapipe.libvulkan, ...swiftshader.libvulkan]
  const icds = linux ? systemLavapipe(env) : []
  const folders = icdFolders(env).join(', ')
  const absent = linux ? `no lvp_icd.json in ${folders}` : notLinux.missing
  const system = { icd: icds.join(':'), libraries: [], missing: icds.length > 0 ? null : absent }
  const plainLabel = named ? `the drivers that ${named.variable} names` : 'a hardware adapter'
  const reason = (adapterSource: AdapterSource) => {
    if (forced) return adapterSource === forced ? null : `not tried, because DAWNGRAD_ADAPTER is ${forced}`
    return named ? `not tried, because ${named.variable} names the drivers` : null
  }
  const driver = (
    id: Driver['id'],
    adapterSource: AdapterSource,
    label: string,
    found: Omit<Found, 'libvulkan'>,
  ): Driver => {
    const { icd, libraries, missing } = found
    const variables: Record<string, string> = icd === '' ? {} : { VK_DRIVER_FILES: icd, VK_ICD_FILENAMES: icd }
    const unwanted = id === 'plain' && named ? null : reason(adapterSource)
    return { id, adapterSource, label, env: variables, libvulkan, libraries, missing, unwanted }
  }
  return [
    driver('plain', 'hardware', plainLabel, { icd: '', libraries: [], missing: null }),
    driver('system-lavapipe', 'lavapipe', "the system's lavapipe", system),
    driver('cache-lavapipe', 'lavapipe', "the cache folder's lavapipe", lavapipe),
    driver('cache-swiftshader', 'swiftshader', "the cache folder's SwiftShader", swiftshader),
  ]
}

/** The folders in which the Vulkan loader looks for drivers, in its order. */
export function icdFolders(env: NodeJS.ProcessEnv): string[] {
  const home = env.HOME ?? homedir()
  const list = (value: string | undefined, usual: string) => (value || usual).split(':')
  const bases = [
    ...list(env.XDG_CONFIG_HOME, join(home, '.config')),
    ...list(env.XDG_CONFIG_DIRS, '/etc/xdg'),
    '/etc',
    ...list(env.XDG_DATA_HOME, join(home, '.local/share')),
    ...list(env.XDG_DATA_DIRS, '/usr/local/share:/usr/share'),
  ]
  return [...new Set(bases.filter(isAbsolute).map((base) => join(base, 'vulkan/icd.d')))]
}

/** The driver files in those folders. */
export function icdFiles(env: NodeJS.ProcessEnv): string[] {
  return icdFolders(env).flatMap((folder) => {
    try {
      const names = readdirSync(folder).sort()
      return names.filter((name) => name.endsWith('.json')).map((name) => join(folder, name))
    } catch {
      return [] // no such folder
    }
  })
}

function systemLavapipe(env: NodeJS.ProcessEnv): string[] {
  return icdFiles(env).filter((path) => /\/lvp_icd(\.[^/]*)?\.json$/.test(path))
}

interface Found {
  readonly icd: string
  readonly libraries: readonly string[]
  readonly libvulkan: readonly string[]
  readonly missing: string | null
}

const nothing = { icd: '', libraries: [], libvulkan: [] }
const notLinux: Found = { ...nothing, missing: 'for Linux only' }

/** The driver that `dawngrad setup` left in a folder. It writes ready.json last: a folder without it is unfinished. */
function readCache(folder: string): Found {
  let text: string
  try {
    text = readFileSync(join(folder, 'ready.json'), 'utf8')
  } catch {
    return { ...nothing, missing: `nothing in ${folder}` }
  }
  try {
    const ready = JSON.parse(text) as Record<string, unknown> | null
    if (ready?.version !== 1) throw new Error('its version is not 1')
    const { icd, libraries = [], libvulkan } = ready
    if (!Array.isArray(libraries)) throw new Error('its libraries are not a list')
    return {
      icd: fileIn(folder, icd),
      libraries: libraries.map((path) => fileIn(folder, path)),
      libvulkan: libvulkan === undefined ? [] : [fileIn(folder, libvulkan)],
      missing: null,
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { ...nothing, missing: `${join(folder, 'ready.json')} is damaged: ${why}` }
  }
}

function fileIn(folder: string, path: unknown): string {
  if (typeof path !== 'string') throw new Error(`${JSON.stringify(path)} is not a path`)
  const full = resolve(folder, path)
  const inside = relative(folder, full)
  if (inside === '..' || inside.startsWith(`..${sep}`)) throw new Error(`${path} lies outside the folder`)
  if (!existsSync(full)) throw new Error(`${path} does not exist`)
  return full
}
