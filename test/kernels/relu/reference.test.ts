// The reference of relu.
import { describe, expect, it } from 'vitest'
import { ref } from '../../support/ref.ts'
import { relu, reluBackward } from './reference.ts'

describe('the reference of relu', () => {
  it('is 0 with gradient 0 at 0, and passes NaN, without a rounding', () => {
    const x = ref([4], [-1, 0, 2, Number.NaN])
    expect([...relu(x).data]).toEqual([0, 0, 2, Number.NaN])
    expect([...reluBackward(ref([4], [5, 6, 7, 8]), x).data]).toEqual([0, 0, 7, 8])
    expect([relu(x), reluBackward(x, x)].map((r) => r.roundings)).toEqual([0, 0])
  })
})
