// The reference of softmax and logSoftmax.
import { describe, expect, it } from 'vitest'
import { formulas } from './reference.ts'

const valuesOf = (formula: (typeof formulas)[keyof typeof formulas], row: readonly number[]) =>
  formula.values(row).map(({ value }) => value)

describe('the reference of softmax', () => {
  it('has the values of the formulas', () => {
    expect(valuesOf(formulas.softmax, [0, Math.log(3)]).map((v) => Math.round(1e12 * v) / 1e12)).toEqual([0.25, 0.75])
    expect(valuesOf(formulas.logSoftmax, [7, 7])).toEqual([-Math.LN2, -Math.LN2])
    expect(valuesOf(formulas.softmax, [1e4, -1e4])).toEqual([1, 0])
    expect(valuesOf(formulas.softmax, [Infinity, 1])).toEqual([Number.NaN, Number.NaN])
    expect(valuesOf(formulas.logSoftmax, [-Infinity, 2])).toEqual([-Infinity, 0])
  })

  it('has bounds of some units in the last place', () => {
    for (const formula of [formulas.softmax, formulas.logSoftmax]) {
      for (const { error } of formula.values([0.5, -1, 2])) {
        expect(error).toBeGreaterThan(2 ** -27)
        expect(error).toBeLessThan(2 ** -17)
      }
    }
  })
})
