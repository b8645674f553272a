// The rows of indexSelect, embedding and gather in the table of operations.
import fc from 'fast-check'
import {
  embedding,
  gather,
  indexSelect,
  type Op,
  ShapeError,
  scope,
  type Tensor,
  tensor,
} from '../../../src/node/index.ts'
import { bytes, integers, type Refusal, type Row, random, type Seeded, zeros } from '../../operations/row.ts'
import { mulberry32, seeds } from '../../support/arbitraries.ts'
import { sizeOf } from '../../support/ref.ts'
import { backward, forward, type Moved } from '../copy/reference.ts'
import { embedded, gathered, rowsTaken } from './reference.ts'

interface TakeCase extends Seeded {
  readonly shape: readonly number[]
  readonly dim: number
  /** The index's shape. */
  readonly of: readonly number[]
  /** The index as bytes. */
  readonly bytes: boolean
  /** paddingIdx of embedding. */
  readonly padding?: number
  /** An index that is not drawn. */
  readonly index?: Int32Array
  /** How many places the index may name, if not all: then they come often. */
  readonly few?: number
}

/** The index: any places, the same ones again and again. */
function indexOf({ shape, dim, of, bytes, seed, index, few }: TakeCase): Int32Array | Uint8Array {
  if (index) return index
  const next = mulberry32(seed + 17)
  const count = Math.min(shape.at(dim)!, few ?? Number.POSITIVE_INFINITY, bytes ? 256 : Number.POSITIVE_INFINITY)
  const drawn = Array.from({ length: sizeOf(of) }, () => next() % count)
  return bytes ? Uint8Array.from(drawn) : Int32Array.from(drawn)
}

/** The index as a tensor; for an input that was released one without memory, since none may be asked for. */
function indexFor(x: Tensor, given: TakeCase): Tensor {
  return x.released ? x.like(x.storage, given.of, 'int32') : tensor(indexOf(given), given.of, { gpu: x.gpu })
}

interface Given {
  readonly name: string
  readonly role: string
  readonly run: (x: Tensor, index: Tensor, given: TakeCase) => Tensor
  readonly moved: (given: TakeCase, index: ArrayLike<number>, back: boolean) => Moved
  readonly cases: (side: fc.Arbitrary<number>) => fc.Arbitrary<Omit<TakeCase, 'seed' | 'bytes'>>
  readonly fixed: Readonly<Record<string, Omit<TakeCase, 'seed' | 'bytes'> & { readonly bytes?: boolean }>>
  readonly refused: readonly Refusal[]
}

function rowOf({ name, role, run, moved, cases, fixed, refused }: Given): Row<TakeCase> {
  const drawn = (side: fc.Arbitrary<number>) =>
    fc
      .record({ given: cases(side), bytes: fc.boolean(), seed: seeds })
      .map(({ given, ...rest }): TakeCase => ({ ...given, ...rest }))
  return {
    name,
    roles: [role],
    runs: 10,
    cases: drawn(fc.constantFrom(1, 1, 2, 3, 4, 5, 8, 17, 33)),
    tiny: drawn(fc.integer({ min: 1, max: 3 })),
    fixed: Object.fromEntries(
      Object.entries(fixed).map(([title, given]) => [title, { bytes: false, seed: 5, ...given }]),
    ),
    inputs: ({ shape, seed }, kind) => random([shape], seed, kind),
    run: ([x], given) => scope(() => run(x!, indexFor(x!, given), given)),
    forward: (refs, given) => forward(moved(given, indexOf(given), false), refs),
    backward: (dy, refs, given) => backward(moved(given, indexOf(given), true), dy, refs),
    kinks: false,
    exact: true,
    sums: true,
    homogeneous: [],
    linear: true,
    pytorch: ({ args, shape, integers }) => ({
      shape: shape('input'),
      dim: (args.dim as number | undefined) ?? 0,
      of: args.of as number[],
      bytes: false,
      index: integers('target'),
      seed: 0,
      ...(args.padding === undefined ? {} : { padding: args.padding as number }),
    }),
    laws: {},
    refused,
  }
}

const index =
  (...values: number[]) =>
  () =>
    tensor(Int32Array.from(values))
