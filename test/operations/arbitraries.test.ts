// The random sizes and values that all cases are made of.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fill, SIZES, sizes } from '../support/arbitraries.ts'

describe('arbitraries', () => {
  it('sizes reach every listed size', () => {
    const seen = new Set(fc.sample(sizes, { seed: 1, numRuns: 2000 }))
    expect([...seen].sort((a, b) => a - b)).toEqual([...SIZES])
  })

  it('fill depends on its arguments alone', () => {
    expect([...fill(8, 1, 'smallInts')]).toEqual([...fill(9, 1, 'smallInts').subarray(0, 8)])
    expect(fill(8, 1, 'normal')).not.toEqual(fill(8, 2, 'normal'))
    const normal = fill(1e5, 7, 'normal')
    const mean = normal.reduce((s, v) => s + v, 0) / normal.length
    const variance = normal.reduce((s, v) => s + v * v, 0) / normal.length
    // Four standard errors of the mean (1/√n) and of the variance (√(1.7/n) at this kurtosis).
    expect(Math.abs(mean)).toBeLessThan(0.013)
    expect(Math.abs(variance - 1)).toBeLessThan(0.017)
    expect(new Set(fill(1000, 3, 'smallInts'))).toEqual(new Set([-4, -3, -2, -1, 0, 1, 2, 3, 4]))
    expect(new Set(fill(1000, 3, 'ties'))).toEqual(new Set([-1, 0, 0.5, 1]))
  })
})
