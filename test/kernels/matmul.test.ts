import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { matmul } from '../../src/node/index.ts'
import { type FillKind, fill, type MatmulCase, matmulCase } from '../support/arbitraries.ts'
import { messageOf, parameter, tensor, testGpu, values } from '../support/gpu.ts'
import { matmulBackward, matmul as matmulReference, type Ref, ref } from '../support/reference.ts'
import { bitsOf, dispose, dot, expectExact, expectTensor, type Hold, spread, tensorOf } from './check.ts'

beforeAll(testGpu)

interface Values {
  a: Ref
  b: Ref
  dy: Ref
}

const ORDERS = [
  { transposeA: false, transposeB: false },
  { transposeA: true, transposeB: false },
  { transposeA: false, transposeB: true },
  { transposeA: true, transposeB: true },
] as const

function valuesOf({ m, n, k, transposeA, transposeB, seed }: MatmulCase, kind: FillKind = 'normal'): Values {
  const a = ref(transposeA ? [k, m] : [m, k], fill(m * k, seed, kind))
  const b = ref(transposeB ? [n, k] : [k, n], fill(k * n, seed + 1, kind))
  return { a, b, dy: ref([m, n], fill(m * n, seed + 2, kind)) }
}

/** Holds the product and both gradients to the oracle. */
async function check(given: MatmulCase, data: Values = valuesOf(given), hold: Hold = expectTensor): Promise<void> {
  const { transposeA, transposeB } = given
  const a = parameter(data.a.data, data.a.shape)
  const b = parameter(data.b.data, data.b.shape)
  const dy = tensorOf(data.dy)
  const out = matmul(a, b, { transposeA, transposeB })
  out.backward(dy)
  const gradients = matmulBackward(data.dy, data.a, data.b, given)
  await hold(out, matmulReference(data.a, data.b, given), 'out')
  await hold(a.grad, gradients.a, 'da')
  await hold(b.grad, gradients.b, 'db')
  dispose(a, b, dy, out)
}

