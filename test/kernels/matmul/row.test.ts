// What the random products are like.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_WORK } from '../../support/arbitraries.ts'
import { matmulCase } from './row.ts'

describe('random products', () => {
  it('have bounded work, and meet all of 96, 257 and 0', () => {
    const cases = fc.sample(matmulCase, { seed: 1, numRuns: 500 })
    for (const { m, n, k } of cases) expect(m * n * k).toBeLessThanOrEqual(MAX_WORK)
    const met = new Set(cases.flatMap(({ m, n, k }) => [m, n, k]))
    for (const size of [0, 96, 257]) expect(met).toContain(size)
  })
})
