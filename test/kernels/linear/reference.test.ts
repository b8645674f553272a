// The reference of linear.
import { describe, expect, it } from 'vitest'
import { randomRef } from '../../operations/row.ts'
import { ref } from '../../support/ref.ts'
import { linear, linearBackward } from './reference.ts'

describe('the reference of linear', () => {
  it('takes any number of leading dimensions', () => {
    const random = (shape: number[], seed: number) => randomRef(shape, seed, 'normal')
    const x = random([2, 3, 4], 1)
    const [w, b, g] = [random([5, 4], 2), random([5], 3), random([2, 3, 5], 4)]
    const flat = ref([6, 4], x.data)
    expect(linear(x, w, b)).toEqual({ ...linear(flat, w, b), shape: [2, 3, 5] })
    const grads = linearBackward(ref([6, 5], g.data), flat, w)
    expect(linearBackward(g, x, w)).toEqual({ ...grads, input: { ...grads.input, shape: [2, 3, 4] } })
  })

  it('counts the roundings on the longest way into an element', () => {
    const [x, w] = [ref([7, 5]), ref([3, 5])]
    const { input, weight, bias } = linearBackward(ref([7, 3]), x, w)
    const all = [linear(x, w, null), linear(x, w, ref([3])), input, weight, bias]
    expect(all.map((r) => r.roundings)).toEqual([5, 6, 3, 7, 6])
  })
})
