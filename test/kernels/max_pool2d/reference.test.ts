// The reference of maxPool2d.
import { describe, expect, it } from 'vitest'
import { ref } from '../../support/ref.ts'
import { maxPool2d, maxPool2dBackward } from './reference.ts'

describe('the reference of maxPool2d', () => {
  it('lets the first of equal maxima win, a NaN beat all, and padding never win', () => {
    const options = { kernelSize: [2, 2], stride: [2, 2], padding: [0, 0] } as const
    const x = ref([1, 1, 2, 6], [3, 3, 1, Number.NaN, -Infinity, -Infinity, 3, 3, Number.NaN, 9, -Infinity, -Infinity])
    const { data, indices } = maxPool2d(x, options)
    expect([...data]).toEqual([3, Number.NaN, -Infinity])
    expect([...indices]).toEqual([0, 8, 4])
    expect([...maxPool2dBackward(ref([1, 1, 1, 3], [1, 2, 4]), indices, x.shape).data]).toEqual(
      // The last NaN of its window has the gradient.
      [1, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0],
    )
    const negative = maxPool2d(ref([1, 1, 1, 1], [-2]), { kernelSize: [3, 3], stride: [1, 1], padding: [1, 1] })
    expect([...negative.data]).toEqual([-2])
  })

  it('counts the roundings on the longest way into an element', () => {
    const pool = maxPool2dBackward(ref([1, 1, 1, 3], [1, 1, 1]), Int32Array.of(2, 2, 0), [1, 1, 1, 4])
    expect(pool.roundings).toBe(1)
    const signs = maxPool2dBackward(ref([1, 1, 1, 3], [1, -2, 4]), Int32Array.of(2, 2, 0), [1, 1, 1, 4])
    expect([...signs.magnitude]).toEqual([4, 0, 3, 0])
  })
})
