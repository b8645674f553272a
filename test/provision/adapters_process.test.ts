// The choice of an adapter with real drivers, each open() in a process of its own.
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { cacheDir } from '../../src/node/cache.ts'
import { survey } from '../../src/provision/adapters.ts'
import { icdFiles, icdFolders, userDrivers } from '../../src/provision/drivers.ts'
import { preload, probe, watcher } from '../../src/provision/probe.ts'

const scratch = mkdtempSync(join(tmpdir(), 'dawngrad-drivers-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const tsx = new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url).href
const openUrl = new URL('../../src/node/open.ts', import.meta.url).href
const linux = process.platform === 'linux'

/** The environment without what would choose a driver, with a cache folder that shares the unpacked drivers. */
function environment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { DAWNGRAD_ADAPTER: _, ...env } = process.env
  const cache = mkdtempSync(join(scratch, 'cache-'))
  mkdirSync(join(cache, 'dawngrad'))
  for (const name of ['lavapipe', 'swiftshader']) {
    if (existsSync(join(cacheDir(), name))) symlinkSync(join(cacheDir(), name), join(cache, 'dawngrad', name))
  }
  return { ...env, XDG_CACHE_HOME: cache, ...extra }
}

/** As `environment`, but without any driver. */
function bare(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const home = mkdtempSync(join(scratch, 'home-'))
  const none = { XDG_DATA_DIRS: home, XDG_CONFIG_DIRS: home, XDG_CACHE_HOME: join(home, 'cache') }
  return environment({ HOME: home, XDG_DATA_HOME: '', XDG_CONFIG_HOME: '', ...none, ...extra })
}

interface Opened {
  adapterSource?: string
  error?: string
  kind?: string
  /** The Vulkan loader's variable in the process after open(). */
  left: string | null
}

/** open() in a child process, twice if it succeeds; `before` runs first. */
function openIn(env: NodeJS.ProcessEnv, before = ''): Promise<Opened> {
  const program = `
    ${before}
    const { open } = await import(${JSON.stringify(openUrl)})
    const report = (result) => console.log(JSON.stringify({ ...result, left: process.env.VK_DRIVER_FILES ?? null }))
    try {
      const gpu = await open()
      const { info } = await open()
      if (info.adapterSource !== gpu.info.adapterSource) throw new Error('the second open() gave another adapter')
      report({ adapterSource: info.adapterSource })
    } catch ({ message: error, kind }) {
      report({ error, kind })
    }
    process.exit(0)`
  return new Promise((resolve, reject) => {
    const args = ['--import', tsx, '--input-type=module', '--eval', program]
    execFile(process.execPath, args, { env, timeout: 50_000 }, (error, stdout) => {
      if (error) reject(error)
      else resolve(JSON.parse(stdout) as Opened)
    })
  })
}

/** What open() says in a worker thread, and in one that shares the environment: an error, or the source of the adapter. */
function openInWorkers(env: NodeJS.ProcessEnv): Promise<string[]> {
  const api = new URL('../../node_modules/tsx/dist/esm/api/index.mjs', import.meta.url).href
  const thread = `
    const { parentPort } = require('node:worker_threads')
    const opening = async () => {
      const { register } = await import(${JSON.stringify(api)})
      register()
      const { open } = await import(${JSON.stringify(openUrl)})
      const gpu = await open()
      await gpu.close()
      return gpu.info.adapterSource
    }
    opening().catch(({ message }) => message).then((text) => parentPort.postMessage(text))`
  const program = `
    const { SHARE_ENV, Worker } = require('node:worker_threads')
    const inWorker = (options) => new Promise((resolve) => {
      new Worker(${JSON.stringify(thread)}, { eval: true, ...options }).on('message', resolve)
    })
    inWorker({}).then(async (own) => console.log(JSON.stringify([own, await inWorker({ env: SHARE_ENV })])))`
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--eval', program], { env, timeout: 50_000 }, (error, stdout) => {
      if (error) reject(error)
      else resolve(JSON.parse(stdout) as string[])
    })
  })
}

/** No probe can succeed in a process that believes this program to be Node. */
const withoutProbes = `process.execPath = '/bin/false'`

