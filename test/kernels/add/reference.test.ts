// The reference of add.
import { describe, expect, it } from 'vitest'
import { ref } from '../../support/ref.ts'
import { add, addBackward } from './reference.ts'

describe('the reference of add', () => {
  it('takes one value per channel, which is dimension 1', () => {
    const zeros = ref([2, 3, 2])
    const b = ref([3], [1, 2, 3])
    expect([...add(zeros, b).data]).toEqual([1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3])
    const g = ref([2, 3, 2], [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048])
    expect([...addBackward(g, zeros, b).b.data]).toEqual([195, 780, 3120])
    expect([...add(ref([2, 3]), b).data]).toEqual([1, 2, 3, 1, 2, 3])
    expect(() => add(zeros, ref([2]))).toThrow('add: b: shape [2] instead of [3]')
    expect(() => add(ref([3]), ref([1]))).toThrow('add: no channels in shape [3]')
  })

  it('counts the roundings on the longest way into an element', () => {
    const a = ref([2, 5])
    const sums = addBackward(ref([2, 3, 4]), ref([2, 3, 4]), ref([3]))
    expect([add(a, a), sums.a, sums.b].map((r) => r.roundings)).toEqual([1, 0, 7])
  })
})
