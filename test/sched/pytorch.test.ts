import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as sched from '../../src/sched/index.ts'

type Table = { scheduler: string; lr: number; values: number[]; metric?: number[] }
const url = new URL('../reference/schedules.json', import.meta.url)
const { torch } = JSON.parse(readFileSync(url, 'utf8')) as { torch: Table[] }
const tableOf = (name: string): Table => torch.find(({ scheduler }) => scheduler === name)!

/** Twelve digits: the tables were made by recurrences of up to 60 steps, at most 60 · 2^−52 ≈ 1.4e-14 off in each sum. */
function near(got: number, want: number, where: string): void {
  expect(Math.abs(got - want), `${where}: got ${got}, want ${want}`).toBeLessThanOrEqual(1e-12 * want)
}

/** Every table but that of ReduceLROnPlateau, which is no function of t. */
const ours: readonly [string, sched.Schedule][] = [
  ['MultiStepLR', sched.multiStepLR({ lr: 0.5, milestones: [15, 30], gamma: 0.5 })],
  ['StepLR', sched.stepLR({ lr: 0.3, stepSize: 7 })],
  ['ExponentialLR', sched.exponentialLR({ lr: 0.3, gamma: 0.9 })],
  ['ConstantLR', sched.constantLR({ lr: 0.3 })],
  ['LinearLR', sched.linearLR({ lr: 0.3, startFactor: 0.1 })],
  ['PolynomialLR', sched.polynomialLR({ lr: 0.3, totalIters: 20, power: 2 })],
  ['CosineAnnealingLR', sched.cosineAnnealingLR({ lr: 0.3, tMax: 20, etaMin: 0.01 })],
  ['CosineAnnealingWarmRestarts', sched.cosineAnnealingWarmRestarts({ lr: 0.3, t0: 10, tMult: 2, etaMin: 0.01 })],
  ['OneCycleLR', sched.oneCycleLR({ maxLr: 0.5, totalSteps: 60, cycleMomentum: false })],
  ['CyclicLR', sched.cyclicLR({ baseLr: 0.01, maxLr: 0.1, stepSizeUp: 10, mode: 'triangular2', cycleMomentum: false })],
  ['LambdaLR', sched.lambdaLR({ lr: 0.3, lambda: (t) => 1 / (1 + t) })],
  ['MultiplicativeLR', sched.multiplicativeLR({ lr: 0.3, lambda: () => 0.95 })],
  [
    'SequentialLR',
    sched.sequence(
      [sched.linearLR({ lr: 0.3, startFactor: 0.1 }), sched.cosineAnnealingLR({ lr: 0.3, tMax: 25, etaMin: 0.01 })],
      { milestones: [5] },
    ),
  ],
  [
    'ChainedScheduler',
    sched.chain([
      sched.constantLR({ lr: 0.3, factor: 0.1, totalIters: 4 }),
      sched.exponentialLR({ lr: 1, gamma: 0.9 }),
    ]),
  ],
]

test('every table has its schedule', () => {
  expect([...ours.map(([name]) => name), 'ReduceLROnPlateau']).toEqual(torch.map(({ scheduler }) => scheduler))
  for (const { values } of torch) expect(values.length).toBe(60)
})

describe.each(ours)('%s', (name, schedule) => {
  const { values } = tableOf(name)
  test('at any t, in any order', () => {
    const order = fc.shuffledSubarray([...values.keys()], { minLength: values.length })
    fc.assert(
      fc.property(order, (ts) => {
        for (const t of ts) near(schedule(t), values[t]!, `t = ${t}`)
      }),
      { seed: 1, numRuns: 10 },
    )
  })
  test('step by step, resumed at every t', () => {
    const optimizer = () => ({ paramGroups: [{ lr: 9 }] })
    const whole = optimizer()
    const first = new sched.Scheduler(whole, schedule)
    for (const [t, want] of values.entries()) {
      near(whole.paramGroups[0]!.lr, want, `t = ${t}`)
      const other = optimizer()
      const resumed = new sched.Scheduler(other, schedule)
      resumed.loadStateDict(first.stateDict())
      expect(other).toEqual(whole)
      resumed.step()
      first.step()
      expect(other).toEqual(whole)
    }
  })
})

