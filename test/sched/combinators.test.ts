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

describe("chain beside PyTorch's ChainedScheduler", () => {
  const half = sched.exponentialLR({ lr: 1, gamma: 0.5 })
  const lambda = sched.lambdaLR({ lr: 1, lambda: (t) => 1 / (1 + t) })
  const cosine = sched.cosineAnnealingLR({ lr: 1, tMax: 4 })
  const floor = sched.cosineAnnealingLR({ lr: 1, tMax: 4, etaMin: 0.1 })
  const restarts = sched.cosineAnnealingWarmRestarts({ lr: 1, t0: 4 })
  const triangle = sched.cyclicLR({ baseLr: 0.1, maxLr: 1, stepSizeUp: 2, cycleMomentum: false })
  const near = (got: number, want: number) => expect(Math.abs(got - want)).toBeLessThanOrEqual(1e-12)
  // Made with PyTorch 1.13: the rates at t = 1, 2, … of a chain whose base rate is 1, ExponentialLR(gamma=0.5) first.
  const torch = {
    linear: [0.21875, 0.15625, 0.1015625, 0.0625, 0.03125],
    polynomial: [0.28125, 0.0625, 0.0078125, 0, 0],
    cosine: [0.42677669529663687, 0.125, 0.018305826175840784, 0, 0.1464466094067262],
    lambda: [1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6],
    restarts: [0.8535533905932737, 0.5, 0.14644660940672627, 1, 0.8535533905932737],
    triangle: [0.55, 1, 0.55, 0.1, 0.55],
  }

  test('is the same for parts that multiply the rate', () => {
    const linear = sched.linearLR({ lr: 1, startFactor: 0.25, totalIters: 4 })
    const polynomial = sched.polynomialLR({ lr: 1, totalIters: 4, power: 2 })
    for (const [i, t] of [1, 2, 3, 4, 5].entries()) {
      near(sched.chain([half, linear])(t), torch.linear[i]!)
      near(sched.chain([half, polynomial])(t), torch.polynomial[i]!)
      if (t <= 4) near(sched.chain([half, cosine])(t), torch.cosine[i]!)
    }
  })

  test('is the product where PyTorch sets the rate, rises from the base rate again, or has a floor', () => {
    for (const t of [1, 2, 3, 4, 5]) {
      for (const part of [lambda, cosine, floor, restarts, triangle]) {
        expect(sched.chain([half, part])(t)).toBe(0.5 ** t * part(t))
        expect(sched.chain([part, half])(t)).toBe(part(t) * 0.5 ** t)
      }
      near(lambda(t), torch.lambda[t - 1]!)
      near(restarts(t), torch.restarts[t - 1]!)
      near(triangle(t), torch.triangle[t - 1]!)
    }
    expect(sched.chain([half, lambda])(2)).toBe((1 / 4) * (1 / 3))
    expect(sched.chain([half, cosine])(5)).toBeCloseTo(torch.cosine[4]! / 32, 12)
  })
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
