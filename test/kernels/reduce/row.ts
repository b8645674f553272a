// The rows of the reductions, from a list of them.
import fc from 'fast-check'
import {
  cumsum,
  logSumExp,
  max,
  mean,
  min,
  norm,
  prod,
  ShapeError,
  std,
  sum,
  type Tensor,
  var as variance,
} from '../../../src/node/index.ts'
import {
  bytes,
  integers,
  type Refusal,
  type Row,
  random,
  type Seeded,
  type Stored,
  zeros,
} from '../../operations/row.ts'
import { seeds, sizesFrom } from '../../support/arbitraries.ts'
import { ref, sizeOf } from '../../support/ref.ts'
import type { Formula } from './reference.ts'
import * as reference from './reference.ts'

interface ReduceCase extends Seeded {
  shape: number[]
  /** undefined: all. */
  dim: number | number[] | undefined
  keepDim: boolean
  /** Which of the operation's options. */
  variant: number
}

interface Options {
  keepDim?: boolean
}

interface Variant {
  readonly run: (x: Tensor, dim: number | number[] | undefined, options: Options) => Tensor
  readonly formula: Formula
  /** How many elements a result must have more than. */
  readonly least?: number
}

interface Traits {
  readonly kinks?: boolean
  readonly linear?: boolean
  /** Whether a result of no elements has a value. */
  readonly empty?: boolean
  /** Sizes stay small where many factors would leave float32's range. */
  readonly few?: boolean
  readonly values?: (v: number) => number
  readonly more?: Readonly<Record<string, ReduceCase>>
  readonly refused?: readonly Refusal[]
  /** Which variant PyTorch was given. */
  readonly variantOf?: (args: Stored['args']) => number
}

const of = (shape: number[], dim?: number | number[], more: Partial<ReduceCase> = {}): ReduceCase => ({
  shape,
  dim,
  keepDim: false,
  variant: 0,
  seed: 4,
  ...more,
})

const dimsOf = ({ shape, dim }: ReduceCase) => {
  const asked = dim === undefined ? [] : Array.isArray(dim) ? dim : [dim]
  if (asked.length === 0) return shape.map((_, i) => i)
  return asked.map((d) => (d < 0 ? d + shape.length : d)).filter((d) => d >= 0 && d < shape.length)
}

const countOf = (given: ReduceCase) => sizeOf(dimsOf(given).map((d) => given.shape[d]!))

const dimsFor = (rank: number): fc.Arbitrary<number | number[] | undefined> =>
  fc.oneof(
    fc.constant(undefined),
    fc.integer({ min: -rank, max: rank - 1 }),
    fc.subarray(
      Array.from({ length: rank }, (_, i) => i),
      { minLength: 1 },
    ),
  )

const groups = (given: ReduceCase) => reference.groupsOf(given.shape, dimsOf(given), given.keepDim)

