import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as sched from '../../src/sched/index.ts'

type Table = { scheduler: string; args: Record<string, unknown>; values: number[] }
const url = new URL('../reference/schedules.json', import.meta.url)
const reference = JSON.parse(readFileSync(url, 'utf8')) as { chapter: Table[] }

/** Twelve digits: the tables were made by recurrences of up to 80 steps, at most 80 · 2^−52 ≈ 2e-14 off. */
function hold(schedule: sched.Schedule, values: readonly number[]): void {
  expect(values.length).toBeGreaterThan(0)
  for (const [t, want] of values.entries()) {
    const got = schedule(t)
    expect(Math.abs(got - want), `t = ${t}: got ${got}, want ${want}`).toBeLessThanOrEqual(1e-12 * want)
  }
}

describe("the chapter's tables", () => {
  const ours: sched.Schedule[] = [
    sched.squareRoot({ lr: 0.1 }),
    sched.factor({ factor: 0.9, stopFactorLr: 0.01, baseLr: 2 }),
    sched.cosine({ maxUpdate: 20, baseLr: 0.3, finalLr: 0.01 }),
    sched.cosine({ maxUpdate: 20, baseLr: 0.3, finalLr: 0.01, warmupSteps: 5 }),
  ]
  test('there is one schedule a table', () => {
    const names = ['SquareRootScheduler', 'FactorScheduler', 'CosineScheduler', 'CosineScheduler']
    expect(reference.chapter.map((table) => table.scheduler)).toEqual(names)
  })
  test.each(ours.map((s, i) => [s.spec, s, i] as const))('%s', (_, schedule, i) => {
    hold(schedule, reference.chapter[i]!.values)
  })
})

describe('edges', () => {
  test('constant', () => {
    const s = sched.constant(0.3)
    expect([s(0), s(1), s(1e9)]).toEqual([0.3, 0.3, 0.3])
  })
  test('square root: defaults', () => {
    expect([sched.squareRoot()(0), sched.squareRoot()(3)]).toEqual([0.1, 0.05])
  })
  test('factor: defaults, the first rate already multiplied, the floor', () => {
    expect(sched.factor()(7)).toBe(0.1)
    const s = sched.factor({ factor: 0.5, baseLr: 2, stopFactorLr: 0.3 })
    expect([s(0), s(1), s(2), s(3)]).toEqual([1, 0.5, 0.3, 0.3])
    expect(sched.factor({ factor: 0 })(0)).toBe(1e-7)
  })
  test('multiStep: a milestone counts from its own t; zero, duplicate and no milestones', () => {
    const s = sched.multiStep({ lr: 1, milestones: [2, 4], gamma: 0.5 })
    expect([0, 1, 2, 3, 4, 5].map(s)).toEqual([1, 1, 0.5, 0.5, 0.25, 0.25])
    expect(sched.multiStep({ lr: 1, milestones: [0], gamma: 0.5 })(0)).toBe(0.5)
    const twice = sched.multiStep({ lr: 1, milestones: [0, 3, 3], gamma: 0.5 })
    expect([0, 2, 3].map(twice)).toEqual([0.5, 0.5, 0.125])
    expect(sched.multiStep({ lr: 1, milestones: [] })(99)).toBe(1)
    expect(sched.multiStep({ lr: 1, milestones: [1] })(1)).toBe(0.1)
  })
  test('multiStep keeps its own copy of the milestones', () => {
    const milestones = [2]
    const s = sched.multiStep({ lr: 1, milestones, gamma: 0.5 })
    milestones[0] = 0
    expect(s(0)).toBe(1)
  })
  test('cosine: t = 0, T/2, T, > T; defaults', () => {
    const s = sched.cosine({ maxUpdate: 20, baseLr: 0.5, finalLr: 0.25 })
    expect([s(0), s(10), s(20), s(21), s(1e9)]).toEqual([0.5, 0.375, 0.25, 0.25, 0.25])
    const d = sched.cosine({ maxUpdate: 1 })
    expect([d(0), d(1), d(2)]).toEqual([0.01, 0, 0])
  })
  test('cosine: warm-up as long as the schedule gives the final rate from T on', () => {
    const s = sched.cosine({ maxUpdate: 4, baseLr: 1, finalLr: 0.5, warmupSteps: 4, warmupBeginLr: 0 })
    expect([0, 1, 2, 3, 4, 5].map(s)).toEqual([0, 0.25, 0.5, 0.75, 0.5, 0.5])
  })
  test('polynomial: t = 0, T/2, T, > T; power 0 keeps the rate through T; defaults', () => {
    const s = sched.polynomial({ maxUpdate: 4, baseLr: 1, finalLr: 0.5, power: 1 })
    expect([0, 2, 4, 5].map(s)).toEqual([1, 0.75, 0.5, 0.5])
    const flat = sched.polynomial({ maxUpdate: 4, baseLr: 1, finalLr: 0.5, power: 0 })
    expect([0, 4, 5].map(flat)).toEqual([1, 1, 0.5])
    const d = sched.polynomial({ maxUpdate: 2 })
    expect([d(0), d(1), d(2)]).toEqual([0.01, 0.0025, 0])
  })
  test('warm-up: 0 steps is the schedule itself; before any function of t', () => {
    const s = sched.squareRoot()
    const w = sched.warmup(s, { steps: 0 })
    expect([0, 1, 2].map(w)).toEqual([0, 1, 2].map(s))
    const own = sched.warmup((t) => 8 + t, { steps: 4, beginLr: 4 })
    expect([0, 1, 2, 3, 4, 5].map(own)).toEqual([4, 5, 6, 7, 8, 9])
    expect(own.spec).toBeUndefined()
  })
})

