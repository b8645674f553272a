// The rows of layer, group, instance and root-mean-square norm in the table of operations.
import fc from 'fast-check'
import { groupNorm, instanceNorm, layerNorm, rmsNorm, ShapeError, type Tensor } from '../../../src/node/index.ts'
import { integers, type Refusal, type Row, random, type Seeded, type Tensors, zeros } from '../../operations/row.ts'
import { seeds } from '../../support/arbitraries.ts'
import { sizeOf } from '../../support/ref.ts'
import { backward, forward, type Layout } from './reference.ts'

interface NormCase extends Seeded {
  shape: number[]
  /** How many of the last dimensions are normalised, or how many groups there are. */
  option: number
  eps: number
  weight: boolean
  bias: boolean
  /** What is added to the values, of about 1. */
  offset: number
}

const of = (shape: number[], option = 1, given: Partial<NormCase> = {}): NormCase => {
  return { shape, option, eps: 1e-5, weight: true, bias: true, offset: 0, seed: 6, ...given }
}

interface Norm {
  readonly name: string
  readonly centred?: boolean
  readonly bias?: boolean
  /** The options that fit a shape; none where it does not fit. */
  options(shape: readonly number[]): readonly number[]
  /** The input as it is reduced, and along which dimensions. */
  reduced(given: NormCase): Layout['reduced']
  /** The dimensions along which weight and bias are broadcast. */
  shared(given: NormCase): number[]
  run(tensors: Tensors, given: NormCase): Tensor
  readonly fixed: Readonly<Record<string, NormCase>>
  readonly refused: readonly Refusal[]
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i)

function row({ name, centred = true, bias: hasBias = true, ...norm }: Norm): Row<NormCase> {
  const flags = {
    weight: fc.boolean(),
    bias: hasBias ? fc.boolean() : fc.constant(false),
    offset: fc.constantFrom(0, 1000),
    seed: seeds,
  }
  const casesOf = (size: fc.Arbitrary<number>, eps: fc.Arbitrary<number>, most: number) =>
    fc
      .array(size, { minLength: 1, maxLength: 4 })
      .filter((shape) => sizeOf(shape) <= most && norm.options(shape).length > 0)
      .chain((shape) =>
        fc.record({ shape: fc.constant(shape), option: fc.constantFrom(...norm.options(shape)), eps, ...flags }),
      )
  const weightShape = (given: NormCase) => given.shape.filter((_, d) => !norm.shared(given).includes(d))
  const layoutOf = (given: NormCase): Layout => {
    return { reduced: norm.reduced(given), shared: norm.shared(given), eps: given.eps, centred }
  }
  return {
    name,
    roles: hasBias ? ['input', 'weight', 'bias'] : ['input', 'weight'],
    runs: 10,
    cases: casesOf(fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 31, 65), fc.constantFrom(1e-5, 0.5), 4000),
    tiny: casesOf(fc.integer({ min: 1, max: 4 }), fc.constantFrom(0.1, 0.5), 30),
    fixed: norm.fixed,
    inputs: (given, kind) => {
      const own = weightShape(given)
      const shapes = [given.shape, given.weight ? own : null, given.bias ? own : null]
      const [x, ...others] = random(hasBias ? shapes : shapes.slice(0, 2), given.seed, kind)
      if (x) x.data = x.data.map((v) => Math.fround(v + given.offset))
      return [x!, ...others]
    },
    tame: (given) => ({ ...given, offset: 0 }),
    run: norm.run,
    forward: ([x, weight, bias], given) => forward(x!, weight ?? null, bias ?? null, layoutOf(given)),
    backward: (dy, [x, weight], given) => backward(dy, x!, weight ?? null, layoutOf(given)),
    kinks: true,
    // Of few elements the spread may be as small as a step of float32.
    kinksOfSums: true,
    exact: false,
    sums: false,
    homogeneous: [],
    linear: false,
    pytorch: ({ args, shape }) => {
      const { option, eps, weight, bias } = args as { option: number; eps: number; weight: boolean; bias: boolean }
      return of([...shape('input')], option, { eps, weight, bias })
    },
    laws: {},
    refused: norm.refused,
  }
}