function row(name: string, variants: readonly Variant[], traits: Traits = {}): Row<ReduceCase> {
  const { kinks = false, linear = false, empty = false, few = false, values = (v) => v } = traits
  const size = few ? fc.constantFrom(1, 2, 3, 4, 5, 7, 8) : sizesFrom(empty ? 0 : 1)
  const most = few ? 300 : 6000
  const fits = (given: ReduceCase) =>
    sizeOf(given.shape) <= most && countOf(given) > (variants[given.variant]!.least ?? (empty ? -1 : 0))
  const casesOf = (size: fc.Arbitrary<number>, maxLength: number) =>
    fc
      .array(size, { minLength: 1, maxLength })
      .chain((shape) =>
        fc.record({
          shape: fc.constant(shape),
          dim: dimsFor(shape.length),
          keepDim: fc.boolean(),
          variant: fc.nat({ max: variants.length - 1 }),
          seed: seeds,
        }),
      )
      .filter(fits)
  const call = (x: unknown, dim?: unknown, options: unknown = {}) =>
    variants[0]!.run(x as Tensor, dim as undefined, options as Options)
  return {
    name,
    roles: ['input'],
    runs: 12,
    cases: casesOf(size, 4),
    tiny: casesOf(fc.integer({ min: 1, max: 4 }), 3).filter((given) => countOf(given) > 2),
    fixed: {
      'the last dimension': of([5, 37], -1),
      'the first and the third of four': of([3, 4, 5, 8], [2, 0], { keepDim: true, variant: variants.length - 1 }),
      ...traits.more,
    },
    inputs: ({ shape, seed }, kind) =>
      random([shape], seed, kind).map(
        (x) =>
          x &&
          ref(
            x.shape,
            x.data.map((v) => Math.fround(kind === 'smallInts' ? v : values(v))),
          ),
      ),
    run: ([x], { dim, keepDim, variant }) => variants[variant]!.run(x!, dim, { keepDim }),
    forward: ([x], given) => reference.forward(x!, groups(given), variants[given.variant]!.formula),
    backward: (dy, [x], given) => [reference.backward(dy, x!, groups(given), variants[given.variant]!.formula)],
    kinks,
    exact: linear,
    sums: linear,
    homogeneous: linear ? [[0]] : [],
    linear,
    pytorch: ({ args, shape }) => ({
      shape: [...shape('input')],
      dim: (args.dim ?? undefined) as ReduceCase['dim'],
      keepDim: args.keepDim as boolean,
      variant: traits.variantOf?.(args) ?? 0,
      seed: 0,
    }),
    laws: {},
    refused: [
      ['integers', [integers(2)], (x) => call(x), TypeError, `${name}: input must be float32, it is int32`],
      ['bytes', [bytes(2)], (x) => call(x), TypeError, `${name}: input must be float32, it is uint8`],
      ['a number', [], () => call(1), TypeError, `${name}: input must be a tensor, not a number`],
      [
        'a dimension that is not there',
        [zeros(2, 3)],
        (x) => call(x, 2),
        ShapeError,
        `${name}: dim 2 is not a dimension of the tensor\n  input [2, 3]`,
      ],
      [
        'options in the place of the dimension',
        [zeros(2, 3)],
        (x) => call(x, { keepDim: true }),
        TypeError,
        `${name}: dim must be a number or a list of numbers, not an object`,
      ],
      [
        'a dimension twice',
        [zeros(2, 3)],
        (x) => call(x, [1, -1]),
        ShapeError,
        `${name}: dim 1 appears twice\n  input [2, 3]`,
      ],
      [
        'nine dimensions',
        [zeros(1, 1, 1, 1, 1, 1, 1, 1, 1)],
        (x) => call(x),
        ShapeError,
        `${name}: the input has 9 dimensions; at most 8 are possible\n  input [1, 1, 1, 1, 1, 1, 1, 1, 1]`,
      ],
      ...(empty
        ? []
        : ([
            [
              'no elements',
              [zeros(2, 0)],
              (x) => call(x, 1),
              ShapeError,
              `${name}: the input has no elements along the dimensions that are reduced\n  input [2, 0]`,
            ],
          ] satisfies Refusal[])),
      ...(traits.refused ?? []),
    ],
  }
}

const functions = { sum, mean, max, min, prod, logSumExp } as const

const plain = (name: keyof typeof reference.formulas, traits: Traits = {}): Row<ReduceCase> =>
  row(name, [{ run: functions[name], formula: reference.formulas[name] }], traits)

/** Paths of the kernels, and what is empty. */
const paths = {
  'a scalar': of([], -1),
  'all of more than a block, which is no whole vector': of([5, 821]),
  'rows of blocks': of([3, 4100], 1),
  'rows that begin within a vector, in two passes': of([3, 301], 1),
  'columns of four': of([130, 12], 0),
  'a few columns': of([300, 3], 0),
  'every other of eight dimensions': of([2, 3, 1, 2, 3, 2, 2, 3], [0, 2, 4, 6]),
}
const emptyOnes = {
  'rows without elements': of([3, 0], 1),
  'no rows': of([0, 3], 1),
}

const refusedOption = (name: string, known: string, run: (x: Tensor) => Tensor): Refusal => [
  'an option it does not have',
  [zeros(2)],
  run,
  TypeError,
  `${name}: unknown option keepdim; known: ${known}`,
]

const corrections = [1, 0, 2.5]
const ofCorrection = ({ correction }: Stored['args']) => corrections.indexOf(correction as number)
const powers = [2, 1, Infinity, 3, 0, -Infinity, 1.5, -1]
const away = (v: number) => (v < 0 ? 1.25 * v - 0.125 : v + 0.125)

