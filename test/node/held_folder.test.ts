import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { holdFolder, holdNewFolder, refuseHeld } from '../../src/node/held_folder.ts'
import { heldByAnother } from '../support/held_by_another.ts'

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'dawngrad-held-')))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(scratch, 'one-'))
})

/** The program of test/support/run_place_process.ts in one file: loaders would make its start several times as long. */
async function program(): Promise<string> {
  const require = createRequire(createRequire(import.meta.url).resolve('tsx'))
  const { build } = require('esbuild') as { build: (options: object) => Promise<unknown> }
  const outfile = join(scratch, 'program.mjs')
  const entry = fileURLToPath(new URL('../support/run_place_process.ts', import.meta.url))
  const banner = { js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)` }
  const how = { bundle: true, platform: 'node', format: 'esm', external: ['webgpu'], banner }
  await build({ entryPoints: [entry], outfile, ...how })
  return outfile
}

/** A process that takes folders; see test/support/run_place_process.ts. */
class Taker {
  readonly child: ChildProcess
  readonly #answers: AsyncIterator<string>

  constructor(file: string) {
    this.child = spawn(process.execPath, [file], { cwd: folder, stdio: ['pipe', 'pipe', 'inherit'] })
    this.#answers = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]()
  }

  async ask(...what: readonly [string, string?]): Promise<string> {
    this.child.stdin!.write(`${JSON.stringify(what)}\n`)
    return JSON.parse((await this.#answers.next()).value as string) as string
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await once(this.child, 'exit')
  }
}

const TIME = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`

describe('twelve processes at once', () => {
  let all: Taker[] = []
  afterEach(async () => {
    await Promise.all(all.map((taker) => taker.kill()))
  })
  const ask = (...what: readonly [string, string?]) => Promise.all(all.map((taker) => taker.ask(...what)))

  /** Asks all for one folder. One has it, the others name it; this one is killed, as if it had crashed. */
  async function oneTakes(how: 'out' | 'resumed', path: string, cure: string): Promise<void> {
    const answers = await ask(how, path)
    const taken = answers.flatMap((answer, i) => (answer.startsWith('took') ? [i] : []))
    expect(taken, answers.join('\n')).toHaveLength(1)
    const owner = all[taken[0]!]!
    const option = how === 'out' ? '--out' : '--resume'
    const words = `process ${owner.child.pid} on ${hostname()} since ${TIME}`
    const refused = new RegExp(`^UsageError: option '${option}': ${path} is in use by ${words}; ${cure}$`)
    for (const answer of answers) if (!answer.startsWith('took')) expect(answer).toMatch(refused)
    await owner.kill()
    all = all.filter((taker) => taker !== owner)
  }

  it('have a folder each without --out; with one there is one that has it, until it dies', async () => {
    const file = await program()
    all = Array.from({ length: 12 }, () => new Taker(file))
    const second = await ask('default', '2026-01-31T12:34:56.789')
    const names = Array.from({ length: 12 }, (_, i) => `runs/2026-01-31T12-34-56${i === 0 ? '' : `-${i + 1}`}`)
    expect(second.sort()).toEqual(names.map((name) => `took ${name}`).sort())
    await ask('release')
    // What nothing was written into is gone; who made the folder of them all may have found it in use.
    expect(readdirSync(folder, { recursive: true }).filter((name) => name !== 'runs')).toEqual([])

    await oneTakes('out', 'same', 'choose another folder')
    // All find the lock of the dead.
    await oneTakes('out', './same/', 'choose another folder')
    await oneTakes('resumed', 'same', 'wait until it ends, or stop it')
    expect(readdirSync(folder)).toContain('same')
  })
})

describe('a folder', () => {
  const owner = new RegExp(`is in use by process ${process.ppid} on ${hostname()} since ${TIME}$`)

  it('is the same by all of its names', async () => {
    heldByAnother(join(folder, 'run'))
    symlinkSync('run', join(folder, 'link'))
    mkdirSync(join(folder, 'other'))
    for (const name of ['run', 'run/', 'other/../run', 'link', 'link/.'])
      await expect(holdFolder(`${folder}/${name}`)).rejects.toThrow(owner)
    await expect(refuseHeld(join(folder, 'link'))).rejects.toThrow(owner)
  })

  it('is refused to another run of the same process, which may write there all the same', async () => {
    const held = await holdFolder(join(folder, 'run'))
    await expect(holdFolder(join(folder, 'run'))).rejects.toThrow(/ is in use by another run of this process$/)
    await refuseHeld(join(folder, 'run'))
    await held.check()
    await held.release()
    await expect(held.check()).rejects.toThrow(/its lock is gone/)
  })

  it('can be waited for', async () => {
    const held = await holdFolder(folder)
    const told: string[] = []
    const waiting = holdFolder(folder, (line) => {
      told.push(line)
      void held.release()
    })
    await (await waiting).release()
    expect(told).toEqual([`${folder} is in use by another run of this process: waiting for it`])
  })

  it('stays if it was there before, or if something is in it', async () => {
    await (await holdFolder(folder)).release()
    expect(existsSync(folder)).toBe(true)
    const held = await holdFolder(join(folder, 'a/b'))
    writeFileSync(join(folder, 'a/x'), '')
    await held.release()
    expect(readdirSync(join(folder, 'a'))).toEqual(['x'])
  })

  it('that is new is had by nobody else, and only if its name is free', async () => {
    expect(await holdNewFolder(folder)).toBeNull()
    const held = await holdNewFolder(join(folder, 'a/b'))
    expect(await holdNewFolder(join(folder, 'a/b'))).toBeNull()
    await held!.release()
    expect(readdirSync(folder)).toEqual([])
    writeFileSync(join(folder, 'file'), '')
    await expect(holdNewFolder(join(folder, 'file/b'))).rejects.toThrow(/file\/b can't be written: EEXIST/)
  })

  it('that others remove and make at the same time is taken all the same', async () => {
    const path = join(folder, 'a/b')
    let most = 0
    let inside = 0
    const one = async () => {
      const held = await holdFolder(path, () => {})
      most = Math.max(most, ++inside)
      inside--
      await held.release()
    }
    await Promise.all(Array.from({ length: 3 }, one))
    expect(most).toBe(1)
  })
})
