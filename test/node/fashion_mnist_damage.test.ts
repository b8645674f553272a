import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FASHION_MNIST_FILES, fashionMnistFromBytes } from '../../src/data/fashion_mnist.ts'
import { DataError } from '../../src/errors.ts'
import { loadFashionMnist } from '../../src/node/fashion_mnist.ts'
import { fashionMnistParts, tinyFashionMnist, writeTinyFashionMnist } from '../support/idx_files.ts'

const [TI, TL, SI, SL] = [
  'train-images-idx3-ubyte',
  'train-labels-idx1-ubyte',
  't10k-images-idx3-ubyte',
  't10k-labels-idx1-ubyte',
] as const
const remedy =
  "delete it and fetch it again (`npm run setup` fetches what the cache folder lacks), or install Debian's package " +
  'dataset-fashion-mnist, or set FASHION_MNIST_DIR to a folder that holds the right files'
const tiny = tinyFashionMnist()

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dawngrad-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
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

describe('refusals', () => {
  test('damage inside IDX is reported with the path', async () => {
    await writeTinyFashionMnist(dir)
    await writeFile(join(dir, SL), tiny.testLabels.subarray(0, 9))
    await fails(load(), `${dir}/${SL}: cut off: 9 bytes, but the IDX sizes [2] need 10`)
  })

  test('not the published bytes', async () => {
    await writeTinyFashionMnist(dir)
    const sha = createHash('sha256').update(tiny.trainImages).digest('hex')
    await fails(
      loadFashionMnist({ dir }),
      `${dir}/${TI}.gz: not the published file: the SHA-256 of its 2368 decompressed bytes is ${sha}, but must be ` +
        `c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888: ${remedy} ` +
        '(verify: false accepts other data of this form)',
    )
  })

  const packed = gzipSync(tiny.testLabels)
  const wrong = (at: number) => packed.map((byte, i) => (i === (at + packed.length) % packed.length ? byte ^ 1 : byte))
  test.each([
    ['a page of HTML', Buffer.from('<!DOCTYPE html><title>404</title>'), 'not a gzip file'],
    ['the file without its compression', Buffer.from(tiny.testLabels), 'not a gzip file'],
    ['an empty file', Buffer.alloc(0), 'cut off: the gzip stream has no end'],
    ['a stream cut in the middle', packed.subarray(0, 14), 'cut off: the gzip stream has no end'],
    ['a stream cut in its checksum', packed.subarray(0, -5), 'cut off: the gzip stream has no end'],
    ['a wrong CRC', wrong(-8), 'damaged gzip file (incorrect data check)'],
    ['a wrong length', wrong(-4), 'damaged gzip file (incorrect length check)'],
    ['another method', wrong(2), 'damaged gzip file (unknown compression method)'],
    [
      'one byte too many',
      gzipSync(Buffer.alloc(10_009)),
      `too long: decompresses to more than the 10008 bytes of ${SL}`,
    ],
    ['a bomb', gzipSync(Buffer.alloc(1 << 24)), `too long: decompresses to more than the 10008 bytes of ${SL}`],
    ['a file far too long', Buffer.alloc(20_017), 'too long: 20017 bytes, but must be at most 20016'],
  ])('refuses %s', async (_, bytes, problem) => {
    await writeTinyFashionMnist(dir)
    await writeFile(join(dir, `${SL}.gz`), bytes)
    await fails(load(), `${dir}/${SL}.gz: ${problem}: ${remedy}`)
  })

  test('refuses a bomb of files that are long on disk, before reading them', async () => {
    await writeTinyFashionMnist(dir, fashionMnistParts)
    await truncate(join(dir, TL), 2 ** 40)
    await fails(load(), `${dir}/${TL}: too long: 1099511627776 bytes, but must be at most 60008: ${remedy}`)
  })

  test('refuses what is not a regular file, without waiting for it', async () => {
    await writeTinyFashionMnist(dir)
    await mkdir(join(dir, SL))
    await fails(load(), `${dir}/${SL}: not a regular file: ${remedy}`)
    execFileSync('mkfifo', [join(dir, TI)])
    await fails(load(), `${dir}/${TI}: not a regular file: ${remedy}`)
  })

  test('refuses links that lead nowhere, in a circle, or to what never ends', async () => {
    await writeTinyFashionMnist(dir)
    const path = join(dir, TI)
    const unreadable = (code: string) =>
      `${path}: cannot be read (${code}): make it readable, or set FASHION_MNIST_DIR to another folder`
    for (const [target, problem] of [
      [TI, unreadable('ELOOP')],
      ['gone', unreadable('ENOENT')],
      ['/dev/zero', `${path}: not a regular file: ${remedy}`],
    ] as const) {
      await symlink(target, path)
      await fails(load(), problem)
      await rm(path)
    }
  })

  test('follows a link to a file, and to the folder', async () => {
    await writeTinyFashionMnist(join(dir, 'set'))
    const name = `${SL}.gz`
    await rename(join(dir, 'set', name), join(dir, 'labels'))
    await symlink('../labels', join(dir, 'set', name))
    await symlink('set', join(dir, 'link'))
    const { train, test } = await loadFashionMnist({ dir: join(dir, 'link'), verify: false })
    expect({ train, test }).toEqual(fashionMnistFromBytes(tiny))
  })

  test.each([
    ['a link in a circle', 'circle', 'cannot be read (ELOOP)'],
    ['a pipe', 'pipe', 'not a folder'],
    ['a name that is too long', 'n'.repeat(300), 'cannot be read (ENAMETOOLONG)'],
    ['a name with NUL', 'a\0b', 'cannot be read (ERR_INVALID_ARG_VALUE)'],
  ])('a folder that is %s is named', async (_, name, problem) => {
    await symlink('circle', join(dir, 'circle'))
    execFileSync('mkfifo', [join(dir, 'pipe')])
    const found = loadFashionMnist({ dir: join(dir, name), verify: false })
    await expect(found).rejects.toBeInstanceOf(DataError)
    await expect(found).rejects.toThrow(`  ${join(dir, name)}: ${problem}\n`)
  })

  test.skipIf(process.getuid?.() === 0)('what may not be read is named', async () => {
    await writeTinyFashionMnist(dir)
    await chmod(join(dir, `${SI}.gz`), 0)
    const why = 'cannot be read (EACCES): make it readable, or set FASHION_MNIST_DIR to another folder'
    await fails(load(), `${dir}/${SI}.gz: ${why}`)
    await chmod(dir, 0)
    await expect(load()).rejects.toThrow(`  ${dir}: cannot be read (EACCES)\n`)
    await chmod(dir, 0o700)
  })

  test('of several damaged files the first is reported, whichever fails first', async () => {
    await writeTinyFashionMnist(dir)
    for (const stem of [SL, TL, TI]) await writeFile(join(dir, `${stem}.gz`), stem === TI ? packed.subarray(9) : '')
    for (let i = 0; i < 5; i++) await fails(load(), `${dir}/${TI}.gz: not a gzip file: ${remedy}`)
  })
})