test('cosine with T 20 and w 5 is a warm-up of 5 before a cosine with T 15, and so for every T and w < T', () => {
  const rate = fc.double({ min: 0, max: 10, noNaN: true })
  const same = (T: number, w: number, baseLr: number, finalLr: number, beginLr: number): void => {
    const whole = sched.cosine({ maxUpdate: T, baseLr, finalLr, warmupSteps: w, warmupBeginLr: beginLr })
    const parts = sched.warmup(sched.cosine({ maxUpdate: T - w, baseLr, finalLr }), { steps: w, beginLr })
    // They part only in s(0) = η_T + (η₀ − η_T), two roundings (each half of 2^−52 of the largest rate) away from η₀,
    // and in the roundings of the line through it: its difference, product, quotient and sum.
    const bound = 6 * 2 ** -52 * Math.max(baseLr, finalLr, beginLr)
    for (let t = 0; t <= T + 2; t++) expect(Math.abs(whole(t) - parts(t))).toBeLessThanOrEqual(bound)
  }
  same(20, 5, 0.3, 0.01, 0)
  const lengths = fc.integer({ min: 1, max: 60 }).chain((T) => fc.tuple(fc.constant(T), fc.nat({ max: T - 1 })))
  fc.assert(
    fc.property(lengths, rate, rate, rate, ([T, w], base, final, begin) => same(T, w, base, final, begin)),
    { seed: 1 },
  )
})

const all: sched.Schedule[] = [
  sched.constant(0.3),
  sched.squareRoot(),
  sched.factor({ factor: 0.9 }),
  sched.multiStep({ lr: 0.5, milestones: [15, 30] }),
  sched.cosine({ maxUpdate: 20, warmupSteps: 5 }),
  sched.polynomial({ maxUpdate: 20 }),
  sched.warmup(sched.cosine({ maxUpdate: 15 }), { steps: 5 }),
]

describe.each(all.map((s) => [s.spec!, s] as const))('%s', (spec, schedule) => {
  const name = spec.slice(0, spec.indexOf('('))
  test('is pure: any order, twice, the same values', () => {
    const forwards = Array.from({ length: 61 }, (_, t) => schedule(t))
    const order = fc.shuffledSubarray([...forwards.keys()], { minLength: 61 })
    fc.assert(
      fc.property(order, (ts) => {
        for (const t of [...ts, ...ts]) expect(schedule(t)).toBe(forwards[t])
      }),
      { seed: 1, numRuns: 20 },
    )
  })
  test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses t = %s', (t) => {
    expect(() => schedule(t)).toThrow(new RangeError(`${name}: t must be an integer ≥ 0, got ${t}`))
  })
  test('its text cannot be changed', () => {
    expect(() => Object.assign(schedule, { spec: 'other' })).toThrow(TypeError)
    expect(schedule.spec).toBe(spec)
  })
})

