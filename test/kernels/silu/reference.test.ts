// The reference of silu.
import { describe, expect, it } from 'vitest'
import { ref } from '../../support/ref.ts'
import { silu, siluBackward } from './reference.ts'

const { NaN: nan, POSITIVE_INFINITY: inf } = Number

describe('the reference of silu', () => {
  it('has the values of the formula', () => {
    const x = ref([5], [-20, -1, 0, 1, 20])
    for (const [i, v] of silu(x).data.entries()) expect(v).toBeCloseTo(x.data[i]! / (1 + Math.exp(-x.data[i]!)), 14)
    expect(siluBackward(ref([1], [3]), ref([1], [0])).data[0]).toBe(1.5)
  })

  it('is NaN for NaN and minus infinity, and its gradient for infinity too', () => {
    const x = ref([3], [nan, inf, -inf])
    expect([...silu(x).data]).toEqual([nan, inf, nan])
    expect([...siluBackward(ref([3], [1, 1, 1]), x).data]).toEqual([nan, nan, nan])
  })

  it('has bounds of some units in the last place for values of about 1', () => {
    const x = ref([3], [-1, 0.5, 2])
    for (const { bound } of [silu(x), siluBackward(ref([3], [1, 1, 1]), x)]) {
      for (const b of bound) {
        expect(b).toBeGreaterThan(2 ** -24)
        expect(b).toBeLessThan(2 ** -18)
      }
    }
  })
})
