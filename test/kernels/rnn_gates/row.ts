// The row of recurrences in the table of operations.
import fc from 'fast-check'
import { type Recurrence, recurrence } from '../../../src/kernels/rnn_gates.ts'
import { ShapeError } from '../../../src/node/index.ts'
import { integers, type Row, random, type Seeded, zeros } from '../../operations/row.ts'
import { seeds } from '../../support/arbitraries.ts'
import { backward, forward, SIZES } from './reference.ts'

interface RecurrenceCase extends Seeded, Recurrence {
  L: number
  N: number
  H: number
  bias: boolean
}

const of = (kind: Recurrence['kind'], L: number, N: number, H: number, given: Partial<RecurrenceCase> = {}) => {
  return { kind, L, N, H, time: 0, backwards: false, bias: true, seed: 5, ...given } as RecurrenceCase
}

const flags = { time: fc.constantFrom<0 | 1>(0, 1), backwards: fc.boolean(), bias: fc.boolean(), seed: seeds }
const options = ({ kind, time, backwards }: RecurrenceCase): Recurrence => ({ kind, time, backwards })

export const recurrenceRow: Row<RecurrenceCase> = {
  name: 'recurrence',
  roles: ['ofInput', 'weight', 'bias', 'h', 'c'],
  runs: 12,
  cases: fc.record({
    kind: fc.constantFrom<Recurrence['kind']>('tanh', 'relu', 'lstm', 'gru'),
    L: fc.integer({ min: 1, max: 4 }),
    N: fc.nat(4),
    H: fc.integer({ min: 1, max: 6 }),
    ...flags,
  }),
  tiny: fc.record({
    kind: fc.constantFrom<Recurrence['kind']>('tanh', 'lstm', 'gru'),
    L: fc.integer({ min: 1, max: 3 }),
    N: fc.integer({ min: 1, max: 2 }),
    H: fc.integer({ min: 1, max: 3 }),
    ...flags,
  }),
  fixed: {
    'an LSTM': of('lstm', 3, 2, 4),
    'an LSTM, backwards, batch first': of('lstm', 3, 5, 3, { time: 1, backwards: true, bias: false }),
    'a GRU, backwards': of('gru', 4, 3, 2, { backwards: true }),
    'a GRU, batch first': of('gru', 2, 3, 5, { time: 1 }),
    'an RNN, batch first': of('tanh', 3, 4, 3, { time: 1, backwards: true }),
    'an RNN with relu': of('relu', 3, 2, 3),
    // 130 · 8 elements are more than the 1,024 of a workgroup.
    'several workgroups': of('tanh', 1, 130, 8),
    'no batch': of('lstm', 2, 0, 3),
  },
  inputs: ({ kind, time, L, N, H, bias, seed }, values) => {
    const { gates, states } = SIZES[kind]
    const sequence = time === 0 ? [L, N, gates * H] : [N, L, gates * H]
    const shapes = [sequence, [gates * H, H], bias ? [gates * H] : null, [N, H], states === 2 ? [N, H] : null]
    const inputs = random(shapes, seed, values)
    // Sums of many terms would bring every gate to its end.
    const weight = inputs[1]!
    if (H > 6) weight.data = weight.data.map((v) => v / 8)
    return inputs
  },
  run: ([ofInput, weight, bias, h, c], given) =>
    recurrence(ofInput!, weight!, bias ?? null, c ? [h!, c] : [h!], options(given)),
  forward: (inputs, given) => forward(inputs, options(given)),
  backward: (dy, inputs, given) => backward(dy, inputs, options(given)),
  kinks: false,
  exact: false,
  sums: false,
  homogeneous: [],
  linear: false,
  laws: {},
  refused: [
    [
      'a weight of another shape',
      [zeros(2, 3, 4), zeros(4, 3), zeros(3, 4)],
      (x, weight, h) => recurrence(x!, weight!, null, [h!], { kind: 'tanh', time: 0, backwards: false }),
      ShapeError,
      'recurrence: weight does not fit tanh with 4 hidden units\n  ofInput [2, 3, 4]\n  weight  [4, 3]\n  h       [3, 4]',
    ],
    [
      'integers',
      [zeros(2, 3, 4), integers(4, 4), zeros(3, 4)],
      (x, weight, h) => recurrence(x!, weight!, null, [h!], { kind: 'relu', time: 0, backwards: false }),
      TypeError,
      'recurrence: weight must be float32, it is int32',
    ],
  ],
}
