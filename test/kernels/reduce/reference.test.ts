// The reference of reductions.
import { describe, expect, it } from 'vitest'
import { ref } from '../../support/ref.ts'
import { backward, cumsum, deviationOf, formulas, forward, groupsOf, norm, varianceOf } from './reference.ts'

const x = ref([2, 3], [1, 2, 4, 8, 0, -2])
const rows = groupsOf([2, 3], [1], false)
const ones = ref([2], [1, 1])

describe('the reference of reductions', () => {
  it('knows the elements of each result', () => {
    expect(rows).toEqual({
      shape: [2],
      members: [
        [0, 1, 2],
        [3, 4, 5],
      ],
      depth: 2,
    })
    expect(groupsOf([2, 1, 2], [0, 2], true)).toMatchObject({ shape: [1, 1, 1], members: [[0, 1, 2, 3]] })
    expect(groupsOf([], [], false)).toMatchObject({ shape: [], members: [[0]], depth: 0 })
  })

  it('has the values of the formulas', () => {
    expect([...forward(x, rows, formulas.sum).data]).toEqual([7, 6])
    expect([...forward(x, rows, formulas.mean).data]).toEqual([7 / 3, 2])
    expect([...forward(x, rows, formulas.max).data]).toEqual([4, 8])
    expect([...forward(x, rows, formulas.prod).data].map(Math.abs)).toEqual([8, 0])
    expect(forward(x, rows, varianceOf(1)).data[1]).toBeCloseTo(28, 12)
    expect(forward(x, rows, deviationOf(0)).data[1]).toBeCloseTo(Math.sqrt(56 / 3), 12)
    expect(forward(x, rows, norm(3)).data[1]).toBeCloseTo(520 ** (1 / 3), 12)
    expect(forward(x, rows, formulas.logSumExp).data[0]).toBeCloseTo(Math.log(Math.E + Math.E ** 2 + Math.E ** 4), 12)
    expect([...cumsum(x, 1).data]).toEqual([1, 3, 7, 8, 8, 6])
    expect([...cumsum(x, 0, true).data]).toEqual([9, 2, 2, 8, 0, -2])
  })

  it('shares the gradient of equal extremes, and gives a factor the product of the others', () => {
    const equal = ref([2, 3], [5, 5, 1, 2, 3, 4])
    expect([...backward(ones, equal, rows, formulas.max).data]).toEqual([0.5, 0.5, 0, 0, 0, 1])
    expect([...backward(ones, x, rows, formulas.prod).data].map((v) => v + 0)).toEqual([8, 4, 2, 0, -16, 0])
  })

  it('has bounds that are neither 0 nor wide for numbers of about 1', () => {
    const wide = ref(
      [1, 100],
      Float64Array.from({ length: 100 }, (_, i) => Math.sin(i)),
    )
    const all = groupsOf([1, 100], [1], false)
    for (const formula of [formulas.sum, formulas.mean, varianceOf(1), norm(2), norm(3), formulas.logSumExp]) {
      const { bound } = forward(wide, all, formula)
      expect(bound[0]).toBeGreaterThan(2 ** -26)
      expect(bound[0]).toBeLessThan(2 ** -10)
    }
  })
})
