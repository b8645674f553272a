import process from 'node:process'
import type { GpuInfo } from '../gpu/info.ts'
import { commandLine } from '../node/command.ts'
import { forcedRung, type Rung, userDrivers } from './drivers.ts'
import type { Attempt } from './ladder.ts'

/** The adapter in use, its rung, and what a better one would bring, in one line. */
export function describeRung(info: GpuInfo): string {
  const { name } = info
  if (info.rung === 'swiftshader') {
    return `${name} (SwiftShader, on the processor; lavapipe is several times faster: ${commandLine('setup')})`
  }
  if (info.rung === 'lavapipe') {
    const kind = /llvmpipe|lavapipe/i.test(name) ? 'lavapipe' : 'software'
    return `${name} (${kind}, on the processor; a GPU with its driver is far faster)`
  }
  return info.rung === 'hardware' ? `${name} (hardware)` : name
}

/** The error of a ladder that led nowhere: what was tried, why it failed, and the commands that help. */
export function noAdapter(
  attempts: readonly Attempt[],
  env: NodeJS.ProcessEnv,
  platform: string = process.platform,
): string {
  const forced = forcedRung(env)
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

const SETUP = [commandLine('setup'), 'a driver for the processor, into the cache folder; no root needed'] as const
const APT = [
  ['apt-get install mesa-vulkan-drivers libvulkan1', 'Debian 13, Ubuntu 24.04 and newer'],
  ['apt-get install -t bookworm-backports mesa-vulkan-drivers libvulkan1', 'Debian 12'],
] as const
const GPU_DRIVER = "A GPU needs its vendor's Vulkan driver; `vulkaninfo --summary` lists what the system has."

/** What brings an adapter, or one of the forced rung: the last lines of an error. */
function remedies(forced: Rung | null, platform: string): string[] {
  if (platform !== 'linux') {
    const backend = platform === 'darwin' ? 'Metal' : platform === 'win32' ? 'Direct3D 12' : 'Vulkan'
    return [`On this system adapters come from ${backend}: a newer system or graphics driver may help.`]
  }
  if (forced === 'hardware') return [GPU_DRIVER]
  if (forced === 'swiftshader') return ['This helps:', ...columns([SETUP])]
  return [
    'Any of these helps:',
    ...columns([SETUP, ...APT]),
    "On Debian 12 the suite bookworm-backports must be among apt's sources: its own Mesa, 22.3, is too old.",
    ...(forced ? [] : [GPU_DRIVER]),
  ]
}

/** Lines of two columns, the first as wide as its longest cell. */
function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}
