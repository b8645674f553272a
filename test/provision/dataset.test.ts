import { createHash } from 'node:crypto'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RunCommand } from '../../src/provision/commands.ts'
import { checkSetup, ensureSetup, removeSetup, setup } from '../../src/provision/setup.ts'
import { makeWorld, PRESENT, readTiny, rejection, sends, serveTiny, TINY, type World } from '../support/setup_world.ts'

const [TI, TL, SI, SL] = [
  'train-images-idx3-ubyte',
  'train-labels-idx1-ubyte',
  't10k-images-idx3-ubyte',
  't10k-labels-idx1-ubyte',
] as const

let world: World
let folder = ''
beforeEach(async () => {
  world = await makeWorld()
  folder = join(world.cache, 'fashion-mnist')
})
afterEach(() => world.close())

const fails = async (promise: Promise<unknown>): Promise<string> => world.plain(await rejection(promise))
const said = (): string[] => world.lines.map(world.plain)
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const tiny = (stem: string): Uint8Array => TINY.get(`${stem}.gz`) ?? new Uint8Array()
const kilobytes = (stem: string): string => `${(tiny(stem).length / 1000).toFixed(1)} kB`
const ANNOUNCED = [
  'setup installs into CACHE, and nowhere else:',
  '  Fashion-MNIST, the data set: 30.9 MB from HOST, or HOST',
]
const READY = ['adapter: hardware: test adapter (a hardware adapter)', 'data: CACHE/fashion-mnist']

describe('setup of the data set', () => {
  test('says what it will fetch, and fetches it', async () => {
    serveTiny(world, 'a/')
    await setup(world.context())
    expect(await readTiny(folder)).toEqual(TINY)
    expect(said()).toEqual([
      ...ANNOUNCED,
      ...[TI, TL, SI, SL].map((stem) => `  ${stem}.gz: ${kilobytes(stem)}`),
      ...READY,
    ])
    expect(await readdir(world.cache)).toEqual(['adapter.json', 'fashion-mnist'])
    expect((await readdir(folder)).sort()).toEqual([...TINY.keys()].sort())
  })

  test('does nothing where everything is there', async () => {
    serveTiny(world, 'a/')
    await setup(world.context())
    world.requests.length = 0
    world.lines.length = 0
    await setup(world.context())
    expect(world.requests).toEqual([])
    expect(said()).toEqual(READY)
  })

  test('takes a file from the next mirror where the first one is wrong', async () => {
    serveTiny(world, 'a/')
    serveTiny(world, 'b/')
    world.answers.set(`a/${TL}.gz`, sends(gzipSync('something else')))
    await setup(world.context())
    expect(await readTiny(folder)).toEqual(TINY)
    expect(world.requests).toEqual([`a/${TI}.gz`, `a/${TL}.gz`, `b/${TL}.gz`, `a/${SI}.gz`, `a/${SL}.gz`])
  })

  test('asks a server that cannot be reached no second time', async () => {
    const closed = createServer()
    await new Promise<void>((ready) => closed.listen(0, '127.0.0.1', ready))
    const { port } = closed.address() as { port: number }
    await new Promise((done) => closed.close(done))
    serveTiny(world, 'b/')
    await setup(world.context({ mirrors: [`http://127.0.0.1:${port}/`, `${world.url}b/`] }))
    expect(await readTiny(folder)).toEqual(TINY)
  })

  test('goes on with the file that an earlier run left unfinished', async () => {
    serveTiny(world, 'a/')
    const partial = `${folder}.partial`
    await mkdir(partial, { recursive: true })
    await writeFile(join(partial, `${TI}.gz`), tiny(TI))
    await writeFile(join(partial, `${TL}.gz.part`), tiny(TL).subarray(0, 11))
    await setup(world.context())
    expect(await readTiny(folder)).toEqual(TINY)
    expect(world.requests).toEqual([`a/${TL}.gz bytes=11-`, `a/${SI}.gz`, `a/${SL}.gz`])
  })

  test('begins again where what was left is the beginning of another file', async () => {
    serveTiny(world, 'a/')
    const partial = `${folder}.partial`
    await mkdir(partial, { recursive: true })
    await writeFile(join(partial, `${TI}.gz.part`), Buffer.alloc(20, 1))
    await setup(world.context())
    expect(await readTiny(folder)).toEqual(TINY)
    expect(world.requests.slice(0, 2)).toEqual([`a/${TI}.gz bytes=20-`, `a/${TI}.gz`])
  })

  test('fetches of a damaged folder only what is damaged', async () => {
    serveTiny(world, 'a/')
    await setup(world.context())
    await writeFile(join(folder, `${SL}.gz`), gzipSync('wrong'))
    world.requests.length = 0
    world.lines.length = 0
    expect(await checkSetup(world.context())).toBe(false)
    const problem =
      `CACHE/fashion-mnist/${SL}.gz: the SHA-256 of its 5 decompressed bytes is ` +
      `${sha(Buffer.from('wrong'))}, but must be ${sha(gunzipSync(tiny(SL)))}`
    expect(said()[1]).toBe(`data: missing: ${problem}; \`npm run setup\` fetches it: 30.9 MB`)
    await setup(world.context())
    expect(await readTiny(folder)).toEqual(TINY)
    expect(world.requests).toEqual([`a/${SL}.gz`])
  })
})

