import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { surviveClosedPipe } from '../../src/cli/closed_pipe.ts'
import { createProgress, type ProgressOptions } from '../../src/cli/progress.ts'
import {
  type BarState,
  barLine,
  type EpochProgress,
  epochLine,
  formatDuration,
  formatRate,
} from '../../src/cli/progress_text.ts'

const state: BarState = {
  epoch: 2,
  epochs: 10,
  done: 120,
  total: 235,
  trainLoss: 0.512,
  trainAcc: 0.81,
  lr: 0.3,
  imagesPerSecond: 1234,
  remaining: 42,
}
const ended: EpochProgress = {
  epoch: 2,
  lr: 0.3,
  trainLoss: 0.512,
  trainAcc: 0.812,
  testAcc: 0.801,
  seconds: 12.3,
  imagesPerSecond: 4878,
}

describe('the text of the bar', () => {
  test.each([
    [120, 'epoch 3/10 [===============>              ] 120/235 loss 0.512 acc 0.81 lr 0.300 1234 img/s ETA 0:42'],
    [81, 'epoch 3/10 [=====>    ] 120/235 loss 0.512 acc 0.81 lr 0.300 1234 img/s ETA 0:42'],
    [80, 'epoch 3/10 [====>    ] 120/235 loss 0.512 acc 0.81 lr 0.300 1234 img/s ETA 0:42'],
    [70, 'epoch 3/10 [====>   ] 120/235 loss 0.512 acc 0.81 1234 img/s ETA 0:42'],
    [60, 'epoch 3/10 [====>    ] 120/235 loss 0.512 acc 0.81 ETA 0:42'],
    [50, 'epoch 3/10 [====>   ] 120/235 loss 0.512 ETA 0:42'],
    [40, 'epoch 3/10 [===>   ] 120/235 loss 0.512'],
    [30, 'epoch 3/10 120/235 loss 0.512'],
    [20, 'epoch 3/10 120/235'],
    [8, 'epoch 3'],
  ])('at %i columns', (columns, expected) => {
    expect(barLine(state, columns)).toBe(expected)
  })

  test('before the first means are read their places are kept', () => {
    const first = { ...state, done: 1, trainLoss: undefined, trainAcc: undefined }
    const line = barLine(first, 81)
    expect(line).toBe('epoch 3/10 [>         ]   1/235 loss     - acc    - lr 0.300 1234 img/s ETA 0:42')
    expect(line.length).toBe(barLine(state, 81).length)
  })

  test('a whole epoch fills it', () => {
    expect(barLine({ ...state, done: 235 }, 40)).toBe('epoch 3/10 [=======] 235/235 loss 0.512')
  })

  test('never touches the last column, whatever it has to say', () => {
    const states = fc.record({
      epoch: fc.nat(999),
      epochs: fc.integer({ min: 1, max: 1000 }),
      done: fc.nat(1000),
      total: fc.integer({ min: 1, max: 1000 }),
      trainLoss: fc.option(fc.double(), { nil: undefined }),
      trainAcc: fc.option(fc.double({ min: 0, max: 1 }), { nil: undefined }),
      lr: fc.double({ min: 0, max: 10 }),
      imagesPerSecond: fc.double({ min: 0, max: 1e7 }),
      remaining: fc.double({ min: 0 }),
    })
    fc.assert(
      fc.property(states, fc.integer({ min: 2, max: 200 }), (any, columns) => {
        expect(barLine(any, columns).length).toBeLessThan(columns)
      }),
      { seed: 1, numRuns: 500 },
    )
  })
})

describe('the line of an epoch', () => {
  test('says it all where there is room, and in a file', () => {
    const line = 'epoch  3/10  loss 0.512  train acc 0.812  test acc 0.801  lr 0.300  12.3 s  4878 img/s'
    expect(epochLine(ended, 10)).toBe(line)
    expect(epochLine(ended, 10, 86)).toBe(line)
  })

  test.each([
    [85, 'epoch  3/10 loss 0.512 train acc 0.812 test acc 0.801 lr 0.300 12.3 s 4878 img/s'],
    [79, 'epoch  3/10 loss 0.512 train 0.812 test 0.801 lr 0.300 12.3 s 4878 img/s'],
    [60, 'epoch  3/10 loss 0.512 train 0.812 test 0.801 12.3 s'],
    [40, 'epoch  3/10 loss 0.512 test 0.801'],
  ])('is shorter on a terminal of %i columns', (columns, expected) => {
    expect(epochLine(ended, 10, columns)).toBe(expected)
  })

  test('shows a loss that is not finite or very large', () => {
    expect(epochLine({ ...ended, trainLoss: Number.NaN }, 10, 40)).toBe('epoch  3/10 loss NaN test 0.801')
    expect(epochLine({ ...ended, trainLoss: 3.4e38 }, 10, 40)).toBe('epoch  3/10 loss 3.400e+38 test 0.801')
  })
})

