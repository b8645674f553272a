import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { recall, remember, situation } from '../../src/provision/adapter_memory.ts'
import { chooseDriver, describeAdapter, noAdapter, noAdapterInWorker } from '../../src/provision/adapters.ts'
import { type Driver, findDrivers, forcedSource, icdFolders } from '../../src/provision/drivers.ts'
import { type AdapterFacts, type Probed, sourceOf } from '../../src/provision/probe.ts'
import { messageOf } from '../support/gpu.ts'

const scratch = mkdtempSync(join(tmpdir(), 'dawngrad-adapters-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

let folders = 0
/** A new folder with these files. */
function folder(files: Record<string, string> = {}): string {
  const path = join(scratch, String(folders++))
  mkdirSync(path)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(path, name, '..'), { recursive: true })
    writeFileSync(join(path, name), text)
  }
  return path
}

/** An environment in which the only driver files are those under `home`, `data` and `cache`. */
function environment(home = folder(), data = folder(), cache = folder()): NodeJS.ProcessEnv {
  return { HOME: home, XDG_DATA_DIRS: data, XDG_CONFIG_DIRS: '/nonexistent', XDG_CACHE_HOME: cache }
}

const SWIFTSHADER = {
  'dawngrad/swiftshader/ready.json': '{"version":1,"icd":"vk.json","libvulkan":"libvulkan.so.1"}',
  'dawngrad/swiftshader/vk.json': '{}',
  'dawngrad/swiftshader/libvulkan.so.1': '',
}
const LAVAPIPE = {
  'dawngrad/lavapipe/ready.json': '{"version":1,"icd":"a/lvp_icd.json","libraries":["lib/libz.so","lib/liba.so"]}',
  'dawngrad/lavapipe/a/lvp_icd.json': '{}',
  'dawngrad/lavapipe/lib/libz.so': '',
  'dawngrad/lavapipe/lib/liba.so': '',
}

function adapter(description: string, isFallbackAdapter = false): AdapterFacts {
  return { vendor: 'v', architecture: 'a', device: 'd', description, isFallbackAdapter }
}
const found = (description: string, fallback = false): Probed => ({ ok: true, facts: adapter(description, fallback) })
const none: Probed = { ok: false, none: true, why: 'no adapter' }
const crash: Probed = { ok: false, why: 'its driver crashed (SIGSEGV)' }

/** Drivers as on a machine with all of them, with what probing each one gives. */
async function choose(results: Record<Driver['id'], Probed>, extra: NodeJS.ProcessEnv = {}) {
  const env = { ...environment(folder(), folder({ 'vulkan/icd.d/lvp_icd.json': '' })), ...extra }
  env.XDG_CACHE_HOME = folder({ ...SWIFTSHADER, ...LAVAPIPE })
  const asked: string[] = []
  const { choice, attempts } = await chooseDriver(findDrivers(env, 'linux'), forcedSource(env), async (driver) => {
    asked.push(driver.id)
    return results[driver.id]
  })
  return { choice: choice?.id ?? null, asked, attempts, env }
}

describe('DAWNGRAD_ADAPTER', () => {
  it('names an adapter source, or none when empty', () => {
    for (const adapterSource of ['hardware', 'lavapipe', 'swiftshader'] as const) {
      expect(forcedSource({ DAWNGRAD_ADAPTER: adapterSource })).toBe(adapterSource)
    }
    expect(forcedSource({ DAWNGRAD_ADAPTER: '' })).toBeNull()
    expect(forcedSource({})).toBeNull()
  })

  it.each(['gpu', 'Hardware', 'constructor'])('refuses %s', (value) => {
    expect(messageOf(() => forcedSource({ DAWNGRAD_ADAPTER: value }))).toBe(
      `DAWNGRAD_ADAPTER must be hardware, lavapipe or swiftshader, it is '${value}'`,
    )
  })
})

