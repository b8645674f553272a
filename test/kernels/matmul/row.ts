// The row of matmul in the table of operations.
import fc from 'fast-check'
import { matmul, ShapeError, type Tensor } from '../../../src/node/index.ts'
import { integers, type Row, random, zeros } from '../../operations/row.ts'
import { lowerToWork, seeds, sizes } from '../../support/arbitraries.ts'
import { matmulBackward, matmul as matmulReference } from './reference.ts'

/** op(a) · op(b) of [m, k] and [k, n], any of which may be 0; `seed` is for the values. */
export interface MatmulCase {
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

const product = (a: Tensor, b: Tensor) => matmul(a, b)
const small = fc.integer({ min: 1, max: 5 })

/** The same sizes in every order. */
function inAllOrders(name: string, m: number, k: number, n: number): [string, MatmulCase][] {
  return ORDERS.map((order) => {
    const letters = `${order.transposeA ? 'aᵀ' : 'a'}·${order.transposeB ? 'bᵀ' : 'b'}`
    return [`${name}, ${letters}`, { m, k, n, ...order, seed: 5 }]
  })
}

export const matmulRow: Row<MatmulCase> = {
  name: 'matmul',
  roles: ['a', 'b'],
  runs: 60,
  cases: matmulCase,
  tiny: fc.record({ m: small, n: small, k: small, transposeA: fc.boolean(), transposeB: fc.boolean(), seed: seeds }),
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
  ]),
  inputs: ({ m, n, k, transposeA, transposeB, seed }, kind) =>
    random([transposeA ? [k, m] : [m, k], transposeB ? [n, k] : [k, n]], seed, kind),
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
  pytorch: ({ shape }) => {
    const [m, k] = shape('a') as [number, number]
    return { m, k, n: shape('b')[1]!, transposeA: false, transposeB: false, seed: 0 }
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
      'matmul: a has 1 dimensions, it must have 2 (M K)\n  a [3]',
    ],
    [
      'a vector as the transposed a',
      [zeros(3), zeros(3, 2)],
      (a, b) => matmul(a, b, { transposeA: true }),
      ShapeError,
      'matmul: a has 1 dimensions, it must have 2 (K M)\n  a [3]',
    ],
    [
      'three dimensions as b',
      [zeros(2, 3), zeros(3, 2, 1)],
      product,
      ShapeError,
      'matmul: b has 3 dimensions, it must have 2 (K N)\n  b [3, 2, 1]',
    ],
    [
      'three dimensions as the transposed b',
      [zeros(2, 3), zeros(3, 2, 1)],
      (a, b) => matmul(a, b, { transposeB: true }),
      ShapeError,
      'matmul: b has 3 dimensions, it must have 2 (N K)\n  b [3, 2, 1]',
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
