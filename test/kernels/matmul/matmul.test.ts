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

  describe('of a batch', () => {
    // Sizes that are multiples of 4 are not packed; 4,097 terms are added up in two dispatches.
    it.each([
      [4, 3, 5, 7],
      [3, 8, 6, 12],
      [2, 3, 4097, 4],
    ])('has the bits of each matrix, in as many dispatches: %i of [%i, %i, %i]', async (count, M, K, N) => {
      const gpu = await testGpu()
      const counting = <T>(fn: () => T): [T, number] => {
        const before = gpu.dispatches
        const made = fn()
        return [made, gpu.dispatches - before]
      }
      for (const { transposeA, transposeB } of ORDERS) {
        const shapes = [transposeA ? [K, M] : [M, K], transposeB ? [N, K] : [K, N], [M, N]] as const
        const data = shapes.map(([down, right], i) => fill(count * down! * right!, i, 'normal'))
        const run = (g: number | null) => {
          const [a, b, dy] = data.map((all, i) => {
            const size = all.length / count
            const shape = shapes[i]!
            if (g === null) return parameter(all, [count, ...shape])
            return parameter(all.slice(g * size, (g + 1) * size), [...shape])
          })
          const [out, dispatches] = counting(() => {
            const out = a!.matmul(b!, { transposeA, transposeB })
            out.backward(dy!.detach())
            return out
          })
          return { dispatches, bits: Promise.all([out, a!.grad, b!.grad].map(bitsOf)) }
        }
        const all = run(null)
        const bits = await all.bits
        for (let g = 0; g < count; g++) {
          const one = run(g)
          expect(one.dispatches).toBe(all.dispatches)
          const own = bits.map((words) => words.slice((g * words.length) / count, ((g + 1) * words.length) / count))
          expect(own).toEqual(await one.bits)
        }
      }
    })

    it('takes a batch times one matrix for one matrix of more rows, forward and backward', async () => {
      const [x, w, g] = [fill(2 * 3 * 5, 1, 'normal'), fill(5 * 4, 2, 'normal'), fill(2 * 3 * 4, 3, 'normal')]
      const run = async (rows: number[]) => {
        const [a, b] = [parameter(x, [...rows, 5]), parameter(w, [5, 4])]
        const out = matmul(a, b)
        out.backward(tensor(g, [...rows, 4]))
        return Promise.all([out, a.grad, b.grad].map(bitsOf))
      }
      expect(await run([2, 3])).toEqual(await run([6]))
      expect(await run([3, 2, 1])).toEqual(await run([6]))
    })
  })
})