describe('the drivers of a machine', () => {
  it('are looked for where the Vulkan loader looks', () => {
    const env = { HOME: '/h', XDG_CONFIG_DIRS: '/c:relative', XDG_DATA_DIRS: '/d:/e:/d', XDG_CONFIG_HOME: '' }
    const bases = ['/h/.config', '/c', '/etc', '/h/.local/share', '/d', '/e']
    expect(icdFolders(env)).toEqual(bases.map((base) => `${base}/vulkan/icd.d`))
  })

  it('are a plain request, the lavapipe of the system, and what the cache folder has', () => {
    const data = folder({
      'vulkan/icd.d/lvp_icd.x86_64.json': '',
      'vulkan/icd.d/lvp_icd.i686.json': '',
      'vulkan/icd.d/intel_icd.json': '',
    })
    const cache = folder({ ...SWIFTSHADER, ...LAVAPIPE })
    const [plain, system, lavapipe, swiftshader] = findDrivers(environment(folder(), data, cache), 'linux')
    const at = (path: string) => join(cache, 'dawngrad', path)
    const icds = ['i686', 'x86_64'].map((arch) => join(data, `vulkan/icd.d/lvp_icd.${arch}.json`)).join(':')
    const libvulkan = [at('swiftshader/libvulkan.so.1')]
    const usable = { libvulkan, missing: null, unwanted: null }
    expect(plain).toMatchObject({ ...usable, id: 'plain', adapterSource: 'hardware', env: {}, libraries: [] })
    const env = (path: string) => ({ VK_DRIVER_FILES: path, VK_ICD_FILENAMES: path })
    expect(system).toMatchObject({
      ...usable,
      id: 'system-lavapipe',
      adapterSource: 'lavapipe',
      env: env(icds),
      libraries: [],
    })
    expect(lavapipe).toMatchObject({ ...usable, adapterSource: 'lavapipe', env: env(at('lavapipe/a/lvp_icd.json')) })
    expect(lavapipe?.libraries).toEqual([at('lavapipe/lib/libz.so'), at('lavapipe/lib/liba.so')])
    expect(swiftshader).toMatchObject({ ...usable, adapterSource: 'swiftshader', env: env(at('swiftshader/vk.json')) })
  })

  it('say why they are missing', () => {
    const env = environment()
    const cache = `${env.XDG_CACHE_HOME}/dawngrad`
    expect(findDrivers(env, 'linux').map(({ missing }) => missing)).toEqual([
      null,
      `no lvp_icd.json in ${icdFolders(env).join(', ')}`,
      `nothing in ${cache}/lavapipe`,
      `nothing in ${cache}/swiftshader`,
    ])
    const elsewhere = 'for Linux only'
    expect(findDrivers(env, 'darwin').map(({ missing }) => missing)).toEqual([null, elsewhere, elsewhere, elsewhere])
  })

  it.each([
    ['{"version":1,"icd":', /^Unexpected end of JSON input$/],
    ['null', 'its version is not 1'],
    ['{"version":2,"icd":"vk.json"}', 'its version is not 1'],
    ['{"version":1}', 'undefined is not a path'],
    ['{"version":1,"icd":"gone.json"}', 'gone.json does not exist'],
    ['{"version":1,"icd":"../swiftshader/../../x"}', '../swiftshader/../../x lies outside the folder'],
    ['{"version":1,"icd":"vk.json","libraries":"all"}', 'its libraries are not a list'],
    ['{"version":1,"icd":"vk.json","libraries":["liba.so"]}', 'liba.so does not exist'],
    ['{"version":1,"icd":"vk.json","libvulkan":7}', '7 is not a path'],
  ])('are missing where ready.json is damaged: %s', (text, why) => {
    const cache = folder({ ...SWIFTSHADER, 'dawngrad/swiftshader/ready.json': text })
    const missing = findDrivers(environment(folder(), folder(), cache), 'linux')[3]?.missing ?? ''
    const start = `${cache}/dawngrad/swiftshader/ready.json is damaged: `
    expect(missing.slice(0, start.length)).toBe(start)
    if (typeof why === 'string') expect(missing.slice(start.length)).toBe(why)
    else expect(missing.slice(start.length)).toMatch(why)
  })

  it('are those alone that VK_DRIVER_FILES or VK_ICD_FILENAMES names', () => {
    for (const variable of ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES']) {
      const drivers = findDrivers({ ...environment(), [variable]: '/x.json' }, 'linux')
      const reason = `not tried, because ${variable} names the drivers`
      expect(drivers.map(({ unwanted }) => unwanted)).toEqual([null, reason, reason, reason])
      expect(drivers[0]).toMatchObject({ label: `the drivers that ${variable} names`, env: {} })
    }
    const forced = { ...environment(), VK_DRIVER_FILES: '/x.json', DAWNGRAD_ADAPTER: 'swiftshader' }
    const reason = 'not tried, because DAWNGRAD_ADAPTER is swiftshader'
    expect(findDrivers(forced, 'linux').map(({ unwanted }) => unwanted)).toEqual([null, reason, reason, null])
  })
})

