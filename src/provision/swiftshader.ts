// Brings SwiftShader, a driver for the processor, into the cache folder.
import { createHash } from 'node:crypto'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip } from 'node:zlib'
import type { SetupContext } from './context.ts'
import { tryDriver, writeReady } from './driver_folder.ts'
import { megabytes, SetupError, writing } from './errors.ts'
import { bytesIn, install, makeFolder, needRoom, partialOf } from './folders.ts'
import { SWIFTSHADER_BYTES, type SwiftShaderSource } from './swiftshader_source.ts'
import { readTar } from './tar.ts'

/** npm keeps its own copy in the given folder until the folder is removed. */
const ROOM = 3 * SWIFTSHADER_BYTES
const MOST_UNPACKED = 1 << 28
const ICD = 'vk_swiftshader_icd.json'
const LOADER = 'libvulkan.so.1'

const gunzipAsync = promisify(gunzip)
const brotliAsync = promisify(brotliDecompress)

/**
 * Fetches SwiftShader into the cache folder: `npm pack` downloads a package that contains it, with the user's registry and
 * proxy settings, and three files of it are kept. Package and files must have the pinned hashes.
 *
 * @throws SetupError; then only a finished download remains
 */
export async function bringSwiftShader(context: SetupContext): Promise<void> {
  const source = context.swiftshader
  const target = join(context.cache, 'swiftshader')
  const partial = partialOf(target)
  await makeFolder(partial)
  try {
    await needRoom(partial, ROOM, 'SwiftShader')
    const files = await filesOf(await packed(context, source, partial), source)
    const unpacked = join(partial, 'unpacked')
    await rm(unpacked, { recursive: true, force: true })
    await makeFolder(unpacked)
    for (const [name, bytes] of files) await writing(unpacked, () => writeFile(join(unpacked, name), bytes))
    const ready = { icd: ICD, libvulkan: LOADER }
    await tryDriver(context, 'swiftshader', unpacked, ready)
    await writeReady(unpacked, ready)
    await install(unpacked, target)
  } finally {
    // A killed process leaves a finished download to the next one; an error leaves nothing.
    await rm(partial, { recursive: true, force: true })
  }
  context.report.line(`  SwiftShader is ready: ${megabytes(await bytesIn(target))} in ${target}`)
}

/** The archive of the package, from an earlier run or new. */
async function packed(context: SetupContext, source: SwiftShaderSource, folder: string): Promise<Uint8Array> {
  const earlier = await archiveIn(folder)
  if (earlier && integrityOf(earlier.bytes) === source.integrity) return earlier.bytes
  if (earlier) await rm(earlier.path)
  const cache = join(folder, 'npm')
  const [command, ...before] = npmCommand(context)
  const retries = ['--fetch-retries=1', '--fetch-retry-mintimeout=1000']
  const args = [...before, 'pack', source.spec, '--ignore-scripts', '--loglevel=error', ...retries, `--cache=${cache}`]
  const progress = context.report.progress(`${source.spec} by npm`, SWIFTSHADER_BYTES)
  const result = await context.run(command, args, { cwd: folder, env: npmEnvironment(context) }).finally(progress.end)
  await rm(cache, { recursive: true, force: true })
  const archive = await archiveIn(folder)
  if (result.code !== 0 || !archive) {
    const reason = npmReason(`${result.stderr}\n${result.stdout}`)
    throw new SetupError(`npm pack ${source.spec} failed with status ${result.code}: ${reason}`)
  }
  context.report.line(`  ${source.spec}: ${megabytes(archive.bytes.length)}`)
  const found = integrityOf(archive.bytes)
  if (found === source.integrity) return archive.bytes
  await rm(archive.path)
  throw new SetupError(
    `npm pack ${source.spec}: not the published package: its integrity is ${found}, but must be ${source.integrity}`,
  )
}

async function archiveIn(folder: string): Promise<{ path: string; bytes: Uint8Array } | null> {
  const name = (await readdir(folder)).find((file) => file.endsWith('.tgz'))
  if (name === undefined) return null
  const path = join(folder, name)
  return { path, bytes: await readFile(path) }
}

function integrityOf(bytes: Uint8Array): string {
  return `sha512-${createHash('sha512').update(bytes).digest('base64')}`
}

/** The npm that runs this process, if one does, or the one in PATH. */
function npmCommand(context: SetupContext): [string, ...string[]] {
  const script = context.env.npm_execpath ?? ''
  if (/npm-cli\.c?js$/.test(script)) return [process.execPath, script]
  if (!context.has('npm')) throw new SetupError('npm: not in PATH, but SwiftShader comes from the npm registry')
  return ['npm']
}

/** The environment without what a surrounding `npm run` says of its package; user and machine settings stay. */
function npmEnvironment({ env }: SetupContext): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^npm_(package|lifecycle)_/.test(name)))
}

function npmReason(output: string): string {
  const lines = output.split('\n').map((line) => line.replace(/^npm (ERR!|error)\s*/, '').trim())
  const told = lines.filter((line) => line !== '' && !/^(code|errno|syscall|A complete log|Log files)\b/i.test(line))
  return told[0] ?? 'npm gave no reason'
}

/** Unpacks the files to keep. */
async function filesOf(archive: Uint8Array, source: SwiftShaderSource): Promise<Map<string, Uint8Array>> {
  const limit = { maxOutputLength: MOST_UNPACKED }
  const bundle = readTar(await gunzipAsync(archive, limit)).get(source.bundle)
  if (!bundle) throw new SetupError(`${source.spec}: the package has no ${source.bundle}`)
  const entries = readTar(await brotliAsync(bundle, limit))
  const byName = new Map([...entries].map(([path, bytes]) => [basename(path), bytes]))
  return new Map(
    Object.entries(source.files).map(([name, sha256]) => {
      const bytes = byName.get(name)
      if (!bytes) throw new SetupError(`${source.spec}: ${source.bundle} has no ${name}`)
      const found = createHash('sha256').update(bytes).digest('hex')
      if (found === sha256) return [name, bytes]
      throw new SetupError(`${source.spec}: ${name}: its SHA-256 is ${found}, but must be ${sha256}`)
    }),
  )
}
