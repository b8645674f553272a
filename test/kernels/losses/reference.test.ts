// The reference of the losses, by hand.
import { describe, expect, it } from 'vitest'
import { ref } from '../../support/ref.ts'
import * as classes from './class_reference.ts'
import * as losses from './reference.ts'

const value = (formula: losses.Formula, x: number, t: number) => formula.value(x, t).value
const slopes = (formula: losses.Formula, x: number, t: number) =>
  [formula.dx(x, t), formula.dt(x, t)].map((terms) => terms.reduce((sum, term) => sum + term.value, 0))

describe('losses of numbers', () => {
  it('are what their formulas say on both sides of a corner', () => {
    expect(value(losses.mse, 3, 1)).toBe(4)
    expect(slopes(losses.mse, 3, 1)).toEqual([4, -4])
    expect(slopes(losses.l1, 1, 3)).toEqual([-1, 1])
    expect([0.5, 3].map((d) => value(losses.smoothL1(2), d, 0))).toEqual([0.0625, 2])
    expect([0.5, 3].map((d) => value(losses.huber(2), d, 0))).toEqual([0.125, 4])
    expect(slopes(losses.huber(2), -3, 0)).toEqual([-2, 2])
    expect(value(losses.bce, 0.25, 1)).toBeCloseTo(Math.log(4), 12)
    expect(slopes(losses.bce, 0.25, 1)[0]).toBeCloseTo(-4, 12)
    expect(value(losses.bceWithLogits(3), 0, 0.5)).toBeCloseTo(2 * Math.LN2, 12)
    expect(value(losses.klDiv, -1, 0.5)).toBeCloseTo(0.5 * Math.log(0.5) + 0.5, 12)
    expect(value(losses.klDivOfLogs, -1, Math.log(0.5))).toBeCloseTo(0.5 * Math.log(0.5) + 0.5, 12)
  })

  it('have bounds of a few roundings', () => {
    const formulas = [
      losses.mse,
      losses.smoothL1(2),
      losses.huber(2),
      losses.bce,
      losses.bceWithLogits(3),
      losses.klDiv,
    ]
    for (const formula of formulas) {
      for (const { value, error } of [formula.value(0.75, 0.3), ...formula.dx(0.75, 0.3)]) {
        expect(error).toBeLessThan(2 ** -18 * Math.max(1, Math.abs(value)))
      }
      expect(formula.value(0.75, 0.3).error).toBeGreaterThan(2 ** -25 * Math.abs(formula.value(0.75, 0.3).value))
    }
  })

  it('are reduced to the mean, the sum, or the sum divided by the rows', () => {
    const pair = [ref([2, 2], [1, 2, 3, 4]), ref([2, 2])] as const
    const of = (reduction: losses.Reduction) => losses.forward(pair, () => losses.mse, reduction).data
    expect([...of('sum'), ...of('mean'), ...of('batchmean')]).toEqual([30, 7.5, 15])
    const [dx, dt] = losses.backward(ref([], [2]), pair, () => losses.mse, 'mean')
    expect([...dx.data]).toEqual([1, 2, 3, 4])
    expect([...dt.data]).toEqual([-1, -2, -3, -4])
  })
})

describe('losses of classes', () => {
  const options = { shape: [3, 2], reduction: 'mean', weight: [1, 3], smoothing: 0, logs: true } as const
  const x = ref([3, 2], [-1, -2, -3, -4, -5, -6])

  it('divide the mean by the weights of the labels that count', () => {
    expect([...classes.forward(x, [0, 1, -100], -100, options).data]).toEqual([(1 + 3 * 4) / 4])
    const { data } = classes.backward(ref([], [4]), x, [0, 1, -100], -100, options)
    expect([...data].map((v) => v + 0)).toEqual([-1, 0, 0, -3, 0, 0])
  })

  it('share a part of the label among all classes', () => {
    const smooth = { ...options, reduction: 'none', smoothing: 0.5 } as const
    expect([...classes.forward(x, [0, 1, -100], -100, smooth).data]).toEqual([0.5 + 0.25 * 7, 6 + 0.25 * 15, 0])
  })

  it('of probabilities weigh each class, and the mean is over all rows', () => {
    const target = ref([3, 2], [0.5, 0.5, 1, 0, 0, 0])
    const { data } = classes.softForward(x, target, options)
    expect(data[0]).toBeCloseTo((0.5 + 3 + 3) / 3, 12)
  })
})
