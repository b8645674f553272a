// A disk that is full, or not to be written to. As root on Linux these are real file systems in memory.
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { download } from '../../src/provision/download.ts'
import { removeSetup, setup } from '../../src/provision/setup.ts'
import { makeCache, makeWorld, rejection, sends, serveTiny, TINY, type World } from '../support/setup_world.ts'

const root = process.getuid?.() === 0

let world: World
let mounted = false
beforeEach(async () => {
  world = await makeWorld()
  serveTiny(world, 'a/')
})
afterEach(async () => {
  if (mounted) execFileSync('umount', [world.cache])
  mounted = false
  await world.close()
})

const fails = async (promise: Promise<unknown>): Promise<string> => world.plain(await rejection(promise))

/** Whether a file system of that size, in memory, now is the cache folder: not everybody may mount one. */
async function mountCache(options: string): Promise<boolean> {
  await makeCache(world)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', world.cache], { stdio: 'ignore' })
    mounted = true
  } catch {
    mounted = false
  }
  return mounted
}

describe.skipIf(!root || process.platform !== 'linux')('a full disk', () => {
  test('is told before anything is fetched', async ({ skip }) => {
    if (!(await mountCache('size=1m'))) skip()
    expect(await fails(setup(world.context()))).toMatch(
      /^SetupError: CACHE\/fashion-mnist\.partial: the disk is too full for Fashion-MNIST: 30\.9 MB are needed temporarily, but 1\.0 MB are free: make room, or set XDG_CACHE_HOME to a folder elsewhere$/,
    )
    expect(world.requests).toEqual([])
    expect(await removeSetup(world.context())).toBeGreaterThan(0)
    expect(await readdir(world.cache)).toEqual([])
  })

  test('in the midst of a file: it is told, and the file gives back its room', async ({ skip }) => {
    if (!(await mountCache('size=1m'))) skip()
    const big = gzipSync(new Uint8Array(3 << 20), { level: 0 })
    world.answers.set('big', sends(big))
    const path = join(world.cache, 'big.part')
    const options = { magic: [0x1f, 0x8b], kind: 'a gzip file', most: 1 << 23, patience: 2000 }
    expect(await fails(download({ url: `${world.url}big`, path, ...options }))).toBe(
      'SetupError: CACHE/big.part: the disk is full: make room, or set XDG_CACHE_HOME to a folder elsewhere',
    )
    expect(await readdir(world.cache)).toEqual([])
  })
})

describe('a cache folder that cannot be written to', () => {
  const help = 'make it a writable folder, or set XDG_CACHE_HOME to a folder elsewhere'

  test('because its file system is read-only', async ({ skip }) => {
    if (!root || process.platform !== 'linux' || !(await mountCache('ro,size=1m'))) skip()
    expect(await fails(setup(world.context()))).toBe(`SetupError: CACHE: cannot be written (EROFS): ${help}`)
    expect(world.requests).toEqual([])
  })

  test('because it is another user’s', async ({ skip }) => {
    if (root) skip()
    await makeCache(world)
    await chmod(world.cache, 0o555)
    expect(await fails(setup(world.context()))).toMatch(/cannot be written \(EACCES\)/)
    await chmod(world.cache, 0o755)
    expect(world.requests).toEqual([])
  })

  test('because it is a file', async () => {
    await mkdir(join(world.folder, 'cache'))
    await writeFile(world.cache, 'x')
    expect(await fails(setup(world.context()))).toBe(`SetupError: CACHE: cannot be written (EEXIST): ${help}`)
    expect(world.requests).toEqual([])
  })

  test('is no hindrance where nothing is missing', async ({ skip }) => {
    if (!root || process.platform !== 'linux' || !(await mountCache('size=1m'))) skip()
    await mkdir(join(world.cache, 'fashion-mnist'))
    for (const [name, bytes] of TINY) await writeFile(join(world.cache, 'fashion-mnist', name), bytes)
    execFileSync('mount', ['-o', 'remount,ro', world.cache])
    await setup(world.context())
    expect(world.plain(world.lines.at(-1) ?? '')).toBe('data: CACHE/fashion-mnist')
  })
})
