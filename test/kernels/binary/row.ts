// The rows of the functions of two tensors, from a list of them.
import fc from 'fast-check'
import {
  add,
  div,
  maximum,
  minimum,
  mul,
  type Operand,
  pow,
  ShapeError,
  sub,
  type Tensor,
  tensor,
  where,
} from '../../../src/node/index.ts'
import { bytes, integers, type Refs, type Row, random, type Seeded, type Tensors, zeros } from '../../operations/row.ts'
import { mulberry32, seeds } from '../../support/arbitraries.ts'
import { type Ref, ref, sizeOf } from '../../support/ref.ts'
import { backward, broadcast, broadcastShape, chosen, type Formula, formulas, forward } from './reference.ts'

interface BinaryCase extends Seeded {
  a: number[]
  b: number[]
  /** Which operand is the number 0.75 in place of a tensor. */
  number: 'a' | 'b' | null
}

const NUMBER = 0.75
const of = (a: number[], b: number[], number: BinaryCase['number'] = null): BinaryCase => ({ a, b, number, seed: 3 })

/** Two shapes of one size or 1 in each dimension, of which the second may lack the first dimensions. */
function pairs(sizes: readonly number[], most: number): fc.Arbitrary<{ a: number[]; b: number[] }> {
  const dimension = fc.record({ size: fc.constantFrom(...sizes), broadcast: fc.constantFrom('a', 'b', '', '') })
  return fc
    .record({ dims: fc.array(dimension, { maxLength: most }), shorter: fc.nat({ max: most }), swap: fc.boolean() })
    .map(({ dims, shorter, swap }) => {
      const a = dims.map(({ size, broadcast }) => (broadcast === 'a' ? 1 : size))
      const b = dims.map(({ size, broadcast }) => (broadcast === 'b' ? 1 : size)).slice(Math.min(shorter, dims.length))
      return swap ? { a: b, b: a } : { a, b }
    })
    .filter(({ a, b }) => sizeOf(broadcastShape(a, b)) <= 5000)
}

const cases = (shapes: fc.Arbitrary<{ a: number[]; b: number[] }>): fc.Arbitrary<BinaryCase> =>
  fc
    .record({ shapes, number: fc.constantFrom(null, null, null, 'a' as const, 'b' as const), seed: seeds })
    .map(({ shapes: { a, b }, number, seed }) => ({ a, b, number, seed }))

interface Traits {
  readonly run: (a: Operand, b: Operand, given: BinaryCase) => Tensor
  readonly formulaAt: (given: BinaryCase) => (i: number) => Formula
  /** Where random values are moved to, into what the function is defined for. */
  readonly domains?: readonly [(v: number) => number, (v: number) => number]
  readonly kinks?: boolean
  readonly exact?: boolean
  readonly homogeneous?: readonly (readonly number[])[]
  readonly linear?: boolean
}

const as = (v: number) => v
const shapesOf = ({ a, b, number }: BinaryCase) => [number === 'a' ? [] : a, number === 'b' ? [] : b] as const

