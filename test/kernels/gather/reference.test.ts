// The reference of gather.
import { describe, expect, it } from 'vitest'
import { gatherRows } from './reference.ts'

describe('the reference of gather', () => {
  it('has the bytes of the chosen rows, over 255', () => {
    const bytes = { shape: [3, 2], data: Uint8Array.of(0, 51, 102, 153, 204, 255) }
    const out = gatherRows(bytes, [2, 0, 2])
    expect(out.shape).toEqual([3, 2])
    expect([...out.data]).toEqual([0.8, 1, 0, 0.2, 0.8, 1])
    expect(() => gatherRows(bytes, [3])).toThrow('gatherRows: no row 3')
  })
})
