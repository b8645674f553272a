// The row of dropout: with a seed it is a function like any other.
import fc from 'fast-check'
import { dropout, manualSeed } from '../../../src/node/index.ts'
import { bytes, integers, type Row, random, type Seeded, zeros } from '../../operations/row.ts'
import { seeds, sizes } from '../../support/arbitraries.ts'
import * as reference from './reference.ts'

interface DropoutCase extends Seeded {
  shape: number[]
  p: number
  /** Of the draw. */
  draw: number
}

const of = (shape: number[], p: number): DropoutCase => ({ shape, p, draw: 5, seed: 2 })
const others = { p: fc.constantFrom(0.5, 0.1, 0.875, 1), draw: fc.nat(), seed: seeds }
const loose = (options: object) => options as never

export const dropoutRow: Row<DropoutCase> = {
  name: 'dropout',
  roles: ['input'],
  runs: 10,
  cases: fc.record({ shape: fc.tuple(sizes, sizes), ...others }),
  tiny: fc.record({ shape: fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 4 }), ...others }),
  fixed: {
    'four dimensions, one element past a thread block': of([5, 5, 1, 41], 0.3),
    'all dropped': of([2, 3], 1),
    nothing: of([3, 0], 0.5),
  },
  inputs: ({ shape, seed }, kind) => random([shape], seed, kind),
  run: ([x], { p, draw }) => {
    manualSeed(draw)
    return dropout(x!, { p })
  },
  forward: ([x], { p, draw }) => reference.dropout(x!, p, draw),
  backward: (dy, _, { p, draw }) => [reference.dropout(dy, p, draw)],
  kinks: false,
  exact: false,
  sums: false,
  homogeneous: [[0]],
  linear: false, // by its formula; a scale that is not a power of two rounds
  laws: {},
  refused: [
    ['integers', [integers(2)], (x) => dropout(x!), TypeError, 'dropout: input must be float32, it is int32'],
    [
      'bytes in evaluation',
      [bytes(2)],
      (x) => dropout(x!, { training: false }),
      TypeError,
      'dropout: input must be float32, it is uint8',
    ],
    ['a number', [], () => dropout(1 as never), TypeError, 'dropout: input must be a tensor, not a number'],
    [
      'a probability above 1',
      [zeros(2)],
      (x) => dropout(x!, { p: 1.5 }),
      RangeError,
      'dropout: p must be a number from 0 to 1, not 1.5',
    ],
    [
      'an option that is not its own',
      [zeros(2)],
      (x) => dropout(x!, loose({ inplace: true })),
      TypeError,
      'dropout: unknown option inplace; known: p, training',
    ],
  ],
}
