// Remembers in the cache folder which driver worked, so that the next start need not try them all.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { cacheDir } from '../node/cache.ts'
import { makeFolder } from '../node/files.ts'
import { type Driver, icdFiles, userDrivers } from './drivers.ts'
import { webgpuVersion } from './probe.ts'

/** More results than the users of a machine switch between. */
const MOST = 16

/** Variables of loaders and drivers, which may change the choice of a driver. */
const RELEVANT =
  /^(DAWNGRAD_ADAPTER|VK_.*|(MESA|LP|LVP|GALLIUM|NVIDIA|AMD|RADV|ANV)_.*|DRI_PRIME|CUDA_VISIBLE_DEVICES|LD_LIBRARY_PATH|LD_PRELOAD|DISPLAY|WAYLAND_DISPLAY)$/

/**
 * A digest of everything that the choice of a driver depends on: the version of webgpu, environment variables, the
 * drivers' files with their modification times, the graphics devices, and the system's list of libraries.
 *
 * @param list that of libraries. It changes when a package adds or removes one, such as libvulkan.so.1; many only write it anew
 */
export function situation(env: NodeJS.ProcessEnv, list = '/etc/ld.so.cache'): string {
  const cache = cacheDir(env)
  const variables = Object.entries(env).filter(([name]) => RELEVANT.test(name))
  const files = [
    ...icdFiles(env),
    ...(userDrivers(env)?.files.split(':') ?? []),
    join(cache, 'lavapipe/ready.json'),
    join(cache, 'swiftshader/ready.json'),
  ]
  const devices = [...namesIn('/dev/dri'), ...namesIn('/dev').filter((name) => /^(nvidia|kfd|dxg)/.test(name))]
  const { platform, arch } = process
  const stamps = files.map((path) => [path, stampOf(path)])
  const all = [webgpuVersion(), platform, arch, variables.sort(), stamps, devices, contentOf(list)]
  return createHash('sha256').update(JSON.stringify(all)).digest('hex')
}

function stampOf(path: string): string {
  try {
    const { mtimeMs, size } = statSync(path)
    return `${mtimeMs} ${size}`
  } catch {
    return ''
  }
}

function contentOf(path: string): string {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex')
  } catch {
    return ''
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort()
  } catch {
    return []
  }
}

/** The driver that worked before in this situation, or null. */
export function recall(env: NodeJS.ProcessEnv, key: string): Driver['id'] | null {
  return (read(env)[key] as Driver['id'] | undefined) ?? null
}

/** Notes the driver that worked. If the cache folder is not writable, the next process only has to probe again. */
export function remember(env: NodeJS.ProcessEnv, key: string, id: Driver['id']): void {
  const { [key]: _, ...others } = read(env)
  const entries = [...Object.entries(others), [key, id]].slice(-MOST)
  const path = file(env)
  const draft = `${path}.${process.pid}`
  try {
    makeFolder(cacheDir(env))
    writeFileSync(draft, `${JSON.stringify({ version: 1, worked: Object.fromEntries(entries) }, null, 1)}\n`)
    renameSync(draft, path) // atomic, whoever else writes
  } catch {
    removeIfPossible(draft)
  }
}

function removeIfPossible(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // If it could not be written, there is nothing to remove.
  }
}

function file(env: NodeJS.ProcessEnv): string {
  return join(cacheDir(env), 'adapter.json')
}

/** The recorded results, from situation to driver; none if the file is absent or damaged. */
function read(env: NodeJS.ProcessEnv): Record<string, unknown> {
  try {
    const found = JSON.parse(readFileSync(file(env), 'utf8')) as { version?: unknown; worked?: unknown } | null
    const { worked } = found ?? {}
    return found?.version === 1 && typeof worked === 'object' ? { ...worked } : {}
  } catch {
    return {}
  }
}