describe('damaged gzip', () => {
  const right = fashionMnistFromBytes(tiny)
  /** Loads with one file replaced: the right data or a DataError, and whether it was the data. */
  async function survives(name: string, bytes: Uint8Array): Promise<boolean> {
    await writeFile(join(dir, name), bytes)
    try {
      const { train, test } = await load()
      expect({ train, test }).toEqual(right)
      return true
    } catch (error) {
      expect(error).toBeInstanceOf(DataError)
      return false
    }
  }

  test('cut anywhere: refused', async () => {
    await writeTinyFashionMnist(dir)
    const packed = gzipSync(tiny.testLabels)
    for (let length = 0; length < packed.length; length++) {
      expect(await survives(`${SL}.gz`, packed.subarray(0, length)), `cut at ${length}`).toBe(false)
    }
    expect(await survives(`${SL}.gz`, packed)).toBe(true)
  })

  test('a flipped bit, at every place: refused, unless it is one that carries no data', async () => {
    await writeTinyFashionMnist(dir)
    const packed = gzipSync(tiny.testLabels)
    const harmless: number[] = []
    for (let bit = 0; bit < 8 * packed.length; bit++) {
      const flipped = Uint8Array.from(packed)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      if ((await survives(`${SL}.gz`, flipped)) && !harmless.includes(bit >> 3)) harmless.push(bit >> 3)
    }
    // RFC 1952: FLG (its text flag), MTIME, XFL and OS.
    expect(harmless.filter((at) => at < 10)).toEqual([3, 4, 5, 6, 7, 8, 9])
    // Past the header, only padding bits of the last deflate byte carry nothing.
    expect(harmless.filter((at) => at >= 10 && at !== packed.length - 9)).toEqual([])
  })

  test('several changes in images and labels', async () => {
    await writeTinyFashionMnist(dir)
    const files = fashionMnistParts.map((part) => ({
      name: `${FASHION_MNIST_FILES[part].stem}.gz`,
      packed: gzipSync(tiny[part]),
    }))
    const edge = fc.oneof(fc.nat({ max: 20 }), fc.integer({ min: -10, max: -1 }), fc.nat({ max: 2000 }))
    const change = fc.record({ at: edge, xor: fc.integer({ min: 1, max: 255 }) })
    const damage = fc.record({
      file: fc.constantFrom(...files),
      changes: fc.array(change, { maxLength: 3 }),
      cut: fc.option(edge, { freq: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(damage, async ({ file: { name, packed }, changes, cut }) => {
        const bytes = Uint8Array.from(packed)
        for (const { at, xor } of changes) bytes[((at % bytes.length) + bytes.length) % bytes.length]! ^= xor
        await survives(name, cut === null ? bytes : bytes.subarray(0, cut))
        await writeFile(join(dir, name), packed)
      }),
      { seed: 4, numRuns: 300 },
    )
  })
})