describe('an adapter', () => {
  it.each([
    ['hardware', { vendor: 'nvidia', architecture: 'hopper', description: 'NVIDIA: 550.54' }],
    ['lavapipe', { architecture: 'software', device: 'llvmpipe-llvm-15', description: 'llvmpipe: Mesa 25.0.7' }],
    ['lavapipe', { description: 'Microsoft Basic Render Driver', isFallbackAdapter: true }],
    ['swiftshader', { vendor: 'google', description: 'SwiftShader driver 5.0.0', isFallbackAdapter: true }],
    ['swiftshader', { vendor: 'google', architecture: 'swiftshader' }],
  ] as const)('belongs to %s by what it says of itself', (adapterSource, facts) => {
    const nothing = { vendor: '', architecture: '', device: '', description: '', isFallbackAdapter: false }
    expect(sourceOf({ ...nothing, ...facts })).toBe(adapterSource)
  })

  it('is described in one line, with what a better one would bring', () => {
    const info = { name: 'n', vendor: '', architecture: '', device: '', adapterClass: 'cpu' } as const
    expect(
      describeAdapter({ ...info, description: '', name: 'SwiftShader driver 5.0.0', adapterSource: 'swiftshader' }),
    ).toBe('SwiftShader driver 5.0.0 (SwiftShader, on the processor; lavapipe is several times faster: npm run setup)')
    expect(describeAdapter({ ...info, description: '', name: 'llvmpipe: Mesa 25', adapterSource: 'lavapipe' })).toBe(
      'llvmpipe: Mesa 25 (lavapipe, on the processor; a GPU with its driver is far faster)',
    )
    expect(describeAdapter({ ...info, description: '', name: 'Basic Render Driver', adapterSource: 'lavapipe' })).toBe(
      'Basic Render Driver (software, on the processor; a GPU with its driver is far faster)',
    )
    expect(describeAdapter({ ...info, description: '', name: 'NVIDIA: 550.54', adapterSource: 'hardware' })).toBe(
      'NVIDIA: 550.54 (hardware)',
    )
    expect(describeAdapter({ ...info, description: '' })).toBe('n')
  })
})

