// Rows of linear and linearRelu in the table of operations.
import fc from 'fast-check'
import { linear, linearRelu, ShapeError } from '../../../src/node/index.ts'
import { integers, type Kind, type Refs, type Row, random, type Seeded, zeros } from '../../operations/row.ts'
import { seeds, sizes } from '../../support/arbitraries.ts'
import { sizeOf } from '../../support/ref.ts'
import {
  linearBackward,
  linear as linearReference,
  linearReluBackward,
  linearRelu as linearReluReference,
} from './reference.ts'

interface LinearCase extends Seeded {
  /** The input's dimensions before the last. */
  rows: number[]
  I: number
  O: number
  bias: boolean
}

const small = fc.integer({ min: 1, max: 5 })
const of = (rows: number | number[], I: number, O: number, bias = true): LinearCase => ({
  rows: typeof rows === 'number' ? [rows] : rows,
  I,
  O,
  bias,
  seed: 4,
})

/** Dear in float64. */
const LARGE = 'larger'

export const linearRow: Row<LinearCase> = {
  name: 'linear',
  roles: ['input', 'weight', 'bias'],
  runs: 50,
  cases: fc
    .record({
      rows: fc.oneof({ weight: 4, arbitrary: sizes.map((n) => [n]) }, fc.array(fc.nat(5), { maxLength: 3 })),
      I: sizes,
      O: sizes,
      bias: fc.boolean(),
      seed: seeds,
    })
    .filter(({ rows, I, O }) => sizeOf(rows) * I * O <= 1e6),
  tiny: fc.record({ rows: fc.array(small, { maxLength: 2 }), I: small, O: small, bias: fc.boolean(), seed: seeds }),
  fixed: {
    // Around a quad, a thread's block, a strip and a block of rows; and more than one workgroup of blocks of dw.
    'one of each': of(1, 1, 1),
    'a block': of(8, 8, 8),
    'a block and one': of(9, 17, 7),
    'a block of rows': of(32, 16, 10),
    'a block of rows and one': of(33, 15, 4),
    'two blocks of rows': of(64, 5, 9),
    'three blocks of rows': of(65, 84, 10),
    'scratch with room to spare': of(41, 19, 11),
    '96 rows': of(96, 3, 2),
    'many features': of(7, 130, 70),
    'several workgroups': of(200, 70, 66),
    // Backward packs where features are no multiple of 4; both pack much larger layers, in linear.test.ts.
    'features a multiple of 4': of(70, 128, 65),
    'features a multiple of 8': of(64, 16, 24),
    [LARGE]: of(130, 181, 179),
    'half a block of features': of(67, 36, 33),
    'no rows': of(0, 3, 4),
    'no input features: the bias': of(5, 0, 4),
    'no input features, two blocks': of(40, 0, 3),
    'no output features': of(5, 3, 0),
    'no rows nor input features': of(0, 0, 4),
    'no features': of(5, 0, 0),
    nothing: of(0, 0, 0),
    'no rows nor bias': of(0, 3, 4, false),
    'neither input features nor bias': of(5, 0, 4, false),
    'no bias': of(9, 10, 5, false),
    'one dimension': of([], 3, 5),
    'three dimensions': of([4, 9], 3, 5),
    'four dimensions': of([2, 1, 5], 7, 5),
    'one dimension of none': of([], 0, 5),
    'a dimension of none': of([2, 0], 3, 5),
    'three dimensions, no features': of([3, 5], 0, 5),
  },
  inputs: ({ rows, I, O, bias, seed }, kind) => random([[...rows, I], [O, I], bias ? [O] : null], seed, kind),
  run: ([input, weight, bias]) => linear(input!, weight!, bias),
  forward: ([input, weight, bias]) => linearReference(input!, weight!, bias ?? null),
  backward: (dy, [input, weight]) => {
    const gradients = linearBackward(dy, input!, weight!)
    return [gradients.input, gradients.weight, gradients.bias]
  },
  kinks: false,
  exact: true,
  sums: true,
  homogeneous: [
    [0, 2],
    [1, 2],
  ],
  linear: true,
  pytorch: ({ shape }) => {
    const [O, I] = shape('weight') as [number, number]
    return of(shape('input').slice(0, -1), I, O)
  },
  laws: {},
  refused: [
    [
      'an input of integers',
      [integers(2, 3), zeros(4, 3)],
      linear,
      TypeError,
      'linear: input must be float32, it is int32',
    ],
    [
      'a weight of integers',
      [zeros(4, 3), integers(2, 3)],
      linear,
      TypeError,
      'linear: weight must be float32, it is int32',
    ],
    [
      'a bias of integers',
      [zeros(4, 3), zeros(2, 3), integers(2)],
      linear,
      TypeError,
      'linear: bias must be float32, it is int32',
    ],
    [
      'an input of no dimensions',
      [zeros(), zeros(3, 4)],
      linear,
      ShapeError,
      'linear: input has 0 dimensions, it must have 2 (N I)\n  input []',
    ],
    [
      'a weight of one dimension',
      [zeros(2, 4), zeros(4)],
      linear,
      ShapeError,
      'linear: weight has 1 dimensions, it must have 2 (O I)\n  weight [4]',
    ],
    [
      'features that differ',
      [zeros(256, 400), zeros(120, 256)],
      linear,
      ShapeError,
      'linear: weight takes 256 input features, input has 400\n  input  [256, 400]  N I\n  weight [120, 256]  O I',
    ],
    [
      'features that differ, in four dimensions',
      [zeros(2, 1, 2, 2), zeros(3, 4)],
      linear,
      ShapeError,
      'linear: weight takes 4 input features, input has 2\n  input  [2, 1, 2, 2]  … I\n  weight [3, 4]        O I',
    ],
    [
      'a bias of another length',
      [zeros(2, 4), zeros(3, 4), zeros(4)],
      linear,
      ShapeError,
      'linear: bias must have one value for each of the 3 output features\n  weight [3, 4]  O I\n  bias   [4]     O',
    ],
    [
      'a bias of two dimensions',
      [zeros(2, 4), zeros(3, 4), zeros(1, 3)],
      linear,
      ShapeError,
      'linear: bias must have one value for each of the 3 output features\n  weight [3, 4]  O I\n  bias   [1, 3]  O',
    ],
  ],
}

