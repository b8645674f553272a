// Numbers on the command line: how they are written, and what follows from them when a run is under way.

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { Command } from 'commander'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { lrFindCommand } from '../../src/cli/lr_find.ts'
import { checkSchedule, number, ratesOf, UsageError } from '../../src/cli/options.ts'
import { plotScheduleCommand } from '../../src/cli/plot_schedule.ts'
import { runProgram } from '../../src/cli/program.ts'
import { sweepCommand } from '../../src/cli/sweep.ts'
import { trainCommand } from '../../src/cli/train.ts'
import { tuneCommand } from '../../src/cli/tune.ts'
import { fashionMnistFromBytes } from '../../src/data/fashion_mnist.ts'
import { setDefaultGpu } from '../../src/tensor/default.ts'
import { testGpu } from '../support/gpu.ts'
import { tinyFashionMnist } from '../support/idx_files.ts'

const commands = () => [trainCommand(), lrFindCommand(), sweepCommand(), plotScheduleCommand(), tuneCommand()]

describe('a number on the command line', () => {
  const isNumber = (parse: (text: string, before: unknown) => unknown, text: string) => {
    try {
      return typeof parse(text, []) === 'number'
    } catch {
      return false
    }
  }
  const numeric = commands().flatMap((command) =>
    command.options
      .filter(({ parseArg }) => parseArg && ['0.5', '2'].some((text) => isNumber(parseArg, text)))
      .map((option) => [`${command.name()} ${option.long}`, option.parseArg!] as const),
  )

  it('is that of these options', () => {
    expect(numeric.map(([name]) => name).filter((name) => /^(plot|tune|lr-find --m)/.test(name))).toEqual([
      'lr-find --min-lr',
      'lr-find --max-lr',
      'lr-find --momentum',
      'plot-schedule --range',
      'plot-schedule --lr',
      'tune --batch-size',
      'tune --budget',
    ])
    expect(numeric.length).toBeGreaterThanOrEqual(34)
  })

  it.each(numeric)('%s is decimal', (_, parse) => {
    for (const text of [
      '0x10',
      '0X1',
      '0b11',
      '0o7',
      '1_000',
      '1n',
      'Infinity',
      'NaN',
      '',
      ' ',
      '1 ',
      '\t1',
      '1e',
      '１',
      '1,5',
      '--1',
    ])
      expect(() => parse(text, undefined), text).toThrow(/^It must be a (decimal|whole) number, /)
  })

  it('may have a sign, a point and an exponent', () => {
    const texts = ['0', '.5', '5.', '+0.1', '1e-7', '1E+30', '2.5e3', '-0']
    expect(texts.map(number())).toEqual([0, 0.5, 5, 0.1, 1e-7, 1e30, 2500, -0])
    for (const value of [1e21, 1e-7, 0.1, Number.MAX_VALUE, Number.MIN_VALUE])
      expect(number()(String(value))).toBe(value)
  })

  it('is decimal in a grid too', async () => {
    const command = sweepCommand().exitOverride()
    await expect(command.parseAsync(['--grid', 'lr=0.1,0x10'], { from: 'user' })).rejects.toThrow(
      "option '--grid': lr: '0x10' is invalid. It must be a decimal number, 0 or more.",
    )
  })
})

