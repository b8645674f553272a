import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const loader = new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url).href
const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

let folder = ''
let cache = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dawngrad-setup-'))
  cache = join(folder, 'dawngrad')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** The command line, on a machine that has neither adapter nor data, whatever the real one has. */
function dawngrad(...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const env = {
    PATH: process.env.PATH,
    VK_DRIVER_FILES: '/none.json',
    FASHION_MNIST_DIR: folder,
    XDG_CACHE_HOME: folder,
  }
  return new Promise((done) => {
    execFile(process.execPath, ['--import', loader, main, ...args], { env }, (error, stdout, stderr) => {
      const plain = (text: string) => text.replaceAll(cache, 'CACHE').replaceAll(folder, 'FOLDER')
      done({ code: error?.code ?? 0, stdout: plain(stdout), stderr: plain(stderr) })
    })
  })
}

describe('dawngrad setup', () => {
  const adapter =
    'no driver of this machine gives one, and VK_DRIVER_FILES names the only drivers; ' +
    'without that variable setup can install one'
  const data = 'not all four files are in FOLDER, which FASHION_MNIST_DIR names'

  test('--check reports on stdout and leaves with 1 if something is missing', async () => {
    expect(await dawngrad('setup', '--check')).toEqual({
      code: 1,
      stdout: `adapter: missing: ${adapter}\ndata: missing: ${data}\n`,
      stderr: '',
    })
  })

  test('reports what it cannot bring on stderr', async () => {
    expect(await dawngrad('setup')).toEqual({
      code: 1,
      stdout: '',
      stderr: `error: adapter: ${adapter}\ndata: ${data}\n`,
    })
    expect(existsSync(cache)).toBe(false)
  })

  test('--remove frees what was brought', async () => {
    await mkdir(join(cache, 'swiftshader.partial'), { recursive: true })
    await writeFile(join(cache, 'swiftshader.partial/x'), 'y'.repeat(1500))
    expect(await dawngrad('setup', '--remove')).toEqual({
      code: 0,
      stdout: 'removed CACHE/swiftshader.partial: 1.5 kB\n1.5 kB freed\n',
      stderr: '',
    })
    expect(existsSync(cache)).toBe(false)
  })
})
