// What setup says: what it is about to fetch, what is there, and what is missing.
import { commandLine } from '../node/command.ts'
import { LISTS_BYTES } from './apt.ts'
import type { SetupContext } from './context.ts'
import { DATASET_BYTES, DATASET_PACKAGE } from './dataset.ts'
import type { AdapterSource } from './drivers.ts'
import { megabytes } from './errors.ts'
import { LAVAPIPE_BYTES, LAVAPIPE_KEPT } from './lavapipe.ts'
import type { AdapterState, Bringable, DataState, SetupPlan, SetupState } from './plan.ts'
import { SWIFTSHADER_BYTES, SWIFTSHADER_KEPT } from './swiftshader_source.ts'

const WORDS: Readonly<Record<Bringable, string>> = {
  lavapipe:
    `lavapipe, Mesa's driver for the processor: up to ${megabytes(LISTS_BYTES + LAVAPIPE_BYTES)} by apt-get, ` +
    `of which up to ${megabytes(LAVAPIPE_KEPT)} stay on disk`,
  swiftshader:
    `SwiftShader, a slower driver for the processor: ${megabytes(SWIFTSHADER_BYTES)} by npm, ` +
    `of which ${megabytes(SWIFTSHADER_KEPT)} stay on disk`,
}

/** What will be fetched, how large it is, and where it goes. */
export function announcement(context: SetupContext, plan: SetupPlan): string[] {
  const hosts = context.mirrors.map((mirror) => new URL(mirror).host)
  const places = [...hosts, ...(context.has('apt-get') ? [`Debian's package ${DATASET_PACKAGE}`] : [])]
  const data = `Fashion-MNIST, the data set: ${megabytes(DATASET_BYTES)} from ${places.join(', or ')}`
  return [
    `setup installs into ${context.cache}, and nowhere else:`,
    ...(plan.data ? [`  ${data}`] : []),
    ...plan.drivers.map((driver, i) => `  ${i === 0 ? '' : 'or else '}${WORDS[driver]}`),
  ]
}

/** The line for an adapter that is present. */
export function adapterLine({ text }: AdapterState, adapterSource: AdapterSource): string {
  return `adapter: ${adapterSource}: ${text}`
}

/** Where the data is, or why it is not. */
export function dataLine({ text }: DataState): string {
  return `data: ${text}`
}

/** One line for the adapter and one for the data: present or missing, and whether setup can fetch it. */
export function checkLines(context: SetupContext, { adapter, data }: SetupState, plan: SetupPlan): string[] {
  const fetches = (what: string) => `; \`${commandLine('setup')}\` fetches ${what}`
  const [driver] = plan.drivers
  const cure = driver === undefined ? `; ${nothingToBring(context, adapter)}` : fetches(WORDS[driver])
  const files = plan.data ? fetches(`it: ${megabytes(DATASET_BYTES)}`) : ''
  return [
    adapter.adapterSource === null
      ? `adapter: missing: ${adapter.text}${cure}`
      : adapterLine(adapter, adapter.adapterSource),
    data.folder === null ? `data: missing: ${data.text}${files}` : dataLine(data),
  ]
}

/** Why setup fetches no driver, and what helps. */
export function nothingToBring({ platform, arch, env }: SetupContext, adapter: AdapterState): string {
  if (adapter.bringable.length > 0) return `run \`${commandLine('doctor')}\` to see why`
  if (env.DAWNGRAD_ADAPTER === 'hardware') return "setup installs no hardware driver: install the vendor's"
  if (env.VK_DRIVER_FILES || env.VK_ICD_FILENAMES) return 'without that variable setup can install one'
  if (platform !== 'linux')
    return `setup has no driver for ${platform}: install the graphics driver of the manufacturer`
  return (
    `setup has no driver for this machine (linux ${arch} without apt-get): ` +
    "install Mesa's Vulkan drivers (mesa-vulkan-drivers, vulkan-swrast or mesa-vulkan-swrast) with the system's package manager"
  )
}
