import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { SetupContext } from '../../src/provision/context.ts'
import { DATASET_PACKAGE } from '../../src/provision/dataset.ts'
import { setup } from '../../src/provision/setup.ts'
import { elfOf, tarOf } from '../support/archives.ts'
import { ABSENT, makeWorld, PRESENT, serveTiny, TINY, type World } from '../support/setup_world.ts'
import { type Area, HASH, PATH } from './refusal.ts'

const DATASET = 'test/provision/dataset.test.ts'
const DOWNLOAD = 'test/provision/download.test.ts'
const DRIVERS = 'test/provision/drivers.test.ts'
const DISK = 'test/provision/disk.test.ts'
const CLI = 'test/provision/cli.test.ts'
const error = 'SetupError'
const url = { '<url>': /\S+/ }
const NO_DRIVER = 'no driver could be installed:\n  lavapipe: '
const NO_SWIFTSHADER = 'no driver could be installed:\n  swiftshader: '
const done = { code: 0, stdout: '', stderr: '' }

/** `setup` in a small world of its own: its server has the data, and no driver gives an adapter. */
async function setupIn(change: (world: World) => Partial<SetupContext> | Promise<Partial<SetupContext>>) {
  const world = await makeWorld()
  try {
    serveTiny(world, 'a/')
    await setup(world.context({ probe: async () => ABSENT, ...(await change(world)) }))
  } finally {
    await world.close()
  }
}

/** apt-get and dpkg of a machine whose packages hold these files. */
function packages(files: Readonly<Record<string, Uint8Array>>): Partial<SetupContext> {
  const run: SetupContext['run'] = async (command, args, options) => {
    if (args.includes('--download-only')) await writeFile(join(options?.cwd ?? '', 'archives/mesa.deb'), '')
    if (command !== 'dpkg') return done
    for (const [name, bytes] of Object.entries(files)) {
      const path = join(args[2] ?? '', name)
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, bytes)
    }
    return done
  }
  return { run, has: (name) => name !== 'npm', arch: 'arm64' }
}

/** The package that carries SwiftShader, with these files. */
function carrier(files: Readonly<Record<string, string>>): Partial<SetupContext> {
  const bytes = Object.entries(files).map(([name, text]) => [name, new TextEncoder().encode(text)] as const)
  const archive = gzipSync(tarOf(Object.fromEntries(bytes)))
  const integrity = `sha512-${createHash('sha512').update(archive).digest('base64')}`
  return {
    has: (name) => name === 'npm',
    swiftshader: { spec: 'carrier@1.0.0', integrity, bundle: 'package/bin/s.tar.br', files: {} },
    run: async (_command, _args, options = {}) => {
      await writeFile(join(options.cwd ?? '', 'carrier-1.0.0.tgz'), archive)
      return done
    },
  }
}

/** apt-get that brings the data set's package, with the first of its files like this. */
async function dataPackage(world: World, first: Uint8Array | null): Promise<Partial<SetupContext>> {
  world.answers.clear()
  const files = [...TINY].map(([name, bytes], i) => [name, i === 0 ? first : bytes] as const)
  const inFolder = files.flatMap(([name, bytes]) =>
    bytes ? [[`usr/share/datasets/fashion-mnist/${name}`, bytes]] : [],
  )
  const { run } = packages(Object.fromEntries(inFolder))
  const download: SetupContext['run'] = async (command, args, options) => {
    if (args.includes('download')) await writeFile(join(options?.cwd ?? '', `${DATASET_PACKAGE}.deb`), '')
    return run!(command, args, options)
  }
  return { run: download, has: () => true, probe: async () => ({ ok: true, facts: null }) }
}

