import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CommandResult, RunCommand } from '../../src/provision/commands.ts'
import type { SetupContext } from '../../src/provision/context.ts'
import type { Driver } from '../../src/provision/drivers.ts'
import { checkSetup, ensureSetup, setup } from '../../src/provision/setup.ts'
import { elfOf, tarOf } from '../support/archives.ts'
import { ABSENT, makeWorld, rejection, serveTiny, type World } from '../support/setup_world.ts'

let world: World
beforeEach(async () => {
  world = await makeWorld()
  serveTiny(world, 'a/')
  const os = join(world.folder, 'os-release')
  await writeFile(os, 'ID=debian\nVERSION_CODENAME=bookworm\n')
})
afterEach(() => world.close())

const fails = async (promise: Promise<unknown>): Promise<string> => world.plain(await rejection(promise))
const said = (): string[] => world.lines.map(world.plain)
const done: CommandResult = { code: 0, stdout: '', stderr: '' }
const facts = { vendor: '', architecture: '', device: 'llvmpipe', description: '', isFallbackAdapter: false }

/** No driver but those in the cache folder gives an adapter. */
const cacheOnly = async (driver: Driver) => {
  if (!driver.env.VK_DRIVER_FILES?.startsWith(world.cache)) return ABSENT
  return {
    ok: true as const,
    facts: { ...facts, device: driver.adapterSource === 'lavapipe' ? 'llvmpipe' : 'SwiftShader' },
  }
}

// What the packages of a minimal Debian hold, in little.
const LIBRARIES: Readonly<Record<string, Uint8Array>> = {
  'usr/lib/x86_64-linux-gnu/libvulkan_lvp.so': elfOf('libvulkan_lvp.so', [
    'libLLVM.so.1',
    'libexpat.so.1',
    'libc.so.6',
  ]),
  'usr/lib/x86_64-linux-gnu/libLLVM-15.so.1': elfOf('libLLVM.so.1', ['libz3.so.4']),
  'usr/lib/x86_64-linux-gnu/libz3.so.4': elfOf('libz3.so.4', []),
  'lib/x86_64-linux-gnu/libexpat.so.1.8.10': elfOf('libexpat.so.1', []),
  'usr/lib/x86_64-linux-gnu/libvulkan.so.1.3.239': elfOf('libvulkan.so.1', []),
  'usr/lib/x86_64-linux-gnu/libvulkan_radeon.so': elfOf('libvulkan_radeon.so', ['libLLVM.so.1']),
}
const ICD = { ICD: { api_version: '1.4.305', library_path: '/usr/lib/libvulkan_lvp.so' }, file_format_version: '1.0.0' }

interface Called {
  readonly command: string
  readonly args: readonly string[]
}

/** apt-get and dpkg, in little. Every call goes on record. */
function fakeApt(calls: Called[], broken?: (args: readonly string[]) => CommandResult | null): RunCommand {
  return async (command, args, options = {}) => {
    const own = args.filter((arg, i) => arg !== '-o' && args[i - 1] !== '-o')
    calls.push({ command, args: own })
    const failure = broken?.(own)
    if (failure) return failure
    if (command === 'dpkg') {
      const root = own[2] ?? ''
      for (const [name, bytes] of Object.entries(LIBRARIES)) {
        await mkdir(dirname(join(root, name)), { recursive: true })
        await writeFile(join(root, name), bytes)
      }
      const folder = join(root, 'usr/share/vulkan/icd.d')
      await mkdir(folder, { recursive: true })
      await writeFile(join(folder, 'lvp_icd.x86_64.json'), JSON.stringify(ICD))
      return done
    }
    if (own[0] === 'update' && own[1] === '--print-uris') {
      return { ...done, stdout: "'http://m.invalid/d/dists/bookworm/main/binary-amd64/Packages.xz' x 0 \n" }
    }
    if (own.includes('--print-uris')) return { ...done, stdout: "'http://m.invalid/a.deb' a.deb 2500000 SHA256:00\n" }
    if (own.includes('--download-only')) {
      options.onStatus?.('dlstatus:1:50.0:Retrieving file 1 of 1')
      await writeFile(join(options.cwd ?? '', 'archives/a.deb'), 'x')
    }
    return { ...done, stdout: 'Fetched 2500 kB in 1s (2500 kB/s)\n' }
  }
}

const withApt = (calls: Called[], changes: Partial<SetupContext> = {}): SetupContext =>
  world.context({ has: (name) => name !== 'npm', run: fakeApt(calls), probe: cacheOnly, ...changes })

