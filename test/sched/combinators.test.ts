import { describe, expect, test } from 'vitest'
import * as sched from '../../src/sched/index.ts'

const cyclic = sched.cyclicLR({ baseLr: 0, maxLr: 1, stepSizeUp: 2 })
const tens = (t: number): number => 10 + t

describe('sequence', () => {
  test('each part counts from its own milestone; one that is named twice passes a part over', () => {
    const s = sched.sequence([(t) => t, tens, (t) => 100 + t], { milestones: [2, 2] })
    expect([0, 1, 2, 3].map(s)).toEqual([0, 1, 100, 101])
    const two = sched.sequence([(t) => t, tens], { milestones: [3] })
    expect([0, 2, 3, 4].map(two)).toEqual([0, 2, 10, 11])
    expect(sched.sequence([tens], { milestones: [] })(5)).toBe(15)
    expect(sched.sequence([(t) => t, tens], { milestones: [0] })(0)).toBe(10)
  })
  test('is a warm-up where its first part is a line', () => {
    const cosine = sched.cosine({ maxUpdate: 15, baseLr: 0.5 })
    const line = (t: number): number => (0.5 * t) / 5
    const [a, b] = [sched.sequence([line, cosine], { milestones: [5] }), sched.warmup(cosine, { steps: 5 })]
    for (let t = 0; t < 25; t++) expect(a(t)).toBe(b(t))
  })
  test('keeps its own copy of its lists', () => {
    const [parts, milestones] = [[sched.constant(1), sched.constant(2)], [3]]
    const s = sched.sequence(parts, { milestones })
    parts[0] = sched.constant(9)
    milestones[0] = 0
    expect([s(0), s(3)]).toEqual([1, 2])
  })
})

test('chain multiplies, scale scales; without a text where a part has none', () => {
  const s = sched.chain([tens, (t) => t / 2, sched.constant(3)])
  expect([0, 1, 2].map(s)).toEqual([0, 16.5, 36])
  expect(sched.scale(tens, { factor: 0.5 })(4)).toBe(7)
  for (const made of [s, sched.scale(tens, { factor: 2 }), sched.sequence([tens], { milestones: [] })]) {
    expect(made.spec).toBeUndefined()
  }
})

test('the momentum of a part is carried on at its own t', () => {
  const momenta = (s: sched.Schedule): number[] => [0, 1, 2, 3, 4].map((t) => s.momentum!(t))
  const own = momenta(cyclic)
  expect(momenta(sched.warmup(cyclic, { steps: 2 }))).toEqual([own[0], own[0], own[0], own[1], own[2]])
  expect(momenta(sched.scale(cyclic, { factor: 2 }))).toEqual(own)
  expect(momenta(sched.chain([sched.constant(1), cyclic]))).toEqual(own)
  expect(momenta(sched.sequence([cyclic, cyclic], { milestones: [1] }))).toEqual([own[0], ...own.slice(0, 4)])
  expect(sched.warmup(sched.constant(1), { steps: 2 }).momentum).toBeUndefined()
  expect(sched.sequence([sched.constant(1)], { milestones: [] }).momentum).toBeUndefined()
})

describe('refused', () => {
  const untyped = sched as unknown as Record<string, (...args: unknown[]) => unknown>
  const list = 'must be a list of at least one schedule, each a function of t, got'
  const cases: [string, unknown[], string][] = [
    ['sequence', [tens, { milestones: [] }], `sequence: schedules ${list} a function`],
    ['chain', [[]], `chain: schedules ${list} []`],
    ['chain', [[tens, 0.1]], `chain: schedules ${list} [a function, 0.1]`],
    ['scale', ['cosine', { factor: 1 }], "scale: schedule must be a schedule, a function of t, got 'cosine'"],
    ['scale', [tens, { factor: -1 }], 'scale: factor must be a finite number ≥ 0, got -1'],
    [
      'sequence',
      [[tens, tens], { milestones: [] }],
      'sequence: milestones must be one fewer than the schedules, 1 for 2 schedules, got []',
    ],
    [
      'sequence',
      [[tens, cyclic], { milestones: [5] }],
      'sequence: schedules must all set the momentum, or none: schedule 1 sets the momentum and schedule 0 does not',
    ],
    ['chain', [[cyclic, cyclic]], 'chain: schedules must set the momentum at most once, here 2 do'],
  ]
  test.each(cases)('%s(...%j)', (name, args, message) => {
    expect(() => untyped[name]!(...args)).toThrow(new RangeError(message))
  })
})
