// A driver's folder in the cache: tries the driver, and declares the folder finished.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SetupContext } from './context.ts'
import type { Driver } from './drivers.ts'
import { SetupError, writing } from './errors.ts'

/** The content of `ready.json` in a driver's folder. All paths are inside the folder. */
export interface Ready {
  /** The driver's JSON for the Vulkan loader. */
  readonly icd: string
  /** Libraries to load before the driver, in a working order. */
  readonly libraries?: readonly string[]
  /** A Vulkan loader for systems without one. */
  readonly libvulkan?: string
}

/** Declares a folder finished: without this file it counts as absent. */
export async function writeReady(folder: string, ready: Ready): Promise<void> {
  const text = `${JSON.stringify({ version: 1, ...ready }, null, 2)}\n`
  await writing(folder, () => writeFile(join(folder, 'ready.json'), text))
}

/** Tries the driver in a folder. Throws SetupError with the reason if it gives no adapter that computes. */
export async function tryDriver(
  context: SetupContext,
  adapterSource: 'lavapipe' | 'swiftshader',
  folder: string,
  ready: Ready,
): Promise<void> {
  const icd = join(folder, ready.icd)
  const driver: Driver = {
    id: `cache-${adapterSource}`,
    adapterSource,
    label: 'the driver just unpacked',
    env: { VK_DRIVER_FILES: icd, VK_ICD_FILENAMES: icd },
    libvulkan: ready.libvulkan === undefined ? [] : [join(folder, ready.libvulkan)],
    libraries: (ready.libraries ?? []).map((path) => join(folder, path)),
    missing: null,
    unwanted: null,
  }
  const probed = await context.probe(driver)
  if (!probed.ok) throw new SetupError(`${adapterSource} was unpacked, but gives no adapter here: ${probed.why}`)
}