export const setups: Area = {
  title: 'Set-up',
  refusals: [
    {
      title: 'no server and no package has the data',
      error,
      text: `Fashion-MNIST could not be fetched:
  http://<host>/a/train-images-idx3-ubyte.gz: the server answered 404 Not Found, but must send the file
  http://<host>/b/train-images-idx3-ubyte.gz: the server answered 404 Not Found, but must send the file
  apt-get: not on this machine, so Debian's package can't be used
Either of these helps:
  a network that reaches one of these places
  export FASHION_MNIST_DIR=/folder/with/the/four/files`,
      cure: 'What follows each address is its own reason, listed below.',
      varies: { '<host>': /\S+?/ },
      run: () =>
        setupIn((world) => {
          world.answers.clear()
          return { probe: async () => ({ ok: true, facts: null }) }
        }),
    },
    {
      title: 'a file of the data that is not the published one',
      error,
      text: '<url>: not the published file: the SHA-256 of its 14 decompressed bytes is <sha256>, but must be <sha256-published>',
      varies: { ...url, '<sha256>': HASH, '<sha256-published>': HASH },
      cure: 'Something on the way changed it: try another network, or fetch the four files by other means and set FASHION_MNIST_DIR.',
      pinnedBy: DATASET,
    },
    {
      title: 'a file of the data that is no whole gzip file',
      error,
      text: '<url>: not the published file: it is not a complete gzip file (Z_BUF_ERROR)',
      varies: url,
      cure: 'Run it again, or try another network.',
      pinnedBy: DATASET,
    },
    {
      title: 'a file of the data that decompresses to too much',
      error,
      text: '<url>: not the published file: it decompresses to more than the 2368 bytes of <file>',
      varies: { ...url, '<file>': /\S+/ },
      cure: 'It is another file under this name: try another network.',
      pinnedBy: DATASET,
    },
    {
      title: "Debian's package without a file",
      error,
      text: `Fashion-MNIST could not be fetched:
  http://<host>/a/train-images-idx3-ubyte.gz: the server answered 404 Not Found, but must send the file
  http://<host>/b/train-images-idx3-ubyte.gz: the server answered 404 Not Found, but must send the file
  package dataset-fashion-mnist, train-images-idx3-ubyte.gz: it does not exist
Either of these helps:
  a network that reaches one of these places
  export FASHION_MNIST_DIR=/folder/with/the/four/files`,
      cure: "It is not the distribution's own package: look at apt's sources.",
      varies: { '<host>': /\S+?/ },
      run: () => setupIn((world) => dataPackage(world, null)),
    },
    {
      title: "Debian's package with a file that is too long",
      error,
      text: `Fashion-MNIST could not be fetched:
  http://<host>/a/train-images-idx3-ubyte.gz: the server answered 404 Not Found, but must send the file
  http://<host>/b/train-images-idx3-ubyte.gz: the server answered 404 Not Found, but must send the file
  package dataset-fashion-mnist, train-images-idx3-ubyte.gz: it is longer than 5760 bytes
Either of these helps:
  a network that reaches one of these places
  export FASHION_MNIST_DIR=/folder/with/the/four/files`,
      cure: "It is not the distribution's own package: look at apt's sources.",
      varies: { '<host>': /\S+?/ },
      run: () => setupIn((world) => dataPackage(world, new Uint8Array(10_000))),
    },
    {
      title: 'a page in the place of a file',
      error,
      text: '<url>: the server sent text/html (perhaps a login page of the network), but must send a gzip file',
      varies: url,
      cure: 'Open a browser and log in to the network.',
      pinnedBy: DOWNLOAD,
    },
    {
      title: 'a server that does not have the file',
      error,
      text: '<url>: the server answered 404 Not Found, but must send the file',
      varies: url,
      cure: 'Try later, or fetch the four files by other means and set FASHION_MNIST_DIR.',
      pinnedBy: DOWNLOAD,
    },
    {
      title: 'a server that sends too much',
      error,
      text: '<url>: the server sends 1200 bytes or more, but the file has at most 1000',
      varies: url,
      cure: 'It is another file under this name: try another network.',
      pinnedBy: DOWNLOAD,
    },
    {
      title: 'a server that cannot be reached',
      error,
      text: '<url>: no connection (ECONNREFUSED)',
      varies: { '<url>': /.+/ },
      cure: 'Look at the network and the proxy; without one, fetch the four files elsewhere and set FASHION_MNIST_DIR.',
      pinnedBy: DOWNLOAD,
    },
    {
      title: 'a connection that broke off',
      error,
      text: '<url>: the connection broke off after 5.0 kB of 50.0 kB (UND_ERR_SOCKET): run setup again to continue from there',
      varies: url,
      pinnedBy: DOWNLOAD,
    },
    {
      title: 'a disk that becomes full',
      error,
      text: '<cache>/big.part: the disk is full: make room, or set XDG_CACHE_HOME to a folder elsewhere',
      varies: { '<cache>': /.+/ },
      pinnedBy: DISK,
    },
    {
      title: 'a disk that is too full',
      error,
      text: '<cache>/fashion-mnist.partial: the disk is too full for Fashion-MNIST: 30.9 MB are needed temporarily, but 1.0 MB are free: make room, or set XDG_CACHE_HOME to a folder elsewhere',
      varies: { '<cache>': /.+/ },
      pinnedBy: DISK,
    },
    {
      title: 'a cache folder that cannot be written to',
      error,
      text: '<cache>: cannot be written (EROFS): make it a writable folder, or set XDG_CACHE_HOME to a folder elsewhere',
      varies: { '<cache>': /.+/ },
      pinnedBy: DISK,
    },
    {
      title: 'apt-get that fails',
      error,
      text: `${NO_DRIVER}apt-get install failed with status 100: E: You don't have enough free space in /x.`,
      cure: "What follows the status is apt's own reason.",
      pinnedBy: DRIVERS,
    },
    {
      title: 'apt-get that is ended',
      error,
      text: `no driver could be installed:
  lavapipe: apt-get update was killed by a signal`,
      cure: 'Run it again.',
      run: () => setupIn(() => ({ ...packages({}), run: async () => ({ ...done, code: null }) })),
    },
    {
      title: "Mesa's package without the driver",
      error,
      text: `no driver could be installed:
  lavapipe: package mesa-vulkan-drivers has no libvulkan_lvp.so`,
      cure: "It is not the distribution's own package: look at apt's sources.",
      run: () => setupIn(() => packages({})),
    },
    {
      title: "Mesa's package without the driver's description",
      error,
      text: `no driver could be installed:
  lavapipe: package mesa-vulkan-drivers has no lvp_icd.json`,
      cure: "It is not the distribution's own package: look at apt's sources.",
      run: () =>
        setupIn(() => {
          const lib = { 'usr/lib/libvulkan_lvp.so': elfOf('libvulkan_lvp.so', []) }
          return packages({ ...lib, 'usr/share/vulkan/icd.d/other.json': new Uint8Array() })
        }),
    },
    {
      title: 'a driver that was brought and does not work',
      error,
      text: `${NO_DRIVER}lavapipe was unpacked, but gives no adapter here: no adapter`,
      cure: 'What follows is the reason, as listed under Device for what was tried; nothing of it was kept.',
      pinnedBy: DRIVERS,
    },
    {
      title: 'a driver that works when it is unpacked, and not afterwards',
      error,
      text: 'adapter: no driver of this machine gives one; run `npm run doctor` to see why',
      run: () =>
        setupIn(() => {
          const lib = { 'usr/lib/libvulkan_lvp.so': elfOf('libvulkan_lvp.so', []) }
          const icd = new TextEncoder().encode('{"ICD":{}}')
          const probe: SetupContext['probe'] = async ({ label }) => (/unpacked/.test(label) ? PRESENT : ABSENT)
          return { ...packages({ ...lib, 'usr/share/vulkan/icd.d/lvp_icd.json': icd }), probe }
        }),
    },
    {
      title: 'npm that fails',
      error,
      text: `${NO_SWIFTSHADER}npm pack carrier@1.0.0 failed with status 1: request to the registry failed`,
      cure: "What follows the status is npm's own reason: look at the network and npm's registry.",
      pinnedBy: DRIVERS,
    },
    {
      title: 'no npm',
      error,
      text: `${NO_SWIFTSHADER}npm: not in PATH, but SwiftShader comes from the npm registry`,
      cure: 'Put the folder of npm, which Node brings along, into PATH.',
      pinnedBy: DRIVERS,
    },
    {
      title: 'another package than the published one',
      error,
      text: `${NO_SWIFTSHADER}npm pack carrier@1.0.0: not the published package: its integrity is <integrity>, but must be <integrity-published>`,
      varies: { '<integrity>': /sha512-\S+/, '<integrity-published>': /sha512-\S+/ },
      cure: "Look at npm's registry: it serves another package under this name.",
      pinnedBy: DRIVERS,
    },
    {
      title: 'a package without its bundle',
      error,
      text: `no driver could be installed:
  swiftshader: carrier@1.0.0: the package has no package/bin/s.tar.br`,
      cure: "Look at npm's registry: it serves another package under this name.",
      run: () => setupIn(() => carrier({ 'package/package.json': '{}' })),
    },
    {
      title: 'a bundle without a file',
      error,
      text: `${NO_SWIFTSHADER}carrier@1.0.0: package/bin/s.tar.br has no libvulkan.so.1`,
      cure: "Look at npm's registry: it serves another package under this name.",
      pinnedBy: DRIVERS,
    },
    {
      title: 'a file of the bundle that is not the pinned one',
      error,
      text: `${NO_SWIFTSHADER}carrier@1.0.0: libvulkan.so.1: its SHA-256 is <sha256>, but must be <sha256-pinned>`,
      varies: { '<sha256>': HASH, '<sha256-pinned>': HASH },
      cure: "Look at npm's registry: it serves another package under this name.",
      pinnedBy: DRIVERS,
    },
    {
      title: 'data that setup may not bring',
      error,
      text: 'data: not all four files are in <folder>, which FASHION_MNIST_DIR names',
      varies: { '<folder>': /.+/ },
      cure: 'Put the four files there, or unset FASHION_MNIST_DIR and let setup bring them.',
      pinnedBy: DATASET,
    },
    {
      title: 'data that setup may not mend',
      error,
      text: 'data: <folder>/train-images-idx3-ubyte.gz: it cannot be read (EISDIR)',
      varies: { '<folder>': PATH },
      cure: 'Put the four published files into the folder that FASHION_MNIST_DIR names, or unset it and let setup bring them.',
      run: () =>
        setupIn(async ({ folder }) => {
          for (const name of TINY.keys()) await mkdir(join(folder, name))
          const search = { folders: [folder], chosenBy: 'FASHION_MNIST_DIR' } as const
          return { search: { ...search, folders: [folder] }, probe: async () => PRESENT }
        }),
    },
    {
      title: 'no driver for this machine',
      error,
      text: "adapter: no driver of this machine gives one; setup has no driver for this machine (linux arm64 without apt-get): install Mesa's Vulkan drivers (mesa-vulkan-drivers, vulkan-swrast or mesa-vulkan-swrast) with the system's package manager",
      pinnedBy: DRIVERS,
    },
    {
      title: 'no driver for another system than Linux',
      error,
      text: 'adapter: no driver of this machine gives one; setup has no driver for darwin: install the graphics driver of the manufacturer',
      pinnedBy: DRIVERS,
    },
    {
      title: 'no driver under DAWNGRAD_ADAPTER=hardware',
      error,
      text: "adapter: no driver of this machine gives one, and DAWNGRAD_ADAPTER is hardware; setup installs no hardware driver: install the vendor's",
      pinnedBy: DRIVERS,
    },
    {
      title: 'no driver where VK_DRIVER_FILES names others',
      error,
      text: 'adapter: no driver of this machine gives one, and VK_DRIVER_FILES names the only drivers; without that variable setup can install one',
      pinnedBy: CLI,
    },
  ],
}