/**
 * Both sides of the kink: half of the sums of random values are below 0. 'clear' ones are drawn until no small step in an
 * input takes a sum across 0.
 */
function reluInputs({ rows, I, O, bias, seed }: LinearCase, kind: Kind): Refs {
  const shapes = [[...rows, I], [O, I], bias ? [O] : null]
  if (kind !== 'clear') return random(shapes, seed, kind)
  for (let shift = 0; ; shift += 10) {
    const drawn = random(shapes, seed + shift, 'normal')
    const [input, weight, b] = drawn
    // Without terms every sum is 0, and stays it.
    if ((I === 0 && !bias) || linearReference(input!, weight!, b ?? null).data.every((z) => Math.abs(z) > 2 ** -11))
      return drawn
  }
}

export const linearReluRow: Row<LinearCase> = {
  ...linearRow,
  name: 'linearRelu',
  fixed: Object.fromEntries(Object.entries(linearRow.fixed).filter(([name]) => name !== LARGE)),
  inputs: reluInputs,
  run: ([input, weight, bias]) => linearRelu(input!, weight!, bias),
  forward: ([input, weight, bias]) => linearReluReference(input!, weight!, bias ?? null),
  backward: (dy, [input, weight, bias]) => {
    const gradients = linearReluBackward(dy, input!, weight!, bias ?? null)
    return [gradients.input, gradients.weight, gradients.bias]
  },
  kinks: true,
  kinksOfSums: true,
  sums: false,
  linear: false,
  refused: linearRow.refused.map(([what, inputs, , error, message]) => [
    what,
    inputs,
    linearRelu,
    error,
    message.replace('linear:', 'linearRelu:'),
  ]),
}