describe('the choice of a driver', () => {
  const all = {
    plain: found('Radeon'),
    'system-lavapipe': found('llvmpipe system'),
    'cache-lavapipe': found('llvmpipe cache'),
    'cache-swiftshader': found('SwiftShader', true),
  }

  it('ends at hardware', async () => {
    expect(await choose(all)).toMatchObject({ choice: 'plain', asked: ['plain'] })
  })

  it('ends at software that the plain request gives, which is as good as any lavapipe', async () => {
    const { choice, asked, attempts } = await choose({ ...all, plain: found('llvmpipe', true) })
    expect([choice, asked]).toEqual(['plain', ['plain']])
    expect(attempts.map(({ state, adapterSource }) => [state, adapterSource])).toEqual([
      ['present', 'lavapipe'],
      ['untried', null],
      ['untried', null],
      ['untried', null],
    ])
  })

  it('prefers lavapipe to a SwiftShader that the plain request gives, and that to the one in the cache folder', async () => {
    const plain = found('SwiftShader of the system', true)
    expect(await choose({ ...all, plain })).toMatchObject({ choice: 'system-lavapipe' })
    const broken = { 'system-lavapipe': none, 'cache-lavapipe': crash }
    const { choice, asked } = await choose({ ...all, plain, ...broken })
    expect([choice, asked]).toEqual(['plain', ['plain', 'system-lavapipe', 'cache-lavapipe']])
  })

  it('goes down where drivers crash', async () => {
    const results = { ...all, plain: crash, 'system-lavapipe': crash, 'cache-lavapipe': none }
    const { choice, attempts } = await choose(results)
    expect(choice).toBe('cache-swiftshader')
    expect(attempts.map(({ state, detail }) => `${state}: ${detail}`)).toEqual([
      'failed: its driver crashed (SIGSEGV)',
      'failed: its driver crashed (SIGSEGV)',
      'failed: no adapter',
      'present: SwiftShader',
    ])
  })

  it('uses a driver that no process could be started to try', async () => {
    const { choice, attempts } = await choose({ ...all, plain: { ok: true, facts: null } })
    expect(choice).toBe('plain')
    expect(attempts[0]).toMatchObject({ state: 'present', adapterSource: 'hardware' })
  })

  it.each([
    ['hardware', 'plain', ['plain']],
    ['lavapipe', 'system-lavapipe', ['system-lavapipe']],
    ['swiftshader', 'cache-swiftshader', ['cache-swiftshader']],
  ])('is confined to %s by DAWNGRAD_ADAPTER', async (adapterSource, choice, asked) => {
    expect(await choose(all, { DAWNGRAD_ADAPTER: adapterSource })).toMatchObject({ choice, asked })
  })

  it("takes the cache folder's lavapipe where the system's fails, if lavapipe is forced", async () => {
    const results = { ...all, 'system-lavapipe': none }
    expect(await choose(results, { DAWNGRAD_ADAPTER: 'lavapipe' })).toMatchObject({ choice: 'cache-lavapipe' })
  })

  it('takes the drivers that the user names if they are of the forced source, else the usual ones', async () => {
    const extra = { DAWNGRAD_ADAPTER: 'lavapipe', VK_DRIVER_FILES: '/x.json' }
    expect(await choose({ ...all, plain: found('llvmpipe') }, extra)).toMatchObject({ choice: 'plain' })
    expect(await choose(all, extra)).toMatchObject({ choice: 'system-lavapipe', asked: ['plain', 'system-lavapipe'] })
    expect(await choose({ ...all, plain: none }, { VK_DRIVER_FILES: '/x.json' })).toMatchObject({
      choice: null,
      asked: ['plain'],
    })
  })

  it('says, where it leads nowhere under DAWNGRAD_ADAPTER=hardware, what was found instead', async () => {
    const { choice, attempts, env } = await choose(
      { ...all, plain: found('llvmpipe: Mesa 25', true) },
      { DAWNGRAD_ADAPTER: 'hardware' },
    )
    expect(choice).toBeNull()
    expect(noAdapter(attempts, env, 'linux')).toBe(
      `DAWNGRAD_ADAPTER is hardware, but there is no such adapter. Tried:
  a hardware adapter:  only a software adapter: llvmpipe: Mesa 25
Without DAWNGRAD_ADAPTER the best adapter of this machine is used.
A GPU needs its vendor's Vulkan driver; \`vulkaninfo --summary\` lists what the system has.`,
    )
  })

  it('says, if no driver gives an adapter, what became of each', async () => {
    const broken = { plain: none, 'system-lavapipe': crash, 'cache-lavapipe': crash, 'cache-swiftshader': none }
    const { attempts, env } = await choose(broken)
    const tried = `no WebGPU adapter was found. Tried, in this order:
  a hardware adapter:              no adapter
  the system's lavapipe:           its driver crashed (SIGSEGV)
  the cache folder's lavapipe:     its driver crashed (SIGSEGV)
  the cache folder's SwiftShader:  no adapter
`
    expect(noAdapter(attempts, env, 'linux')).toBe(
      `${tried}Any of these helps:
  npm run setup                                                         puts a driver for the processor into the cache folder; needs no root
  apt-get install mesa-vulkan-drivers libvulkan1                        Debian 13, Ubuntu 24.04 and newer
  apt-get install -t bookworm-backports mesa-vulkan-drivers libvulkan1  Debian 12
On Debian 12, add bookworm-backports to apt's sources: Debian 12's own Mesa, 22.3, is too old.
A GPU needs its vendor's Vulkan driver; \`vulkaninfo --summary\` lists what the system has.`,
    )
    expect(noAdapter(attempts, env, 'darwin')).toBe(
      `${tried}On this system adapters come from Metal: a newer system or graphics driver may help.`,
    )
  })
})

