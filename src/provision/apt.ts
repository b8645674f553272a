// Fetches Debian packages by apt-get, without root, into a folder.
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import type { CommandResult } from './commands.ts'
import type { SetupContext } from './context.ts'
import { megabytes, SetupError, writing } from './errors.ts'
import { makeFolder, needRoom } from './folders.ts'

/** The fields of an os-release file. */
export type OsRelease = Readonly<Record<string, string | undefined>>

/** Roughly what `apt-get update` fetches, for the announcement, and what it takes on the disk. */
export const LISTS_BYTES = 9_300_000
const LISTS_ROOM = 60_000_000
const KEYRINGS = {
  ubuntu: '/usr/share/keyrings/ubuntu-archive-keyring.gpg',
  debian: '/usr/share/keyrings/debian-archive-keyring.gpg',
} as const
const BACKPORTS = 'bookworm-backports'

/** Reads an os-release file; a missing file has no fields. */
export function readOsRelease(path: string): OsRelease {
  if (!existsSync(path)) return {}
  const lines = readFileSync(path, 'utf8').split('\n')
  return Object.fromEntries(
    lines.flatMap((line) => {
      const [, name, value] = /^([A-Z_]+)=["']?(.*?)["']?\s*$/.exec(line) ?? []
      return name === undefined ? [] : [[name, value]]
    }),
  )
}

/** The suite of the distribution that this one is based on, such as bookworm or noble. */
export function codename(os: OsRelease): string | undefined {
  return os.DEBIAN_CODENAME ?? os.UBUNTU_CODENAME ?? os.VERSION_CODENAME
}

/** The suite with a Mesa that Dawn accepts, if the release's own is too old. */
export function backports(os: OsRelease): string | null {
  return codename(os) === 'bookworm' ? BACKPORTS : null
}

/**
 * The lines of a list of sources. Of the sources of the machine's apt it keeps only package indices of the distribution's
 * own main (on Ubuntu also universe); for Debian 12 it adds the backports on the same mirror.
 *
 * @param uris the output of `apt-get update --print-uris`
 * @returns null if no source belongs to the release that os-release names; then use all of the machine's sources
 */
export function sourcesFor(uris: string, os: OsRelease, exists: (path: string) => boolean): string[] | null {
  const base = codename(os)
  if (base === undefined) return null
  const keyring = KEYRINGS[os.UBUNTU_CODENAME !== undefined ? 'ubuntu' : 'debian']
  const options = `target=Packages${exists(keyring) ? ` signed-by=${keyring}` : ''}`
  const lines = new Set<string>()
  for (const [, mirror = '', suite = '', component = ''] of uris.matchAll(
    /^'(\S+?)\/dists\/(\S+)\/([^/\s]+)\/binary-[^/\s]+\/Packages/gm,
  )) {
    const own = suite === base || [`${base}-updates`, `${base}-security`, `${base}/updates`, BACKPORTS].includes(suite)
    if (!own || !['main', 'universe'].includes(component)) continue
    lines.add(`deb [${options}] ${mirror} ${suite} ${component}`)
    if (suite === base && base === 'bookworm') lines.add(`deb [${options}] ${mirror} ${BACKPORTS} main`)
  }
  return lines.size === 0 ? null : [...lines]
}

/**
 * apt-get with lists and archives in the cache folder. It needs no root and changes nothing else: packages are downloaded
 * and unpacked, never installed. apt verifies signatures and checksums.
 */
export class AptSession {
  readonly #context: SetupContext
  readonly #folder: string
  readonly #options: readonly string[]
  readonly #env: NodeJS.ProcessEnv
  /** The suite to prefer for drivers, or null. */
  readonly suite: string | null

  private constructor(context: SetupContext, folder: string, options: readonly string[], suite: string | null) {
    this.#context = context
    this.#folder = folder
    this.#options = options
    this.#env = aptEnvironment(context, folder)
    this.suite = suite
  }

  /** Prepares the folder and fetches the lists of packages. Throws SetupError with apt's reason. */
  static async open(context: SetupContext): Promise<AptSession> {
    const folder = aptFolder(context)
    for (const name of ['lists/partial', 'archives/partial', 'conf.d']) await makeFolder(join(folder, name))
    await needRoom(folder, LISTS_ROOM, "apt's lists of packages")
    await writing(folder, () => writeConfiguration(context, folder))
    const os = readOsRelease(context.osRelease)
    const session = new AptSession(context, folder, optionsFor(folder), backports(os))
    const { stdout } = await session.#apt(['update', '--print-uris'])
    const sources = sourcesFor(stdout, os, existsSync)
    const list = join(folder, 'sources.list')
    if (sources) {
      await writing(list, () => writeFile(list, `${sources.join('\n')}\n`))
      const own = ['-o', `Dir::Etc::SourceList=${list}`, '-o', 'Dir::Etc::SourceParts=/dev/null']
      // A source that does not answer is a failure, unless it is a user's source that is not needed here.
      const strict = ['-o', 'APT::Update::Error-Mode=any']
      const narrowed = new AptSession(context, folder, [...optionsFor(folder), ...own], session.suite)
      await narrowed.#transfer('lists of packages', LISTS_BYTES, ['update', ...strict])
      return narrowed
    }
    await session.#transfer('lists of packages', LISTS_BYTES, ['update'])
    return session
  }

  /** The number of packages and bytes that {@link fetch} would download. */
  async measure(packages: readonly string[]): Promise<{ count: number; bytes: number }> {
    const { stdout } = await this.#apt([...this.#install(packages), '--print-uris', '-qq'])
    const sizes = [...stdout.matchAll(/^'\S+' \S+ (\d+) /gm)].map(([, size]) => Number(size))
    return { count: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) }
  }

  /** Downloads packages and their dependencies that the system lacks. Returns the paths of the archives. */
  async fetch(packages: readonly string[], bytes: number): Promise<string[]> {
    await this.#transfer(`${packages[0]} and what it needs`, bytes, [...this.#install(packages), '--download-only'])
    return this.#archives(join(this.#folder, 'archives'))
  }

  /** Downloads packages without dependencies. Returns the paths of the archives. */
  async download(packages: readonly string[], bytes: number): Promise<string[]> {
    const folder = join(this.#folder, 'single')
    await makeFolder(folder)
    await this.#transfer(packages.join(', '), bytes, ['download', ...packages], folder)
    return this.#archives(folder)
  }

  /** Unpacks archives into a new folder and deletes them. Returns the folder. */
  async unpack(archives: readonly string[], name: string): Promise<string> {
    const root = join(this.#folder, name)
    await rm(root, { recursive: true, force: true })
    await makeFolder(root)
    for (const archive of archives) {
      const result = await this.#context.run('dpkg', ['-x', archive, root], { env: this.#env })
      if (result.code !== 0) throw failure(`dpkg -x ${archive}`, result)
    }
    for (const archive of archives) await rm(archive, { force: true })
    return root
  }

  #install(packages: readonly string[]): string[] {
    const target = this.suite === null ? [] : ['-t', this.suite]
    // Reinstall: packages that the system already has are needed beside the others.
    return ['install', '--yes', '--no-install-recommends', '--reinstall', ...target, ...packages]
  }

  async #archives(folder: string): Promise<string[]> {
    const names = (await readdir(folder)).filter((name) => name.endsWith('.deb'))
    return names.sort().map((name) => join(folder, name))
  }

  async #transfer(label: string, bytes: number, args: readonly string[], cwd = this.#folder): Promise<void> {
    const progress = this.#context.report.progress(label, bytes)
    const onStatus = (line: string): void => {
      const percent = Number(/^dlstatus:[^:]*:([\d.]+):/.exec(line)?.[1] ?? Number.NaN)
      if (Number.isFinite(percent)) progress.update((percent / 100) * bytes)
    }
    let text: string | undefined
    try {
      const { stdout } = await this.#apt([...args, '-o', 'APT::Status-Fd=3'], { cwd, onStatus })
      const [, size] = /^Fetched (\S+ \S+) in /m.exec(stdout) ?? []
      text = `  ${label}: ${size ?? megabytes(bytes)}`
    } finally {
      progress.end(text)
    }
  }

  async #apt(
    args: readonly string[],
    options: { cwd?: string; onStatus?: (line: string) => void } = {},
  ): Promise<CommandResult> {
    const { run } = this.#context
    const result = await run('apt-get', [...this.#options, ...args], { cwd: this.#folder, ...options, env: this.#env })
    const verb = args.find((arg) => !arg.startsWith('-')) ?? ''
    if (result.code !== 0) throw failure(`apt-get ${verb}`, result)
    return result
  }
}

/** The folder of apt's lists and archives during a setup. */
export function aptFolder(context: SetupContext): string {
  return join(context.cache, 'apt.partial')
}

function failure(command: string, { code, stdout, stderr }: CommandResult): SetupError {
  const lines = `${stderr}\n${stdout}`.split('\n').map((line) => line.trim())
  const reason =
    lines.find((line) => line.startsWith('E: ')) ?? lines.find((line) => line.startsWith('W: ')) ?? lines.find(Boolean)
  const status = code === null ? 'was killed by a signal' : `failed with status ${code}`
  return new SetupError(`${command} ${status}${reason === undefined ? '' : `: ${reason}`}`)
}

function optionsFor(folder: string): string[] {
  const settings = {
    'Dir::State::Lists': join(folder, 'lists'),
    'Dir::Cache::Archives': join(folder, 'archives'),
    'Dir::Cache::PkgCache': '',
    'Dir::Cache::SrcPkgCache': '',
    'Debug::NoLocking': '1',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '1',
    'Acquire::http::Timeout': '20',
    'Acquire::https::Timeout': '20',
    // As root, apt would fetch as another user, who can't write to this folder.
    'APT::Sandbox::User': 'root',
  }
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])
}