const common = (name: Op['name'], role: string, run: (x: Tensor, index: Tensor) => unknown): Refusal[] => [
  [
    'an index with fractions',
    [zeros(2, 3), zeros(2)],
    run,
    TypeError,
    `${name}: index must be int32 or uint8, it is float32`,
  ],
  [
    'an index in an array',
    [zeros(2, 3)],
    (x) => run(x, [0, 1] as never),
    TypeError,
    `${name}: index must be a tensor, not an array`,
  ],
  [
    'a value that is not a tensor',
    [integers(1)],
    (i) => run(1 as never, i),
    TypeError,
    `${name}: ${role} must be a tensor, not a number`,
  ],
]

const indexSelectRow = rowOf({
  name: 'indexSelect',
  role: 'input',
  run: (x, index, { dim }) => indexSelect(x, dim, index),
  moved: ({ shape, dim }, index) => rowsTaken(shape, dim, index),
  cases: (side) =>
    fc
      .record({ shape: fc.array(side, { minLength: 1, maxLength: 3 }), at: fc.nat(), J: side })
      .filter(({ shape, J }) => sizeOf(shape) * J <= 20_000)
      .map(({ shape, at, J }) => ({ shape, dim: (at % (2 * shape.length)) - shape.length, of: [J] })),
  fixed: {
    'rows of fours': { shape: [5, 8], dim: 0, of: [300], few: 3 },
    columns: { shape: [3, 7], dim: 1, of: [5] },
    'in the middle, in fours': { shape: [2, 6, 4], dim: 1, of: [9], bytes: true },
    'a list': { shape: [40], dim: -1, of: [1500] },
    none: { shape: [3, 4], dim: 0, of: [0] },
    'rows of nothing': { shape: [3, 0], dim: 0, of: [2] },
    'of no rows none': { shape: [0, 3], dim: 0, of: [0] },
  },
  refused: [
    ...common('indexSelect', 'input', (x, i) => indexSelect(x, 0, i)),
    [
      'bytes',
      [bytes(2), integers(1)],
      (x, i) => indexSelect(x, 0, i),
      TypeError,
      'indexSelect: input must be float32 or int32, it is uint8',
    ],
    [
      'an index of two dimensions',
      [zeros(2, 3), integers(2, 1)],
      (x, i) => indexSelect(x, 0, i),
      ShapeError,
      'indexSelect: index has 2 dimensions, it must have 1 (J)\n  index [2, 1]',
    ],
    [
      'an index past the end',
      [zeros(2, 3), index(0, 3)],
      (x, i) => indexSelect(x, 1, i),
      RangeError,
      'indexSelect: index 3 does not exist; dimension 1 has 0 to 2',
    ],
    [
      'a negative index',
      [zeros(2, 3), index(0, -1)],
      (x, i) => indexSelect(x, 1, i),
      RangeError,
      'indexSelect: index -1 does not exist; dimension 1 has 0 to 2',
    ],
    [
      'an index where there is none',
      [zeros(0, 3), index(0)],
      (x, i) => indexSelect(x, 0, i),
      RangeError,
      'indexSelect: index 0 does not exist; dimension 0 has none',
    ],
    [
      'a dimension that is not there',
      [zeros(2, 3), index(0)],
      (x, i) => indexSelect(x, 2, i),
      ShapeError,
      'indexSelect: dim 2 is not a dimension of the tensor\n  input [2, 3]',
    ],
  ],
})

const paddingOf = ({ shape, padding }: TakeCase) =>
  padding === undefined ? null : padding < 0 ? padding + shape[0]! : padding