test.each([
  [0, '0:00'],
  [41.6, '0:42'],
  [59.7, '1:00'],
  [725, '12:05'],
  [3599.6, '1:00:00'],
  [3723, '1:02:03'],
  [86_399.4, '23:59:59'],
  [183_600, '2d 03h'],
  [-1, '0:00'],
  [Number.NaN, '-:--'],
  [Number.POSITIVE_INFINITY, '-:--'],
])('%d seconds are %s', (seconds, expected) => {
  expect(formatDuration(seconds)).toBe(expected)
})

test.each([
  [0.3, '0.300'],
  [0, '0.000'],
  [2, '2.000'],
  [0.01857, '0.019'],
  [0.005125, '0.00513'],
  [1e-7, '1.00e-7'],
])('a rate of %d is %s', (lr, expected) => {
  expect(formatRate(lr)).toBe(expected)
})

/** Captures what a progress writes. */
function capture(options: Partial<ProgressOptions> = {}): {
  progress: ReturnType<typeof createProgress>
  written: () => string
  stream: PassThrough
} {
  const stream = new PassThrough()
  let written = ''
  stream.setEncoding('utf8').on('data', (text: string) => {
    written += text
  })
  const progress = createProgress({
    stream,
    isTTY: true,
    columns: 80,
    epochs: 2,
    stepsPerEpoch: 4,
    env: {},
    ...options,
  })
  return { progress, written: () => written + (stream.read() ?? ''), stream }
}

/** Two epochs of four steps, 100 ms a step and 200 ms an evaluation, with a message in the second. */
async function play(progress: ReturnType<typeof createProgress>): Promise<void> {
  for (const epoch of [0, 1]) {
    for (let i = 0; i < 4; i++) {
      await vi.advanceTimersByTimeAsync(100)
      progress.batch({ epoch, step: epoch * 4 + i + 1, images: 256, lr: 0.3, trainLoss: 2 - i / 4, trainAcc: i / 4 })
      if (epoch === 1 && i === 1) progress.message('checkpoint written')
    }
    await vi.advanceTimersByTimeAsync(200)
    progress.epoch({ ...ended, epoch, seconds: 0.6, imagesPerSecond: 1707 })
  }
  progress.finish('train loss 0.128, train acc 0.951, test acc 0.885')
  await vi.advanceTimersByTimeAsync(1000)
}