const hasCompiler = linux && works('cc', ['--version'])

function works(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Compiles a shared library and returns its path. */
function library(name: string, code: string, ...args: string[]): string {
  const [source, path] = [join(scratch, `${name}.c`), join(scratch, `lib${name}.so`)]
  writeFileSync(source, code)
  execFileSync('cc', ['-shared', '-fPIC', `-Wl,-soname,lib${name}.so`, '-o', path, source, ...args])
  return path
}

/** A driver file that names a library, in a folder of its own. */
function driverFile(libraryPath: string): string {
  const folder = join(mkdtempSync(join(scratch, 'config-')), 'vulkan/icd.d')
  mkdirSync(folder, { recursive: true })
  const icd = { file_format_version: '1.0.0', ICD: { library_path: libraryPath, api_version: '1.3.0' } }
  writeFileSync(join(folder, 'test_icd.json'), JSON.stringify(icd))
  return join(folder, 'test_icd.json')
}

// Whoever names drivers for the Vulkan loader has chosen what this machine has.
const chosen = userDrivers(process.env) !== null
const adapters = await survey()
const present = (id: string) => adapters.some(({ driver, state }) => driver.id === id && state === 'present')
const hasHardware = present('plain') && adapters[0]?.adapterSource === 'hardware'
const ofSystem = present('plain') || present('system-lavapipe')
const hasLavapipe = present('system-lavapipe') || present('cache-lavapipe')
const isBare = linux && icdFiles(bare()).length === 0

const HELP = `Any of these helps:
  npm run setup                                                         puts a driver for the processor into the cache folder; needs no root
  apt-get install mesa-vulkan-drivers libvulkan1                        Debian 13, Ubuntu 24.04 and newer
  apt-get install -t bookworm-backports mesa-vulkan-drivers libvulkan1  Debian 12
On Debian 12, add bookworm-backports to apt's sources: Debian 12's own Mesa, 22.3, is too old.
A GPU needs its vendor's Vulkan driver; \`vulkaninfo --summary\` lists what the system has.`

describe.skipIf(chosen)('open()', () => {
  it('gives the best adapter, and remembers which driver that was', async () => {
    const best = hasHardware ? 'hardware' : hasLavapipe ? 'lavapipe' : 'swiftshader'
    const env = environment()
    const first = await openIn(env)
    expect(first).toEqual({ adapterSource: best, left: null })
    expect(await openIn(env, withoutProbes)).toEqual(first)
    const other = await openIn({ ...env, VK_TEST: 'another situation' }, withoutProbes)
    expect(other).toMatchObject({ kind: 'unavailable' })
    expect(other.error).toContain('a hardware adapter:              its process ended with code 1\n')
    rmSync(join(env.XDG_CACHE_HOME!, 'dawngrad/adapter.json'))
    expect(await openIn(env, withoutProbes)).toMatchObject({ kind: 'unavailable' })
  })

  it.each([
    ['hardware', hasHardware],
    ['lavapipe', hasLavapipe],
    ['swiftshader', present('cache-swiftshader')],
  ])(
    'gives %s under DAWNGRAD_ADAPTER, or fails clearly, and leaves the environment alone',
    async (adapterSource, there) => {
      const opened = await openIn(environment({ DAWNGRAD_ADAPTER: adapterSource }))
      if (there) expect(opened).toEqual({ adapterSource, left: null })
      else
        expect(opened.error?.split('\n')[0]).toBe(
          `DAWNGRAD_ADAPTER is ${adapterSource}, but there is no such adapter. Tried:`,
        )
    },
  )

  it.skipIf(!present('cache-lavapipe') || ofSystem)('works in a worker thread, or names what helps there', async () => {
    const cache = realpathSync(cacheDir())
    const [own, shared] = await openInWorkers(environment({ XDG_CACHE_HOME: join(cache, '..') }))
    const named = `VK_DRIVER_FILES=${cache}/lavapipe/lvp_icd.json node …`
    expect(own).toBe(
      `a worker thread can't use the cache folder's lavapipe: what it sets in process.env is not seen by drivers. Either of these helps:
  ${'new Worker(file, { env: SHARE_ENV })'.padEnd(named.length)}  SHARE_ENV is from node:worker_threads
  ${named}  in the shell that starts the program`,
    )
    expect(shared).toBe('lavapipe')
  })

  it('refuses another value of DAWNGRAD_ADAPTER', async () => {
    expect(await openIn(environment({ DAWNGRAD_ADAPTER: 'cuda' }))).toEqual({
      error: "DAWNGRAD_ADAPTER must be hardware, lavapipe or swiftshader, it is 'cuda'",
      kind: 'unavailable',
      left: null,
    })
  })

  it('needs no process to try drivers in', async () => {
    const opened = await openIn(environment(), `process.execPath = '/nonexistent/node'`)
    expect(opened).toEqual({ adapterSource: expect.any(String), left: null })
  })

  it.skipIf(!ofSystem)('needs no cache folder where the system has a driver', async () => {
    const env = environment({ XDG_CACHE_HOME: join(import.meta.filename, 'no-folder') })
    const opened = await openIn(env, `process.execPath = '/nonexistent/node'`)
    expect(opened).toEqual({ adapterSource: expect.any(String), left: null })
  })

  it.skipIf(!isBare)('says what it tried where there is nothing', async () => {
    const env = bare()
    const { error, kind } = await openIn(env)
    expect(kind).toBe('unavailable')
    const text = error?.replace(/no adapter \(.*\)/, 'no adapter (…)')
    expect(text).toBe(`no WebGPU adapter was found. Tried, in this order:
  a hardware adapter:              no adapter (…)
  the system's lavapipe:           no lvp_icd.json in ${icdFolders(env).join(', ')}
  the cache folder's lavapipe:     nothing in ${env.XDG_CACHE_HOME}/dawngrad/lavapipe
  the cache folder's SwiftShader:  nothing in ${env.XDG_CACHE_HOME}/dawngrad/swiftshader
${HELP}`)
    expect(readdirSync(env.HOME!)).toEqual([]) // nothing was written
  })

  it.skipIf(!linux)('says what came of the drivers that the user has named', async () => {
    const garbage = join(scratch, 'garbage.so')
    writeFileSync(garbage, 'no library')
    const { error } = await openIn(environment({ VK_DRIVER_FILES: driverFile(garbage) }))
    expect(
      error?.replace(/no adapter \(.*\)/, 'no adapter (…)'),
    ).toBe(`no WebGPU adapter was found. Tried, in this order:
  the drivers that VK_DRIVER_FILES names:  no adapter (…)
Without VK_DRIVER_FILES the drivers of this machine are used.
${HELP}`)
  })
})

describe.runIf(linux)('a process that is watched', () => {
  const children: ChildProcess[] = []
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL')
  })
  const started = async (script: string) => {
    const child = spawn('sh', ['-c', `echo; ${script}`])
    children.push(child)
    await once(child.stdout, 'data')
    return child
  }

  it('hangs if it does nothing once, or, where it waits for its turn, for long', async () => {
    const sleeping = await started('exec sleep 60')
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(watcher(sleeping.pid, 2000)()?.why).toBe('no answer, and it has done nothing for 2 s')
    sleeping.kill('SIGSTOP')
    await vi.waitFor(() => expect(readFileSync(`/proc/${sleeping.pid}/stat`, 'utf8')).toContain(') T '))
    const waiting = watcher(sleeping.pid, 20_000)
    for (let i = 1; i < 15; i++) expect(waiting()).toBeNull()
    expect(waiting()?.why).toBe('no answer, and it has done nothing for 300 s')
  })

  it('hangs if it computes for long, whatever the clock says', async () => {
    const busy = await started('while :; do :; done')
    const watched = watcher(busy.pid, 100)
    await vi.waitFor(() => expect(watched()?.why).toBe('no answer, though it has computed for 0.3 s'), 10_000)
  })

  it('that can not be watched hangs by the clock', () => {
    const watched = watcher(undefined, 20_000)
    expect([watched(), watched(), watched()?.why]).toEqual([null, null, 'no answer within 60 s'])
  })
})