/** Of the last dimensions. */
const lastOnes = {
  options: (shape: readonly number[]) => upTo(shape.length).map((i) => i + 1),
  reduced: ({ shape, option }: NormCase): Layout['reduced'] => {
    return [shape, upTo(shape.length).slice(shape.length - option)]
  },
  shared: ({ shape, option }: NormCase) => upTo(shape.length - option),
}

const normalizedShape = ({ shape, option }: NormCase) => shape.slice(shape.length - option)

const fixedLast = {
  'rows of one whole number of vectors': of([5, 32]),
  'rows that begin within a vector, in two passes': of([3, 131]),
  'the last two of four': of([2, 3, 5, 7], 2),
  'a mean of a million': of([3, 70], 1, { offset: 1e6 }),
  'a mean of a million, in a row of whole vectors': of([3, 72], 1, { offset: 1e6 }),
  'a mean of a million, in a short row': of([3, 41], 1, { offset: 1e6 }),
  'no weight': of([4, 9], 1, { weight: false, bias: false }),
  'rows of one value': of([4, 1]),
  'no rows': of([0, 3]),
  'rows without elements': of([3, 0]),
  'a row longer than a workgroup keeps': of([2, 1092]),
  'more rows than a block': of([33, 68]),
}

const refusedLast = (name: string, run: (x: Tensor, shape: number | readonly number[], w?: Tensor) => Tensor) =>
  [
    ['integers', [integers(2, 3)], (x) => run(x!, 3), TypeError, `${name}: input must be float32, it is int32`],
    ['a number', [], () => run(1 as never, 3), TypeError, `${name}: input must be a tensor, not a number`],
    [
      'sizes that the input does not end with',
      [zeros(2, 3)],
      (x) => run(x!, [2]),
      ShapeError,
      `${name}: the last sizes of the input must be those of normalizedShape\n  input           [2, 3]\n  normalizedShape [2]`,
    ],
    [
      'more sizes than the input has',
      [zeros(3)],
      (x) => run(x!, [1, 3]),
      ShapeError,
      `${name}: the last sizes of the input must be those of normalizedShape\n  input           [3]\n  normalizedShape [1, 3]`,
    ],
    [
      'no sizes',
      [zeros(2, 3)],
      (x) => run(x!, []),
      ShapeError,
      `${name}: normalizedShape must be a size or a list of one or more sizes, not []`,
    ],
    [
      'a weight of another shape',
      [zeros(2, 3), zeros(2)],
      (x, w) => run(x!, 3, w),
      ShapeError,
      `${name}: weight must have the shape normalizedShape\n  weight          [2]\n  normalizedShape [3]`,
    ],
  ] satisfies readonly Refusal[]

const refusedEps = (name: string, run: (x: Tensor) => Tensor): Refusal => {
  return ['a negative eps', [zeros(2, 4, 2)], run, RangeError, `${name}: eps must be a number, 0 or more, not -1`]
}

const layerNormRow = row({
  name: 'layerNorm',
  ...lastOnes,
  run: ([x, weight, bias], given) => layerNorm(x!, normalizedShape(given), weight, bias, given.eps),
  fixed: { ...fixedLast, 'all of them': of([3, 5], 2), 'a bias alone': of([4, 9], 1, { weight: false }) },
  refused: [
    ...refusedLast('layerNorm', layerNorm),
    refusedEps('layerNorm', (x) => layerNorm(x, 2, null, null, -1)),
    [
      'a bias of integers',
      [zeros(2, 3), integers(3)],
      (x, bias) => layerNorm(x, 3, null, bias),
      TypeError,
      'layerNorm: bias must be float32, it is int32',
    ],
  ],
})

const withoutBias = (cases: Readonly<Record<string, NormCase>>) =>
  Object.fromEntries(Object.entries(cases).map(([name, given]) => [name, { ...given, bias: false }]))

const rmsNormRow = row({
  name: 'rmsNorm',
  centred: false,
  bias: false,
  ...lastOnes,
  run: ([x, weight], given) => rmsNorm(x!, normalizedShape(given), weight, given.eps),
  fixed: withoutBias(fixedLast),
  refused: [...refusedLast('rmsNorm', rmsNorm), refusedEps('rmsNorm', (x) => rmsNorm(x, 2, null, -1))],
})

/** Of channels, which weight and bias have one value for. */
const sharedByChannels = ({ shape }: NormCase) => upTo(shape.length).filter((d) => d !== 1)