describe('setup of the data set that fails', () => {
  const help = [
    'Either of these helps:',
    '  a network that reaches one of these places',
    '  export FASHION_MNIST_DIR=/folder/with/the/four/files',
  ]
  const noApt = "  apt-get: not on this machine, so Debian's package can't be used"
  const nothingThere = async () => expect(await readdir(world.cache)).toEqual(['adapter.json'])

  test('a wrong checksum', async () => {
    const wrong = gzipSync('something else')
    for (const prefix of ['a/', 'b/']) world.answers.set(`${prefix}${TI}.gz`, sends(wrong))
    const problem =
      `not the published file: the SHA-256 of its 14 decompressed bytes is ${sha(Buffer.from('something else'))}, ` +
      `but must be ${sha(gunzipSync(tiny(TI)))}`
    expect(await fails(setup(world.context()))).toBe(
      [
        'SetupError: Fashion-MNIST could not be fetched:',
        `  URL/a/${TI}.gz: ${problem}`,
        `  URL/b/${TI}.gz: ${problem}`,
        noApt,
        ...help,
      ].join('\n'),
    )
    await nothingThere()
  })

  test('pages of HTML, and files that are no gzip to their end', async () => {
    world.answers.set(`a/${TI}.gz`, sends(Buffer.from('<html>'), 'text/html'))
    world.answers.set(`b/${TI}.gz`, sends(tiny(TI).subarray(0, -9)))
    expect(await fails(setup(world.context()))).toBe(
      [
        'SetupError: Fashion-MNIST could not be fetched:',
        `  URL/a/${TI}.gz: the server sent text/html (perhaps a login page of the network), but must send a gzip file`,
        `  URL/b/${TI}.gz: not the published file: it is not a complete gzip file (Z_BUF_ERROR)`,
        noApt,
        ...help,
      ].join('\n'),
    )
    await nothingThere()
  })

  test('a bomb', async () => {
    world.answers.set(`a/${TI}.gz`, sends(gzipSync(new Uint8Array(1 << 20))))
    expect(await fails(setup(world.context()))).toContain(
      `  URL/a/${TI}.gz: not the published file: it decompresses to more than the 2368 bytes of ${TI}\n`,
    )
  })

  test("no mirror, and apt's own reason", async () => {
    const run: RunCommand = async (_, args) => ({
      code: args.includes('--print-uris') ? 0 : 100,
      stdout: '',
      stderr: 'W: something else\nE: Failed to fetch http://mirror.invalid/  Could not resolve',
    })
    expect(await fails(setup(world.context({ run, has: () => true })))).toBe(
      [
        'SetupError: Fashion-MNIST could not be fetched:',
        `  URL/a/${TI}.gz: the server answered 404 Not Found, but must send the file`,
        `  URL/b/${TI}.gz: the server answered 404 Not Found, but must send the file`,
        '  apt-get update failed with status 100: E: Failed to fetch http://mirror.invalid/  Could not resolve',
        ...help,
      ].join('\n'),
    )
  })

  test('FASHION_MNIST_DIR names a folder without the files', async () => {
    const search = { folders: [world.folder], chosenBy: 'FASHION_MNIST_DIR' } as const
    const context = world.context({ search: { ...search, folders: [world.folder] } })
    expect((await fails(setup(context))).replace(world.folder, 'FOLDER')).toBe(
      'SetupError: data: not all four files are in FOLDER, which FASHION_MNIST_DIR names',
    )
    expect(world.requests).toEqual([])
  })
})

