import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { FASHION_MNIST_FILES, fashionMnistFromBytes, take } from '../../src/data/fashion_mnist.ts'
import { DataError } from '../../src/errors.ts'
import { cacheDir } from '../../src/node/cache.ts'
import { fashionMnistSearch, findFashionMnist, loadFashionMnist } from '../../src/node/fashion_mnist.ts'
import { fashionMnistParts, tinyFashionMnist, writeTinyFashionMnist } from '../support/idx_files.ts'

const [TI, TL, SI, SL] = [
  'train-images-idx3-ubyte',
  'train-labels-idx1-ubyte',
  't10k-images-idx3-ubyte',
  't10k-labels-idx1-ubyte',
] as const
const system = '/usr/share/datasets/fashion-mnist'
const sample = new URL('../../examples/sample/', import.meta.url)
const help = [
  `One folder must hold ${TI}, ${TL}, ${SI}, ${SL}, each plain or .gz. Any of these helps:`,
  '  npm run setup',
  '  apt-get install dataset-fashion-mnist',
  '  export FASHION_MNIST_DIR=/folder/with/the/four/files',
].join('\n')
const tiny = tinyFashionMnist()
const helpWithout = (source: string) =>
  help
    .replace('npm run setup', `$&, and leave out ${source}`)
    .replace('dataset-fashion-mnist', `$&, and leave out ${source}`)

let root = ''
let dir = ''
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'dawngrad-'))
  dir = join(root, 'set')
  vi.stubEnv('FASHION_MNIST_DIR', undefined)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(root, { recursive: true, force: true })
})