describe.skipIf(chosen || !hasCompiler)('a bad driver', () => {
  const start = '__attribute__((constructor)) static void start(void)'

  it('that crashes is survived: the next driver is used', async () => {
    const crashing = library('crash', `#include <stdlib.h>\n${start} { abort(); }`)
    const file = driverFile(crashing)
    const env = environment({ XDG_CONFIG_HOME: join(file, '../../..') })
    if (hasLavapipe) expect(await openIn(env)).toEqual({ adapterSource: 'lavapipe', left: null })
    expect((await openIn({ ...env, DAWNGRAD_ADAPTER: 'hardware' })).error).toBe(
      `DAWNGRAD_ADAPTER is hardware, but there is no such adapter. Tried:
  a hardware adapter:  its driver crashed (SIGABRT)
Without DAWNGRAD_ADAPTER the best adapter of this machine is used.
A GPU needs its vendor's Vulkan driver; \`vulkaninfo --summary\` lists what the system has.`,
    )
    expect((await openIn(environment({ VK_ICD_FILENAMES: file }))).error).toBe(
      `no WebGPU adapter was found. Tried, in this order:
  the drivers that VK_ICD_FILENAMES names:  its driver crashed (SIGABRT)
Without VK_ICD_FILENAMES the drivers of this machine are used.
${HELP}`,
    )
  })

  const driver = { ...adapters[0]!.driver, libraries: [] as string[] }

  it('that hangs is given up', async () => {
    const hanging = library('hang', `#include <unistd.h>\n${start} { for (;;) sleep(1); }`)
    const why = linux ? 'no answer, and it has done nothing for 0.5 s' : 'no answer within 1.5 s'
    expect(await probe({ ...driver, libraries: [hanging] }, 500)).toEqual({ ok: false, why })
  })

  it.runIf(linux)('that computes without end is given up', async () => {
    const busy = library('busy', `${start} { for (volatile int i = 0;; i++); }`)
    const why = 'no answer, though it has computed for 0.6 s'
    expect(await probe({ ...driver, libraries: [busy] }, 200)).toEqual({ ok: false, why })
  })

  it.runIf(linux)('is told from a slow machine, on which it gets little of a processor', async () => {
    // It is stopped for longer than a driver may do nothing, and goes on where it was.
    const slow = library(
      'slow',
      `#include <stdlib.h>\n#include <unistd.h>
      ${start} { system("pid=$PPID; (kill -STOP $pid; sleep 1; kill -CONT $pid) & sleep 0.1"); _exit(11); }`,
    )
    const result = await probe({ ...driver, libraries: [slow] }, 300)
    expect(result).toEqual({ ok: false, why: 'its process ended with code 11' })
  })

  it('that ends its process is told from one that works', async () => {
    const ending = library('end', `#include <unistd.h>\n${start} { _exit(7); }`)
    expect(await probe({ ...driver, libraries: [ending] })).toEqual({ ok: false, why: 'its process ended with code 7' })
  })

  it('gets its libraries in whatever order they are listed', async () => {
    const base = library('base', 'int base(void) { return 7; }')
    const code = `#include <unistd.h>\nint base(void);\n${start} { if (base() == 7) _exit(9); }`
    const top = library('top', code, `-L${scratch}`, '-lbase')
    const ended = { ok: false, why: 'its process ended with code 9' }
    for (const libraries of [
      [base, top],
      [top, base],
    ])
      expect(await probe({ ...driver, libraries })).toEqual(ended)
    expect(await probe({ ...driver, libraries: [top] })).not.toEqual(ended)
  })

  it('gets its libraries in this process too', () => {
    const proof = join(scratch, 'loaded')
    const base = library('lower', 'int lower(void) { return 7; }')
    const body = `{ if (lower() == 7) fclose(fopen("${proof}", "w")); }`
    const top = library('upper', `#include <stdio.h>\nint lower(void);\n${start} ${body}`, `-L${scratch}`, '-llower')
    preload({ libvulkan: [], libraries: [top, '/nonexistent/lib.so', base] })
    expect(existsSync(proof)).toBe(true)
  })
})
