// The rows of softmax and logSoftmax in the table of operations.
import fc from 'fast-check'
import { logSoftmax, ShapeError, softmax } from '../../../src/node/index.ts'
import { integers, type Row, random, type Seeded, zeros } from '../../operations/row.ts'
import { seeds, sizesFrom } from '../../support/arbitraries.ts'
import { type Ref, type Result, ref, sizeOf } from '../../support/ref.ts'
import { type Approx, exactly } from '../../support/running_error.ts'
import { groupsOf } from '../reduce/reference.ts'
import { formulas } from './reference.ts'

interface SoftmaxCase extends Seeded {
  shape: number[]
  dim: number
  /** What the values, of about 1, are multiplied with. */
  scale: number
}

const of = (shape: number[], dim = -1, scale = 1): SoftmaxCase => ({ shape, dim, scale, seed: 8 })

const along = ({ shape, dim }: SoftmaxCase) => (dim < 0 ? dim + Math.max(1, shape.length) : dim)

/** What a formula gives for each row along the dimension. */
function byRows(x: Ref, given: SoftmaxCase, formula: (places: readonly number[]) => readonly Approx[]): Result {
  const value = ref(x.shape)
  const bound = new Float64Array(x.data.length)
  for (const places of groupsOf(given.shape, [along(given)], false).members) {
    if (places.length === 0) continue
    formula(places).forEach((a, i) => {
      value.data[places[i]!] = a.value
      bound[places[i]!] = a.error
    })
  }
  return { ...value, magnitude: value.data.map(Math.abs), roundings: 0, bound }
}

const shapes = (size: fc.Arbitrary<number>, scale: fc.Arbitrary<number>) =>
  fc
    .array(size, { minLength: 1, maxLength: 3 })
    .filter((shape) => sizeOf(shape) <= 6000)
    .chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        dim: fc.integer({ min: -shape.length, max: shape.length - 1 }),
        scale,
        seed: seeds,
      }),
    )

function row(name: 'softmax' | 'logSoftmax', call: typeof softmax): Row<SoftmaxCase> {
  const { values, gradients } = formulas[name]
  const pick = (from: Ref, places: readonly number[]) => places.map((i) => from.data[i]!)
  return {
    name,
    roles: ['input'],
    runs: 12,
    cases: shapes(sizesFrom(0), fc.constantFrom(1, 30)),
    tiny: shapes(fc.integer({ min: 1, max: 4 }), fc.constant(1)),
    fixed: {
      'the last dimension': of([5, 10]),
      'the second of three, by threads': of([3, 7, 4], 1),
      'one workgroup a row': of([3, 301]),
      'long columns, by passes': of([70, 3], 0, 30),
      'a scalar': of([]),
      'rows without elements': of([3, 0]),
      'no rows': of([0, 3]),
      'differences of thousands': of([4, 9], -1, 1e4),
    },
    inputs: ({ shape, scale, seed }, kind) =>
      random([shape], seed, kind).map(
        (x) =>
          x &&
          ref(
            x.shape,
            x.data.map((v) => Math.fround(scale * v)),
          ),
      ),
    tame: (given) => ({ ...given, scale: 1 }),
    run: ([x], { dim }) => call(x!, dim),
    forward: ([x], given) => byRows(x!, given, (places) => values(pick(x!, places))),
    backward: (dy, [x], given) => [
      byRows(x!, given, (places) => gradients(pick(x!, places), pick(dy, places).map(exactly))),
    ],
    kinks: false,
    exact: false,
    sums: false,
    homogeneous: [],
    linear: false,
    pytorch: ({ args, shape }) => of([...shape('input')], args.dim as number),
    laws: {},
    refused: [
      ['integers', [integers(2)], (x) => call(x), TypeError, `${name}: input must be float32, it is int32`],
      ['a number', [], () => call(1 as never), TypeError, `${name}: input must be a tensor, not a number`],
      [
        'a dimension that is not there',
        [zeros(2, 3)],
        (x) => call(x, 2),
        ShapeError,
        `${name}: dim 2 is not a dimension of the tensor\n  input [2, 3]`,
      ],
      [
        'a list of dimensions',
        [zeros(2, 3)],
        (x) => call(x, [0] as never),
        ShapeError,
        `${name}: dim [0] is not a dimension of the tensor\n  input [2, 3]`,
      ],
    ],
  }
}

export const softmaxRows: readonly Row<SoftmaxCase>[] = [row('softmax', softmax), row('logSoftmax', logSoftmax)]