const embeddingRow = rowOf({
  name: 'embedding',
  role: 'weight',
  run: (weight, index, { padding }) => embedding(weight, index, padding === undefined ? {} : { paddingIdx: padding }),
  moved: (given, index, back) =>
    embedded(given.shape as [number, number], index, given.of, back ? paddingOf(given) : null),
  cases: (side) =>
    fc
      .record({ R: side, D: side, of: fc.array(side, { maxLength: 2 }) })
      .filter(({ D, of }) => D * sizeOf(of) <= 20_000)
      .map(({ R, D, of }) => ({ shape: [R, D], dim: 0, of })),
  fixed: {
    characters: { shape: [65, 16], dim: 0, of: [4, 70] },
    'words of an odd size, more than two blocks of them': { shape: [50, 3], dim: 0, of: [600] },
    'a row that comes often': { shape: [4, 4], dim: 0, of: [2000], few: 2 },
    'a padding': { shape: [6, 5], dim: 0, of: [40], padding: 2 },
    'a padding from the end': { shape: [6, 4], dim: 0, of: [40], padding: -1 },
    'one index': { shape: [6, 4], dim: 0, of: [] },
    'no index': { shape: [6, 4], dim: 0, of: [0, 3] },
  },
  refused: [
    ...common('embedding', 'weight', (x, i) => embedding(x, i)),
    [
      'integers',
      [integers(2, 3), integers(1)],
      (w, i) => embedding(w, i),
      TypeError,
      'embedding: weight must be float32, it is int32',
    ],
    [
      'a weight of one dimension',
      [zeros(3), integers(1)],
      (w, i) => embedding(w, i),
      ShapeError,
      'embedding: weight has 1 dimensions, it must have 2 (R D)\n  weight [3]',
    ],
    [
      'an index past the last row',
      [zeros(2, 3), index(0, 2)],
      (w, i) => embedding(w, i),
      RangeError,
      'embedding: index 2 does not exist; weight has rows 0 to 1',
    ],
    [
      'a padding that is not a row',
      [zeros(2, 3), index(0)],
      (w, i) => embedding(w, i, { paddingIdx: 2 }),
      RangeError,
      'embedding: paddingIdx must be a row of the weight, -2 to 1, not 2',
    ],
    [
      'an option it does not have',
      [zeros(2, 3), index(0)],
      (w, i) => embedding(w, i, { maxNorm: 1 } as never),
      TypeError,
      'embedding: unknown option maxNorm; known: paddingIdx',
    ],
  ],
})

const gatherRow = rowOf({
  name: 'gather',
  role: 'input',
  run: (x, index, { dim }) => gather(x, dim, index),
  moved: ({ shape, dim, of }, index) => gathered(shape, dim, index, of),
  cases: (side) =>
    fc
      .record({
        shape: fc.array(side, { minLength: 1, maxLength: 3 }),
        at: fc.nat(),
        J: side,
        less: fc.array(fc.constantFrom(0, 0, 1), { minLength: 3, maxLength: 3 }),
      })
      .filter(({ shape, J }) => sizeOf(shape) * J <= 40_000)
      .map(({ shape, at, J, less }) => {
        const dim = (at % (2 * shape.length)) - shape.length
        const own = dim < 0 ? dim + shape.length : dim
        return { shape, dim, of: shape.map((n, d) => (d === own ? J : n - less[d]!)) }
      }),
  fixed: {
    'the logarithm of each label': { shape: [40, 10], dim: 1, of: [40, 1] },
    'in the middle': { shape: [3, 5, 4], dim: 1, of: [3, 70, 4] },
    'in the middle of many rows': { shape: [3, 20, 4], dim: 1, of: [3, 70, 4] },
    'a smaller index': { shape: [4, 5, 3], dim: -2, of: [2, 7, 2], bytes: true },
    'a list': { shape: [9], dim: 0, of: [700] },
    none: { shape: [3, 4], dim: 1, of: [3, 0] },
    'of no rows': { shape: [3, 4], dim: 1, of: [0, 2] },
  },
  refused: [
    ...common('gather', 'input', (x, i) => gather(x, 0, i)).slice(1),
    [
      'an index with fractions',
      [zeros(2, 3), zeros(2, 3)],
      (x, i) => gather(x, 0, i),
      TypeError,
      'gather: index must be int32 or uint8, it is float32',
    ],
    [
      'an index of another number of dimensions',
      [zeros(2, 3), integers(2)],
      (x, i) => gather(x, 1, i),
      ShapeError,
      "gather: index must have input's 2 dimensions, it has 1\n  input [2, 3]\n  index [2]",
    ],
    [
      'a larger index',
      [zeros(2, 3), integers(3, 1)],
      (x, i) => gather(x, 1, i),
      ShapeError,
      'gather: index is larger than input in dimension 0\n  input [2, 3]\n  index [3, 1]',
    ],
    [
      'an index past the end',
      [zeros(2, 3), () => tensor(Int32Array.of(0, 3), [2, 1])],
      (x, i) => gather(x, 1, i),
      RangeError,
      'gather: index 3 does not exist; dimension 1 has 0 to 2',
    ],
  ],
})

export const takeRows: readonly Row<TakeCase>[] = [indexSelectRow, embeddingRow, gatherRow]
