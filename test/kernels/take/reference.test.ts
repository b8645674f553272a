// The reference of what an index takes, by hand.
import { describe, expect, it } from 'vitest'
import { ref } from '../../support/ref.ts'
import { backward, forward, type Moved } from '../copy/reference.ts'
import { embedded, gathered, rowsTaken } from './reference.ts'

const x = ref([2, 3], [1, 2, 3, 4, 5, 6])
const out = (moved: Moved) => [moved.shape, [...forward(moved, [x]).data]]

describe('the reference of takes', () => {
  it('takes rows and elements', () => {
    const { NaN: nan } = Number
    expect(out(rowsTaken([2, 3], -1, [2, 0]))).toEqual([
      [2, 2],
      [3, 1, 6, 4],
    ])
    expect(out(rowsTaken([2, 3], 0, [1, 2]))[1]).toEqual([4, 5, 6, nan, nan, nan])
    expect(out(embedded([2, 3], [1, 1], [2, 1]))).toEqual([
      [2, 1, 3],
      [4, 5, 6, 4, 5, 6],
    ])
    expect(out(gathered([2, 3], 1, [2, 0, 1, -1], [2, 2]))[1]).toEqual([3, 1, 5, nan])
    expect(out(gathered([2, 3], 0, [1, 0], [1, 2]))[1]).toEqual([4, 2])
  })

  it('adds gradients, but for the padding', () => {
    const dy = ref([3, 3], [1, 2, 3, 10, 20, 30, 100, 200, 300])
    const [dx] = backward(embedded([2, 3], [1, 0, 1], [3]), dy, [x])
    expect([...dx!.data]).toEqual([10, 20, 30, 101, 202, 303])
    expect(dx!.roundings).toBe(1)
    expect([...backward(embedded([2, 3], [1, 0, 1], [3], 1), dy, [x])[0]!.data]).toEqual([10, 20, 30, 0, 0, 0])
  })
})
