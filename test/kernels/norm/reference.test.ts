// The reference of the norms by hand.
import { describe, expect, it } from 'vitest'
import { ref } from '../../support/ref.ts'
import { backward, forward, type Layout } from './reference.ts'

const rows = (n: number, size: number, given: Partial<Layout> = {}): Layout => {
  return { reduced: [[n, size], [1]], shared: [0], eps: 0, centred: true, ...given }
}

const round = (values: Float64Array) => Array.from(values, (v) => Math.round(v * 1e6) / 1e6)

describe('forward', () => {
  it('takes the mean off and divides by the biased deviation', () => {
    const out = forward(ref([2, 2], [1, 3, 10, 30]), null, null, rows(2, 2))
    expect(round(out.data)).toEqual([-1, 1, -1, 1])
  })

  it('scales and shifts by place', () => {
    const out = forward(ref([1, 2], [1, 3]), ref([2], [2, 3]), ref([2], [10, 20]), rows(1, 2))
    expect(round(out.data)).toEqual([8, 23])
  })

  it('adds eps to the variance', () => {
    expect(round(forward(ref([1, 2], [1, 3]), null, null, rows(1, 2, { eps: 3 })).data)).toEqual([-0.5, 0.5])
  })

  it('divides by the root of the mean square where no mean is taken off', () => {
    const out = forward(ref([1, 2], [1, 7]), null, null, rows(1, 2, { centred: false }))
    expect(round(out.data)).toEqual([0.2, 1.4])
  })

  it('has narrow bounds, however large the mean is', () => {
    const near = forward(ref([1, 3], [1, 2, 4]), null, null, rows(1, 3, { eps: 1e-5 }))
    const far = forward(ref([1, 3], [1e6 + 1, 1e6 + 2, 1e6 + 4]), null, null, rows(1, 3, { eps: 1e-5 }))
    const largest = (bound: Float64Array) => Math.max(...bound)
    expect(largest(near.bound)).toBeLessThan(4e-6)
    expect(largest(near.bound)).toBeGreaterThan(2 ** -24)
    expect(largest(far.bound)).toBeLessThan(1e-5)
  })
})

describe('backward', () => {
  it('sums over the rows for weight and bias', () => {
    const [, weight, bias] = backward(ref([2, 2], [1, 2, 3, 4]), ref([2, 2], [1, 3, 30, 10]), null, rows(2, 2))
    expect(round(weight.data)).toEqual([2, -2])
    expect(round(bias.data)).toEqual([4, 6])
  })

  it('is 0 along the input and along a constant', () => {
    const x = ref([1, 3], [1, 2, 6])
    expect(round(backward(ref([1, 3], [5, 5, 5]), x, null, rows(1, 3))[0].data).map(Math.abs)).toEqual([0, 0, 0])
    expect(round(backward(x, x, null, rows(1, 3))[0].data).map(Math.abs)).toEqual([0, 0, 0])
    expect(round(backward(x, x, null, rows(1, 3, { centred: false }))[0].data).map(Math.abs)).toEqual([0, 0, 0])
  })
})
