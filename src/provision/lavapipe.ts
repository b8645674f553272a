// Brings lavapipe, Mesa's driver for the processor, into the cache folder.
import { existsSync, lstatSync } from 'node:fs'
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { AptSession } from './apt.ts'
import type { SetupContext } from './context.ts'
import { type Ready, tryDriver, writeReady } from './driver_folder.ts'
import { type Library, loadOrder, readLibrary } from './elf.ts'
import { megabytes, SetupError, writing } from './errors.ts'
import { bytesIn, install, makeFolder, needRoom, partialOf } from './folders.ts'

/** The download on a minimal Debian 12, and what is kept of it: mostly LLVM. */
export const LAVAPIPE_BYTES = 54_600_000
export const LAVAPIPE_KEPT = 190_000_000
/** Bytes on the disk for each byte of an archive, including the archive. */
const UNPACKED = 6
const PACKAGES = ['mesa-vulkan-drivers', 'libvulkan1'] as const
const DRIVER = 'libvulkan_lvp.so'
const LOADER = 'libvulkan.so.1'
const ICD = 'lvp_icd.json'

/**
 * Fetches lavapipe by apt-get into the cache folder. Of the unpacked packages it keeps the driver, the Vulkan loader and the
 * libraries that they need and the system lacks. The driver is tried before it is used.
 *
 * @throws SetupError; then only files remain that apt can continue with
 */
export async function bringLavapipe(context: SetupContext, openApt: () => Promise<AptSession>): Promise<void> {
  const target = join(context.cache, 'lavapipe')
  const partial = partialOf(target)
  const apt = await openApt()
  const { count, bytes } = await apt.measure(PACKAGES)
  await needRoom(context.cache, UNPACKED * bytes, 'lavapipe')
  context.report.line(`  ${count} packages, ${megabytes(bytes)}`)
  const root = await apt.unpack(await apt.fetch(PACKAGES, bytes), 'drivers')
  await rm(partial, { recursive: true, force: true })
  try {
    await makeFolder(partial)
    const ready = await keep(root, partial)
    await tryDriver(context, 'lavapipe', partial, ready)
    await writeReady(partial, ready)
    await install(partial, target)
  } finally {
    await rm(partial, { recursive: true, force: true })
    await rm(root, { recursive: true, force: true })
  }
  context.report.line(`  lavapipe is ready: ${megabytes(await bytesIn(target))} in ${target}`)
}

/** Moves the driver and its dependencies from the unpacked packages to one folder, and writes the driver's JSON. */
async function keep(root: string, folder: string): Promise<Ready> {
  const files = await librariesIn(root)
  const known = new Map([...files].map(([name, { library }]) => [name, library]))
  if (!known.has(DRIVER)) throw new SetupError(`package ${PACKAGES[0]} has no ${DRIVER}`)
  const libraries = loadOrder(DRIVER, known)
  const loader = loadOrder(LOADER, known)
  for (const name of new Set([...libraries, ...loader])) {
    const from = files.get(name)?.path ?? ''
    await writing(folder, () => rename(from, join(folder, name)))
  }
  const json = await icdOf(root)
  // Relative to the folder of the JSON, so that the folder can be moved.
  json.ICD.library_path = `./${DRIVER}`
  await writing(folder, () => writeFile(join(folder, ICD), `${JSON.stringify(json, null, 2)}\n`))
  // The Vulkan loader loads the driver itself.
  const before = libraries.slice(0, -1)
  return { icd: ICD, libraries: before, ...(known.has(LOADER) && { libvulkan: LOADER }) }
}

/** The libraries in the unpacked packages, by the name by which others ask for them. */
async function librariesIn(root: string): Promise<Map<string, { path: string; library: Library }>> {
  const found = new Map<string, { path: string; library: Library }>()
  for (const folder of ['lib', 'usr/lib'].map((name) => join(root, name)).filter(existsSync)) {
    for (const entry of await readdir(folder, { recursive: true })) {
      const path = join(folder, entry)
      if (!/\.so(\.|$)/.test(entry) || !lstatSync(path).isFile()) continue
      const library = readLibrary(path)
      if (library) found.set(library.soname ?? basename(path), { path, library })
    }
  }
  return found
}

async function icdOf(root: string): Promise<{ ICD: Record<string, unknown> }> {
  const folder = join(root, 'usr/share/vulkan/icd.d')
  const name = (await readdir(folder)).find((file) => /^lvp_icd(\..*)?\.json$/.test(file))
  if (name === undefined) throw new SetupError(`package ${PACKAGES[0]} has no ${ICD}`)
  return JSON.parse(await readFile(join(folder, name), 'utf8')) as { ICD: Record<string, unknown> }
}