const refusedChannels = (name: string, run: (x: Tensor, weight?: Tensor) => Tensor): Refusal[] => [
  ['integers', [integers(2, 4, 3)], (x) => run(x), TypeError, `${name}: input must be float32, it is int32`],
  [
    'one dimension',
    [zeros(4)],
    (x) => run(x),
    ShapeError,
    `${name}: input has 1 dimensions, 2 or more are needed (N C …)\n  input [4]`,
  ],
  [
    'a weight for other channels',
    [zeros(2, 4, 3), zeros(3)],
    (x, weight) => run(x, weight),
    ShapeError,
    `${name}: weight must have one value for each of the input's 4 channels\n  input  [2, 4, 3]  N C H\n  weight [3]`,
  ],
]

const groupNormRow = row({
  name: 'groupNorm',
  options: (shape) => {
    const [N, C, ...rest] = shape
    if (N === undefined || C === undefined) return []
    return [1, 2, 4, 5, 31].filter((G) => C % G === 0 && ((N * C) / G) * sizeOf(rest) !== 1)
  },
  reduced: ({ shape: [N, C, ...rest], option: G }) => [[N!, G, (C! / G) * sizeOf(rest)], [2]],
  shared: sharedByChannels,
  run: ([x, weight, bias], { option, eps }) => groupNorm(x!, option, weight, bias, eps),
  fixed: {
    'two groups of two channels': of([3, 4, 5], 2),
    'groups of channels, more rows than a block': of([34, 136], 2),
    'four places of a channel in a vector': of([2, 4, 6, 6], 2),
    'two channels in a vector': of([2, 16, 3, 3], 2),
    'one group of images': of([2, 3, 5, 7], 1),
    'as many groups as channels': of([2, 5, 3, 3], 5),
    'no images': of([3, 6], 2, { weight: false }),
    'no channels': of([2, 0, 3], 2),
    'nothing in a channel': of([2, 4, 0], 2),
  },
  refused: [
    ...refusedChannels('groupNorm', (x, weight) => groupNorm(x, 2, weight)),
    refusedEps('groupNorm', (x) => groupNorm(x, 2, null, null, -1)),
    [
      'groups that do not divide the channels',
      [zeros(2, 4, 3)],
      (x) => groupNorm(x, 3),
      ShapeError,
      'groupNorm: the number of groups must be whole and divide the 4 channels, not 3\n  input [2, 4, 3]  N C H',
    ],
    [
      'a single group of one value',
      [zeros(1, 2)],
      (x) => groupNorm(x, 2),
      ShapeError,
      'groupNorm: a group needs more than one value; those of the input have one\n  input [1, 2]  N C',
    ],
  ],
})

const instanceNormRow = row({
  name: 'instanceNorm',
  options: (shape) => (shape.length > 2 && sizeOf(shape.slice(2)) !== 1 ? [0] : []),
  reduced: ({ shape: [N, C, ...rest] }) => [[N!, C!, sizeOf(rest)], [2]],
  shared: sharedByChannels,
  run: ([x, weight, bias], { eps }) => instanceNorm(x!, { weight: weight!, bias: bias!, eps }),
  fixed: {
    images: of([2, 3, 5, 7]),
    'rows, no weight': of([3, 2, 9], 0, { weight: false, bias: false }),
    'no channels': of([2, 0, 3]),
  },
  refused: [
    ...refusedChannels('instanceNorm', (x, weight) => instanceNorm(x, weight ? { weight } : {})),
    refusedEps('instanceNorm', (x) => instanceNorm(x, { eps: -1 })),
    [
      'channels of one value',
      [zeros(4, 2, 1)],
      (x) => instanceNorm(x),
      ShapeError,
      'instanceNorm: a channel needs more than one value; those of the input have one\n  input [4, 2, 1]  N C H',
    ],
    [
      'an option it does not have',
      [zeros(4, 2, 3)],
      (x) => instanceNorm(x, { momentum: 0.1 } as never),
      TypeError,
      'instanceNorm: unknown option momentum; known: weight, bias, eps',
    ],
  ],
})

export const normRows: readonly Row<NormCase>[] = [layerNormRow, rmsNormRow, groupNormRow, instanceNormRow]