describe('refused options', () => {
  // Callers without types get the same errors.
  const untyped = sched as unknown as Record<string, (...args: unknown[]) => unknown>
  const rate = 'must be a finite number ≥ 0'
  const ascending = 'multiStep: milestones must be a list of integers ≥ 0 in ascending order'
  const s = (): number => 1
  const ranges: [string, unknown[], string][] = [
    ['constant', [], `constant: lr ${rate}, got undefined`],
    ['constant', [{ lr: 1 }], `constant: lr ${rate}, got an object`],
    ['constant', ['0.1'], `constant: lr ${rate}, got '0.1'`],
    ['squareRoot', [{ lr: -0.1 }], `squareRoot: lr ${rate}, got -0.1`],
    ['squareRoot', [{ lr: null }], `squareRoot: lr ${rate}, got null`],
    ['factor', [{ factor: Number.POSITIVE_INFINITY }], `factor: factor ${rate}, got Infinity`],
    ['factor', [{ stopFactorLr: Number.NaN }], `factor: stopFactorLr ${rate}, got NaN`],
    ['multiStep', [{ lr: 1, milestones: [-1] }], `${ascending}, got [-1]`],
    ['multiStep', [{ lr: 1, milestones: [1.5] }], `${ascending}, got [1.5]`],
    ['multiStep', [{ lr: 1, milestones: 15 }], `${ascending}, got 15`],
    ['cosine', [{ maxUpdate: 0 }], 'cosine: maxUpdate must be an integer ≥ 1, got 0'],
    ['cosine', [{ maxUpdate: 2.5 }], 'cosine: maxUpdate must be an integer ≥ 1, got 2.5'],
    ['cosine', [{ maxUpdate: 4, warmupSteps: -1 }], 'cosine: warmupSteps must be an integer ≥ 0, got -1'],
    ['cosine', [{ maxUpdate: 4, warmupSteps: 0.5 }], 'cosine: warmupSteps must be an integer ≥ 0, got 0.5'],
    ['cosine', [{ maxUpdate: 4, warmupSteps: 5 }], 'cosine: warmupSteps must be at most maxUpdate = 4, got 5'],
    ['cosine', [{ maxUpdate: 4, warmupBeginLr: Number.NaN }], `cosine: warmupBeginLr ${rate}, got NaN`],
    ['polynomial', [{ maxUpdate: -3 }], 'polynomial: maxUpdate must be an integer ≥ 1, got -3'],
    ['polynomial', [{ maxUpdate: 3, power: -1 }], `polynomial: power ${rate}, got -1`],
    ['warmup', [s, { steps: -1 }], 'warmup: steps must be an integer ≥ 0, got -1'],
    ['warmup', [s, { steps: 1.5 }], 'warmup: steps must be an integer ≥ 0, got 1.5'],
    ['warmup', [s, { steps: 2, beginLr: Number.NaN }], `warmup: beginLr ${rate}, got NaN`],
    ['warmup', ['cosine', { steps: 2 }], "warmup: schedule must be a schedule, a function of t, got 'cosine'"],
  ]
  test.each(ranges)('%s(...%j)', (name, args, message) => {
    expect(() => untyped[name]!(...args)).toThrow(new RangeError(message))
  })
  const unknowns: [string, unknown[], string][] = [
    ['cosine', [{}], 'cosine: maxUpdate is required'],
    ['multiStep', [{ milestones: [1] }], 'multiStep: lr is required'],
    ['multiStep', [{ lr: 1 }], 'multiStep: milestones is required'],
    ['squareRoot', [{ toString: 1 }], "squareRoot: unknown option 'toString'; it takes lr"],
    ['warmup', [s, { steps: 1, schedule: s }], "warmup: unknown option 'schedule'; it takes steps, beginLr"],
    ['warmup', [s, 5], 'warmup: options must be an object with steps, beginLr, got 5'],
    ['warmup', [s, {}], 'warmup: steps is required'],
  ]
  test.each(unknowns)('%s(...%j)', (name, args, message) => {
    expect(() => untyped[name]!(...args)).toThrow(new TypeError(message))
  })
})
