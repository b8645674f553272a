// The row of matmul in the table of operations.
import fc from 'fast-check'
import { matmul, ShapeError, type Tensor } from '../../../src/node/index.ts'
import { integers, type Row, random, zeros } from '../../operations/row.ts'
import { lowerToWork, seeds, sizes } from '../../support/arbitraries.ts'
import { matmulBackward, matmul as matmulReference } from './reference.ts'

/** op(a) · op(b) of [...batchA, m, k] and [...batchB, k, n], any of which may be 0; `seed` is for the values. */
export interface MatmulCase {
  batchA?: number[]
  batchB?: number[]
  m: number
  n: number
  k: number
  transposeA: boolean
  transposeB: boolean
  seed: number
}

export const matmulCase: fc.Arbitrary<MatmulCase> = fc
  .record({ m: sizes, n: sizes, k: sizes, transposeA: fc.boolean(), transposeB: fc.boolean(), seed: seeds })
  .map(({ m, n, k, ...rest }) => ({
    ...lowerToWork({ m, n, k }, { m: 0, n: 0, k: 0 }, (s) => s.m * s.n * s.k),
    ...rest,
  }))

export const ORDERS = [
  { transposeA: false, transposeB: false },
  { transposeA: true, transposeB: false },
  { transposeA: false, transposeB: true },
  { transposeA: true, transposeB: true },
] as const

/** Two shapes that broadcast, with another one or none of the dimensions left out or 1. */
const batches: fc.Arbitrary<{ batchA: number[]; batchB: number[] }> = fc
  .tuple(fc.array(fc.constantFrom(0, 1, 2, 3, 3), { maxLength: 3 }), fc.nat(3), fc.nat(7), fc.nat(7))
  .map(([batch, missing, onesA, onesB]) => {
    const own = (ones: number) => batch.map((size, d) => ((ones >> d) & 1 ? 1 : size))
    return { batchA: own(onesA).slice(onesA & 1 ? missing : 0), batchB: own(onesB).slice(onesA & 1 ? 0 : missing) }
  })

/** Small matrices, many of them. */
const batchedCase: fc.Arbitrary<MatmulCase> = fc
  .tuple(
    batches,
    fc.record({
      m: fc.constantFrom(0, 1, 3, 4, 8, 9, 12),
      n: fc.constantFrom(0, 1, 4, 7, 8, 10),
      k: fc.constantFrom(0, 1, 5, 16, 17),
      transposeA: fc.boolean(),
      transposeB: fc.boolean(),
      seed: seeds,
    }),
  )
  .map(([batch, sizes]) => ({ ...batch, ...sizes }))

const product = (a: Tensor, b: Tensor) => matmul(a, b)
const small = fc.integer({ min: 1, max: 5 })

/** The same sizes in every order. */
function inAllOrders(name: string, m: number, k: number, n: number): [string, MatmulCase][] {
  return ORDERS.map((order) => {
    const letters = `${order.transposeA ? 'aᵀ' : 'a'}·${order.transposeB ? 'bᵀ' : 'b'}`
    return [`${name}, ${letters}`, { m, k, n, ...order, seed: 5 }]
  })
}

/** Batches of small matrices in every order. */
function inBatches(name: string, batchA: number[], batchB: number[], [m, k, n] = [5, 3, 6]): [string, MatmulCase][] {
  return inAllOrders(name, m!, k!, n!).map(([name, given]) => [name, { ...given, batchA, batchB }])
}

