import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as sched from '../../src/sched/index.ts'

type Table = { scheduler: string; values: number[]; metric: number[] }
const url = new URL('../reference/schedules.json', import.meta.url)
const { torch } = JSON.parse(readFileSync(url, 'utf8')) as { torch: Table[] }
const table = torch.find(({ scheduler }) => scheduler === 'ReduceLROnPlateau')!
const options = { factor: 0.5, patience: 3, threshold: 0.01, cooldown: 1, minLr: 0.001 }

const optimizer = (...rates: number[]) => ({ paramGroups: rates.map((lr) => ({ lr })) })
/** The rates in force in each epoch of these metrics. */
function ratesOf(metrics: readonly number[], of: sched.PlateauOptions, lr = 1): number[] {
  const o = optimizer(lr)
  const plateau = new sched.ReduceLROnPlateau(o, of)
  return metrics.map((metric) => {
    const before = o.paramGroups[0]!.lr
    expect(plateau.step(metric)).toBe(o.paramGroups[0]!.lr !== before)
    return o.paramGroups[0]!.lr
  })
}

test("PyTorch's table, resumed at every step", () => {
  const o = optimizer(0.3)
  const plateau = new sched.ReduceLROnPlateau(o, options)
  for (const [t, want] of table.values.entries()) {
    expect(Math.abs(o.paramGroups[0]!.lr - want)).toBeLessThanOrEqual(1e-12 * want)
    const other = optimizer(9)
    const resumed = new sched.ReduceLROnPlateau(other, options)
    resumed.step(-100)
    resumed.loadStateDict(JSON.parse(JSON.stringify(plateau.stateDict())))
    for (let later = t; later < 60; later++) {
      expect(Math.abs(other.paramGroups[0]!.lr - table.values[later]!)).toBeLessThanOrEqual(1e-12 * want)
      resumed.step(table.metric[later]!)
    }
    plateau.step(table.metric[t]!)
  }
})

/** PyTorch's step, with infinities for the metric that has not come. */
function byHand(metrics: readonly number[], o: Required<sched.PlateauOptions>): number[] {
  let [lr, best, bad, cooling] = [1, o.mode === 'min' ? Infinity : -Infinity, 0, 0]
  return metrics.map((a) => {
    const rel = o.thresholdMode === 'rel'
    const better =
      o.mode === 'min'
        ? a < (rel ? best * (1 - o.threshold) : best - o.threshold)
        : a > (rel ? best * (o.threshold + 1) : best + o.threshold)
    if (better) [best, bad] = [a, 0]
    else bad++
    if (cooling > 0) [cooling, bad] = [cooling - 1, 0]
    if (bad > o.patience) {
      const next = Math.max(lr * o.factor, o.minLr)
      if (lr - next > o.eps) lr = next
      ;[cooling, bad] = [o.cooldown, 0]
    }
    return lr
  })
}

test('is PyTorch’s step for any options and metrics', () => {
  const any = fc.record({
    mode: fc.constantFrom('min' as const, 'max' as const),
    factor: fc.constantFrom(0.1, 0.5, 0.9),
    patience: fc.nat(3),
    threshold: fc.constantFrom(0, 0.01, 0.25),
    thresholdMode: fc.constantFrom('rel' as const, 'abs' as const),
    cooldown: fc.nat(3),
    minLr: fc.constantFrom(0, 0.2),
    eps: fc.constantFrom(1e-8, 0.05),
  })
  const metric = fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, Number.NaN), fc.double({ min: 0, max: 4, noNaN: true }))
  fc.assert(
    fc.property(any, fc.array(metric, { minLength: 20, maxLength: 40 }), (of, metrics) => {
      expect(ratesOf(metrics, of)).toEqual(byHand(metrics, of))
    }),
    { seed: 1, numRuns: 500 },
  )
})

describe('rules', () => {
  test('more than patience bad epochs; NaN and infinity are bad; the default mode is min', () => {
    const { NaN: nan, NEGATIVE_INFINITY: low } = Number
    expect(ratesOf([1, 1, nan, low, 0.5], { patience: 2 })).toEqual([1, 1, 1, 0.1, 0.1])
    expect(ratesOf([nan, nan], { patience: 0 })).toEqual([0.1, 0.1 * 0.1])
  })
  test('max', () => {
    expect(ratesOf([1, 2, 2, 3], { mode: 'max', patience: 0 })).toEqual([1, 1, 0.1, 0.1])
  })
  test('every group falls, to the floor and no further; a rate set by hand is reduced from there', () => {
    const o = optimizer(1, 0.4)
    const plateau = new sched.ReduceLROnPlateau(o, { patience: 0, factor: 0.5, minLr: 0.3 })
    expect([plateau.step(1), plateau.step(1), plateau.lastLr]).toEqual([false, true, [0.5, 0.3]])
    o.paramGroups[1]!.lr = 4
    expect([plateau.step(1), plateau.lastLr]).toEqual([true, [0.3, 2]])
  })
})

