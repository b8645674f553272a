// What only matmul promises: exactness in every order, overflow, bits.
import { beforeAll, describe, expect, it } from 'vitest'
import { matmul } from '../../../src/node/index.ts'
import { checkAgainstReference, drawn } from '../../operations/run.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf } from '../../support/check.ts'
import { parameter, tensor, testGpu, values } from '../../support/gpu.ts'
import { ref } from '../../support/ref.ts'
import { matmulRow, ORDERS } from './row.ts'

beforeAll(testGpu)

describe('matmul', () => {
  // Whether an operand is read as it lies or packed first depends on sizes that are multiples of 4, here and in the
  // gradients; 8 and 16 are the block of a thread and its strip.
  const shapes = [1, 4, 7, 8, 9, 12, 17].flatMap((m) => [1, 4, 10, 16].map((n) => ({ m, n })))
  it.each(ORDERS)('is exact whichever operands are packed: %o', async (order) => {
    for (const [i, { m, n }] of shapes.entries()) {
      const given = { m, n, k: [1, 15, 16, 17][i % 4]!, ...order, seed: i }
      await checkAgainstReference(matmulRow, given, drawn(matmulRow, given, 'smallInts'), 'exact')
    }
  })

  it('hands both gradients to a matrix multiplied by itself', async () => {
    const a = parameter([1, 2, 3, 4], [2, 2])
    matmul(a, a).backward(tensor([1, 0, 0, 1], [2, 2]))
    expect([...(await values(a.grad))]).toEqual([2, 6, 4, 8])
  })

  it('overflows to the infinity of the right sign, and keeps numbers near the ends of the range', async () => {
    const given = { m: 2, n: 2, k: 1, transposeA: false, transposeB: false, seed: 0 }
    const inputs = [ref([2, 1], [3e38, -1e-30]), ref([1, 2], [2, 0.5])]
    await checkAgainstReference(matmulRow, given, { inputs, dy: ref([2, 2], [1, 1, 1, 1]) })
  })

  it('gives the same bits for a row whatever stands beside it', async () => {
    const a = fill(40 * 37, 1, 'normal')
    const b = tensor(fill(37 * 11, 2, 'normal'), [37, 11])
    const all = await bitsOf(matmul(tensor(a, [40, 37]), b))
    expect(await bitsOf(matmul(tensor(a.slice(20 * 37, 23 * 37), [3, 37]), b))).toEqual(all.slice(20 * 11, 23 * 11))
  })

  it('gives the same bits whether an operand is packed or not', async () => {
    const a = fill(12 * 21, 1, 'normal')
    const b = tensor(fill(21 * 8, 2, 'normal'), [21, 8])
    const transposed = Float32Array.from({ length: 12 * 21 }, (_, i) => a[(i % 12) * 21 + Math.floor(i / 12)]!)
    const asItLies = await bitsOf(matmul(tensor(transposed, [21, 12]), b, { transposeA: true }))
    expect(await bitsOf(matmul(tensor(a, [12, 21]), b))).toEqual(asItLies)
  })
})