describe('--check', () => {
  test('reports what is missing, and changes nothing', async () => {
    expect(await checkSetup(world.context())).toBe(false)
    expect(said()).toEqual([
      'adapter: hardware: test adapter (a hardware adapter)',
      'data: missing: not on this machine; `npm run setup` fetches it: 30.9 MB',
    ])
    expect(world.requests).toEqual([])
    expect(await readdir(world.cache)).toEqual(['adapter.json'])
  })

  test('is content where everything is there', async () => {
    serveTiny(world, 'a/')
    await setup(world.context())
    expect(await checkSetup(world.context())).toBe(true)
  })
})

describe('--remove', () => {
  test('removes what setup has brought, and nothing else', async () => {
    serveTiny(world, 'a/')
    await setup(world.context())
    await writeFile(join(world.cache, 'mine'), 'x')
    await mkdir(join(world.cache, 'lavapipe.partial'))
    await mkdir(join(world.cache, 'fashion-mnist.old-12'))
    world.lines.length = 0
    const freed = await removeSetup(world.context())
    expect(await readdir(world.cache)).toEqual(['mine'])
    expect(freed).toBeGreaterThan(tiny(TI).length)
    expect(said().map((line) => line.replace(/: [\d.]+ kB$/, ''))).toEqual([
      'removed CACHE/adapter.json',
      'removed CACHE/fashion-mnist',
      'removed CACHE/fashion-mnist.old-12',
      'removed CACHE/lavapipe.partial',
    ])
  })

  test('takes the folder along if nothing else is in it, and is content where there is none', async () => {
    serveTiny(world, 'a/')
    await setup(world.context())
    await removeSetup(world.context())
    expect(await readdir(join(world.folder, 'cache'))).toEqual([])
    world.lines.length = 0
    expect(await removeSetup(world.context())).toBe(0)
    expect(said()).toEqual(['nothing to remove: CACHE is empty or does not exist'])
  })
})

describe('ensureSetup', () => {
  test('brings what is missing, in silence if it is to be quiet', async () => {
    serveTiny(world, 'a/')
    const { report: _, ...context } = world.context()
    await ensureSetup({ quiet: true }, context)
    expect(await readTiny(folder)).toEqual(TINY)
    expect(world.lines).toEqual([])
  })

  test('is content with what is there: the adapter is not tried again, the files are not read', async () => {
    let probes = 0
    const probe = async () => {
      probes++
      return PRESENT
    }
    serveTiny(world, 'a/')
    await setup(world.context({ probe }))
    expect(probes).toBeGreaterThan(0)
    probes = 0
    world.lines.length = 0
    await writeFile(join(folder, `${TI}.gz`), 'damaged')
    await ensureSetup({}, world.context({ probe }))
    expect(probes).toBe(0)
    expect(world.lines).toEqual([])
  })

  test('does nothing where DAWNGRAD_NO_SETUP forbids it', async () => {
    const { env } = world.context()
    await ensureSetup({}, world.context({ env: { ...env, DAWNGRAD_NO_SETUP: '1' } }))
    expect(world.requests).toEqual([])
  })

  test('leaves it to others to report what it cannot bring', async () => {
    const search = { folders: [world.folder], chosenBy: 'FASHION_MNIST_DIR' as const }
    await ensureSetup({}, world.context({ search }))
    expect(world.requests).toEqual([])
    expect(world.lines).toEqual([])
  })
})
