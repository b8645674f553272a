import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { decodeCheckpoint, encodeCheckpoint } from '../../src/node/checkpoint.ts'
import { holdFolder } from '../../src/node/held_folder.ts'
import { resultOf } from '../../src/node/sweep_point.ts'
import { bitsOf, type Ended, makeScratch, stepsOf, TINY, train, until } from '../support/train_process.ts'

const { folder: scratch, remove } = makeScratch()
afterAll(remove)
const script = fileURLToPath(new URL('../support/sweep_sample.ts', import.meta.url))
const tsx = new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url).href
const CLEAN = { SLURM_ARRAY_TASK_ID: '', JOB_COMPLETION_INDEX: '' }

/** `stderr` without Dawn's warnings, and `everything` with them. */
interface SweepEnded extends Ended {
  readonly everything: string
}

/** A sweep on the sample, in the scratch folder. */
function start(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): { child: ChildProcess; ended: Promise<SweepEnded> } {
  const child = spawn(process.execPath, ['--import', tsx, script, ...args], {
    cwd: scratch,
    env: { ...process.env, DAWNGRAD_NO_SETUP: '1', ...CLEAN, ...env },
    timeout: 50_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (text) => {
    stdout += text
  })
  child.stderr.on('data', (text) => {
    stderr += text
  })
  const ended = new Promise<SweepEnded>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      const own = stderr.split('\n').filter((line) => !line.startsWith('Warning: '))
      resolve({ code: code ?? signal ?? '', stdout, stderr: own.join('\n'), everything: stderr })
    })
  })
  return { child, ended }
}

const sweep = (args: readonly string[], env: NodeJS.ProcessEnv = {}) => start(args, env).ended
const SMALL = ['--limit-train', '8', '--limit-test', '4', '--batch-size', '4', '--epochs', '1']
/** The folders of the points, from --list. */
const foldersIn = (list: string) => list.match(/\S+\/[0-9a-f]{12}(?= )/g) ?? []