describe('lavapipe by apt-get', () => {
  test('is said beforehand, brought, and kept without what the driver does not need', async () => {
    const calls: Called[] = []
    await setup(withApt(calls))
    const folder = join(world.cache, 'lavapipe')
    expect((await readdir(folder)).sort()).toEqual(
      [
        'libLLVM.so.1',
        'libexpat.so.1',
        'libvulkan.so.1',
        'libvulkan_lvp.so',
        'libz3.so.4',
        'lvp_icd.json',
        'ready.json',
      ].sort(),
    )
    const ready = JSON.parse(await readFile(join(folder, 'ready.json'), 'utf8'))
    expect(ready).toEqual({
      version: 1,
      icd: 'lvp_icd.json',
      libraries: ['libz3.so.4', 'libLLVM.so.1', 'libexpat.so.1'],
      libvulkan: 'libvulkan.so.1',
    })
    const icd = JSON.parse(await readFile(join(folder, 'lvp_icd.json'), 'utf8'))
    expect(icd).toEqual({ ...ICD, ICD: { ...ICD.ICD, library_path: './libvulkan_lvp.so' } })
    const lines = said().filter((line) => !line.includes('-ubyte.gz'))
    expect(lines).toEqual([
      'setup installs into CACHE, and nowhere else:',
      "  Fashion-MNIST, the data set: 30.9 MB from HOST, or HOST, or Debian's package dataset-fashion-mnist",
      "  lavapipe, Mesa's driver for the processor: up to 63.9 MB by apt-get, of which up to 190 MB stay on disk",
      '  or else SwiftShader, a slower driver for the processor: 68.3 MB by npm, of which 6.8 MB stay on disk',
      '  lists of packages: 2500 kB',
      '  1 packages, 2.5 MB',
      '  mesa-vulkan-drivers and what it needs: 2500 kB',
      expect.stringMatching(/^ {2}lavapipe is ready: [\d.]+ kB in CACHE\/lavapipe$/),
      "adapter: lavapipe: llvmpipe (the cache folder's lavapipe)",
      'data: CACHE/fashion-mnist',
    ])
    expect((await readdir(world.cache)).sort()).toEqual(['adapter.json', 'fashion-mnist', 'lavapipe'])
  })

  test('asks apt for the suite that has a new enough Mesa, and for nothing to be installed', async () => {
    const calls: Called[] = []
    await setup(withApt(calls))
    const install = ['install', '--yes', '--no-install-recommends', '--reinstall', '-t', 'bookworm-backports']
    const packages = ['mesa-vulkan-drivers', 'libvulkan1']
    expect(calls.filter(({ command }) => command === 'apt-get').map(({ args }) => args)).toEqual([
      ['update', '--print-uris'],
      ['update'],
      [...install, ...packages, '--print-uris', '-qq'],
      [...install, ...packages, '--download-only'],
    ])
  })

  test('is not kept where it gives no adapter', async () => {
    const probe = async () => ABSENT
    const message = await fails(setup(withApt([], { probe, arch: 'arm64' })))
    expect(message).toBe(
      [
        'SetupError: no driver could be installed:',
        '  lavapipe: lavapipe was unpacked, but gives no adapter here: no adapter',
      ].join('\n'),
    )
    expect((await readdir(world.cache)).sort()).toEqual(['fashion-mnist'])
  })

  test('makes way for SwiftShader where it gives no adapter', async () => {
    const probe = async (driver: Driver) => (driver.adapterSource === 'lavapipe' ? ABSENT : cacheOnly(driver))
    const archive = packageOf(KEPT)
    const [apt, npm] = [fakeApt([]), fakeNpm(archive)]
    const run: RunCommand = (command, args, options) => (command === 'npm' ? npm : apt)(command, args, options)
    await setup(withApt([], { probe, run, has: () => true, swiftshader: sourceOf(archive) }))
    expect(said()).toContain(
      '  lavapipe could not be installed: lavapipe was unpacked, but gives no adapter here: no adapter',
    )
    expect((await readdir(world.cache)).sort()).toEqual(['adapter.json', 'fashion-mnist', 'swiftshader'])
  })

  test("apt's failure is told with apt's reason", async () => {
    const broken = (args: readonly string[]) =>
      args.includes('--download-only')
        ? { code: 100, stdout: '', stderr: "E: You don't have enough free space in /x." }
        : null
    expect(await fails(setup(withApt([], { run: fakeApt([], broken), arch: 'arm64' })))).toBe(
      [
        'SetupError: no driver could be installed:',
        "  lavapipe: apt-get install failed with status 100: E: You don't have enough free space in /x.",
      ].join('\n'),
    )
  })

  test('an unknown distribution: its own sources have to do', async () => {
    const calls: Called[] = []
    await setup(withApt(calls, { osRelease: join(world.folder, 'none') }))
    expect(calls.map(({ args }) => args.join(' '))).toContain(
      'install --yes --no-install-recommends --reinstall mesa-vulkan-drivers libvulkan1 --download-only',
    )
    expect(await readdir(world.cache)).toContain('lavapipe')
  })

  test('ensureSetup brings it too, and is quick the next time', async () => {
    await ensureSetup({}, withApt([]))
    expect(await readdir(world.cache)).toContain('lavapipe')
    await ensureSetup({}, withApt([], { probe: () => Promise.reject(new Error('was tried')) }))
  })
})

