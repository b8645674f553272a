import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hasCommand, runCommand } from '../../src/provision/commands.ts'
import { type Owner, takeLock, thisProcess, withLock } from '../../src/provision/lock.ts'
import { makeCache, makeWorld, readTiny, sends, TINY, TINY_FILES, type World } from '../support/setup_world.ts'

let world: World
let lock = ''
const children: ChildProcess[] = []
beforeEach(async () => {
  world = await makeWorld()
  lock = join(await makeCache(world), 'setup.lock')
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await world.close()
})

const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds))

/** A lock as its owner leaves it that ends without a chance to give it back. */
async function leftBy(owner: Partial<Owner>, secondsAgo = 0): Promise<void> {
  await mkdir(lock)
  const file = join(lock, 'left')
  await writeFile(file, JSON.stringify({ ...thisProcess(), ...owner }))
  const then = new Date(Date.now() - secondsAgo * 1000)
  await utimes(file, then, then)
}

/** How a lock is taken while another has it: at once, or only after a wait. */
async function taken(): Promise<'at once' | 'waited'> {
  let how: 'at once' | 'waited' = 'at once'
  const onWait = () => {
    how = 'waited'
    void runCommand('rm', ['-r', lock])
  }
  await withLock(lock, async () => {}, { onWait, pollMilliseconds: 20 })
  return how
}

/** A process number that no process has: that of a child which has ended. */
async function endedPid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  await once(child, 'exit')
  return child.pid ?? 0
}

describe('withLock', () => {
  test('lets one at a time through, and leaves nothing', async () => {
    let inside = 0
    let most = 0
    let turns = 0
    const act = async () => {
      most = Math.max(most, ++inside)
      await pause(5)
      inside--
      turns++
    }
    await Promise.all(Array.from({ length: 8 }, () => withLock(lock, act, { pollMilliseconds: 1 })))
    expect([most, turns]).toEqual([1, 8])
    expect(await readdir(world.cache)).toEqual([])
  })

  test('is given back when the act fails', async () => {
    await expect(withLock(lock, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await readdir(world.cache)).toEqual([])
  })

  test('is taken over from a process that has ended', async () => {
    await leftBy({ pid: await endedPid() })
    expect(await taken()).toBe('at once')
  })

  test('is taken over where the number is that of a younger process', async () => {
    await leftBy({ started: '1' })
    expect(await taken()).toBe(process.platform === 'linux' ? 'at once' : 'waited')
  })

  test('is not taken over from a process that lives, however long it is silent', async () => {
    await leftBy({}, process.platform === 'linux' ? 3600 : 0)
    expect(await taken()).toBe('waited')
  })

  test('of another machine is taken over after two minutes of silence', async () => {
    // Each has its own table of processes, whatever its name: there this number stands for nothing.
    for (const host of [`not-${hostname()}`, hostname()]) {
      await leftBy({ host, place: 'elsewhere', pid: process.pid }, 90)
      expect(await taken()).toBe('waited')
      await leftBy({ host, place: 'elsewhere', pid: process.pid }, 130)
      expect(await taken()).toBe('at once')
    }
  })

  test.skipIf(process.platform !== 'linux')('is taken over from a process that nobody has buried', async () => {
    // The shell becomes a `sleep`, which never asks how its child ended.
    const parent = spawn('sh', ['-c', 'sleep 0.01 & echo $!; exec sleep 60'])
    children.push(parent)
    const pid = Number((await once(parent.stdout, 'data'))[0])
    await until(() => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '))
    await leftBy({ pid, started: readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[19]! })
    expect(await taken()).toBe('at once')
  })

  test.each(['', 'null', '5', '{}', '{"pid":0}', '{"pid":"1"}'])(
    'whose owner can not be read (%j) is taken over after two minutes of silence',
    async (text) => {
      await leftBy({}, 0)
      await writeFile(join(lock, 'left'), text)
      expect(await taken()).toBe('waited')
      await leftBy({}, 0)
      await writeFile(join(lock, 'left'), text)
      const then = new Date(Date.now() - 130_000)
      await utimes(join(lock, 'left'), then, then)
      expect(await taken()).toBe('at once')
    },
  )

  test('is refused instead of waited for where `onWait` throws, and then leaves nothing of its own', async () => {
    await leftBy({})
    const onWait = (owner: Owner | null) => {
      throw new Error(`process ${owner?.pid} has it`)
    }
    await expect(takeLock(lock, { onWait })).rejects.toThrow(`process ${process.pid} has it`)
    expect(await readdir(world.cache)).toEqual(['setup.lock'])
    expect(await readdir(lock)).toEqual(['left'])
  })

  test('that is given back just then is had at once, and not refused', async () => {
    const onWait = () => {
      throw new Error('held')
    }
    for (let i = 0; i < 20; i++) {
      await mkdir(lock) // as it is between the two calls that give it back
      await (await takeLock(lock, { onWait })).release()
    }
  })

  test('tells whether it is still held', async () => {
    const held = await takeLock(lock)
    expect(await held.isHeld()).toBe(true)
    await rm(lock, { recursive: true })
    const other = await takeLock(lock)
    expect([await held.isHeld(), await other.isHeld()]).toEqual([false, true])
    await held.release()
    expect(await other.isHeld()).toBe(true)
    await other.release()
    expect(await readdir(world.cache)).toEqual([])
  })

  test('leaves the drafts of those who wait, and removes those of the dead', async () => {
    for (const [name, pid] of [
      ['dead', await endedPid()],
      ['alive', process.pid],
    ] as const) {
      await mkdir(`${lock}.${name}`)
      const { started } = thisProcess()
      await writeFile(join(`${lock}.${name}`, 'x'), JSON.stringify({ ...thisProcess(), pid, started }))
    }
    await withLock(lock, async () => {})
    expect(await readdir(world.cache)).toEqual(['setup.lock.alive'])
  })

  test('that many find abandoned goes to one of them at a time', async () => {
    await leftBy({ pid: await endedPid() })
    let inside = 0
    let most = 0
    const act = async () => {
      most = Math.max(most, ++inside)
      await pause(2)
      inside--
    }
    await Promise.all(Array.from({ length: 20 }, () => withLock(lock, act, { pollMilliseconds: 1 })))
    expect(most).toBe(1)
  })
})

const loader = new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url).href
const index = new URL('../../src/provision/setup.ts', import.meta.url).href

/** `setup` in a process of its own. */
function inProcess(): { child: ChildProcess; text: () => string } {
  const { env, mirrors, search } = world.context()
  const program = `
    const { setup } = await import(${JSON.stringify(index)})
    const facts = { vendor: '', architecture: '', device: '', description: 'test', isFallbackAdapter: false }
    await setup({
      ...${JSON.stringify({ env, mirrors, search, files: TINY_FILES, platform: 'linux' })},
      has: () => false,
      probe: async () => ({ ok: true, facts }),
      report: { line: console.log, progress: () => ({ update: () => {}, end: () => {} }) },
    })`
  const child = spawn(process.execPath, ['--import', loader, '--input-type=module', '--eval', program])
  children.push(child)
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  child.stderr.on('data', (chunk) => {
    text += chunk
  })
  return { child, text: () => text }
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !condition(); i++) await pause(20)
}