export const reduceRows: readonly Row<ReduceCase>[] = [
  plain('sum', {
    linear: true,
    empty: true,
    more: { ...paths, ...emptyOnes },
    refused: [refusedOption('sum', 'keepDim', (x) => sum(x, 0, { keepdim: true } as never))],
  }),
  plain('mean', { empty: true, more: emptyOnes }),
  plain('max', { kinks: true, more: { 'rows of blocks': paths['rows of blocks'] } }),
  plain('min', { kinks: true }),
  plain('prod', { empty: true, few: true, more: emptyOnes }),
  row(
    'var',
    corrections.map((correction) => ({
      run: (x, dim, options) => variance(x, dim, { ...options, correction }),
      formula: reference.varianceOf(correction),
      least: correction,
    })),
    {
      empty: true,
      variantOf: ofCorrection,
      more: { ...emptyOnes, 'one element': of([3, 1], 1), 'rows of blocks': paths['rows of blocks'] },
      refused: [
        refusedOption('var', 'correction, keepDim', (x) => variance(x, 0, { keepdim: true } as never)),
        [
          'a correction that is not a number',
          [zeros(2)],
          (x) => variance(x, 0, { correction: '1' as never }),
          TypeError,
          'var: correction must be a number, not a string',
        ],
      ],
    },
  ),
  row(
    'std',
    corrections.map((correction) => ({
      run: (x, dim, options) => std(x, dim, { ...options, correction }),
      formula: reference.deviationOf(correction),
      least: Math.max(1, correction),
    })),
    { empty: true, variantOf: ofCorrection, more: emptyOnes },
  ),
  row(
    'norm',
    powers.map((p) => ({
      run: (x, dim, options) => norm(x, { ...options, dim, p }),
      formula: reference.norm(p),
      least: 0,
    })),
    {
      kinks: true,
      empty: true,
      values: away,
      variantOf: ({ p }) => powers.indexOf(Number(String(p).replace('inf', 'Infinity'))),
      more: emptyOnes,
      refused: [
        [
          'the largest of no elements',
          [zeros(2, 0)],
          (x) => norm(x, { p: Infinity, dim: 1 }),
          ShapeError,
          'norm: the input has no elements along the dimensions that are reduced\n  input [2, 0]',
        ],
        [
          'a power that is not a number',
          [zeros(2)],
          (x) => norm(x, { p: Number.NaN }),
          TypeError,
          'norm: p must be a number, not NaN',
        ],
      ],
    },
  ),
  plain('logSumExp', { empty: true, more: { ...emptyOnes, 'columns of four': paths['columns of four'] } }),
]

interface CumsumCase extends Seeded {
  shape: number[]
  dim: number
}

const cumsumOf = (shape: number[], dim: number): CumsumCase => ({ shape, dim, seed: 6 })
const along = ({ shape, dim }: CumsumCase) => (dim < 0 ? dim + Math.max(1, shape.length) : dim)

export const cumsumRow: Row<CumsumCase> = {
  name: 'cumsum',
  roles: ['input'],
  runs: 12,
  cases: fc
    .array(sizesFrom(0), { minLength: 1, maxLength: 3 })
    .filter((shape) => sizeOf(shape) <= 6000)
    .chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        dim: fc.integer({ min: -shape.length, max: shape.length - 1 }),
        seed: seeds,
      }),
    ),
  tiny: fc.record({
    shape: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
    dim: fc.constantFrom(0, 1),
    seed: seeds,
  }),
  fixed: {
    'the last dimension': cumsumOf([3, 70], -1),
    'the first of three': cumsumOf([5, 2, 3], 0),
    'three levels of blocks': cumsumOf([2, 4161], 1),
    'columns in blocks': cumsumOf([130, 3], 0),
    'a scalar': cumsumOf([], 0),
    nothing: cumsumOf([3, 0], 1),
  },
  inputs: ({ shape, seed }, kind) => random([shape], seed, kind),
  run: ([x], { dim }) => cumsum(x!, dim),
  forward: ([x], given) => reference.cumsum(x!, along(given)),
  backward: (dy, _, given) => [reference.cumsum(dy, along(given), true)],
  kinks: false,
  exact: true,
  sums: true,
  homogeneous: [[0]],
  linear: true,
  pytorch: ({ args, shape }) => cumsumOf([...shape('input')], args.dim as number),
  laws: {},
  refused: [
    ['integers', [integers(2)], (x) => cumsum(x, 0), TypeError, 'cumsum: input must be float32, it is int32'],
    ['a number', [], () => cumsum(1 as never, 0), TypeError, 'cumsum: input must be a tensor, not a number'],
    [
      'a dimension that is not there',
      [zeros(2, 3)],
      (x) => cumsum(x, -3),
      ShapeError,
      'cumsum: dim -3 is not a dimension of the tensor\n  input [2, 3]',
    ],
  ],
}