// The npm package, in little.
const KEPT = { 'libvk_swiftshader.so': 'driver', 'libvulkan.so.1': 'loader', 'vk_swiftshader_icd.json': '{}' }
const hash = (text: string) => createHash('sha256').update(text).digest('hex')
const bundle = (files: Readonly<Record<string, string>>) =>
  brotliCompressSync(tarOf({ 'libEGL.so': Buffer.from('unneeded'), ...bytesOf(files) }))
const bytesOf = (files: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)]))
const packageOf = (files: Readonly<Record<string, string>>) =>
  gzipSync(tarOf({ 'package/package.json': Buffer.from('{}'), 'package/bin/s.tar.br': bundle(files) }))
const sourceOf = (archive: Uint8Array): SetupContext['swiftshader'] => ({
  spec: 'carrier@1.0.0',
  integrity: `sha512-${createHash('sha512').update(archive).digest('base64')}`,
  bundle: 'package/bin/s.tar.br',
  files: Object.fromEntries(Object.entries(KEPT).map(([name, text]) => [name, hash(text)])),
})
const fakeNpm =
  (archive: Uint8Array, calls: Called[] = []): RunCommand =>
  async (command, args, options = {}) => {
    calls.push({ command, args })
    await writeFile(join(options.cwd ?? '', 'carrier-1.0.0.tgz'), archive)
    return done
  }
const withNpm = (changes: Partial<SetupContext> = {}): SetupContext => {
  const archive = packageOf(KEPT)
  const has = (name: string) => name === 'npm'
  return world.context({ has, run: fakeNpm(archive), probe: cacheOnly, swiftshader: sourceOf(archive), ...changes })
}