describe('two processes', () => {
  test('at once: the second waits, and finds everything there', async () => {
    const name = [...TINY.keys()][0] ?? ''
    for (const [file, bytes] of TINY) world.answers.set(`a/${file}`, sends(bytes))
    world.answers.set(`a/${name}`, (request, response) => {
      void until(() => second?.text().includes('waiting') ?? false).then(() =>
        sends(TINY.get(name)!)(request, response),
      )
    })
    let second: ReturnType<typeof inProcess> | undefined
    const first = inProcess()
    await until(() => world.requests.length > 0)
    second = inProcess()
    const codes = await Promise.all([first, second].map(async ({ child }) => (await once(child, 'exit'))[0]))
    expect([codes, first.text(), second.text()]).toEqual([[0, 0], expect.anything(), expect.anything()])
    expect(world.plain(second.text())).toMatch(
      new RegExp(`^waiting for process ${first.child.pid}, which is setting up CACHE\n`),
    )
    expect(world.requests).toHaveLength(4)
    expect(await readTiny(join(world.cache, 'fashion-mnist'))).toEqual(TINY)
  })

  test('one after the other, the first killed in the midst of a file', async () => {
    const [name = '', bytes = new Uint8Array()] = [...TINY][0] ?? []
    for (const [file, all] of TINY) world.answers.set(`a/${file}`, sends(all))
    world.answers.set(`a/${name}`, (_, response) => {
      response.writeHead(200, { 'content-length': bytes.length })
      response.write(bytes.subarray(0, 50))
    })
    const first = inProcess()
    await until(() => world.requests.length > 0)
    await pause(300)
    first.child.kill('SIGKILL')
    await once(first.child, 'exit')
    expect((await readdir(world.cache)).sort()).toEqual(['adapter.json', 'fashion-mnist.partial', 'setup.lock'])
    world.answers.set(`a/${name}`, sends(bytes))
    const second = inProcess()
    const [code] = await once(second.child, 'exit')
    expect([code, second.text()]).toEqual([0, expect.not.stringContaining('waiting')])
    expect(world.requests[1]).toBe(`a/${name} bytes=50-`)
    expect(await readTiny(join(world.cache, 'fashion-mnist'))).toEqual(TINY)
    expect((await readdir(world.cache)).sort()).toEqual(['adapter.json', 'fashion-mnist'])
  })
})

describe('commands', () => {
  test('give their status, their output, and the lines that they write to descriptor 3', async () => {
    const status: string[] = []
    const script = 'echo out; echo err >&2; echo one >&3; printf two >&3; echo ! >&3; exit 7'
    const result = await runCommand('sh', ['-c', script], { onStatus: (line) => status.push(line) })
    expect(result).toEqual({ code: 7, stdout: 'out\n', stderr: 'err\n' })
    expect(status).toEqual(['one', 'two!'])
  })

  test('that cannot be started are told', async () => {
    await expect(runCommand('no-such-command-here', [])).rejects.toMatchObject({ code: 'ENOENT' })
    expect(hasCommand('no-such-command-here', process.env)).toBe(false)
    expect(hasCommand('sh', process.env)).toBe(true)
    expect(hasCommand('sh', { PATH: '' })).toBe(false)
  })

  test('end with the process that runs them', async () => {
    const commands = new URL('../../src/provision/commands.ts', import.meta.url).href
    const program = `
      const { runCommand } = await import(${JSON.stringify(commands)})
      await runCommand('sh', ['-c', 'echo $$ >&3; exec sleep 60'], { onStatus: console.log })`
    const child = spawn(process.execPath, ['--import', loader, '--input-type=module', '--eval', program])
    children.push(child)
    const [pid] = await once(child.stdout, 'data')
    child.kill('SIGTERM')
    expect((await once(child, 'exit'))[1]).toBe('SIGTERM')
    await until(() => !hasPid(Number(pid)))
    expect(hasPid(Number(pid))).toBe(false)
  })
})

function hasPid(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