describe('matmul', () => {
  it('equals the reference on random shapes', async () => {
    await fc.assert(
      fc.asyncProperty(matmulCase, (given) => check(given)),
      { seed: 1, numRuns: 60 },
    )
  })

  it('is exact on small integers', async () => {
    await fc.assert(
      fc.asyncProperty(matmulCase, (given) => check(given, valuesOf(given, 'smallInts'), expectExact)),
      { seed: 2, numRuns: 40 },
    )
  })

  // Whether an operand is read as it lies or packed first depends on sizes that are multiples of 4, here and in the
  // gradients; 8 and 16 are the block of a thread and its strip.
  const shapes = [1, 4, 7, 8, 9, 12, 17].flatMap((m) => [1, 4, 10, 16].map((n) => ({ m, n })))
  it.each(ORDERS)('is exact whichever operands are packed: %o', async (order) => {
    for (const [i, { m, n }] of shapes.entries()) {
      const given = { m, n, k: [1, 15, 16, 17][i % 4]!, ...order, seed: i }
      await check(given, valuesOf(given, 'smallInts'), expectExact)
    }
  })

  it.each(ORDERS)('gives zeros for K = 0 and nothing for M = 0 or N = 0: %o', async (order) => {
    for (const [m, k, n] of [
      [3, 0, 4],
      [0, 3, 4],
      [3, 4, 0],
      [0, 0, 0],
    ] as const) {
      const given = { m, n, k, ...order, seed: 1 }
      await check(given, valuesOf(given), expectExact)
    }
  })

  it('gives the gradients asked for', async () => {
    const data = valuesOf({ m: 5, n: 6, k: 7, transposeA: false, transposeB: true, seed: 3 })
    const expected = matmulBackward(data.dy, data.a, data.b, { transposeB: true })
    const onlyA = { a: parameter(data.a.data, data.a.shape), b: tensorOf(data.b) }
    const onlyB = { a: tensorOf(data.a), b: parameter(data.b.data, data.b.shape) }
    for (const { a, b } of [onlyA, onlyB]) matmul(a, b, { transposeB: true }).backward(tensorOf(data.dy))
    await expectTensor(onlyA.a.grad, expected.a, 'da')
    await expectTensor(onlyB.b.grad, expected.b, 'db')
    expect(onlyA.b.grad).toBeNull()
    expect(onlyB.a.grad).toBeNull()
    const neither = matmul(tensorOf(data.a), tensorOf(data.b), { transposeB: true })
    expect(neither.requiresGrad).toBe(false)
  })

  it('hands both gradients to a matrix multiplied by itself', async () => {
    const a = parameter([1, 2, 3, 4], [2, 2])
    matmul(a, a).backward(tensor([1, 0, 0, 1], [2, 2]))
    expect([...(await values(a.grad))]).toEqual([2, 6, 4, 8])
  })

  it.each(ORDERS)('keeps NaN and infinities in their row and column: %o', async (order) => {
    for (const sizes of [
      { m: 9, n: 10, k: 5 },
      { m: 12, n: 8, k: 17 },
      { m: 3, n: 3, k: 3 },
    ]) {
      const given = { ...sizes, ...order, seed: 5 }
      for (const [which, at, value] of [
        ['a', 0, Number.NaN],
        ['a', 1, Number.POSITIVE_INFINITY],
        ['b', 1, Number.NaN],
        ['b', 0, Number.NEGATIVE_INFINITY],
        ['dy', 0, Number.NaN],
        ['dy', 1, Number.NEGATIVE_INFINITY],
      ] as const) {
        const data = valuesOf(given)
        data[which].data[at * (data[which].data.length - 1)] = value
        await check(given, data)
      }
    }
  })

  it('overflows to the infinity of the right sign, and keeps numbers near the ends of the range', async () => {
    const given = { m: 2, n: 2, k: 1, transposeA: false, transposeB: false, seed: 0 }
    const a = ref([2, 1], [3e38, -1e-30])
    const b = ref([1, 2], [2, 0.5])
    await check(given, { a, b, dy: ref([2, 2], [1, 1, 1, 1]) })
  })

  it('has ⟨ab, y⟩ = ⟨a, da⟩ = ⟨b, db⟩', async () => {
    for (const order of ORDERS) {
      const given = { m: 17, n: 12, k: 33, ...order, seed: 9 }
      const data = valuesOf(given)
      const [a, b] = [parameter(data.a.data, data.a.shape), parameter(data.b.data, data.b.shape)]
      const out = matmul(a, b, order)
      out.backward(tensorOf(data.dy))
      const gradients = matmulBackward(data.dy, data.a, data.b, order)
      const product = dot(await values(out), data.dy.data)
      const slack = spread(data.dy.data, matmulReference(data.a, data.b, order).bound)
      const viaA = Math.abs(product - dot(await values(a.grad), data.a.data))
      const viaB = Math.abs(product - dot(await values(b.grad), data.b.data))
      expect(viaA).toBeLessThanOrEqual(slack + spread(data.a.data, gradients.a.bound))
      expect(viaB).toBeLessThanOrEqual(slack + spread(data.b.data, gradients.b.bound))
    }
  })

  it('gives the same bits twice, and the same bits for a row whatever stands beside it', async () => {
    const a = fill(40 * 37, 1, 'normal')
    const b = tensor(fill(37 * 11, 2, 'normal'), [37, 11])
    const all = await bitsOf(matmul(tensor(a, [40, 37]), b))
    expect(await bitsOf(matmul(tensor(a, [40, 37]), b))).toEqual(all)
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

describe('matmul refuses', () => {
  const zeros = (...shape: number[]) => tensorOf(ref(shape))
  const integers = () => tensor(new Int32Array(6), [2, 3])

  it.each<[string, () => unknown, string]>([
    ['a of integers', () => matmul(integers(), zeros(3, 2)), 'matmul: a must be float32, it is int32'],
    ['b of integers', () => matmul(zeros(3, 2), integers()), 'matmul: b must be float32, it is int32'],
    ['a vector as a', () => matmul(zeros(3), zeros(3, 2)), 'matmul: a has 1 dimensions, 2 are needed (M K)\n  a [3]'],
    [
      'a vector as the transposed a',
      () => matmul(zeros(3), zeros(3, 2), { transposeA: true }),
      'matmul: a has 1 dimensions, 2 are needed (K M)\n  a [3]',
    ],
    [
      'three dimensions as b',
      () => matmul(zeros(2, 3), zeros(3, 2, 1)),
      'matmul: b has 3 dimensions, 2 are needed (K N)\n  b [3, 2, 1]',
    ],
    [
      'three dimensions as the transposed b',
      () => matmul(zeros(2, 3), zeros(3, 2, 1), { transposeB: true }),
      'matmul: b has 3 dimensions, 2 are needed (N K)\n  b [3, 2, 1]',
    ],
    [
      'sums of different length',
      () => matmul(zeros(2, 3), zeros(4, 15)),
      'matmul: a sums over 3 elements, b over 4\n  a [2, 3]   M K\n  b [4, 15]  K N',
    ],
    [
      'sums of different length, transposed',
      () => matmul(zeros(2, 3), zeros(2, 4), { transposeA: true, transposeB: true }),
      'matmul: a sums over 2 elements, b over 4\n  a [2, 3]  K M  transposed\n  b [2, 4]  N K  transposed',
    ],
    [
      'an option it does not have',
      () => matmul(zeros(1, 1), zeros(1, 1), { transpose: true } as object),
      'matmul: unknown option transpose; known: transposeA, transposeB',
    ],
  ])('%s', (_, run, message) => {
    expect(messageOf(run)).toBe(message)
  })
})