describe('SwiftShader by npm', () => {
  test('is brought where there is no apt-get, and only its three files are kept', async () => {
    const calls: Called[] = []
    await setup(withNpm({ run: fakeNpm(packageOf(KEPT), calls) }))
    const folder = join(world.cache, 'swiftshader')
    expect((await readdir(folder)).sort()).toEqual([...Object.keys(KEPT), 'ready.json'].sort())
    expect(JSON.parse(await readFile(join(folder, 'ready.json'), 'utf8'))).toEqual({
      version: 1,
      icd: 'vk_swiftshader_icd.json',
      libvulkan: 'libvulkan.so.1',
    })
    expect(calls).toHaveLength(1)
    expect(calls[0]?.args.slice(0, 3)).toEqual(['pack', 'carrier@1.0.0', '--ignore-scripts'])
    expect(said().at(-2)).toBe("adapter: swiftshader: SwiftShader (the cache folder's SwiftShader)")
    expect((await readdir(world.cache)).sort()).toEqual(['adapter.json', 'fashion-mnist', 'swiftshader'])
  })

  test('a download that an earlier run finished is used', async () => {
    const partial = join(world.cache, 'swiftshader.partial')
    await mkdir(partial, { recursive: true })
    await writeFile(join(partial, 'carrier-1.0.0.tgz'), packageOf(KEPT))
    await setup(withNpm({ run: () => Promise.reject(new Error('was called')) }))
    expect((await stat(join(world.cache, 'swiftshader/ready.json'))).isFile()).toBe(true)
  })

  const nothingLeft = async () => expect(await readdir(world.cache)).toEqual(['fashion-mnist'])

  test('another package than the published one is refused', async () => {
    const other = packageOf({ ...KEPT, 'libvulkan.so.1': 'changed' })
    expect(await fails(setup(withNpm({ run: fakeNpm(other) })))).toBe(
      [
        'SetupError: no driver could be installed:',
        '  swiftshader: npm pack carrier@1.0.0: not the published package: its integrity is ' +
          `${sourceOf(other).integrity}, but must be ${sourceOf(packageOf(KEPT)).integrity}`,
      ].join('\n'),
    )
    await nothingLeft()
  })

  test('another file than the pinned one is refused, and so is a package without one', async () => {
    const changed = packageOf({ ...KEPT, 'libvulkan.so.1': 'changed' })
    expect(await fails(setup(withNpm({ run: fakeNpm(changed), swiftshader: sourceOf(changed) })))).toBe(
      [
        'SetupError: no driver could be installed:',
        `  swiftshader: carrier@1.0.0: libvulkan.so.1: its SHA-256 is ${hash('changed')}, but must be ${hash('loader')}`,
      ].join('\n'),
    )
    const { 'libvulkan.so.1': _, ...rest } = KEPT
    const without = packageOf(rest)
    expect(await fails(setup(withNpm({ run: fakeNpm(without), swiftshader: sourceOf(without) })))).toContain(
      '  swiftshader: carrier@1.0.0: package/bin/s.tar.br has no libvulkan.so.1',
    )
    await nothingLeft()
  })

  test("npm's failure is told with npm's reason, and a missing npm too", async () => {
    const stderr = 'npm error code ENOTFOUND\nnpm error syscall getaddrinfo\nnpm error request to the registry failed\n'
    expect(await fails(setup(withNpm({ run: async () => ({ code: 1, stdout: '', stderr }) })))).toBe(
      [
        'SetupError: no driver could be installed:',
        '  swiftshader: npm pack carrier@1.0.0 failed with status 1: request to the registry failed',
      ].join('\n'),
    )
    expect(await fails(setup(withNpm({ has: () => false })))).toContain(
      '  swiftshader: npm: not in PATH, but SwiftShader comes from the npm registry',
    )
    await nothingLeft()
  })

  test('`setup` brings lavapipe in its place as soon as there is apt-get, `train` does not', async () => {
    await setup(withNpm())
    await ensureSetup({}, withApt([]))
    expect(await readdir(world.cache)).not.toContain('lavapipe')
    await setup(withApt([]))
    expect((await readdir(world.cache)).sort()).toEqual(['adapter.json', 'fashion-mnist', 'lavapipe', 'swiftshader'])
  })

  test('stays in use where lavapipe cannot be had', async () => {
    await setup(withNpm())
    world.lines.length = 0
    await setup(withApt([], { run: async () => ({ code: 100, stdout: '', stderr: 'E: no network' }) }))
    expect(said()).toEqual([
      'setup installs into CACHE, and nowhere else:',
      "  lavapipe, Mesa's driver for the processor: up to 63.9 MB by apt-get, of which up to 190 MB stay on disk",
      '  lavapipe could not be installed: apt-get update failed with status 100: E: no network',
      'SwiftShader stays in use.',
      "adapter: swiftshader: SwiftShader (the cache folder's SwiftShader)",
      'data: CACHE/fashion-mnist',
    ])
  })
})

describe('a driver that setup cannot bring', () => {
  const none = (changes: Partial<SetupContext>) => world.context({ probe: async () => ABSENT, ...changes })
  const withEnv = (extra: NodeJS.ProcessEnv) => none({ env: { ...world.context().env, ...extra } })

  test('a machine with neither apt-get nor a processor that SwiftShader is made for', async () => {
    const context = none({ arch: 'arm64' })
    const help =
      'setup has no driver for this machine (linux arm64 without apt-get): install ' +
      "Mesa's Vulkan drivers (mesa-vulkan-drivers, vulkan-swrast or mesa-vulkan-swrast) with the system's package manager"
    expect(await checkSetup(context)).toBe(false)
    expect(said()[0]).toBe(`adapter: missing: no driver of this machine gives one; ${help}`)
    expect(await fails(setup(context))).toBe(`SetupError: adapter: no driver of this machine gives one; ${help}`)
  })

  test('macOS and Windows use their own', async () => {
    expect(await fails(setup(none({ platform: 'darwin', has: () => true })))).toBe(
      'SetupError: adapter: no driver of this machine gives one; ' +
        'setup has no driver for darwin: install the graphics driver of the manufacturer',
    )
  })

  test('the environment asks for another', async () => {
    expect(await fails(setup(withEnv({ DAWNGRAD_ADAPTER: 'hardware' })))).toBe(
      'SetupError: adapter: no driver of this machine gives one, and DAWNGRAD_ADAPTER is hardware; ' +
        "setup installs no hardware driver: install the vendor's",
    )
    expect(await fails(setup(withEnv({ VK_DRIVER_FILES: '/none.json' })))).toBe(
      'SetupError: adapter: no driver of this machine gives one, and VK_DRIVER_FILES names the only drivers; ' +
        'without that variable setup can install one',
    )
  })
})
