// The kernel that fills memory with one value.
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { full } from '../../../src/kernels/fill.ts'
import { sizes } from '../../support/arbitraries.ts'
import { type Gpu, testGpu, values } from '../../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

describe('full', () => {
  it('writes every element of any shape, and none past the end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(sizes, { maxLength: 2 }),
        fc.double({ min: -1e30, max: 1e30, noNaN: true }),
        async (shape, value) => {
          const out = full(gpu, shape, value)
          expect(out.shape).toEqual(shape)
          const size = shape.reduce((product, n) => product * n, 1)
          expect(await values(out)).toEqual(new Float32Array(size).fill(value))
          out.dispose()
        },
      ),
      { seed: 1, numRuns: 40 },
    )
  })

  it.each([1, 1023, 1024, 1025, 2048, 2049])('writes %s elements', async (size) => {
    expect(await values(full(gpu, [size], 3))).toEqual(new Float32Array(size).fill(3))
  })

  it.each([0, 1, -1.5, 0.1, 3.4e38, 2 ** -126, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN])(
    'writes %s as the nearest float32',
    async (value) => {
      expect([...(await values(full(gpu, [3], value)))]).toEqual(Array(3).fill(Math.fround(value)))
    },
  )

  it('makes float32 without a gradient, of no dimensions too', async () => {
    const out = full(gpu, [], 7)
    expect([out.dtype, out.requiresGrad, out.size]).toEqual(['float32', false, 1])
    expect([...(await values(out))]).toEqual([7])
  })
})
