// The report of `dawngrad doctor`: versions, adapter, adapter sources, data, and what is missing.
import process from 'node:process'
import { DataError } from '../errors.ts'
import { GpuError } from '../gpu/errors.ts'
import { Gpu } from '../gpu/gpu.ts'
import { cacheDir } from '../node/cache.ts'
import { commandLine } from '../node/command.ts'
import { loadFashionMnist } from '../node/fashion_mnist.ts'
import { packageVersion } from '../node/version.ts'
import { type Attempt, type OpenAdapter, openAdapter, survey } from './adapters.ts'
import {
  type ExpError,
  expErrors,
  measureSpeed,
  type NumberFact,
  numberFacts,
  type SelfTest,
  type Speed,
  selfTest,
} from './diagnose.ts'
import { type AdapterSource, userDrivers } from './drivers.ts'
import { webgpuVersion } from './probe.ts'

/** The report of `dawngrad doctor`; `--json` prints it unchanged. */
export interface Examination {
  readonly versions: { dawngrad: string; node: string; webgpu: string; platform: string }
  readonly cacheFolder: string
  /** The adapter that `open()` gives, or null and the reason. */
  readonly adapter: AdapterReport | null
  readonly adapterError: string | null
  readonly adapterSources: readonly SourceReport[]
  readonly data: { dir: string; train: number; test: number } | null
  readonly dataError: string | null
  /** What is missing or could be better, with the command that fetches it, if there is one. */
  readonly missing: readonly { what: string; command: string | null }[]
  /** Whether adapter and data are present, and the self-test passed. */
  readonly ok: boolean
}

export interface SourceReport {
  readonly source: AdapterSource
  readonly label: string
  readonly state: Attempt['state']
  readonly detail: string
}

export interface AdapterReport {
  readonly name: string
  readonly vendor: string
  readonly architecture: string
  readonly device: string
  readonly description: string
  readonly class: 'cpu' | 'gpu'
  readonly source: AdapterSource
  /** The driver files given to the Vulkan loader; null if it searched for them itself. */
  readonly driver: string | null
  readonly limits: Readonly<Record<(typeof LIMITS)[number], number>>
  readonly features: Readonly<Record<(typeof FEATURES)[number], boolean>>
  readonly subgroupSizes: readonly [number, number]
  readonly numbers: readonly NumberFact[]
  readonly exp: readonly ExpError[]
  readonly selfTest: readonly SelfTest[]
  readonly speed: Speed
}

const LIMITS = [
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupsPerDimension',
  'maxStorageBuffersPerShaderStage',
] as const
const FEATURES = ['shader-f16', 'subgroups', 'timestamp-query'] as const

/** Examines the adapter, every adapter source and the data. Downloads nothing. */
export async function examine(): Promise<Examination> {
  const adapterSources = (await survey()).map(({ driver, state, detail }) => {
    return { source: driver.adapterSource, label: driver.label, state, detail }
  })
  const adapter = await unless(GpuError, async () => examineAdapter(await openAdapter()))
  const data = await unless(DataError, async () => {
    const { dir, train, test } = await loadFashionMnist()
    return { dir, train: train.count, test: test.count }
  })
  const passed = adapter.value?.selfTest.every((test) => test.passed) ?? false
  return {
    versions: {
      dawngrad: packageVersion(),
      node: process.version,
      webgpu: webgpuVersion(),
      platform: `${process.platform} ${process.arch}`,
    },
    cacheFolder: cacheDir(),
    adapter: adapter.value,
    adapterError: adapter.error,
    adapterSources,
    data: data.value,
    dataError: data.error,
    missing: missing(adapter.value, data.value !== null),
    ok: adapter.value !== null && data.value !== null && passed,
  }
}

/** The value, or the message of an error of the expected class. */
async function unless<T>(
  expected: typeof GpuError | typeof DataError,
  run: () => Promise<T>,
): Promise<{ value: T; error: null } | { value: null; error: string }> {
  try {
    return { value: await run(), error: null }
  } catch (error) {
    if (error instanceof expected) return { value: null, error: error.message }
    throw error
  }
}

async function examineAdapter({ adapter, driver, adapterSource }: OpenAdapter): Promise<AdapterReport> {
  const { limits, features, info } = adapter
  const gpu = await Gpu.fromAdapter(adapter, { adapterSource })
  try {
    const { name, vendor, architecture, device, description, adapterClass } = gpu.info
    return {
      name,
      vendor,
      architecture,
      device,
      description,
      class: adapterClass,
      source: adapterSource,
      driver: driver.env.VK_DRIVER_FILES ?? userDrivers(process.env)?.files ?? null,
      limits: Object.fromEntries(LIMITS.map((key) => [key, limits[key]])) as AdapterReport['limits'],
      features: Object.fromEntries(FEATURES.map((key) => [key, features.has(key)])) as AdapterReport['features'],
      subgroupSizes: [info.subgroupMinSize, info.subgroupMaxSize],
      numbers: await numberFacts(gpu),
      exp: await expErrors(gpu),
      selfTest: await selfTest(gpu),
      speed: await measureSpeed(gpu),
    }
  } finally {
    await gpu.close()
  }
}

const SETUP = commandLine('setup')

function missing(adapter: AdapterReport | null, data: boolean): Examination['missing'] {
  const found: { what: string; command: string | null }[] = []
  const command = process.platform === 'linux' ? SETUP : null
  if (!adapter) found.push({ what: 'an adapter', command })
  else if (adapter.source === 'swiftshader') found.push({ what: 'lavapipe, several times faster', command })
  else if (adapter.source === 'lavapipe') {
    found.push({ what: "a GPU with its vendor's Vulkan driver, far faster", command: null })
  }
  if (!data) found.push({ what: 'Fashion-MNIST', command: SETUP })
  return found
}
