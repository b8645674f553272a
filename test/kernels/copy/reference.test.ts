// The reference of the operations that move elements, by hand.
import { describe, expect, it } from 'vitest'
import { ref } from '../../support/ref.ts'
import * as reference from './reference.ts'

const x = ref([2, 3], [1, 2, 3, 4, 5, 6])
const out = (moved: reference.Moved, ...inputs: (typeof x)[]) => {
  const { shape, data } = reference.forward(moved, inputs.length === 0 ? [x] : inputs)
  return [shape, [...data]]
}

describe('the reference of copies', () => {
  it('puts elements where they belong', () => {
    expect(out(reference.permuted([2, 3], [1, 0]))).toEqual([[3, 2], [1, 4, 2, 5, 3, 6]]) // biome-ignore format: a table
    expect(out(reference.transposed([2, 3], -1, 0))[1]).toEqual([1, 4, 2, 5, 3, 6])
    expect(out(reference.flipped([2, 3], [1]))[1]).toEqual([3, 2, 1, 6, 5, 4])
    expect(out(reference.sliced([2, 3], 1, 0, 9, 2))).toEqual([[2, 2], [1, 3, 4, 6]]) // biome-ignore format: a table
    expect(out(reference.selected([2, 3], 0, -1))).toEqual([[3], [4, 5, 6]])
    expect(out(reference.expanded([2, 3], [2, -1, 3]))[1]).toEqual([1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6])
    expect(out(reference.repeated([2, 3], [1, 2]))[1]).toEqual([1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6])
    expect(out(reference.joined([[2, 3], [2, 1]], 1), x, ref([2, 1], [7, 8]))[1]).toEqual([1, 2, 3, 7, 4, 5, 6, 8]) // biome-ignore format: a table
    expect(out(reference.stacked([[2], [2]], 1), ref([2], [1, 2]), ref([2], [3, 4]))[1]).toEqual([1, 3, 2, 4]) // biome-ignore format: a table
    expect(out(reference.splitAndReversed([2, 3], 2, 1))[1]).toEqual([3, 1, 2, 6, 4, 5])
    expect(out(reference.splitAndReversed([2, 3], [0, 1, 2], 1))[1]).toEqual([2, 3, 1, 5, 6, 4])
    expect(out(reference.triangle([2, 3], 1, true))[1]).toEqual([0, 2, 3, 0, 0, 6])
    expect(out(reference.triangle([2, 3], 0, false))[1]).toEqual([1, 0, 0, 4, 5, 0])
  })

  it('pads in every mode', () => {
    const row = ref([3], [1, 2, 3])
    expect(out(reference.padded([3], [2, -1], 'constant', 9), row)[1]).toEqual([9, 9, 1, 2])
    expect(out(reference.padded([3], [2, 1], 'reflect'), row)[1]).toEqual([3, 2, 1, 2, 3, 2])
    expect(out(reference.padded([3], [2, 1], 'replicate'), row)[1]).toEqual([1, 1, 1, 2, 3, 3])
    expect(out(reference.padded([2, 3], [1, 0, 0, 1], 'constant'))[1]).toEqual([0, 1, 2, 3, 0, 4, 5, 6, 0, 0, 0, 0])
  })

  it('adds the gradients of all copies, with a rounding for every term after the first', () => {
    const moved = reference.expanded([2, 1], [2, 3])
    const [dx] = reference.backward(moved, x, [ref([2, 1])])
    expect([...dx!.data]).toEqual([6, 15])
    expect(dx!.roundings).toBe(2)
    expect(reference.backward(reference.permuted([2, 3], [1, 0]), ref([3, 2]), [x])[0]!.roundings).toBe(0)
  })

  it('refuses an element that is not there', () => {
    const wrong = { shape: [1], source: () => ({ at: [0, 3] }) }
    expect(() => reference.forward(wrong, [x])).toThrow('[0,3] lies outside of [2,3]')
  })
})
