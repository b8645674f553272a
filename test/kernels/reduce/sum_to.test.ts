// sumTo: sums over the dimensions of a broadcast.
import { beforeAll, describe, expect, it } from 'vitest'
import { sumTo } from '../../../src/kernels/reduce.ts'
import { fill } from '../../support/arbitraries.ts'
import { expectTensor, tensorOf } from '../../support/check.ts'
import { testGpu } from '../../support/gpu.ts'
import { type Ref, type Result, ref, sizeOf, withBound } from '../../support/ref.ts'

beforeAll(testGpu)

/** Of each element of `shape` the sum of those that it was broadcast to. */
function reference(x: Ref, shape: readonly number[]): Result {
  const out = ref(shape)
  const magnitude = new Float64Array(out.data.length)
  x.data.forEach((value, i) => {
    let [rest, at, stride] = [i, 0, 1]
    for (let d = x.shape.length - 1; d >= 0; d--) {
      const index = rest % x.shape[d]!
      rest = Math.floor(rest / x.shape[d]!)
      const size = shape[d - (x.shape.length - shape.length)] ?? 1
      if (size > 1) at += index * stride
      stride *= size
    }
    out.data[at]! += value
    magnitude[at]! += Math.abs(value)
  })
  return withBound(out, magnitude, Math.max(0, x.data.length / Math.max(1, out.data.length) - 1))
}

describe('sumTo', () => {
  it.each<[number[], number[]]>([
    [
      [2, 3],
      [2, 3],
    ],
    [[2, 3], [3]],
    [
      [2, 3],
      [1, 3],
    ],
    [
      [2, 3],
      [2, 1],
    ],
    [[2, 3], []],
    [[2, 3], [1]],
    [[1, 1, 3], [3]],
    [[], []],
    [
      [5, 1, 7],
      [5, 1, 1],
    ],
    [
      [4, 5, 6, 7],
      [5, 1, 7],
    ],
    [
      [4, 5, 6, 7],
      [4, 1, 6, 1],
    ],
    [
      [2, 3, 2, 3, 2, 3, 2, 4],
      [1, 3, 1, 3, 1, 3, 1, 4],
    ],
    [
      [2, 3, 2, 3, 2, 3, 2, 3],
      [2, 1, 2, 1, 2, 1, 2, 1],
    ],
    [[70, 1], []],
    [[700, 3], [3]],
    [[9001], []],
    [
      [3, 9000],
      [3, 1],
    ],
    [
      [3, 9001],
      [3, 1],
    ],
    [[300, 8], [8]],
    [[4200, 4], [4]],
    [[0, 3], [3]],
    [
      [0, 3],
      [1, 1],
    ],
    [[2, 0], [0]],
  ])('of %j to %j', async (from, to) => {
    for (const kind of ['normal', 'smallInts'] as const) {
      const x = ref(from, fill(sizeOf(from), 7, kind))
      const expected = reference(x, to)
      const exactly = kind === 'smallInts' ? { ...expected, bound: expected.bound.map(() => 0) } : expected
      const input = tensorOf(x)
      const out = sumTo(input, to)
      await expectTensor(out, exactly, kind)
      if (out !== input) out.dispose()
      input.dispose()
    }
  })

  it('leaves the tensor as it is, or its memory, where there is nothing to sum up', () => {
    const x = tensorOf(ref([1, 3], [1, 2, 3]))
    expect(sumTo(x, [1, 3])).toBe(x)
    expect(sumTo(x, [3]).storage).toBe(x.storage)
  })
})