/**
 * Keeps the machine's configuration (proxies, certificates, trust), except for the commands that apt runs after an update:
 * they tidy up folders that are not ours.
 */
async function writeConfiguration(context: SetupContext, folder: string): Promise<void> {
  const parts = join(folder, 'conf.d')
  await mkdir(parts, { recursive: true })
  const users = context.env.APT_CONFIG
  const includes = ['/etc/apt/apt.conf.d/', ...(users ? [users] : [])].filter(existsSync)
  const hooks = ['Pre-Invoke', 'Post-Invoke', 'Post-Invoke-Success'].map((name) => `#clear APT::Update::${name};\n`)
  await writeFile(join(parts, '00machine'), includes.map((path) => `#include "${path}";\n`).join(''))
  await writeFile(join(parts, '99quiet'), hooks.join(''))
  await writeFile(join(folder, 'apt.conf'), `Dir::Etc::Parts "${parts}";\n`)
}

function aptEnvironment({ env }: SetupContext, folder: string): NodeJS.ProcessEnv {
  const sbin = `${env.PATH ?? process.env.PATH ?? ''}:/usr/sbin:/sbin`
  return { ...env, PATH: sbin, LC_ALL: 'C', APT_CONFIG: join(folder, 'apt.conf'), DEBIAN_FRONTEND: 'noninteractive' }
}
