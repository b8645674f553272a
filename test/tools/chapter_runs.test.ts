import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { writeRuns } from '../support/chapter_runs.ts'
import { bitsOf, makeScratch, stepsOf, TrainProcess, train } from '../support/train_process.ts'

const { folder: scratch, remove } = makeScratch()
afterAll(remove)
const LENGTH = { epochs: 2, limitTrain: 8, limitTest: 4 }
const SHORT = ['--epochs', '2', '--limit-train', '8', '--limit-test', '4']
const FIGURES = { trainLoss: 2.25, trainAcc: 0.125, testAcc: 0.25 }

const chapter = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  new TrainProcess(scratch, args, env, 'chapter_sample.ts').ended

it('makes the run that is missing, goes on with one that was killed, and writes the page', async () => {
  const out = join(scratch, 'a')
  writeRuns(
    out,
    LENGTH,
    () => FIGURES,
    (run, seed) => run !== 'warmup-cosine' || seed !== 1,
  )
  const written = statSync(join(out, 'cosine-seed-1/result.json')).mtimeMs
  const list = await chapter(['--out', 'a', ...SHORT, '--list'])
  const line = list.stdout.split('\n').find((text) => text.includes('warmup-cosine-seed-1'))!
  expect(line).toBe('  11  a/warmup-cosine-seed-1  new        run=warmup-cosine seed=1')

  const killed = await chapter(['--out', 'a', ...SHORT, '--index', '11'], { KILL_INSIDE: 'renamed:4' })
  expect(killed.code).toBe('SIGKILL')
  expect(stepsOf(join(out, 'warmup-cosine-seed-1'))[0]).toBe(1)
  const { code, stdout, stderr } = await chapter(['--out', 'a', ...SHORT])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const lines = stdout.split('\n')
  expect(lines[0]).toBe('29 points in a, 28 of them finished before')
  expect(lines[1]).toMatch(/^11 {2}run=warmup-cosine seed=1: test acc \d\.\d{3}, train loss \d\.\d{3}$/)
  expect(lines[2]).toBe('the page is a/chapter.html, and the same a/chapter.md')
  expect(statSync(join(out, 'cosine-seed-1/result.json')).mtimeMs).toBe(written)
  expect(readFileSync(join(out, 'chapter.md'), 'utf8')).toContain('- All 29 runs are here.')

  const schedule = 'cosine(maxUpdate=20, baseLr=0.3, finalLr=0.01, warmupSteps=5)'
  const how = ['--schedule', schedule, '--lr-timing', 'after-epoch', '--seed', '1', '--quiet', '--out', 'plain']
  await train(scratch, [...SHORT, ...how])
  expect(bitsOf(join(out, 'warmup-cosine-seed-1'))).toEqual(bitsOf(join(scratch, 'plain')))

  // Two updates from its beginning all of LeNet's filters are active somewhere.
  const count = new TrainProcess(scratch, ['plain'], {}, '../../tools/chapter/silent_units.ts')
  const { code: counted, stdout: silent } = await count.ended
  expect([counted, silent]).toEqual([
    0,
    expect.stringMatching(/^plain: never active 0 of 6, 0 of 16, \d+ of 120, \d+ of 84\n$/),
  ])
})

it('keeps the whole runs from being mixed with shortened ones, and names a damaged file', async () => {
  const refused = await chapter(['--epochs', '1', '--report'])
  expect(refused).toEqual({
    code: 2,
    stdout: '',
    stderr: "error: option '--out': shortened runs need a folder of their own, the whole ones are kept\n",
  })
  const out = join(scratch, 'b')
  writeRuns(
    out,
    LENGTH,
    () => FIGURES,
    (run, seed) => run === 'constant' && seed === 0,
  )
  expect((await chapter(['--out', 'b', ...SHORT, '--report'])).code).toBe(0)
  writeFileSync(join(out, 'constant-seed-0/result.json'), 'null')
  const damaged = await chapter(['--out', 'b', ...SHORT, '--report'])
  expect(damaged.code).toBe(1)
  expect(damaged.stderr).toMatch(/^error: b\/constant-seed-0\/result\.json: damaged; remove it/)
  const longer = await chapter(['--out', 'a', ...SHORT, '--epochs', '3', '--index', '11'])
  expect(longer.code).toBe(1)
  expect(longer.stderr).toMatch(
    /^error: a\/warmup-cosine-seed-1\/result\.json: it belongs to another run: its epochs is 2, not 3; /,
  )
})
