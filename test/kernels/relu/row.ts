// The row of relu in the table of operations.
import fc from 'fast-check'
import { relu } from '../../../src/node/index.ts'
import { bytes, integers, type Row, random, type Seeded } from '../../operations/row.ts'
import { seeds, sizes } from '../../support/arbitraries.ts'
import { reluBackward, relu as reluReference } from './reference.ts'

interface ReluCase extends Seeded {
  shape: number[]
}

const of = (...shape: number[]): ReluCase => ({ shape, seed: 2 })

export const reluRow: Row<ReluCase> = {
  name: 'relu',
  roles: ['input'],
  runs: 40,
  cases: fc.record({ shape: fc.tuple(sizes, sizes), seed: seeds }),
  tiny: fc.record({ shape: fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 4 }), seed: seeds }),
  fixed: {
    'a scalar': of(),
    nothing: of(3, 0),
    'a thread block': of(1024),
    'one element past it': of(1025),
    'four dimensions': of(3, 2, 5, 7),
  },
  inputs: ({ shape, seed }, kind) => random([shape], seed, kind),
  run: ([x]) => relu(x!),
  forward: ([x]) => reluReference(x!),
  backward: (dy, [x]) => [reluBackward(dy, x!)],
  kinks: true,
  exact: true,
  sums: false,
  homogeneous: [[0]],
  linear: false,
  pytorch: ({ shape }) => of(...shape('input')),
  laws: {},
  refused: [
    ['integers', [integers(2)], relu, TypeError, 'relu: input must be float32, it is int32'],
    ['bytes', [bytes(2)], relu, TypeError, 'relu: input must be float32, it is uint8'],
    [
      'a value that is not a tensor',
      [],
      () => relu(1 as never),
      TypeError,
      'relu: input must be a tensor, not a number',
    ],
  ],
}
