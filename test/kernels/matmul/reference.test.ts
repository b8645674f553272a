// The reference of matmul, and whether its bound holds for float32 arithmetic and for little else.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { randomRef } from '../../operations/row.ts'
import { seeds } from '../../support/arbitraries.ts'
import { expectClose } from '../../support/close.ts'
import { sum32 } from '../../support/float32.ts'
import { ref } from '../../support/ref.ts'
import { matmul, matmulBackward } from './reference.ts'

describe('the reference of matmul', () => {
  it('takes a transposed operand for one stored by columns', () => {
    const a = ref([2, 3], [1, 2, 3, 4, 5, 6])
    const aByColumns = ref([3, 2], [1, 4, 2, 5, 3, 6])
    const b = ref([3, 2], [1, 10, 100, 1000, 1e4, 1e5])
    const bByColumns = ref([2, 3], [1, 100, 1e4, 10, 1000, 1e5])
    const product = [30201, 302010, 60504, 605040]
    expect([...matmul(a, b).data]).toEqual(product)
    expect([...matmul(aByColumns, b, { transposeA: true }).data]).toEqual(product)
    expect([...matmul(a, bByColumns, { transposeB: true }).data]).toEqual(product)
    expect([...matmul(aByColumns, bByColumns, { transposeA: true, transposeB: true }).data]).toEqual(product)
  })

  it('counts the roundings on the longest way into an element', () => {
    const [a, b, g] = [ref([2, 5]), ref([5, 3]), ref([2, 3])]
    const grads = matmulBackward(g, a, b)
    expect([matmul(a, b), grads.a, grads.b].map((r) => r.roundings)).toEqual([5, 3, 2])
  })

  it('has a bound that holds for any order of additions', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 2 }), seeds, (k, order, seed) => {
        const [a, b] = [randomRef([1, k], seed, 'normal'), randomRef([k, 1], seed + 1, 'normal')]
        const products = Float32Array.from(a.data, (v, i) => v * b.data[i]!)
        const product = matmul(a, b)
        expectClose(Float32Array.of(sum32(products, order)), product, product.bound, 'matmul')
      }),
      { seed: 1, numRuns: 50 },
    )
  })

  it('has a bound that a factor 1 % off in one of 100 terms does not keep', () => {
    const [a, b] = [randomRef([1, 100], 3, 'normal'), randomRef([100, 1], 4, 'normal')]
    const product = matmul(a, b)
    a.data[50]! *= 1.01
    const wrong = Float32Array.from(matmul(a, b).data)
    expect(() => expectClose(wrong, product, product.bound, 'matmul')).toThrow('out of bounds')
  })
})
