// What the random poolings are like.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_WORK } from '../../support/arbitraries.ts'
import { convOutputSize } from '../conv2d/reference.ts'
import { poolCase } from './cases.ts'

describe('random poolings', () => {
  it('have an output unless the batch is empty, and a cell in every window', () => {
    fc.assert(
      fc.property(poolCase, ({ n, c, h, w, kernelSize, stride, padding }) => {
        const oh = convOutputSize(h, kernelSize[0], stride[0], padding[0])
        const ow = convOutputSize(w, kernelSize[1], stride[1], padding[1])
        expect(Math.min(c, oh, ow)).toBeGreaterThan(0)
        expect(2 * padding[0]).toBeLessThanOrEqual(kernelSize[0])
        expect(2 * padding[1]).toBeLessThanOrEqual(kernelSize[1])
        expect(n * c * oh * ow * kernelSize[0] * kernelSize[1]).toBeLessThanOrEqual(MAX_WORK)
      }),
      { seed: 1, numRuns: 500 },
    )
  })
})
