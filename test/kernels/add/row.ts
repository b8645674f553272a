// The row of add in the table of operations.
import fc from 'fast-check'
import { add, ShapeError } from '../../../src/node/index.ts'
import { bytes, integers, type Row, random, type Seeded, zeros } from '../../operations/row.ts'
import { seeds, sizes } from '../../support/arbitraries.ts'
import { sizeOf } from '../../support/ref.ts'
import { addBackward, add as addReference } from './reference.ts'

interface AddCase extends Seeded {
  shape: number[]
  /** Whether b has a's shape; otherwise it has one value for each channel. */
  same: boolean
}

/** Shapes of 2 to 4 dimensions, up to 10,000 elements. */
const shapes = fc
  .record({ n: sizes, c: sizes, rest: fc.array(fc.constantFrom(0, 1, 2, 3, 5, 9), { maxLength: 2 }) })
  .map(({ n, c, rest }) => [n, c, ...rest])
  .filter((shape) => sizeOf(shape) <= 10_000)

const same = (...shape: number[]): AddCase => ({ shape, same: true, seed: 3 })
const channels = (...shape: number[]): AddCase => ({ shape, same: false, seed: 3 })

export const addRow: Row<AddCase> = {
  name: 'add',
  roles: ['a', 'b'],
  runs: 50,
  cases: fc.record({ shape: shapes, same: fc.boolean(), seed: seeds }),
  tiny: fc.record({
    shape: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 4 }),
    same: fc.boolean(),
    seed: seeds,
  }),
  fixed: {
    scalars: same(),
    'one element': same(1),
    'one element past a thread block': same(1025),
    'one channel of one': channels(1, 1),
    'two dimensions': channels(33, 7),
    'two blocks of rows': channels(64, 65),
    'three dimensions': channels(2, 3, 5),
    'four dimensions, four blocks': channels(97, 2, 3, 4),
    'rows of scratch with room to spare': channels(33, 3, 5),
    'a square of the same shape': same(3, 3),
    'no rows': channels(0, 4),
    'no channels': channels(4, 0),
    'nothing in a channel': channels(4, 3, 0),
    'nothing at all': same(0),
    'nothing of the same shape': same(2, 0, 3),
  },
  inputs: (given, kind) => random([given.shape, given.same ? given.shape : [given.shape[1]!]], given.seed, kind),
  run: ([a, b]) => add(a!, b!),
  forward: ([a, b]) => addReference(a!, b!),
  backward: (dy, [a, b]) => {
    const gradients = addBackward(dy, a!, b!)
    return [gradients.a, gradients.b]
  },
  kinks: false,
  exact: true,
  sums: true,
  homogeneous: [[0, 1]],
  linear: true,
  laws: {},
  refused: [
    ['a of integers', [integers(2), zeros(2)], add, TypeError, 'add: a must be float32, it is int32'],
    ['b of bytes', [zeros(2), bytes(2)], add, TypeError, 'add: b must be float32, it is uint8'],
    [
      'a value that is not a tensor',
      [zeros(2)],
      (a) => add(a, [1, 2] as never),
      TypeError,
      'add: b must be a tensor, not an array',
    ],
    [
      'a value for each column, which is no channel',
      [zeros(2, 3, 4), zeros(4)],
      add,
      ShapeError,
      "add: b must have a's shape, or one value for each of a's 3 channels\n  a [2, 3, 4]\n  b [4]\n" +
        'Channels are dimension 1; reshape for anything else.',
    ],
    [
      'another shape of the same size',
      [zeros(2, 3), zeros(3, 2)],
      add,
      ShapeError,
      "add: b must have a's shape, or one value for each of a's 3 channels\n  a [2, 3]\n  b [3, 2]\n" +
        'Channels are dimension 1; reshape for anything else.',
    ],
    ['channels of a scalar', [zeros(), zeros(1)], add, ShapeError, "add: b must have a's shape\n  a []\n  b [1]"],
    ['channels of a vector', [zeros(2), zeros(1)], add, ShapeError, "add: b must have a's shape\n  a [2]\n  b [1]"],
  ],
}