export const matmulRow: Row<MatmulCase> = {
  name: 'matmul',
  roles: ['a', 'b'],
  runs: 60,
  cases: fc.oneof({ weight: 3, arbitrary: matmulCase }, { weight: 2, arbitrary: batchedCase }),
  tiny: fc
    .tuple(
      fc.record({ m: small, n: small, k: small, transposeA: fc.boolean(), transposeB: fc.boolean(), seed: seeds }),
      fc.constantFrom<Pick<MatmulCase, 'batchA' | 'batchB'>>({}, { batchA: [2] }, { batchA: [2, 1], batchB: [3] }),
    )
    .map(([sizes, batch]) => ({ ...sizes, ...batch })),
  // Whether an operand is read as it lies or packed first depends on sizes that are multiples of 4.
  fixed: Object.fromEntries([
    ...inAllOrders('odd sizes', 9, 5, 10),
    ...inAllOrders('multiples of 4', 12, 17, 8),
    ...inAllOrders('less than a block', 3, 3, 3),
    ...inAllOrders('a wide and a narrow one', 17, 21, 12),
    ...inAllOrders('no terms', 3, 0, 4),
    ...inAllOrders('no rows', 0, 3, 4),
    ...inAllOrders('no columns', 3, 4, 0),
    ...inAllOrders('nothing', 0, 0, 0),
    ...inBatches('one matrix for each', [3], [3]),
    ...inBatches('multiples of 4 for each', [2, 3], [2, 3], [8, 5, 12]),
    ...inBatches('one b for all', [2, 3], []),
    ...inBatches('one a for all', [], [3]),
    ...inBatches('both broadcast', [2, 1, 3], [4, 1]),
    ...inBatches('batches of one', [1, 1], [1]),
    ...inBatches('eight dimensions', [2, 1, 2, 1, 2, 1], [1, 2, 1, 2, 1, 2], [3, 2, 4]),
    ...inBatches('no matrices', [2, 0], [1]),
    ...inBatches('no terms in a batch', [2], [2], [3, 0, 4]),
    ...inBatches('no rows in a batch', [2], [1], [0, 3, 4]),
  ]),
  inputs: ({ batchA = [], batchB = [], m, n, k, transposeA, transposeB, seed }, kind) => {
    const [a, b] = [transposeA ? [k, m] : [m, k], transposeB ? [n, k] : [k, n]]
    return random(
      [
        [...batchA, ...a],
        [...batchB, ...b],
      ],
      seed,
      kind,
    )
  },
  run: ([a, b], { transposeA, transposeB }) => matmul(a!, b!, { transposeA, transposeB }),
  forward: ([a, b], given) => matmulReference(a!, b!, given),
  backward: (dy, [a, b], given) => {
    const gradients = matmulBackward(dy, a!, b!, given)
    return [gradients.a, gradients.b]
  },
  kinks: false,
  exact: true,
  sums: true,
  homogeneous: [[0], [1]],
  linear: true,
  pytorch: ({ args, shape }) => {
    const [a, b] = [shape('a'), shape('b')]
    const { transpose_a = false, transpose_b = false } = args as Record<string, boolean>
    return {
      batchA: a.slice(0, -2),
      batchB: b.slice(0, -2),
      m: a.at(transpose_a ? -1 : -2)!,
      k: a.at(transpose_a ? -2 : -1)!,
      n: b.at(transpose_b ? -2 : -1)!,
      transposeA: transpose_a,
      transposeB: transpose_b,
      seed: 0,
    }
  },
  laws: {},
  refused: [
    ['a of integers', [integers(2, 3), zeros(3, 2)], product, TypeError, 'matmul: a must be float32, it is int32'],
    ['b of integers', [zeros(3, 2), integers(2, 3)], product, TypeError, 'matmul: b must be float32, it is int32'],
    [
      'a vector as a',
      [zeros(3), zeros(3, 2)],
      product,
      ShapeError,
      'matmul: a has 1 dimensions, it must have 2 (M K) or more\n  a [3]',
    ],
    [
      'a vector as the transposed a',
      [zeros(3), zeros(3, 2)],
      (a, b) => matmul(a, b, { transposeA: true }),
      ShapeError,
      'matmul: a has 1 dimensions, it must have 2 (K M) or more\n  a [3]',
    ],
    [
      'a vector as b',
      [zeros(2, 3), zeros(3)],
      product,
      ShapeError,
      'matmul: b has 1 dimensions, it must have 2 (K N) or more\n  b [3]',
    ],
    [
      'a vector as the transposed b',
      [zeros(2, 3), zeros(3)],
      (a, b) => matmul(a, b, { transposeB: true }),
      ShapeError,
      'matmul: b has 1 dimensions, it must have 2 (N K) or more\n  b [3]',
    ],
    [
      'batches that do not broadcast',
      [zeros(5, 2, 4, 3), zeros(3, 3, 6)],
      product,
      ShapeError,
      'matmul: the shapes do not broadcast: dimension -3 has sizes 2 and 3\n  a [5, 2, 4, 3]  … M K\n  b [3, 3, 6]     … K N\nSizes of a dimension must be equal, or one of them 1.',
    ],
    [
      'nine dimensions',
      [zeros(1, 1, 1, 1, 1, 1, 1, 2, 3), zeros(3, 4)],
      product,
      ShapeError,
      'matmul: tensors of 9 dimensions; at most 8 are possible\n  a [1, 1, 1, 1, 1, 1, 1, 2, 3]  … M K\n  b [3, 4]                       K N',
    ],
    [
      'sums of different length in a batch',
      [zeros(5, 2, 3), zeros(5, 4, 15)],
      product,
      ShapeError,
      'matmul: a sums over 3 elements, b over 4\n  a [5, 2, 3]   … M K\n  b [5, 4, 15]  … K N',
    ],
    [
      'sums of different length',
      [zeros(2, 3), zeros(4, 15)],
      product,
      ShapeError,
      'matmul: a sums over 3 elements, b over 4\n  a [2, 3]   M K\n  b [4, 15]  K N',
    ],
    [
      'sums of different length, transposed',
      [zeros(2, 3), zeros(2, 4)],
      (a, b) => matmul(a, b, { transposeA: true, transposeB: true }),
      ShapeError,
      'matmul: a sums over 2 elements, b over 4\n  a [2, 3]  K M  transposed\n  b [2, 4]  N K  transposed',
    ],
    [
      'an option it does not have',
      [zeros(1, 1), zeros(1, 1)],
      (a, b) => matmul(a, b, { transpose: true } as object),
      TypeError,
      'matmul: unknown option transpose; known: transposeA, transposeB',
    ],
  ],
}