it('says what helps in a worker thread', () => {
  const driver = { label: "the cache folder's lavapipe", env: { VK_DRIVER_FILES: '/x.json' } }
  expect(noAdapterInWorker(driver)).toBe(
    `a worker thread can't use the cache folder's lavapipe: what it sets in process.env is not seen by drivers. Either of these helps:
  new Worker(file, { env: SHARE_ENV })  SHARE_ENV is from node:worker_threads
  VK_DRIVER_FILES=/x.json node …        in the shell that starts the program`,
  )
})

describe('the memory of what worked', () => {
  it('keeps the last sixteen situations', () => {
    const env = environment()
    expect(recall(env, 'key 0')).toBeNull()
    for (let i = 0; i < 17; i++) remember(env, `key ${i}`, 'plain')
    remember(env, 'key 1', 'cache-swiftshader')
    expect(recall(env, 'key 0')).toBeNull()
    expect(recall(env, 'key 1')).toBe('cache-swiftshader')
    remember(env, 'key 17', 'plain')
    expect(recall(env, 'key 1')).toBe('cache-swiftshader')
    expect(recall(env, 'key 2')).toBeNull()
    const file = JSON.parse(readFileSync(join(env.XDG_CACHE_HOME!, 'dawngrad/adapter.json'), 'utf8')) as object
    expect(file).toMatchObject({ version: 1 })
  })

  it.each([
    '',
    '{',
    'null',
    '[]',
    '{"version":1}',
    '{"version":1,"worked":"all"}',
    '{"version":2,"worked":{"k":"plain"}}',
  ])('is empty where its file is damaged: %s', (text) => {
    const env = environment(folder(), folder(), folder({ 'dawngrad/adapter.json': text }))
    expect(recall(env, 'k')).toBeNull()
    remember(env, 'k', 'plain')
    expect(recall(env, 'k')).toBe('plain')
  })

  it('does without a folder that cannot be written to', () => {
    const env = environment(folder(), folder(), join(folder({ file: '' }), 'file'))
    remember(env, 'k', 'plain')
    expect(recall(env, 'k')).toBeNull()
  })

  it('outlives a list of libraries that is written anew, and not one with another library', () => {
    const list = join(folder({ list: 'libvulkan.so.1' }), 'list')
    const env = environment(folder(), folder(), folder())
    const before = situation(env, list)
    utimesSync(list, 1, 1)
    expect(situation(env, list)).toBe(before)
    writeFileSync(list, 'libvulkan.so.2')
    expect(situation(env, list)).not.toBe(before)
    rmSync(list)
    expect(situation(env, list)).not.toBe(before)
  })

  it('is of one situation: of drivers and their files, and of the variables that concern them', () => {
    const data = folder({ 'vulkan/icd.d/intel_icd.json': '' })
    const named = join(folder({ 'icd.json': '' }), 'icd.json')
    const cache = folder(SWIFTSHADER)
    const env = { ...environment(folder(), data, cache), VK_DRIVER_FILES: `/nonexistent:${named}` }
    const before = situation(env)
    expect(situation({ ...env, PATH: '/elsewhere', LANG: 'C' })).toBe(before)
    const seen = new Set([before])
    const expectNew = (next: NodeJS.ProcessEnv = env) => {
      const size = seen.size
      expect(seen.add(situation(next)).size).toBe(size + 1)
    }
    expectNew({ ...env, DAWNGRAD_ADAPTER: 'hardware' })
    expectNew({ ...env, VK_LOADER_DRIVERS_DISABLE: '*lvp*' })
    expectNew({ ...env, LD_LIBRARY_PATH: '/opt/lib' })
    utimesSync(join(data, 'vulkan/icd.d/intel_icd.json'), 1, 1)
    expectNew()
    utimesSync(named, 1, 1)
    expectNew()
    rmSync(join(cache, 'dawngrad/swiftshader/ready.json'))
    expectNew()
    writeFileSync(join(data, 'vulkan/icd.d/radeon_icd.json'), '')
    expectNew()
  })
})
