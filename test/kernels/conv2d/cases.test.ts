// What the random convolutions are like.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_WORK } from '../../support/arbitraries.ts'
import { CONV_CONFIGS, convCase, groupedCase } from './cases.ts'
import { convOutputSize } from './reference.ts'

describe('random convolutions', () => {
  it('have an output unless the batch is empty, and bounded work', () => {
    expect(CONV_CONFIGS.length).toBeLessThanOrEqual(12)
    fc.assert(
      fc.property(fc.oneof(convCase, groupedCase), ({ n, c, f, h, w, kh, kw, stride, padding, dilation, groups }) => {
        const oh = convOutputSize(h, kh, stride[0], padding[0], dilation[0])
        const ow = convOutputSize(w, kw, stride[1], padding[1], dilation[1])
        expect(Math.min(c, f, oh, ow)).toBeGreaterThan(0)
        expect([c % groups, f % groups]).toEqual([0, 0])
        expect((n * f * oh * ow * c * kh * kw) / groups).toBeLessThanOrEqual(MAX_WORK)
      }),
      { seed: 1, numRuns: 500 },
    )
  })
})