describe('a schedule that overflows in the midst of a run', () => {
  const growing = { schedule: 'exponentialLR(1e200)', lr: 1e-300 }
  const said =
    "option '--schedule': exponentialLR(gamma=1e+200, lr=1e-300): the rate at t = 2 must be a finite number ≥ 0, got Infinity"

  it('is found before the run, as far as the run goes', () => {
    const rates = ratesOf(growing)
    checkSchedule(rates, 2)
    expect(() => checkSchedule(rates, 3)).toThrow(new UsageError(said))
    checkSchedule(ratesOf({ schedule: 'constant', lr: 1 }), Number.MAX_SAFE_INTEGER) // and soon
  })

  it.each([
    [
      'lambda',
      { schedule: 'exponentialLR(1e308)', lr: 0 },
      2,
      /the rate at t = 2 must be a finite number ≥ 0, got NaN$/,
    ],
    ['steps', { schedule: 'stepLR(1, 1e200)', lr: 1 }, 2, /the rate at t = 2 must be .*, got Infinity$/],
    [
      'in parts',
      { schedule: 'warmup(exponentialLR(1e200), steps=5)', lr: 1 },
      7,
      /the rate at t = \d must be .*, got Infinity$/,
    ],
  ])('%s', (_, given, last, message) => {
    const rates = ratesOf(given)
    expect(() => checkSchedule(rates, last + 1)).toThrow(message)
    expect(() => checkSchedule(rates, last + 1)).toThrow(UsageError)
  })

  it('keeps its text and its momentum', () => {
    const { schedule } = ratesOf({ schedule: 'oneCycleLR(0.5, 30)', lr: 1 })
    expect(schedule.spec).toMatch(/^oneCycleLR\(/)
    expect(schedule.momentum!(0)).toBeCloseTo(0.95)
    expect(ratesOf({ schedule: 'constant', lr: 1 }).schedule.momentum).toBeUndefined()
  })
})

describe('a mistake that a run meets', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'dawngrad-numbers-'))
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))
  afterEach(async () => {
    vi.restoreAllMocks()
    vi.unstubAllEnvs()
    setDefaultGpu(await testGpu())
    process.exitCode = 0
  })
  const load = async () => ({ ...fashionMnistFromBytes(tinyFashionMnist()), dir: 'nowhere' })

  /** The command in this process: its exit code, and what it writes to stderr. */
  async function run(...args: string[]): Promise<{ code: number; stderr: string }> {
    vi.stubEnv('DAWNGRAD_NO_SETUP', '1')
    let stderr = ''
    vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      stderr += String(text)
      return true
    })
    const fails = new Command('fails').action(() => {
      ratesOf({ schedule: 'exponentialLR(1e200)', lr: 1 }).schedule(1e9)
    })
    const code = await runProgram([trainCommand(load), lrFindCommand(load), tuneCommand(), fails], args)
    return { code, stderr }
  }
  const SMALL = ['--batch-size', '1', '--epochs', '1', '--quiet']
  const OVERFLOW = ['--schedule', 'exponentialLR(1e200)', '--lr', '1e-300', '--schedule-per', 'step']

  it('is one line before anything is computed, and leaves no folder', async () => {
    const { code, stderr } = await run('train', ...SMALL, ...OVERFLOW, '--out', join(scratch, 'a/b'))
    expect(stderr).toBe(
      "error: option '--schedule': exponentialLR(gamma=1e+200, lr=1e-300): the rate at t = 2 must be a finite number ≥ 0, got Infinity\n",
    )
    expect([code, existsSync(join(scratch, 'a'))]).toEqual([2, false])
  })

  it('is one line where it is only met then', async () => {
    expect(await run('fails')).toEqual({
      code: 2,
      stderr:
        "error: option '--schedule': exponentialLR(gamma=1e+200, lr=1): the rate at t = 1000000000 must be a finite number ≥ 0, got Infinity\n",
    })
  })

  it('is one line in the other commands', async () => {
    expect(await run('lr-find', '--steps', '9007199254740991')).toEqual({
      code: 2,
      stderr:
        "error: option '--steps <n>' argument '9007199254740991' is invalid. It must be a whole number, 2 to 1000000.\n",
    })
    const { code, stderr } = await run(
      'tune',
      '--batch-size',
      '9007199254740991',
      '--out',
      join(scratch, 'tuning.json'),
    )
    expect(stderr).toMatch(
      /^error: option '--batch-size': this adapter takes batches of at most \d+, not 9007199254740991\n$/,
    )
    expect([code, existsSync(join(scratch, 'tuning.json'))]).toEqual([2, false])
  })
})
