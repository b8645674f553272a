// The row of reshape and flatten in the table of operations.
import fc from 'fast-check'
import { ShapeError } from '../../../src/node/index.ts'
import { type Refusal, type Row, random, type Seeded, zeros } from '../../operations/row.ts'
import { seeds, sizes } from '../../support/arbitraries.ts'
import { exact, ref, sizeOf } from '../../support/ref.ts'

interface ReshapeCase extends Seeded {
  shape: number[]
  /** The new shape; null for flatten from `startDim` on. */
  to: number[] | null
  startDim: number
}

function outputOf({ shape, to, startDim }: ReshapeCase): number[] {
  if (to) return to.map((n) => (n === -1 ? sizeOf(shape) / sizeOf(to.filter((size) => size !== -1)) : n))
  return [...shape.slice(0, startDim), sizeOf(shape.slice(startDim))]
}

const casesOf = (size: fc.Arbitrary<number>): fc.Arbitrary<ReshapeCase> =>
  fc.array(size, { minLength: 1, maxLength: 4 }).chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      // Another order of the sizes, with ones in between, or everything joined.
      to: fc.oneof<fc.Arbitrary<number[] | null>[]>(
        fc.shuffledSubarray(shape, { minLength: shape.length }).map((sizes) => [1, ...sizes]),
        fc.constant([sizeOf(shape)]),
        fc.constant(null),
      ),
      startDim: fc.nat(shape.length - 1),
      seed: seeds,
    }),
  )

export const reshapeRow: Row<ReshapeCase> = {
  name: 'reshape',
  roles: ['tensor'],
  runs: 20,
  cases: casesOf(fc.oneof(sizes, fc.constantFrom(1, 2, 3))).filter(({ shape }) => sizeOf(shape) <= 10_000),
  tiny: casesOf(fc.integer({ min: 1, max: 4 })),
  fixed: {
    'a size to work out': { shape: [2, 6], to: [3, -1], startDim: 0, seed: 1 },
    'no dimensions': { shape: [1, 1], to: [], startDim: 0, seed: 1 },
    'no elements': { shape: [0, 3], to: [7, 0], startDim: 0, seed: 1 },
    'flatten images': { shape: [2, 3, 4, 5], to: null, startDim: 1, seed: 1 },
    'flatten nothing': { shape: [0, 3, 4], to: null, startDim: 1, seed: 1 },
  },
  inputs: ({ shape, seed }, kind) => random([shape], seed, kind),
  run: ([x], { to, startDim }) => (to ? x!.reshape(to) : x!.flatten(startDim)),
  forward: ([x], given) => exact(ref(outputOf(given), x!.data)),
  backward: (dy, [x]) => [exact(ref(x!.shape, dy.data))],
  kinks: false,
  exact: true,
  sums: true,
  homogeneous: [[0]],
  linear: true,
  laws: {},
  refused: [
    ...[[4], [4, -1], [0, -1], [-2, -3], [1.5, 4]].map(
      (to): Refusal => [
        `[${to}] for [2, 3]`,
        [zeros(2, 3)],
        (x) => x.reshape(to),
        ShapeError,
        `reshape: 6 elements do not fill the new shape\n  tensor [2, 3]\n  shape  [${to.join(', ')}]`,
      ],
    ),
    [
      'two sizes to work out',
      [zeros(2, 3)],
      (x) => x.reshape([-1, -1]),
      ShapeError,
      'reshape: only one size may be -1\n  tensor [2, 3]\n  shape  [-1, -1]',
    ],
    [
      'what is no shape',
      [zeros(2, 3)],
      (x) => x.reshape(6 as never),
      TypeError,
      'reshape: the shape must be an array, such as [2, 3]',
    ],
    ...[2, -3, 0.5].map(
      (startDim): Refusal => [
        `to flatten from dimension ${startDim} of two`,
        [zeros(2, 3)],
        (x) => x.flatten(startDim),
        ShapeError,
        `flatten: startDim ${startDim} is not a dimension of the tensor\n  tensor [2, 3]`,
      ],
    ),
  ],
}
