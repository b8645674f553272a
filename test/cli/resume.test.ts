import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { trainCommand } from '../../src/cli/train.ts'
import { restored } from '../../src/cli/train_options.ts'
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint, type RecordedOptions } from '../../src/node/checkpoint.ts'
import { encodeFormat1 } from '../support/checkpoint_1.ts'
import { type Bits, bitsOf, type Kill, killedRun, makeScratch, stepsOf, TINY, train } from '../support/train_process.ts'

// One run of 104 steps that nobody interrupted, all of whose checkpoints are kept: what others end with is held to it.
const ARGS = [...TINY, '--epochs', '2']
const { folder, remove } = makeScratch()
const at = (...parts: string[]) => join(folder, ...parts)
let whole: Bits
beforeAll(async () => {
  const { code, stderr } = await train(folder, [...ARGS, '--checkpoint-every', '15', '--keep', '99', '--out', 'whole'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  whole = bitsOf(at('whole'))
})
afterAll(remove)

const nameOf = (step: number) => `step-${String(step).padStart(8, '0')}.safetensors`

/** A copy of the run as it was when it had been killed a while after `step`: its newest checkpoint is that. */
function killedAfter(step: number, run: string): string {
  rmSync(at(run), { recursive: true, force: true })
  cpSync(at('whole'), at(run), { recursive: true })
  for (const later of stepsOf(at(run)).filter((one) => one > step)) rmSync(at(run, 'checkpoints', nameOf(later)))
  for (const name of ['result.json', 'curves.svg']) rmSync(at(run, name))
  return run
}

function changeCheckpoint(run: string, step: number, change: (checkpoint: Checkpoint) => Checkpoint): void {
  const path = at(run, 'checkpoints', nameOf(step))
  writeFileSync(path, encodeCheckpoint(change(decodeCheckpoint(readFileSync(path), path))))
}

function lines(run: string, name: string): unknown[] {
  return readFileSync(at(run, name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
}

describe('a run saves a checkpoint', () => {
  it('at its start, every so many steps, and at the end of every epoch', () => {
    expect(stepsOf(at('whole'))).toEqual([104, 90, 75, 60, 52, 45, 30, 15, 0])
  })

  it('that holds its options, its place and its parameters', () => {
    const path = at('whole', 'checkpoints', nameOf(60))
    const { position, options, network, optimizer, adapter, seconds } = decodeCheckpoint(readFileSync(path), path)
    expect(position).toMatchObject({ epoch: 1, step: 60 })
    expect(position.words[1]).toBe(8) // images seen in the epoch
    expect(position.trainSeconds).toBeGreaterThan(0)
    expect(seconds).toBeGreaterThan(position.trainSeconds)
    expect(options).toEqual({
      epochs: 2,
      batchSize: 1,
      optimizer: 'sgd',
      lr: 0.01,
      momentum: 0.9,
      weightDecay: 0,
      schedule: 'constant',
      plateau: null,
      schedulePer: 'epoch',
      lrTiming: 'before-epoch',
      seed: 0,
      limitTrain: 52,
      limitTest: 4,
      checkpointEvery: 15,
      keep: 99,
    })
    expect(network.get('0.weight')!.shape).toEqual([6, 1, 5, 5])
    expect(optimizer).toMatchObject({ name: 'SGD', step: 60 })
    expect([...optimizer.state.get('momentum')!.keys()]).toEqual([...network.keys()])
    expect(adapter).not.toBe('')
  })
})

describe('a resumed run ends with the same bits', () => {
  it.each([
    ['from the middle of an epoch, its history cut back past a record', 30],
    ['from the end of the last one, where only the results were missing', 104],
  ])('%s', async (_, step) => {
    const run = killedAfter(step, 'killed')
    writeFileSync(at(run, '.result.json.0123abcd.tmp'), '{')
    const { code, stdout, stderr } = await train(folder, ['--resume', run])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain(`continuing killed after step ${step}\n`)
    expect(bitsOf(at(run))).toEqual(whole)
    expect(stepsOf(at(run))).toEqual(stepsOf(at('whole'))) // it goes on saving as it did
    expect(lines(run, 'timing.jsonl')).toMatchObject([{ epoch: 0 }, { epoch: 1 }])
    expect(readdirSync(at(run)).sort()).toEqual(readdirSync(at('whole')).sort())
    // The curves are those of the whole run, what came before the checkpoint included.
    expect(readFileSync(at(run, 'curves.svg'), 'utf8')).toBe(readFileSync(at('whole', 'curves.svg'), 'utf8'))
  })

  it('from a checkpoint of format 1', async () => {
    // At the end of an epoch: within one the sum of its losses was a float32.
    const run = killedAfter(52, 'older')
    const path = at(run, 'checkpoints', nameOf(52))
    writeFileSync(path, encodeFormat1(decodeCheckpoint(readFileSync(path), path)))
    const { code, stderr } = await train(folder, ['--resume', run, '--quiet'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(bitsOf(at(run))).toEqual(whole)
  })

  it('by schedule-free AdamW, which is on record in checkpoints, with what it has counted, and in the result', async () => {
    const args = ['--limit-train', '52', '--limit-test', '4', '--batch-size', '4', '--epochs', '2', '--quiet']
    const own = [
      ...args,
      '--checkpoint-every',
      '5',
      '--keep',
      '99',
      '--optimizer',
      'schedulefreeadamw',
      '--weight-decay',
      '0.01',
    ]
    const { code, stderr } = await train(folder, [...own, '--out', 'free'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const result = JSON.parse(readFileSync(at('free', 'result.json'), 'utf8')) as { options: unknown }
    expect(result.options).toMatchObject({ optimizer: 'schedulefreeadamw', lr: 0.0025, weightDecay: 0.01 })
    const uninterrupted = bitsOf(at('free'))
    for (const step of [20, 25, 26]) rmSync(at('free', 'checkpoints', nameOf(step)))
    for (const name of ['result.json', 'curves.svg']) rmSync(at('free', name))
    const path = at('free', 'checkpoints', nameOf(15))
    const { optimizer } = decodeCheckpoint(readFileSync(path), path)
    expect(optimizer).toMatchObject({
      name: 'ScheduleFreeAdamW',
      step: 15,
      paramGroups: [{ lr: 0.0025, weightDecay: 0.01, k: 15 }],
    })
    expect([...optimizer.state.keys()]).toEqual(['expAvgSq', 'y', 'z'])
    expect(await train(folder, ['--resume', 'free', '--quiet'])).toMatchObject({ code: 0, stderr: '' })
    expect(bitsOf(at('free'))).toEqual(uninterrupted)
  })

  it('from the checkpoint before, here at the end of an epoch, and says so, where the newest is damaged', async () => {
    const run = killedAfter(60, 'damaged')
    const path = at(run, 'checkpoints', nameOf(60))
    const bytes = readFileSync(path)
    bytes[bytes.length - 1]! ^= 1
    writeFileSync(path, bytes)
    const { code, stdout, stderr } = await train(folder, ['--resume', run, '--keep', '1', '--quiet'])
    expect(stderr).toMatch(
      /^warning: damaged\/checkpoints\/step-00000060\.safetensors: damaged: the SHA-256 of its \d+ bytes is \w+, it must be \w+\n$/,
    )
    expect([code, stdout.split('\n').length]).toEqual([0, 3])
    expect(bitsOf(at(run))).toEqual(whole)
    expect(readdirSync(at(run, 'checkpoints')).sort()).toEqual([`${nameOf(60)}.damaged`, nameOf(104)])
  })

  it('after having been killed at these instants, one after the other', async () => {
    // The first is before the device is opened, and the second before the first checkpoint.
    const kills: Kill[] = [['renamed', 2], ['rename', 3], ['rename', 4], 0, ['append', 1], ['write', 2]]
    // Meanwhile nobody else may go on with it, nor begin another run there.
    const alive = async (pid: number) => {
      const before = readFileSync(at('often', 'history.jsonl'))
      for (const option of ['--resume', '--out']) {
        const command = trainCommand(() => Promise.reject(new Error('the data is asked for')))
        const refused = command.parseAsync([option, at('often')], { from: 'user' })
        await expect(refused).rejects.toThrow(`option '${option}': ${at('often')} is in use by process ${pid} on `)
      }
      expect(readFileSync(at('often', 'history.jsonl')).subarray(0, before.length)).toEqual(before)
    }
    const { killed, log } = await killedRun(folder, 'often', [...ARGS, '--checkpoint-every', '9'], kills, alive)
    expect(killed, log.join('\n')).toBeGreaterThanOrEqual(5) // that by the clock may come too late
    expect(readdirSync(at('often')).sort()).toEqual(readdirSync(at('whole')).sort())
    expect(bitsOf(at('often')), log.join('\n')).toEqual(whole)
  })
})

describe('what would change the numbers', () => {
  it('is named and refused: options, adapter and version; then nothing is touched', async () => {
    const run = killedAfter(60, 'changed')
    changeCheckpoint(run, 60, (checkpoint) => ({ ...checkpoint, adapter: 'another', version: '0.0.1' }))
    const before = readFileSync(at(run, 'history.jsonl'), 'utf8')
    const { code, stdout, stderr } = await train(folder, [
      '--resume',
      run,
      '--lr',
      '0.02',
      '--epochs',
      '2',
      '--seed',
      '1',
    ])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(
      /^error: UsageError: option '--resume': the run in changed had --lr 0\.01, now 0\.02; --seed 0, now 1; the adapter another, now .+; the version 0\.0\.1, now .+: its numbers would differ; npm run train -- --resume changed accepts this with --allow-changes\n$/,
    )
    expect(readFileSync(at(run, 'history.jsonl'), 'utf8')).toBe(before)
  })

  it('goes ahead with --allow-changes, here with an epoch more and another rate', async () => {
    const run = killedAfter(104, 'longer')
    cpSync(at('whole', 'result.json'), at(run, 'result.json'))
    const args = ['--resume', run, '--epochs', '3', '--lr', '0.02', '--allow-changes']
    const { code, stdout, stderr } = await train(folder, args)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('changed: --epochs 2, now 3\nchanged: --lr 0.01, now 0.02\n')
    const { history } = bitsOf(at(run))
    expect(history.startsWith(whole.history)).toBe(true)
    expect(lines(run, 'history.jsonl')).toHaveLength(6)
    expect(lines(run, 'history.jsonl').at(-1)).toMatchObject({ kind: 'epoch', epoch: 2, step: 156, lr: 0.02 })
    // The new options are on record from the start.
    expect(decodeCheckpoint(readFileSync(at(run, 'checkpoints', nameOf(104))), 'x').options).toMatchObject({
      epochs: 3,
    })
  })
})

const good: RecordedOptions = {
  epochs: 2,
  batchSize: 8,
  optimizer: 'sgd',
  lr: 0.1,
  momentum: 0,
  weightDecay: 0,
  schedule: 'cosine(maxUpdate=5)',
  schedulePer: 'step',
  lrTiming: 'before-epoch',
  seed: 0,
  limitTrain: null,
  limitTest: 8,
  checkpointEvery: null,
  keep: 3,
}

/** The folder of a run that was killed at once: it has its options and no more. */
function noted(run: string, options: unknown): void {
  rmSync(at(run), { recursive: true, force: true })
  mkdirSync(at(run))
  writeFileSync(at(run, 'options.json'), typeof options === 'string' ? options : JSON.stringify(options))
}

describe('--resume', () => {
  it('of a finished run says so', async () => {
    const { code, stdout, stderr } = await train(folder, ['--resume', 'whole', '--epochs', '2'])
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: 'whole is finished: it has its 2 epochs (for more: --resume whole --epochs N --allow-changes)\n',
      stderr: '',
    })
  })

  it.each<[string, string[], () => unknown, string]>([
    [
      'a folder that is not there',
      ['--resume', 'F/nowhere'],
      () => undefined,
      "UsageError: option '--resume': there is no folder 'F/nowhere'; if a run was to have it, start that run again",
    ],
    [
      'a folder without a run',
      ['--resume', 'F'],
      () => undefined,
      'DataError: F/checkpoints: there is no checkpoint to continue from; start the run again with the line that started it',
    ],
    [
      'a run without a checkpoint, with other options than it began with',
      ['--resume', 'F/begun', '--batch-size', '2'],
      () => noted('begun', good),
      "UsageError: option '--batch-size': the run in F/begun has 8, which can't change to 2 within a run",
    ],
    [
      'a run whose options are cut off',
      ['--resume', 'F/begun'],
      () => noted('begun', '{"epochs": 2'),
      'DataError: F/begun/options.json: damaged: start the run again with the line that started it',
    ],
    [
      'a run whose options are a list',
      ['--resume', 'F/begun'],
      () => noted('begun', [2]),
      'DataError: F/begun/options.json: damaged: start the run again with the line that started it',
    ],
    [
      'a run whose options lack one',
      ['--resume', 'F/begun'],
      () => noted('begun', { ...good, lr: null }),
      'DataError: F/begun/options.json: it records --lr as null, which is not a number',
    ],
    [
      'a folder with options, and the records of a run without its checkpoints',
      ['--resume', 'F/begun'],
      () => {
        noted('begun', good)
        writeFileSync(at('begun', 'history.jsonl'), '{}\n')
      },
      'DataError: F/begun/checkpoints: there is no checkpoint to continue from; start the run again with the line that started it',
    ],
    [
      '--out besides',
      ['--resume', 'F/whole', '--out', 'F/x'],
      () => undefined,
      "CommanderError: error: option '--resume <dir>' cannot be used with option '--out <dir>'",
    ],
    [
      'to be left out with --allow-changes',
      ['--allow-changes'],
      () => undefined,
      "UsageError: option '--allow-changes' needs '--resume'",
    ],
    [
      'another batch size',
      ['--resume', 'F/odd', '--batch-size', '2', '--allow-changes'],
      () => killedAfter(60, 'odd'),
      "UsageError: option '--batch-size': the run in F/odd has 1, which can't change to 2 within a run",
    ],
    [
      'another optimizer',
      ['--resume', 'F/odd', '--optimizer', 'adamw', '--allow-changes'],
      () => killedAfter(60, 'odd'),
      "UsageError: option '--optimizer': the run in F/odd has sgd, which can't change to adamw within a run",
    ],
    [
      'fewer epochs than it has had',
      ['--resume', 'F/odd', '--epochs', '1', '--allow-changes'],
      () => killedAfter(104, 'odd'),
      "UsageError: option '--epochs': the run in F/odd has had 2 epochs already",
    ],
    [
      'a result that is none',
      ['--resume', 'F/odd'],
      () => writeFileSync(at(killedAfter(60, 'odd'), 'result.json'), '{"epochs":[[]]}'),
      'DataError: F/odd/result.json: damaged: remove it to continue from the newest checkpoint',
    ],
    [
      'options that are none',
      ['--resume', 'F/odd'],
      () => changeCheckpoint(killedAfter(15, 'odd'), 15, (c) => ({ ...c, options: { ...c.options, epochs: 1.5 } })),
      'DataError: F/odd/checkpoints/step-00000015.safetensors: it records --epochs as 1.5: It must be a whole number, 1 or more.',
    ],
  ])('refuses %s', async (_, args, prepare, message) => {
    prepare()
    // In this process: none gets as far as a device.
    const command = trainCommand()
      .exitOverride()
      .configureOutput({ writeErr: () => undefined })
    const given = args.map((arg) => arg.replace('F', folder))
    const error = await command.parseAsync(given, { from: 'user' }).then(
      () => expect.fail('it was accepted'),
      (error: Error) => `${error.name}: ${error.message.replaceAll(folder, 'F')}`,
    )
    expect(error).toBe(message)
    expect(existsSync(at('x'))).toBe(false)
  })

  it('refuses a checkpoint whose parameters are those of another network, and touches nothing', async () => {
    const run = killedAfter(15, 'other')
    changeCheckpoint(run, 15, (checkpoint) => {
      const network = new Map(checkpoint.network)
      network.set('../../weight'.slice(6), { dtype: 'float32', shape: [1], data: Float32Array.of(1) })
      return { ...checkpoint, network }
    })
    const before = readFileSync(at(run, 'history.jsonl'), 'utf8')
    const { code, stderr } = await train(folder, ['--resume', run])
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr:
        'error: DataError: other/checkpoints/step-00000015.safetensors: it has the parameter "weight", which the network does not have\n',
    })
    expect(readFileSync(at(run, 'history.jsonl'), 'utf8')).toBe(before)
  })
})

describe('the options in a checkpoint', () => {
  it('come back as they were', () => {
    const { limitTrain: _, checkpointEvery: __, ...given } = good
    expect(restored(good)).toEqual(given)
    expect(restored({ ...good, plateau: null })).toEqual(given)
    const { optimizer: ___, ...older } = good
    expect(restored(older)).toEqual(given)
    const constant = { ...given, schedule: 'constant', plateau: 'factor=0.5' }
    expect(restored({ ...constant, limitTrain: null, checkpointEvery: null })).toEqual(constant)
  })

  it.each<[RecordedOptions, string]>([
    [{ ...good, epochs: '2' }, 'it records --epochs as "2", which is not a number'],
    [{ ...good, epochs: null }, 'it records --epochs as null, which is not a number'],
    [{ ...good, lr: -1 }, 'it records --lr as -1: It must be a decimal number, 0 or more.'],
    [{ ...good, seed: 2 ** 60 }, 'it records --seed as 1152921504606847000: It must be a whole number, 0 or more.'],
    [{ ...good, schedulePer: 'day' }, 'it records --schedule-per as "day": Allowed choices are epoch, step.'],
    [
      { ...good, optimizer: 'adamax' },
      'it records --optimizer as "adamax": Allowed choices are ' +
        'sgd, adam, adamw, rmsprop, adagrad, adadelta, lion, lars, lamb, schedulefreesgd, schedulefreeadamw.',
    ],
    [{ ...good, plateau: 3 }, 'it records --plateau as 3, which is not a string'],
    [
      { ...good, plateau: 'factor=0.5' },
      "it records an invalid schedule: option '--plateau': it changes the rate itself, and so does --schedule; " +
        'give one of the two',
    ],
    [{ ...good, constructor: 'x' }, 'it records the option "constructor", which is unknown'],
    [
      Object.fromEntries(Object.entries(good).filter(([name]) => name !== 'keep')),
      'it records --keep as null, which is not a number',
    ],
  ])('%j are refused', (options, message) => {
    expect(restored(options)).toBe(message)
  })

  it('with a schedule that is none are refused', () => {
    expect(restored({ ...good, schedule: 'cosine(' })).toMatch(/^it records an invalid schedule: /)
  })
})