describe('dawngrad sweep', () => {
  it('runs every point, one that diverges too, and none again that has ended', async () => {
    const args = [
      '--grid',
      'lr=0.01,1e30',
      '--grid',
      'schedule=multiStep(milestones=[1, 2], gamma=0.5)',
      ...SMALL,
      '--out',
      'a',
    ]
    const first = await sweep(args)
    expect({ code: first.code, stderr: first.stderr }).toEqual({ code: 0, stderr: '' })
    // Not what Dawn says in every process on some adapters.
    expect(first.everything).toBe('')
    const list = (await sweep([...args, '--list'])).stdout
    expect(list).toMatch(/^ {3}0 {2}\S+ {2}finished {3}lr=0\.01 .*\n {3}1 {2}\S+ {2}diverged {3}lr=1e\+30 .*\n$/)
    const [fine, diverged] = foldersIn(list)
    const written = statSync(join(scratch, fine!, 'result.json')).mtimeMs
    expect(existsSync(join(scratch, diverged!, 'result.json'))).toBe(false)
    const lines = first.stdout.split('\n')
    expect(lines[0]).toBe('2 points in a, 0 of them finished before')
    expect(lines[1]).toMatch(
      /^0 {2}lr=0\.01 schedule=multiStep\(milestones=\[1, 2\], gamma=0\.5\): test acc \d\.\d{3}, train loss \d\.\d{3}$/,
    )
    expect(lines[2]).toBe('1  lr=1e+30 schedule=multiStep(milestones=[1, 2], gamma=0.5): diverged')
    expect(lines[5]).toMatch(/^diverged +1e\+30 /)
    const note = JSON.parse(readFileSync(join(scratch, diverged!, 'diverged.json'), 'utf8')) as unknown
    expect(note).toEqual({ what: expect.any(String), epoch: 0, step: expect.any(Number), lr: 1e30 })
    const rows = JSON.parse(readFileSync(join(scratch, 'a/sweep.json'), 'utf8')) as Record<string, unknown>[]
    const { testAcc } = (await resultOf(join(scratch, fine!), {}))!
    expect(rows).toMatchObject([
      { lr: 0.01, folder: fine, testAcc },
      { lr: 1e30, folder: diverged, testAcc: null, diverged: true },
    ])
    expect(rows[0]).not.toHaveProperty('diverged')
    expect(readdirSync(join(scratch, 'a')).sort()).toEqual(
      [fine!.slice(2), diverged!.slice(2), 'sweep.json', 'sweep.svg'].sort(),
    )

    const again = await sweep(args)
    expect({ code: again.code, stderr: again.stderr }).toEqual({ code: 0, stderr: '' })
    expect(again.stdout.split('\n').slice(0, 2)).toEqual([
      '2 points in a, 1 of them finished before, 1 diverged',
      lines[3],
    ])
    expect(statSync(join(scratch, fine!, 'result.json')).mtimeMs).toBe(written)

    // `train` goes on from before it all the same, and the note is gone while it does.
    const resumed = await train(scratch, ['--resume', diverged!])
    expect(resumed.code).toBe(1)
    expect(existsSync(join(scratch, diverged!, 'diverged.json'))).toBe(false)
    const alone = await sweep([...args, '--index', '1'])
    expect({ code: alone.code, stderr: alone.stderr }).toEqual({ code: 0, stderr: '' })
    expect(alone.stdout).toMatch(/: half done, in a\/.*\ndiverged: the .* became NaN or infinite at step /s)
    expect(existsSync(join(scratch, diverged!, 'diverged.json'))).toBe(true)
  })

  it('goes on past a point that fails, and tries it again', async () => {
    const args = ['--grid', 'seed=4,5', ...SMALL, '--out', 'f']
    const [broken, fine] = foldersIn((await sweep([...args, '--list'])).stdout)
    await mkdir(join(scratch, 'f'))
    writeFileSync(join(scratch, broken!), 'no folder')
    const first = await sweep(args)
    expect(first.code).toBe(1)
    const lines = first.stdout.split('\n')
    expect(lines[1]).toBe('0  seed=4: failed (exit code 1)')
    expect(lines.at(-2)).toBe('1 of 2 points failed; the same command tries them again')
    expect(first.everything).toMatch(new RegExp(`^error: .*${broken}`))
    expect(existsSync(join(scratch, fine!, 'result.json'))).toBe(true)
    rmSync(join(scratch, broken!))
    const again = await sweep(args)
    expect(again.code).toBe(0)
    expect(again.stdout.split('\n')[0]).toBe('2 points in f, 1 of them finished before')
  })

  it('names a result that can not be used before it trains anything, and in every task of an array', async () => {
    const args = ['--grid', 'seed=4,5', ...SMALL, '--out', 'g']
    const [damaged, fresh] = foldersIn((await sweep([...args, '--list'])).stdout)
    const result = join(scratch, damaged!, 'result.json')
    await mkdir(join(scratch, damaged!), { recursive: true })
    writeFileSync(result, '{"trainLoss": 1')
    const message = `error: DataError: ${damaged}/result.json: damaged; remove it to continue the run`
    for (const more of [[], ['--index', '0', '--quiet']]) {
      const { code, stdout, stderr } = await sweep([...args, ...more])
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
      expect(stderr).toContain(message)
    }
    expect(existsSync(join(scratch, fresh!))).toBe(false)
    const listed = await sweep([...args, '--list'])
    expect(listed.code).toBe(0)
    expect(listed.stdout).toMatch(/^ {3}0 {2}\S+ {2}unusable {3}seed=4\n {3}1 {2}\S+ {2}new {8}seed=5\n$/)
  })

  it('ends where no folder can be made', async () => {
    const { code, stderr } = await sweep(['--grid', 'seed=4', ...SMALL, '--out', '/proc/dawngrad/sweep'])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^error: \w+: .*\/proc\/dawngrad.* can't be written/)
  })

  it('passes a signal on: the point under way is saved, and the sweep ends', async () => {
    const args = ['--grid', 'seed=4,5', ...TINY, '--epochs', '40', '--out', 'b']
    const [folder] = foldersIn((await sweep([...args, '--list'])).stdout)
    const { child, ended } = start(args)
    await until(() => stepsOf(join(scratch, folder!)).some((step) => step > 0))
    child.kill('SIGTERM')
    const { code, stdout } = await ended
    expect({ code, stdout }).toEqual({
      code: 143,
      stdout: '2 points in b, 0 of them finished before\nstopped by SIGTERM; the same command continues\n',
    })
    expect(existsSync(join(scratch, folder!, 'result.json'))).toBe(false)
    expect(existsSync(join(scratch, folder!, 'lock'))).toBe(false)
    const listed = await sweep([...args, '--list'])
    expect(listed.stdout).toMatch(/^ {3}0 {2}\S+ {2}half done {2}seed=4\n {3}1 {2}\S+ {2}new {8}seed=5\n$/)
  })

  it('with --index goes on with a point that was killed, and leaves the other alone', async () => {
    const tiny = [...TINY, '--epochs', '2']
    const args = ['--grid', 'seed=4,5', ...tiny, '--out', 'c', '--quiet', '--index']
    const killed = await sweep([...args, 'env'], { JOB_COMPLETION_INDEX: '1', KILL_INSIDE: 'renamed:4' })
    expect(killed.code).toBe('SIGKILL')
    const { code, stderr } = await sweep([...args, 'env'], { SLURM_ARRAY_TASK_ID: '1' })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const [one, ...more] = readdirSync(join(scratch, 'c'))
    expect(more).toEqual([])
    await train(scratch, [...tiny, '--seed', '5', '--quiet', '--out', 'plain'])
    expect(bitsOf(join(scratch, 'c', one!))).toEqual(bitsOf(join(scratch, 'plain')))
  })

  it('names the command that goes on with a point of another adapter, which then does', async () => {
    const args = ['--grid', 'seed=4', ...TINY, '--epochs', '1', '--out', 'e']
    const [folder] = foldersIn((await sweep([...args, '--list'])).stdout)
    await sweep([...args, '--index', '0'], { KILL_INSIDE: 'renamed:4' })
    const [step] = stepsOf(join(scratch, folder!))
    const path = join(scratch, folder!, 'checkpoints', `step-${String(step).padStart(8, '0')}.safetensors`)
    writeFileSync(path, encodeCheckpoint({ ...decodeCheckpoint(readFileSync(path), path), adapter: 'another' }))
    const refused = await sweep(args)
    expect(refused.code).toBe(1)
    const command = `npm run train -- --resume ${folder} accepts this with --allow-changes`
    expect(refused.stderr).toMatch(/^error: UsageError: .* had the adapter another, now .+: its numbers would differ; /)
    expect(refused.stderr).toContain(command)
    const { code, stderr } = await train(scratch, ['--resume', folder!, '--allow-changes', '--quiet'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect((await sweep([...args, '--list'])).stdout).toContain(`${folder}  finished`)
  })

  it('leaves a point alone that another process has', async () => {
    const args = ['--grid', 'seed=4', ...SMALL, '--out', 'd']
    const [folder] = foldersIn((await sweep([...args, '--list'])).stdout)
    await mkdir(join(scratch, 'd'), { recursive: true })
    const held = await holdFolder(join(scratch, folder!))
    const { code, stderr } = await sweep([...args, '--index', '0', '--no-wait'])
    expect(code).toBe(75)
    expect(stderr).toMatch(
      new RegExp(`^${folder} is in use by process ${process.pid} on ${hostname()} since \\S+Z\\n$`),
    )
    await held.release()
    expect(readdirSync(join(scratch, 'd'))).toEqual([])
  })
})
