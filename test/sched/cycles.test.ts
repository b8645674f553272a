import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as sched from '../../src/sched/index.ts'

/** Both sides round a handful of times a value of at most 1. */
const near = (got: number, want: number, where: string): void =>
  expect(Math.abs(got - want), `${where}: got ${got}, want ${want}`).toBeLessThanOrEqual(1e-12)

/** PyTorch's own steps: phases with percentages, at t < totalSteps. */
function oneCycleByHand(o: Required<sched.OneCycleLROptions>, t: number): [lr: number, momentum: number] {
  const [first, last] = [o.maxLr / o.divFactor, o.maxLr / o.divFactor / o.finalDivFactor]
  const [up, n] = [o.pctStart * o.totalSteps - 1, o.totalSteps - 1]
  const { baseMomentum: low, maxMomentum: high } = o
  const phases = o.threePhase
    ? [
        [up, first, o.maxLr, high, low],
        [2 * o.pctStart * o.totalSteps - 2, o.maxLr, first, low, high],
        [n, first, last, high, high],
      ]
    : [
        [up, first, o.maxLr, high, low],
        [n, o.maxLr, last, low, high],
      ]
  const anneal = (a: number, b: number, pct: number): number =>
    o.annealStrategy === 'cos' ? b + ((a - b) / 2) * (Math.cos(Math.PI * pct) + 1) : (b - a) * pct + a
  let start = 0
  for (const [i, [end, a, b, c, d]] of (phases as [number, number, number, number, number][]).entries()) {
    if (t <= end || i === phases.length - 1) {
      const pct = (t - start) / (end - start)
      return [anneal(a, b, pct), anneal(c, d, pct)]
    }
    start = end
  }
  throw new Error('no phase')
}

describe('oneCycleLR', () => {
  const options = fc.record({
    maxLr: fc.double({ min: 0.01, max: 1, noNaN: true }),
    totalSteps: fc.integer({ min: 10, max: 80 }),
    pctStart: fc.double({ min: 0.15, max: 0.45, noNaN: true }),
    annealStrategy: fc.constantFrom('cos' as const, 'linear' as const),
    cycleMomentum: fc.constant(true),
    baseMomentum: fc.double({ min: 0.1, max: 0.5, noNaN: true }),
    maxMomentum: fc.double({ min: 0.5, max: 0.99, noNaN: true }),
    divFactor: fc.double({ min: 1, max: 50, noNaN: true }),
    finalDivFactor: fc.double({ min: 1, max: 1e4, noNaN: true }),
    threePhase: fc.boolean(),
  })
  test('rate and momentum are PyTorch’s', () => {
    fc.assert(
      fc.property(options, (o) => {
        const s = sched.oneCycleLR(o)
        for (let t = 0; t < o.totalSteps; t++) {
          const [lr, momentum] = oneCycleByHand(o, t)
          near(s(t), lr, `rate at ${t}`)
          near(s.momentum!(t), momentum, `momentum at ${t}`)
        }
        expect([s(o.totalSteps), s.momentum!(1e9)]).toEqual([s(o.totalSteps - 1), s.momentum!(o.totalSteps - 1)])
      }),
      { seed: 1, numRuns: 100 },
    )
  })
  test('defaults; the peak and both ends', () => {
    const s = sched.oneCycleLR({ maxLr: 0.5, totalSteps: 20 })
    near(s(0), 0.02, 'the start')
    expect([s(5), s.momentum!(0), s.momentum!(5)]).toEqual([0.5, 0.95, 0.85])
    near(s(19), 2e-6, 'the end')
    near(s.momentum!(19), 0.95, 'the end')
  })
  test('a phase of one step is at its end, where PyTorch divides by zero; one of none is passed over', () => {
    const s = sched.oneCycleLR({ maxLr: 0.5, totalSteps: 10, pctStart: 0.1 })
    expect([s(0), s.momentum!(0)]).toEqual([0.5, 0.85])
    expect(sched.oneCycleLR({ maxLr: 0.5, totalSteps: 1, pctStart: 1 })(0)).toBe(0.5)
    const none = sched.oneCycleLR({
      maxLr: 0.5,
      totalSteps: 4,
      pctStart: 0,
      annealStrategy: 'linear',
      finalDivFactor: 1,
    })
    near(none(0), 0.5 - 0.48 / 4, 'a quarter of the way down')
  })
  test('without the momentum', () => {
    expect(sched.oneCycleLR({ maxLr: 1, totalSteps: 9, cycleMomentum: false }).momentum).toBeUndefined()
  })
})