describe('what the tables do not show', () => {
  test('stepLR, polynomialLR and exponentialLR at their edges', () => {
    expect([0, 1, 2, 3].map(sched.stepLR({ lr: 1, stepSize: 1, gamma: 0.5 }))).toEqual([1, 0.5, 0.25, 0.125])
    expect([0, 4, 5, 99].map(sched.polynomialLR({ lr: 1, power: 0 }))).toEqual([1, 1, 1, 1])
    expect([0, 1, 5, 6].map(sched.polynomialLR({ lr: 1 }))).toEqual([1, 0.8, 0, 0])
    expect([0, 1].map(sched.exponentialLR({ lr: 0.5, gamma: 0 }))).toEqual([0.5, 0])
  })
  test('constantLR comes back with a factor of 0, and has no steps with totalIters 0: PyTorch’s closed form', () => {
    expect([0, 1, 2].map(sched.constantLR({ lr: 1, factor: 0, totalIters: 2 }))).toEqual([0, 0, 1])
    expect(sched.constantLR({ lr: 1, factor: 0.5, totalIters: 0 })(0)).toBe(1)
  })
  test('linearLR ends on its end factor, exactly', () => {
    const s = sched.linearLR({ lr: 0.3, startFactor: 1, endFactor: 0.1, totalIters: 3 })
    expect([s(0), s(3), s(99)]).toEqual([0.3, 0.3 * 0.1, 0.3 * 0.1])
  })
  test('cosineAnnealingLR has the period 2T at any distance, bit for bit', () => {
    const s = sched.cosineAnnealingLR({ lr: 0.3, tMax: 7, etaMin: 0.02 })
    for (let t = 0; t < 14; t++) expect(s(t + 14e8)).toBe(s(t))
    expect([s(0), s(7)]).toEqual([0.3, 0.02])
  })
  test.each([1, 2, 3])(
    'warm restarts with tMult %i begin at the full rate, at every restart of the first 40',
    (tMult) => {
      const s = sched.cosineAnnealingWarmRestarts({ lr: 0.3, t0: 3, tMult, etaMin: 0.01 })
      for (let [start, length, i] = [0, 3, 0]; i < 30; i++) {
        expect(s(start)).toBe(0.3)
        if (i > 0) expect(s(start - 1)).toBeLessThan(0.3)
        start += length
        length *= tMult
      }
    },
  )
  test('inverseSqrt: the paper’s formula, and squareRoot where there is no warm-up', () => {
    const [d, w] = [512, 4000]
    const s = sched.inverseSqrt({ lr: (d * w) ** -0.5, warmupSteps: w })
    for (const t of [0, 1, 1999, 3998, 3999, 4000, 99_999]) {
      near(s(t), d ** -0.5 * Math.min((t + 1) ** -0.5, (t + 1) * w ** -1.5), `t = ${t}`)
    }
    const plain = sched.inverseSqrt({ lr: 0.1, warmupSteps: 1 })
    for (let t = 0; t < 40; t++) near(plain(t), sched.squareRoot({ lr: 0.1 })(t), `t = ${t}`)
  })
  test('multiStepLR is multiStep', () => {
    const own = { lr: 0.5, milestones: [0, 3, 3], gamma: 0.3 }
    for (let t = 0; t < 9; t++) expect(sched.multiStepLR(own)(t)).toBe(sched.multiStep(own)(t))
  })
  test('multiplicativeLR does not ask λ(0), and asks each λ once where t rises', () => {
    const asked: number[] = []
    const lambda = (t: number): number => {
      asked.push(t)
      return t
    }
    const s = sched.multiplicativeLR({ lr: 1, lambda })
    expect([0, 1, 2, 3, 4].map(s)).toEqual([1, 1, 2, 6, 24])
    expect(asked).toEqual([1, 2, 3, 4])
    expect([s(2), s(4)]).toEqual([2, 24])
    expect(s.spec).toBeUndefined()
  })
  test('a λ that gives no factor is named with its t', () => {
    const message = 'lambda(3) must be a finite number ≥ 0, got -1'
    const lambda = (t: number): number => (t === 3 ? -1 : 1)
    expect(() => sched.lambdaLR({ lr: 1, lambda })(3)).toThrow(new RangeError(`lambdaLR: ${message}`))
    const product = sched.multiplicativeLR({ lr: 1, lambda })
    expect(() => product(5)).toThrow(new RangeError(`multiplicativeLR: ${message}`))
    expect(product(2)).toBe(1)
  })
})