/** What a terminal shows in the end. It knows just the sequences that the bar uses, and fails on any other. */
function screen(written: string): { rows: string[]; cursor: boolean; wrap: boolean } {
  const rows: string[] = ['']
  let column = 0
  let [cursor, wrap] = [true, true]
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are the subject
  for (const token of written.match(/\x1b\[[?\d;]*[a-zA-Z]|\x1b.|./gs) ?? []) {
    const row = rows.at(-1)!
    if (token === '\n') [column] = [0, rows.push('')]
    else if (token === '\x1b[1G') column = 0
    else if (token === '\x1b[0K') rows[rows.length - 1] = row.slice(0, column)
    else if (token === '\x1b[2K') rows[rows.length - 1] = ''
    else if (token === '\x1b[?25l' || token === '\x1b[?25h') cursor = token.endsWith('h')
    else if (token === '\x1b[?7l' || token === '\x1b[?7h') wrap = token.endsWith('h')
    else if (token === '\x1b[36m' || token === '\x1b[39m') continue
    else if (token >= ' ') rows[rows.length - 1] = row.slice(0, column).padEnd(column) + token + row.slice(++column)
    else throw new Error(`unexpected ${JSON.stringify(token)}`)
  }
  return { rows, cursor, wrap }
}

const permanent = [
  'epoch 1/2  loss 0.512  train acc 0.812  test acc 0.801  lr 0.300  0.6 s  1707 img/s',
  'checkpoint written',
  'epoch 2/2  loss 0.512  train acc 0.812  test acc 0.801  lr 0.300  0.6 s  1707 img/s',
  'train loss 0.128, train acc 0.951, test acc 0.885',
  '',
]

describe('createProgress', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('on a terminal only the permanent lines remain, and the cursor is back', async () => {
    const { progress, written } = capture({ columns: 90 })
    await play(progress)
    expect(screen(written())).toEqual({ rows: permanent, cursor: true, wrap: true })
  })

  test('in mid-epoch the bar stands under them, without cursor', async () => {
    const { progress, written } = capture({ columns: 100 })
    await vi.advanceTimersByTimeAsync(500)
    progress.batch({ epoch: 0, step: 1, images: 100, lr: 0.3, trainLoss: 2.25, trainAcc: 0.125 })
    await vi.advanceTimersByTimeAsync(500)
    progress.batch({ epoch: 0, step: 2, images: 100, lr: 0.3 })
    progress.message('a message')
    // One second for two of eight steps, no evaluation seen yet: three more seconds.
    expect(screen(written())).toEqual({
      rows: [
        'a message',
        'epoch 1/2 [===============>              ] 2/4 loss 2.250 acc 0.13 lr 0.300 200 img/s ETA 0:03',
      ],
      cursor: false,
      wrap: false,
    })
    progress.finish()
    expect(screen(written()).rows).toEqual(['a message', ''])
  })

  test('the remaining time counts the evaluations to come', async () => {
    const { progress, written } = capture({ columns: 100, epochs: 3 })
    await vi.advanceTimersByTimeAsync(4000)
    for (const step of [1, 2, 3, 4]) progress.batch({ epoch: 0, step, images: 1, lr: 0.3 })
    await vi.advanceTimersByTimeAsync(10_000)
    progress.epoch({ ...ended, epoch: 0 })
    await vi.advanceTimersByTimeAsync(1000)
    progress.batch({ epoch: 1, step: 5, images: 1, lr: 0.3 })
    // Seven steps of a second and two evaluations of ten.
    expect(screen(written()).rows.at(-1)).toMatch(/ 1\/4 loss {5}- acc {4}- lr 0\.300 1 img\/s ETA 0:27$/)
    progress.finish()
  })

  test('a run resumed in mid-epoch counts its own steps only', async () => {
    const { progress, written } = capture({ columns: 100 })
    await vi.advanceTimersByTimeAsync(1000)
    progress.batch({ epoch: 1, step: 7, images: 50, lr: 0.3 })
    expect(screen(written()).rows.at(-1)).toMatch(/^epoch 2\/2 .* 3\/4 .* 50 img\/s ETA 0:01$/)
    progress.finish()
  })

  test('redraws at most ten times a second, however often it is called', async () => {
    const { progress, written } = capture({ stepsPerEpoch: 10_000 })
    for (let step = 1; step <= 5000; step++) {
      progress.batch({ epoch: 0, step, images: 1, lr: 0.3 })
      await vi.advanceTimersByTimeAsync(1)
    }
    const redraws = written().split('/10000').length - 1
    // Five seconds: fifty redraws, and the first one.
    expect(redraws).toBeLessThanOrEqual(51)
    expect(redraws).toBeGreaterThanOrEqual(45)
    progress.finish()
  })

  test('redraws within a step that lets no timer run', () => {
    const { progress, written } = capture({ stepsPerEpoch: 100 })
    for (let step = 1; step <= 100; step++) {
      vi.setSystemTime(Date.now() + 50)
      progress.batch({ epoch: 0, step, images: 1, lr: 0.3 })
    }
    const redraws = written().split('/100').length - 1
    expect(redraws).toBeGreaterThan(10)
    expect(redraws).toBeLessThanOrEqual(51)
    progress.finish()
  })

  test('a narrow terminal gets shorter lines', async () => {
    const { progress, written } = capture({ columns: 40 })
    await play(progress)
    expect(screen(written()).rows).toContain('epoch 1/2 loss 0.512 test 0.801')
  })

  test('asks the stream for its width where none is given', async () => {
    const wide = capture({ columns: undefined })
    Object.assign(wide.stream, { columns: 60 })
    await play(wide.progress)
    expect(screen(wide.written()).rows).toContain('epoch 1/2 loss 0.512 train 0.812 test 0.801 0.6 s')
  })

  test.each([
    ['without a terminal', { isTTY: false }],
    ['in CI', { env: { CI: 'true' } }],
    ['on a terminal that can do nothing', { env: { TERM: 'dumb' } }],
  ])('%s there are plain lines only', async (_, options) => {
    const { progress, written } = capture({ columns: 40, ...options })
    await play(progress)
    expect(written()).toBe(permanent.join('\n'))
  })

  test.each([true, false])('quiet: the final line only (terminal: %s)', async (isTTY) => {
    const { progress, written } = capture({ quiet: true, isTTY })
    await play(progress)
    expect(written()).toBe('train loss 0.128, train acc 0.951, test acc 0.885\n')
  })

  test.each([
    [{}, true],
    [{ NO_COLOR: '' }, true],
    [{ NO_COLOR: '1' }, false],
  ])('with %o colours are used: %s', async (env, colored) => {
    const { progress, written } = capture({ env })
    await play(progress)
    expect(written().includes('\x1b[36m[')).toBe(colored)
  })

  test('after finish nothing is drawn by itself, and a second finish adds nothing', async () => {
    const { progress, written } = capture()
    progress.batch({ epoch: 0, step: 1, images: 1, lr: 0.3 })
    progress.finish()
    progress.finish()
    progress.message('saved')
    await vi.advanceTimersByTimeAsync(1000)
    expect(screen(written())).toEqual({ rows: ['saved', ''], cursor: true, wrap: true })
  })

  test('leaves no listeners on the process', async () => {
    const count = (): number[] => ['exit', 'SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => process.listenerCount(name))
    const before = count()
    const { progress } = capture()
    progress.batch({ epoch: 0, step: 1, images: 1, lr: 0.3 })
    expect(count()).toEqual(before.map((listeners) => listeners + 1))
    progress.finish()
    expect(count()).toEqual(before)
  })
})

test('a call costs little', () => {
  const { progress } = capture({ stepsPerEpoch: 200_000 })
  const start = performance.now()
  for (let step = 1; step <= 200_000; step++) progress.batch({ epoch: 0, step, images: 1, lr: 0.3 })
  const microseconds = ((performance.now() - start) * 1000) / 200_000
  progress.finish()
  // Measured: 0.4 µs. The bound leaves room for a busy machine, none for work that grows with the number of calls.
  expect(microseconds).toBeLessThan(10)
})

describe('surviveClosedPipe', () => {
  const broken = (code: string): Error => Object.assign(new Error(code), { code })

  test.each(['EPIPE', 'EIO'])('%s ends the output, not the run', (code) => {
    const stream = new PassThrough()
    const closed = surviveClosedPipe(stream)
    surviveClosedPipe(stream)
    expect(closed()).toBe(false)
    stream.emit('error', broken(code))
    expect(closed()).toBe(true)
    expect(stream.listenerCount('error')).toBe(1)
  })

  test('other errors are thrown', () => {
    const stream = new PassThrough()
    const closed = surviveClosedPipe(stream)
    expect(() => stream.emit('error', broken('ENOSPC'))).toThrow('ENOSPC')
    expect(closed()).toBe(false)
  })
})

describe('in a process of its own', () => {
  const module = fileURLToPath(new URL('../../src/cli/progress.ts', import.meta.url))
  const prelude = `
    import { createProgress } from ${JSON.stringify(module)}
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
    const options = { stream: process.stdout, columns: 80, epochs: 2, stepsPerEpoch: 4, env: {} }
    const epoch = { epoch: 0, lr: 1, trainLoss: 1, trainAcc: 0, testAcc: 0, seconds: 1, imagesPerSecond: 1 }
    const batch = { epoch: 0, step: 1, images: 1, lr: 0.3 }
  `
  const restored = '\x1b[?25h\x1b[?7h\n'

  function run(script: string): { child: ChildProcess; output: () => string; errors: () => string } {
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', prelude + script])
    let [output, errors] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text
    })
    return { child, output: () => output, errors: () => errors }
  }

  test.each([true, false])('a reader that goes away does not end it (terminal: %s)', async (isTTY) => {
    const { child, errors } = run(`
      const progress = createProgress({ ...options, isTTY: ${isTTY} })
      for (let k = 0; k < 20; k++) {
        progress.batch(batch)
        progress.epoch(epoch)
        await sleep(10)
      }
      progress.finish('end')
      process.exitCode = 7
    `)
    child.stdout!.once('data', () => child.stdout!.destroy())
    expect([await once(child, 'close'), errors()]).toEqual([[7, null], ''])
  })

  test('it ends, cursor restored, though nobody calls finish', async () => {
    const { child, output } = run(`createProgress({ ...options, isTTY: true }).batch(batch)`)
    expect(await once(child, 'close')).toEqual([0, null])
    expect(output().endsWith(restored)).toBe(true)
  })

  test('process.exit in mid-bar restores the cursor', async () => {
    const { child, output } = run(`createProgress({ ...options, isTTY: true }).batch(batch); process.exit(3)`)
    expect(await once(child, 'close')).toEqual([3, null])
    expect(output().endsWith(restored)).toBe(true)
  })

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s in mid-bar restores the cursor and ends it',
    async (signal) => {
      const { child, output } = run(`createProgress({ ...options, isTTY: true }).batch(batch); await sleep(60_000)`)
      child.stdout!.once('data', () => child.kill(signal))
      expect(await once(child, 'close')).toEqual([null, signal])
      expect(output().endsWith(restored)).toBe(true)
    },
  )

  test('a handler of the program keeps its say, once', async () => {
    const { child, output } = run(`
      const progress = createProgress({ ...options, isTTY: true })
      process.once('SIGINT', () => {
        progress.message('saving')
        setTimeout(() => progress.finish('saved'), 50)
        setTimeout(() => process.exit(130), 60)
      })
      progress.batch(batch)
      await sleep(60_000)
    `)
    child.stdout!.once('data', () => child.kill('SIGINT'))
    expect(await once(child, 'close')).toEqual([130, null])
    expect(screen(output())).toEqual({ rows: ['saving', 'saved', ''], cursor: true, wrap: true })
  })
})
