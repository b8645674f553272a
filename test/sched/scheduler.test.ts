import { describe, expect, test } from 'vitest'
import * as sched from '../../src/sched/index.ts'

const optimizer = (...rates: number[]) => ({ paramGroups: rates.map((lr) => ({ lr, name: 'group' })) })
const rates = (o: { paramGroups: { lr: number }[] }): number[] => o.paramGroups.map((group) => group.lr)
const cosine = sched.cosine({ maxUpdate: 20, baseLr: 0.3, finalLr: 0.01, warmupSteps: 5 })

test('sets s(0) on construction and s(t) after t steps, in every group', () => {
  const o = optimizer(9, 8)
  const s = new sched.Scheduler(o, cosine)
  for (let t = 0; t < 30; t++) {
    expect(rates(o)).toEqual([cosine(t), cosine(t)])
    expect(s.lastLr).toEqual(rates(o))
    expect(s.stateDict()).toEqual({ t })
    s.step()
  }
  expect(o.paramGroups[0]).toEqual({ lr: cosine(30), name: 'group' })
})

test('one schedule a group', () => {
  const o = optimizer(9, 8)
  const s = new sched.Scheduler(o, [cosine, (t) => 100 - t])
  s.step()
  s.step()
  expect(rates(o)).toEqual([cosine(2), 98])
  expect(s.lastLr).toEqual([cosine(2), 98])
})

test('a rate set by hand holds until the next step; lastLr and a list of schedules are copies', () => {
  const o = optimizer(9)
  const list = [cosine]
  const s = new sched.Scheduler(o, list)
  list[0] = sched.constant(7)
  o.paramGroups[0]!.lr = 5
  s.lastLr[0] = 6
  expect([s.lastLr, rates(o)]).toEqual([[cosine(0)], [5]])
  s.step()
  expect(rates(o)).toEqual([cosine(1)])
})

test('resumes at every t, forwards and backwards', () => {
  const whole = optimizer(9)
  const first = new sched.Scheduler(whole, cosine)
  for (let t = 0; t < 30; t++) {
    const o = optimizer(9)
    const resumed = new sched.Scheduler(o, cosine)
    for (let i = 0; i < 7; i++) resumed.step()
    resumed.loadStateDict(JSON.parse(JSON.stringify(first.stateDict())))
    expect(rates(o)).toEqual(rates(whole))
    expect(resumed.lastLr).toEqual(first.lastLr)
    resumed.step()
    first.step()
    expect(rates(o)).toEqual(rates(whole))
    expect(resumed.stateDict()).toEqual(first.stateDict())
  }
})

describe('errors', () => {
  const count = (n: number, m: number): string =>
    `Scheduler: ${n} schedules for ${m} parameter groups; give one schedule for all groups, or a list with one per group`
  test('a wrong number of schedules', () => {
    const o = optimizer(9, 8)
    expect(() => new sched.Scheduler(o, [cosine])).toThrow(new TypeError(count(1, 2)))
    expect(() => new sched.Scheduler(o, [])).toThrow(new TypeError(count(0, 2)))
    const s = new sched.Scheduler(o, [cosine, cosine])
    o.paramGroups.push({ lr: 7, name: 'later' })
    expect(() => s.step()).toThrow(new TypeError(count(2, 3)))
    expect([s.stateDict(), rates(o)]).toEqual([{ t: 0 }, [cosine(0), cosine(0), 7]])
  })
  test('something that is no schedule', () => {
    const text = 'cosine' as unknown as sched.Schedule
    const message = "Scheduler: a schedule must be a function of t, got 'cosine'; sched.parse makes one from a string"
    expect(() => new sched.Scheduler(optimizer(9), text)).toThrow(new TypeError(message))
    const number = [0.1] as unknown as sched.Schedule[]
    const other = 'Scheduler: a schedule must be a function of t, got 0.1'
    expect(() => new sched.Scheduler(optimizer(9), number)).toThrow(new TypeError(other))
  })
  test('a rate that is none changes nothing', () => {
    const o = optimizer(9, 8)
    const s = new sched.Scheduler(o, [(t) => t, (t) => (t === 2 ? Number.NaN : 1)])
    s.step()
    const message = 'Scheduler: the rate of group 1 at t = 2 must be a finite number ≥ 0, got NaN'
    expect(() => s.step()).toThrow(new RangeError(message))
    expect([s.stateDict(), rates(o), s.lastLr]).toEqual([{ t: 1 }, [1, 1], [1, 1]])
  })
  test('a state that is none changes nothing', () => {
    const o = optimizer(9)
    const s = new sched.Scheduler(o, cosine)
    s.step()
    const load = (state: unknown) => () => s.loadStateDict(state as sched.SchedulerState)
    const where = 'Scheduler.loadStateDict'
    expect(load({ t: -1 })).toThrow(new RangeError(`${where}: t must be an integer ≥ 0, got -1`))
    expect(load({ t: 1.5 })).toThrow(new RangeError(`${where}: t must be an integer ≥ 0, got 1.5`))
    expect(load({ t: '3' })).toThrow(new RangeError(`${where}: t must be an integer ≥ 0, got '3'`))
    const shape = `${where}: the state must be { t }, as stateDict() returns it, got `
    expect(load({})).toThrow(new TypeError(`${shape}{}`))
    expect(load({ t: 1, last: 2 })).toThrow(new TypeError(`${shape}{"t":1,"last":2}`))
    expect(load(null)).toThrow(new TypeError(`${shape}null`))
    expect(load(undefined)).toThrow(new TypeError(`${shape}undefined`))
    expect([s.stateDict(), rates(o)]).toEqual([{ t: 1 }, [cosine(1)]])
  })
})