describe('errors', () => {
  const make = (of: unknown) => () => new sched.ReduceLROnPlateau(optimizer(1), of as sched.PlateauOptions)
  test('options', () => {
    expect(make({ factor: 1 })).toThrow(new RangeError('ReduceLROnPlateau: factor must be a number ≥ 0 and < 1, got 1'))
    expect(make({ mode: 'low' })).toThrow(new RangeError("ReduceLROnPlateau: mode must be one of min, max, got 'low'"))
    expect(make({ patience: 0.5 })).toThrow(
      new RangeError('ReduceLROnPlateau: patience must be an integer ≥ 0, got 0.5'),
    )
    const names = 'mode, factor, patience, threshold, thresholdMode, cooldown, minLr, eps'
    expect(make({ verbose: true })).toThrow(
      new TypeError(`ReduceLROnPlateau: unknown option 'verbose'; it takes ${names}`),
    )
  })
  test('a metric and states that are none change nothing', () => {
    const o = optimizer(1)
    const plateau = new sched.ReduceLROnPlateau(o)
    plateau.step(3)
    const before = plateau.stateDict()
    expect(before).toEqual({ best: 3, badEpochs: 0, cooldownLeft: 0, lr: [1] })
    const step = () => plateau.step('0.5' as unknown as number)
    expect(step).toThrow(new TypeError("ReduceLROnPlateau.step: the metric must be a number, got '0.5'"))
    const shape = 'the state must be { best, badEpochs, cooldownLeft, lr }, as stateDict() returns it, got'
    const states: [unknown, string][] = [
      [null, `${shape} null`],
      [{ best: 1 }, `${shape} {"best":1}`],
      [{ ...before, t: 1 }, `${shape} {"best":3,"badEpochs":0,"cooldownLeft":0,"lr":[1],"t":1}`],
      [{ ...before, best: Number.NaN }, 'best must be a finite number or null, got NaN'],
      [{ ...before, badEpochs: -1 }, 'badEpochs must be an integer ≥ 0, got -1'],
      [{ ...before, cooldownLeft: '1' }, "cooldownLeft must be an integer ≥ 0, got '1'"],
      [{ ...before, lr: [1, 1] }, 'lr must be a list of 1, one per group, got [1, 1]'],
      [{ ...before, lr: [Infinity] }, 'lr[0] must be a finite number ≥ 0, got Infinity'],
    ]
    for (const [state, message] of states) {
      const load = () => plateau.loadStateDict(state as sched.PlateauState)
      expect(load).toThrow(new TypeError(`ReduceLROnPlateau.loadStateDict: ${message}`))
    }
    expect([plateau.stateDict(), o]).toEqual([before, optimizer(1)])
  })
})

describe('parsePlateau', () => {
  const defaults = {
    factor: 0.1,
    patience: 10,
    threshold: 1e-4,
    thresholdMode: 'rel',
    cooldown: 0,
    minLr: 0,
    eps: 1e-8,
  }
  test('the mode follows from the metric', () => {
    expect(sched.parsePlateau('')).toEqual({ metric: 'testAcc', options: { ...defaults, mode: 'max' } })
    const text = ' metric = trainLoss, factor=0.5 ,patience=3, thresholdMode=abs'
    const options = { ...defaults, factor: 0.5, patience: 3, thresholdMode: 'abs', mode: 'min' }
    expect(sched.parsePlateau(text)).toEqual({ metric: 'trainLoss', options })
  })
  const right =
    'it is metric=testAcc, factor=0.1, patience=10, threshold=0.0001, thresholdMode=rel, cooldown=0, minLr=0, eps=1e-8'
  test.each([
    ['factor=1', 7, 'plateau: factor must be a number ≥ 0 and < 1, got 1'],
    ['metric=loss', 7, "plateau: metric must be one of testAcc, trainLoss, got 'loss'"],
    ['mode=min', 0, "plateau: unknown argument 'mode'"],
    ['factor=0.1 patience=3', 11, "plateau: expected ',' or the end, got 'patience'"],
    ['factor=0.1,', 10, 'plateau: an argument must follow the comma, got the end'],
    ['factor=0.1, 3', 12, 'plateau: an argument without a name must come before the named ones'],
  ])('%s', (text, column, what) => {
    const message = `${what}\n  ${text}\n  ${' '.repeat(column)}^\n${right}`
    expect(() => sched.parsePlateau(text)).toThrow(new SyntaxError(message))
  })
  test('something that is no text', () => {
    const message = 'parsePlateau: the rules must be a string, got 3'
    expect(() => sched.parsePlateau(3 as unknown as string)).toThrow(new TypeError(message))
  })
})

test.each([undefined, null, {}, { paramGroups: [{}] }])(
  'neither it nor a Scheduler takes %o for an optimizer',
  (other) => {
    const shown = other ? 'an object' : String(other)
    const text = `the optimizer must have paramGroups, each with an lr, as optim.SGD does, got ${shown}`
    expect(() => new sched.ReduceLROnPlateau(other as never)).toThrow(new TypeError(`ReduceLROnPlateau: ${text}`))
    expect(() => new sched.Scheduler(other as never, () => 0.1)).toThrow(new TypeError(`Scheduler: ${text}`))
  },
)