describe('cyclicLR', () => {
  test('rate and momentum are PyTorch’s, by its own arithmetic', () => {
    const options = fc.record({
      baseLr: fc.double({ min: 0, max: 0.1, noNaN: true }),
      maxLr: fc.double({ min: 0.1, max: 1, noNaN: true }),
      stepSizeUp: fc.integer({ min: 1, max: 12 }),
      stepSizeDown: fc.integer({ min: 1, max: 12 }),
      mode: fc.constantFrom('triangular' as const, 'triangular2' as const, 'expRange' as const),
      gamma: fc.double({ min: 0.5, max: 1, noNaN: true }),
    })
    fc.assert(
      fc.property(options, (o) => {
        const s = sched.cyclicLR(o)
        const total = o.stepSizeUp + o.stepSizeDown
        for (let t = 0; t < 3 * total; t++) {
          if (t % total === 0 || t % total === o.stepSizeUp) continue // its ratios round to either side of a corner
          const cycle = Math.floor(1 + t / total)
          const x = 1 + t / total - cycle
          const ratio = o.stepSizeUp / total
          const height = x <= ratio ? x / ratio : (x - 1) / (ratio - 1)
          const g = { triangular: 1, triangular2: 1 / 2 ** (cycle - 1), expRange: o.gamma ** t }[o.mode]
          near(s(t), o.baseLr + (o.maxLr - o.baseLr) * height * g, `rate at ${t}`)
          near(s.momentum!(t), 0.9 - 0.1 * height * g, `momentum at ${t}`)
        }
      }),
      { seed: 1, numRuns: 100 },
    )
  })
  test('corners and defaults', () => {
    const s = sched.cyclicLR({ baseLr: 0.25, maxLr: 0.5, stepSizeUp: 2, stepSizeDown: 4 })
    expect([0, 1, 2, 3, 4, 5, 6, 8].map(s)).toEqual([0.25, 0.375, 0.5, 0.4375, 0.375, 0.3125, 0.25, 0.5])
    expect([s.momentum!(0), s.momentum!(6)]).toEqual([0.9, 0.9])
    near(s.momentum!(2), 0.8, 'the top')
    const same = sched.cyclicLR({ baseLr: 0.25, maxLr: 0.5 })
    expect([same(0), same(2000), same(4000)]).toEqual([0.25, 0.5, 0.25])
    expect(sched.cyclicLR({ baseLr: 0, maxLr: 1, cycleMomentum: false }).momentum).toBeUndefined()
  })
})

test('the momentum is guarded like the rate', () => {
  const message = 'cyclicLR: t must be an integer ≥ 0, got 0.5'
  expect(() => sched.cyclicLR({ baseLr: 0, maxLr: 1 }).momentum!(0.5)).toThrow(new RangeError(message))
})

describe('Scheduler', () => {
  const cyclic = sched.cyclicLR({ baseLr: 0, maxLr: 1, stepSizeUp: 2 })
  test('sets the momentum of every group whose schedule has one', () => {
    const optimizer = { paramGroups: [{ lr: 9, momentum: 0.5 }, { lr: 9, momentum: 0.5 }] } // biome-ignore format: one row
    const s = new sched.Scheduler(optimizer, [cyclic, sched.constant(0.1)])
    for (let t = 0; t < 9; t++, s.step()) {
      expect(optimizer.paramGroups.map(({ momentum }) => momentum)).toEqual([cyclic.momentum!(t), 0.5])
    }
    s.loadStateDict({ t: 2 })
    expect(optimizer.paramGroups[0]).toEqual({ lr: 1, momentum: cyclic.momentum!(2) })
  })
  test('refuses a group without momentum, and a momentum that is none; nothing has changed', () => {
    const without = { paramGroups: [{ lr: 9 }] }
    const message =
      'Scheduler: the schedule sets the momentum, but group 0 has none; set cycleMomentum to false, or use an ' +
      'optimizer that has one'
    expect(() => new sched.Scheduler(without, cyclic)).toThrow(new TypeError(message))
    const optimizer = { paramGroups: [{ lr: 9, momentum: 0.5 }] }
    const odd = Object.assign((): number => 1, { momentum: (): number => Number.NaN })
    const other = 'Scheduler: the momentum of group 0 at t = 0 must be a finite number ≥ 0, got NaN'
    expect(() => new sched.Scheduler(optimizer, odd)).toThrow(new RangeError(other))
    expect([without, optimizer]).toEqual([{ paramGroups: [{ lr: 9 }] }, { paramGroups: [{ lr: 9, momentum: 0.5 }] }])
  })
})
