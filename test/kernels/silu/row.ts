// The row of silu in the table of operations.
import fc from 'fast-check'
import { silu } from '../../../src/node/index.ts'
import { bytes, integers, type Row, random, type Seeded } from '../../operations/row.ts'
import { seeds, sizes } from '../../support/arbitraries.ts'
import { ref } from '../../support/ref.ts'
import { siluBackward, silu as siluReference } from './reference.ts'

interface SiluCase extends Seeded {
  shape: number[]
  /** What the values, of about 1, are multiplied with. */
  scale: number
}

const of = (...shape: number[]): SiluCase => ({ shape, scale: 1, seed: 2 })

export const siluRow: Row<SiluCase> = {
  name: 'silu',
  roles: ['input'],
  runs: 40,
  cases: fc.record({ shape: fc.tuple(sizes, sizes), scale: fc.constantFrom(1, 10, 60), seed: seeds }),
  tiny: fc.record({
    shape: fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 4 }),
    scale: fc.constant(1),
    seed: seeds,
  }),
  fixed: {
    'a scalar': of(),
    nothing: of(3, 0),
    'a thread block': of(1024),
    'one element past it': of(1025),
    'four dimensions': of(3, 2, 5, 7),
    'exponentials that overflow': { ...of(1000), scale: 60 },
  },
  inputs({ shape, scale, seed }, kind) {
    return random([shape], seed, kind).map(
      (x) =>
        x &&
        ref(
          x.shape,
          x.data.map((v) => Math.fround(scale * v)),
        ),
    )
  },
  tame: (given) => ({ ...given, scale: 1 }),
  run: ([x]) => silu(x!),
  forward: ([x]) => siluReference(x!),
  backward: (dy, [x]) => [siluBackward(dy, x!)],
  kinks: false,
  exact: false,
  sums: false,
  homogeneous: [],
  linear: false,
  laws: {},
  refused: [
    ['integers', [integers(2)], silu, TypeError, 'silu: input must be float32, it is int32'],
    ['bytes', [bytes(2)], silu, TypeError, 'silu: input must be float32, it is uint8'],
    [
      'a value that is not a tensor',
      [],
      () => silu(1 as never),
      TypeError,
      'silu: input must be a tensor, not a number',
    ],
  ],
}