const load = () => loadFashionMnist({ dir, verify: false })
async function fails(promise: Promise<unknown>, message: string): Promise<void> {
  const error = await promise.then(
    () => 'no error',
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(DataError)
  expect(error).toMatchObject({ message })
}

describe('where files are looked for', () => {
  test('the cache folder follows XDG_CACHE_HOME if it is absolute', () => {
    const usual = join(homedir(), '.cache', 'dawngrad')
    expect(cacheDir({ XDG_CACHE_HOME: '/c' })).toBe('/c/dawngrad')
    expect(cacheDir({ XDG_CACHE_HOME: '' })).toBe(usual)
    expect(cacheDir({ XDG_CACHE_HOME: 'c' })).toBe(usual)
    expect(cacheDir({})).toBe(usual)
  })

  test('dir, else FASHION_MNIST_DIR, else the cache and the system', () => {
    const env = { FASHION_MNIST_DIR: '/e', XDG_CACHE_HOME: '/c' }
    expect(fashionMnistSearch('/d', env)).toEqual({ folders: ['/d'], chosenBy: 'the dir option' })
    expect(fashionMnistSearch(undefined, env)).toEqual({ folders: ['/e'], chosenBy: 'FASHION_MNIST_DIR' })
    const usual = ['/c/dawngrad/fashion-mnist', system, '/usr/local/share/datasets/fashion-mnist']
    expect(fashionMnistSearch(undefined, { XDG_CACHE_HOME: '/c' })).toEqual({ folders: usual, chosenBy: null })
    expect(fashionMnistSearch(undefined, { ...env, FASHION_MNIST_DIR: '' })).toEqual({
      folders: usual,
      chosenBy: null,
    })
  })

  test('loadFashionMnist goes by the environment of the process', async () => {
    await writeTinyFashionMnist(dir)
    const cached = join(root, 'dawngrad', 'fashion-mnist')
    await writeTinyFashionMnist(cached)
    vi.stubEnv('XDG_CACHE_HOME', root)
    expect((await loadFashionMnist({ verify: false })).dir).toBe(cached)
    vi.stubEnv('FASHION_MNIST_DIR', dir)
    expect((await loadFashionMnist({ verify: false })).dir).toBe(dir)
    expect((await loadFashionMnist({ dir: cached, verify: false })).dir).toBe(cached)
  })

  test('dir may be relative, or a file URL', async () => {
    await writeTinyFashionMnist(dir)
    expect((await loadFashionMnist({ dir: relative(process.cwd(), dir), verify: false })).dir).toBe(dir)
    expect((await loadFashionMnist({ dir: pathToFileURL(dir), verify: false })).dir).toBe(dir)
  })

  test('the first folder that is whole is used, a plain file before its .gz', async () => {
    await writeTinyFashionMnist(dir, ['testLabels'])
    await writeFile(join(dir, `${SL}.gz`), 'not gzip')
    const half = join(root, 'half')
    await writeTinyFashionMnist(half)
    await rm(join(half, `${TL}.gz`))
    const later = join(root, 'later')
    await writeTinyFashionMnist(later)
    const folders = [join(root, 'none'), half, dir, later]
    expect(await findFashionMnist({ folders, chosenBy: null })).toEqual({
      dir,
      paths: {
        trainImages: join(dir, `${TI}.gz`),
        trainLabels: join(dir, `${TL}.gz`),
        testImages: join(dir, `${SI}.gz`),
        testLabels: join(dir, SL),
      },
    })
  })

  test('nothing found: every folder, what it lacks, and what helps', async () => {
    await writeTinyFashionMnist(dir)
    await rm(join(dir, `${TL}.gz`))
    await rm(join(dir, `${SI}.gz`))
    await mkdir(join(root, 'empty'))
    await writeFile(join(root, 'file'), '')
    const folders = [dir, join(root, 'empty'), join(root, 'file'), join(root, 'none')]
    await fails(
      findFashionMnist({ folders, chosenBy: null }),
      [
        'Fashion-MNIST was not found. Looked in:',
        `  ${dir}: lacks ${TL}, ${SI}`,
        `  ${root}/empty: none of the four files`,
        `  ${root}/file: not a folder`,
        `  ${root}/none: no such folder`,
        help,
      ].join('\n'),
    )
  })

  test('a folder named by FASHION_MNIST_DIR or by dir is the only one', async () => {
    await writeTinyFashionMnist(join(root, 'dawngrad', 'fashion-mnist'))
    vi.stubEnv('XDG_CACHE_HOME', root)
    vi.stubEnv('FASHION_MNIST_DIR', dir)
    await fails(
      loadFashionMnist({ verify: false }),
      'Fashion-MNIST was not found. Looked in, the only folder searched because FASHION_MNIST_DIR names it:\n' +
        `  ${dir}: no such folder\n${helpWithout('FASHION_MNIST_DIR')}`,
    )
    await writeTinyFashionMnist(dir)
    await rm(join(dir, `${TI}.gz`))
    await fails(
      load(),
      'Fashion-MNIST was not found. Looked in, the only folder searched because the dir option names it:\n' +
        `  ${dir}: lacks ${TI}\n${helpWithout('the dir option').replace('export FASHION_MNIST_DIR=/folder/with/the/four/files', "loadFashionMnist({ dir: '/folder/with/the/four/files' })")}`,
    )
  })
})

test.each([{ plain: [] }, { plain: ['trainImages', 'testLabels'] as const }, { plain: fashionMnistParts }])(
  'gzip or plain, file by file: $plain',
  async ({ plain }) => {
    await writeTinyFashionMnist(dir, plain)
    const { dir: from, ...sets } = await load()
    expect(from).toBe(dir)
    expect(sets).toEqual(fashionMnistFromBytes(tiny))
    expect(sets.train.images.constructor).toBe(Uint8Array)
  },
)

describe('the sample in the repository', () => {
  test('loads', async () => {
    const { train, test } = await loadFashionMnist({ dir: sample, verify: false })
    expect([train.count, test.count]).toEqual([512, 256])
    expect([train.images.length, test.images.length]).toEqual([512 * 784, 256 * 784])
    // The well-known first labels: an ankle boot, a t-shirt, another; in the test set an ankle boot, a pullover.
    expect(Array.from(train.labels.subarray(0, 6))).toEqual([9, 0, 0, 3, 0, 2])
    expect(Array.from(test.labels.subarray(0, 6))).toEqual([9, 2, 1, 1, 6, 1])
    expect([new Set(train.labels).size, new Set(test.labels).size]).toEqual([10, 10])
  })

  test.skipIf(!existsSync(system))('is the beginning of the real set', async () => {
    const small = await loadFashionMnist({ dir: sample, verify: false })
    const whole = await loadFashionMnist({ dir: system })
    for (const [part, of] of [
      [small.train, take(whole.train, 512)],
      [small.test, take(whole.test, 256)],
    ] as const) {
      expect(Buffer.compare(part.images, of.images)).toBe(0)
      expect(Buffer.compare(part.labels, of.labels)).toBe(0)
    }
  })
})

describe.skipIf(!existsSync(system))('the real set', () => {
  test('loads, verified, with 6,000 and 1,000 examples of each class', async () => {
    const { train, test, dir: from } = await loadFashionMnist({ dir: system })
    expect([train.count, test.count, from]).toEqual([60_000, 10_000, system])
    for (const [set, each] of [
      [train, 6000],
      [test, 1000],
    ] as const) {
      const counts = new Array<number>(10).fill(0)
      for (const label of set.labels) counts[label]! += 1
      expect(counts).toEqual(new Array(10).fill(each))
    }
  })

  test('one changed byte is found', async () => {
    await mkdir(dir)
    for (const part of fashionMnistParts) {
      const name = `${FASHION_MNIST_FILES[part].stem}.gz`
      await writeFile(join(dir, name), await readFile(join(system, name)))
    }
    const { test } = await loadFashionMnist({ dir })
    const labels = Uint8Array.from([0, 0, 8, 1, 0, 0, 0x27, 0x10, ...test.labels])
    await writeFile(join(dir, SL), labels)
    expect((await loadFashionMnist({ dir })).test.labels).toEqual(test.labels)
    labels[5000] = (labels[5000]! + 1) % 10
    await writeFile(join(dir, SL), labels)
    // Not the set itself into expect: a failure would print 55 MB of it.
    await expect(loadFashionMnist({ dir }).then(() => 'loaded')).rejects.toThrow(
      `${dir}/${SL}: not the published file: `,
    )
  })
})
