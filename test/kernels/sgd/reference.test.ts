// The reference of SGD, and whether its bounds hold for float32 arithmetic.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { randomRef } from '../../operations/row.ts'
import { seeds } from '../../support/arbitraries.ts'
import { expectClose } from '../../support/close.ts'
import { ref } from '../../support/ref.ts'
import { sgdStep } from './reference.ts'

describe('the reference of SGD', () => {
  it('makes two steps by hand, in powers of two', () => {
    const options = { lr: 0.5, momentum: 0.5, dampening: 0.25, weightDecay: 0.25 }
    const first = sgdStep(ref([1], [4]), ref([1], [1]), null, options)
    // Gradient 1 + 0.25·4 = 2 is the first buffer, undampened; then 4 − 0.5·2.
    expect([first.buffer!.data[0], first.param.data[0]]).toEqual([2, 3])
    const second = sgdStep(first.param, ref([1], [1]), first.buffer, options)
    // 0.5·2 + 0.75·(1 + 0.25·3) = 2.3125; 3 − 0.5·2.3125.
    expect([second.buffer!.data[0], second.param.data[0]]).toEqual([2.3125, 1.84375])
    const nesterov = sgdStep(ref([1], [4]), ref([1], [1]), ref([1], [2]), { lr: 1, momentum: 0.5, nesterov: true })
    // Buffer 0.5·2 + 1 = 2, direction 1 + 0.5·2.
    expect([nesterov.buffer!.data[0], nesterov.param.data[0]]).toEqual([2, 2])
    expect(sgdStep(ref([1], [4]), ref([1], [1]), null, { lr: 1, maximize: true })).toMatchObject({ buffer: null })
    expect(sgdStep(ref([1], [4]), ref([1], [1]), null, { lr: 1, maximize: true }).param.data[0]).toBe(5)
  })

  it('has bounds that hold with hyperparameters that float32 cannot hold', () => {
    const hyper = fc.constantFrom(0, 0.1, 0.3, 0.9)
    fc.assert(
      fc.property(hyper, hyper, hyper, fc.boolean(), seeds, (momentum, dampening, weightDecay, nesterov, seed) => {
        const [p, g, b] = [
          randomRef([1], seed, 'normal'),
          randomRef([1], seed + 1, 'normal'),
          randomRef([1], seed + 2, 'normal'),
        ]
        const expected = sgdStep(p, g, b, { lr: 0.1, momentum, dampening, weightDecay, nesterov })
        let d = Math.fround(g.data[0]! + Math.fround(Math.fround(weightDecay) * p.data[0]!))
        if (momentum !== 0) {
          const moved = Math.fround(
            Math.fround(Math.fround(momentum) * b.data[0]!) + Math.fround(Math.fround(1 - dampening) * d),
          )
          expectClose(Float32Array.of(moved), expected.buffer!, expected.buffer!.bound, 'buffer')
          d = nesterov ? Math.fround(d + Math.fround(Math.fround(momentum) * moved)) : moved
        }
        const actual = Math.fround(p.data[0]! - Math.fround(Math.fround(0.1) * d))
        expectClose(Float32Array.of(actual), expected.param, expected.param.bound, 'parameter')
      }),
      { seed: 1, numRuns: 50 },
    )
  })
})
