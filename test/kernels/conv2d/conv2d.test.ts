// What only conv2d promises: overflow, and the same bits in any batch and image.
import { beforeAll, describe, expect, it } from 'vitest'
import { conv2d } from '../../../src/node/index.ts'
import { checkAgainstReference } from '../../operations/run.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf, tensorOf } from '../../support/check.ts'
import { tensor, testGpu } from '../../support/gpu.ts'
import { ref } from '../../support/ref.ts'
import { conv2dRow } from './row.ts'

beforeAll(testGpu)

describe('conv2d', () => {
  it('overflows to the infinity of the right sign', async () => {
    const given = { ...conv2dRow.fixed['one pixel']!, w: 2, bias: false }
    const inputs = [ref([1, 1, 1, 2], [3e38, -3e38]), ref([1, 1, 1, 1], [2]), null]
    await checkAgainstReference(conv2dRow, given, { inputs, dy: ref([1, 1, 1, 2], [1, 1]) })
  })

  it('gives an image the same bits in any batch', async () => {
    const weight = tensor(fill(6 * 75, 1, 'normal'), [6, 3, 5, 5])
    const x = fill(3 * 3 * 196, 2, 'normal')
    const all = await bitsOf(conv2d(tensor(x, [3, 3, 14, 14]), weight))
    const last = await bitsOf(conv2d(tensor(x.slice(2 * 588), [1, 3, 14, 14]), weight))
    expect(all.slice(2 * 600)).toEqual(last)
  })

  it('gives a cell the same bits in an image of another size, which another variant computes', async () => {
    const weight = tensor(fill(16 * 6 * 25, 1, 'normal'), [16, 6, 5, 5])
    const wide = ref([1, 6, 14, 14], fill(6 * 196, 2, 'normal'))
    const small = ref([1, 6, 7, 8])
    for (let i = 0; i < small.data.length; i++) {
      const [c, y, x] = [Math.floor(i / 56), Math.floor(i / 8) % 7, i % 8]
      small.data[i] = wide.data[(c * 14 + y) * 14 + x]!
    }
    const fromWide = await bitsOf(conv2d(tensorOf(wide), weight))
    const fromSmall = await bitsOf(conv2d(tensorOf(small), weight))
    const cropped = fromSmall.map((_, i) => {
      const [f, y, x] = [Math.floor(i / 12), Math.floor(i / 4) % 3, i % 4]
      return fromWide[(f * 10 + y) * 10 + x]!
    })
    expect(fromSmall).toEqual(cropped)
  })
})
