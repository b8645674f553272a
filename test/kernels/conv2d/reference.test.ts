// The reference of conv2d, and whether its bound holds for float32 arithmetic.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { randomRef } from '../../operations/row.ts'
import { seeds } from '../../support/arbitraries.ts'
import { expectClose } from '../../support/close.ts'
import { sum32 } from '../../support/float32.ts'
import { ref } from '../../support/ref.ts'
import { conv2d, conv2dBackward } from './reference.ts'

const options = { stride: [1, 1], padding: [0, 0], dilation: [1, 1] } as const

describe('the reference of conv2d', () => {
  it('counts the roundings on the longest way into an element', () => {
    const [image, kernel] = [ref([2, 3, 4, 6]), ref([5, 3, 2, 2])]
    const conv = conv2dBackward(ref([2, 5, 3, 5]), image, kernel, options)
    const out = [conv2d(image, kernel, null, options), conv2d(image, kernel, ref([5]), options)]
    expect([...out, conv.input, conv.weight, conv.bias].map((r) => r.roundings)).toEqual([12, 13, 20, 30, 29])
  })

  it('has a bound that holds for any order of additions', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 2 }), seeds, (k, order, seed) => {
        const [x, w] = [randomRef([1, 1, 1, k], seed, 'normal'), randomRef([1, 1, 1, k], seed + 1, 'normal')]
        const products = Float32Array.from(x.data, (v, i) => v * w.data[i]!)
        const out = conv2d(x, w, null, options)
        expectClose(Float32Array.of(sum32(products, order)), out, out.bound, 'conv2d')
      }),
      { seed: 1, numRuns: 50 },
    )
  })
})
