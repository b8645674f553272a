// Tests that the random cases reach what they are meant to reach.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CONV_CONFIGS, convCase, fill, MAX_WORK, matmulCase, poolCase, SIZES, sizes } from './arbitraries.ts'
import { convOutputSize } from './reference.ts'

const RUNS = { seed: 1, numRuns: 500 }

describe('arbitraries', () => {
  it('sizes reach every listed size', () => {
    const seen = new Set(fc.sample(sizes, { seed: 1, numRuns: 2000 }))
    expect([...seen].sort((a, b) => a - b)).toEqual([...SIZES])
  })

  it('convCase: an output unless the batch is empty, and bounded work', () => {
    expect(CONV_CONFIGS.length).toBeLessThanOrEqual(12)
    fc.assert(
      fc.property(convCase, ({ n, c, f, h, w, kh, kw, stride, padding, dilation }) => {
        const oh = convOutputSize(h, kh, stride[0], padding[0], dilation[0])
        const ow = convOutputSize(w, kw, stride[1], padding[1], dilation[1])
        expect(Math.min(c, f, oh, ow)).toBeGreaterThan(0)
        expect(n * f * oh * ow * c * kh * kw).toBeLessThanOrEqual(MAX_WORK)
      }),
      RUNS,
    )
  })

  it('poolCase: an output unless the batch is empty, and a cell in every window', () => {
    fc.assert(
      fc.property(poolCase, ({ n, c, h, w, kernelSize, stride, padding }) => {
        const oh = convOutputSize(h, kernelSize[0], stride[0], padding[0])
        const ow = convOutputSize(w, kernelSize[1], stride[1], padding[1])
        expect(Math.min(c, oh, ow)).toBeGreaterThan(0)
        expect(2 * padding[0]).toBeLessThanOrEqual(kernelSize[0])
        expect(2 * padding[1]).toBeLessThanOrEqual(kernelSize[1])
        expect(n * c * oh * ow * kernelSize[0] * kernelSize[1]).toBeLessThanOrEqual(MAX_WORK)
      }),
      RUNS,
    )
  })

  it('matmulCase: bounded work, and all of 96, 257 and 0 are met', () => {
    const cases = fc.sample(matmulCase, RUNS)
    for (const { m, n, k } of cases) expect(m * n * k).toBeLessThanOrEqual(MAX_WORK)
    const met = new Set(cases.flatMap(({ m, n, k }) => [m, n, k]))
    for (const size of [0, 96, 257]) expect(met).toContain(size)
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