function row(name: string, traits: Traits): Row<BinaryCase> {
  const { run, formulaAt, domains = [as, as], kinks = false, exact = false, homogeneous = [], linear = false } = traits
  const refs = (inputs: Refs): [Ref, Ref] => [inputs[0] ?? ref([], [NUMBER]), inputs[1] ?? ref([], [NUMBER])]
  const apply = ([a, b]: Tensors, given: BinaryCase) => run(a ?? NUMBER, b ?? NUMBER, given)
  const laidOut = (inputs: Refs, given: BinaryCase) => {
    const [a, b] = refs(inputs)
    return broadcast(a, b, formulaAt(given), broadcastShape(...shapesOf(given)))
  }
  const call = (a: Operand, b: Operand) => run(a, b, of([], []))
  const cure = '\nSizes of a dimension must be equal, or one of them 1.'
  return {
    name,
    roles: ['a', 'b'],
    runs: 16,
    cases: cases(pairs([0, 1, 2, 3, 4, 5, 8, 33], 4)),
    tiny: cases(pairs([1, 2, 3], 3)),
    fixed: {
      'the same shape, past a thread block': of([5, 5, 41], [5, 5, 41]),
      'a value for each column': of([9, 20], [20]),
      'a column and a row': of([7, 1], [3]),
      'eight dimensions': of([2, 1, 2, 1, 2, 1, 3, 1], [1, 2, 1, 2, 1, 2, 1, 2]),
      'a number': of([5, 3], [], 'b'),
      nothing: of([0, 3], [3]),
    },
    inputs: (given, kind) => {
      const wanted = [given.number === 'a' ? null : given.a, given.number === 'b' ? null : given.b]
      return random(wanted, given.seed, kind).map((x, i) => {
        return (
          x &&
          ref(
            x.shape,
            x.data.map((v) => Math.fround(domains[i]!(v))),
          )
        )
      })
    },
    run: apply,
    forward: (inputs, given) => forward(laidOut(inputs, given)),
    backward: (dy, inputs, given) => {
      const at = laidOut(inputs, given)
      return ([0, 1] as const).map((i) => (inputs[i] ? backward(dy, at, i, inputs[i].shape) : null))
    },
    kinks,
    exact,
    sums: false,
    homogeneous,
    linear,
    laws: {},
    refused: [
      ['a of integers', [integers(2), zeros(2)], call, TypeError, `${name}: a must be float32, it is int32`],
      ['b of bytes', [zeros(2), bytes(2)], call, TypeError, `${name}: b must be float32, it is uint8`],
      [
        'a value that is not a tensor',
        [zeros(2)],
        (a) => call(a, [1, 2] as never),
        TypeError,
        `${name}: b must be a tensor or a number, not an array`,
      ],
      ['two numbers', [], () => call(1, 2), TypeError, `${name}: a or b must be a tensor, both are numbers`],
      [
        'shapes that do not broadcast',
        [zeros(2, 3, 4), zeros(3, 3)],
        call,
        ShapeError,
        `${name}: the shapes do not broadcast: dimension -1 has sizes 4 and 3\n  a [2, 3, 4]\n  b [3, 3]${cure}`,
      ],
    ],
  }
}

const positive = (v: number) => Math.abs(v) + 0.5
const away = (v: number) => (v < 0 ? v - 0.5 : v + 0.5)
const plain = (name: string, run: (a: Operand, b: Operand) => Tensor, formula: Formula, traits: Partial<Traits> = {}) =>
  row(name, { run: (a, b) => run(a, b), formulaAt: () => () => formula, ...traits })

/** The condition of a case, in the output's shape. */
function conditionOf(given: BinaryCase): { shape: number[]; data: Uint8Array } {
  const shape = broadcastShape(...shapesOf(given))
  const next = mulberry32(given.seed)
  return { shape, data: Uint8Array.from({ length: sizeOf(shape) }, () => (next() % 3) & 2) }
}

const select = (a: Operand, b: Operand, given: BinaryCase): Tensor => {
  const { shape, data } = conditionOf(given)
  // A released operand is refused before a condition is made.
  for (const operand of [a, b]) if (typeof operand !== 'number') operand.checkUsable('where')
  const gpu = [a, b].find((operand) => typeof operand !== 'number')?.gpu
  const condition = tensor(data, shape, gpu ? { gpu } : {})
  try {
    return where(condition, a, b)
  } finally {
    condition.dispose()
  }
}

const whereOfRow = row('where', {
  run: select,
  formulaAt: (given) => {
    const { data } = conditionOf(given)
    return (i) => chosen(data[i] !== 0)
  },
  exact: true,
})

/** Both may be numbers: the condition is a tensor. */
const whereRow = { ...whereOfRow, refused: whereOfRow.refused.filter(([title]) => title !== 'two numbers') }

export const binaryRows: readonly Row<BinaryCase>[] = [
  plain('add', add, formulas.add, { exact: true }),
  plain('sub', sub, formulas.sub, { exact: true }),
  plain('mul', mul, formulas.mul, { exact: true }),
  plain('div', div, formulas.div, { domains: [as, away] }),
  plain('pow', pow, formulas.pow, { domains: [positive, as] }),
  plain('maximum', maximum, formulas.maximum, { kinks: true }),
  plain('minimum', minimum, formulas.minimum, { kinks: true }),
  { ...whereRow, refused: [] },
]
