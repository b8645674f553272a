// The rows of avgPool2d and adaptiveAvgPool2d in the table of operations.
import fc from 'fast-check'
import {
  type AvgPool2dOptions,
  adaptiveAvgPool2d,
  avgPool2d,
  ShapeError,
  type Tensor,
} from '../../../src/node/index.ts'
import { integers, type Refusal, type Row, random, type Seeded, zeros } from '../../operations/row.ts'
import { seeds } from '../../support/arbitraries.ts'
import { adaptiveSpans, backward, forward, type Spans, spansOf } from './reference.ts'

type Pair = readonly [number, number]

interface PoolCase extends Seeded {
  shape: number[]
  kernelSize: Pair
  stride: Pair
  padding: Pair
  countIncludePad: boolean
}

interface AdaptiveCase extends Seeded {
  shape: number[]
  size: Pair
}

const shapesOf = (least: number, most: number) =>
  fc.tuple(
    fc.constantFrom(0, 1, 2, 3),
    fc.constantFrom(1, 2, 5),
    fc.integer({ min: least, max: most }),
    fc.integer({ min: least, max: most }),
  )

const CONFIGS = [
  { kernelSize: [2, 2], stride: [2, 2], padding: [0, 0] },
  { kernelSize: [3, 2], stride: [1, 2], padding: [1, 0] },
  { kernelSize: [3, 3], stride: [2, 2], padding: [1, 1] },
  { kernelSize: [1, 3], stride: [2, 4], padding: [0, 1] },
  { kernelSize: [3, 2], stride: [3, 2], padding: [0, 0] },
] as const

const of = (shape: number[], config: (typeof CONFIGS)[number], countIncludePad = true): PoolCase => {
  return { shape, ...config, countIncludePad, seed: 5 }
}

const poolCases = (most: number) =>
  fc
    .record({
      shape: shapesOf(3, most),
      config: fc.constantFrom(...CONFIGS),
      countIncludePad: fc.boolean(),
      seed: seeds,
    })
    .map(({ shape, config, countIncludePad, seed }) => ({ shape: [...shape], ...config, countIncludePad, seed }))

const spans = ({ shape, kernelSize, stride, padding, countIncludePad }: PoolCase): [Spans, Spans] => {
  const axis = (i: 0 | 1) => spansOf(shape[2 + i]!, kernelSize[i], stride[i], padding[i], countIncludePad)
  return [axis(0), axis(1)]
}

const traits = {
  roles: ['input'],
  runs: 10,
  kinks: false,
  exact: false,
  sums: false,
  homogeneous: [],
  linear: false,
  laws: {},
}

const refusedInputs = (name: string, run: (x: Tensor) => Tensor): Refusal[] => [
  ['integers', [integers(1, 1, 2, 2)], run, TypeError, `${name}: input must be float32, it is int32`],
  [
    'three dimensions',
    [zeros(3, 4, 5)],
    run,
    ShapeError,
    `${name}: input has 3 dimensions, it must have 4 (N C H W)\n  input [3, 4, 5]`,
  ],
  [
    'an input without rows',
    [zeros(1, 1, 0, 4)],
    run,
    ShapeError,
    `${name}: the input has no rows or no columns to pool\n  input [1, 1, 0, 4]  N C H W`,
  ],
]

const refusedOption = (what: string, options: AvgPool2dOptions, error: Refusal[3], message: string): Refusal => {
  return [what, [zeros(2, 3, 4, 5)], (x) => avgPool2d(x, options), error, message]
}

const avgPool2dRow: Row<PoolCase> = {
  ...traits,
  name: 'avgPool2d',
  cases: poolCases(33),
  tiny: poolCases(5),
  fixed: {
    'windows side by side': of([3, 2, 7, 8], CONFIGS[0]),
    'more windows than a strip': of([1, 2, 4, 38], CONFIGS[0]),
    'cells left over': of([2, 2, 8, 19], CONFIGS[4]),
    'windows that overlap, into the padding': of([2, 3, 9, 8], CONFIGS[2]),
    'padding that does not count': of([2, 3, 9, 8], CONFIGS[2], false),
    'windows apart': of([1, 2, 5, 11], CONFIGS[3], false),
    'no images': of([0, 3, 6, 7], CONFIGS[1], false),
  },
  inputs: ({ shape, seed }, kind) => random([shape], seed, kind),
  run: ([x], { kernelSize, stride, padding, countIncludePad }) =>
    avgPool2d(x!, { kernelSize, stride, padding, countIncludePad }),
  forward: ([x], given) => forward(x!, spans(given)),
  backward: (dy, [x], given) => [backward(dy, x!.shape, spans(given))],
  pytorch: ({ args, pair, shape }) => ({
    shape: [...shape('input')],
    kernelSize: pair('kernelSize'),
    stride: pair('stride'),
    padding: pair('padding'),
    countIncludePad: args.countIncludePad as boolean,
    seed: 0,
  }),
  refused: [
    ...refusedInputs('avgPool2d', (x) => avgPool2d(x, { kernelSize: 2 })),
    refusedOption(
      'a window higher than the input',
      { kernelSize: 5 },
      ShapeError,
      "avgPool2d: the window's height 5 exceeds the input's 4\n  input [2, 3, 4, 5]  N C H W",
    ),
    refusedOption(
      'padding over half of the window',
      { kernelSize: 3, padding: 2 },
      ShapeError,
      'avgPool2d: padding 2 is more than half of the kernel size 3',
    ),
    refusedOption(
      'a choice that is neither',
      { kernelSize: 2, countIncludePad: 1 as never },
      TypeError,
      'avgPool2d: countIncludePad must be true or false, not 1',
    ),
    refusedOption(
      'an option it does not have',
      { kernelSize: 2, ceilMode: true } as AvgPool2dOptions,
      TypeError,
      'avgPool2d: unknown option ceilMode; known: kernelSize, stride, padding, countIncludePad',
    ),
  ],
}

const adaptive = (shape: number[], size: Pair): AdaptiveCase => ({ shape, size, seed: 5 })

const adaptiveCases = (most: number) =>
  fc
    .record({
      shape: shapesOf(1, most),
      size: fc.tuple(fc.constantFrom(1, 2, 3, 7), fc.constantFrom(1, 2, 4, 5)),
      seed: seeds,
    })
    .map(({ shape, size, seed }) => ({ shape: [...shape], size, seed }))

const adaptedSpans = ({ shape, size }: AdaptiveCase): [Spans, Spans] => {
  return [adaptiveSpans(shape[2]!, size[0]), adaptiveSpans(shape[3]!, size[1])]
}

const adaptiveAvgPool2dRow: Row<AdaptiveCase> = {
  ...traits,
  name: 'adaptiveAvgPool2d',
  cases: adaptiveCases(13),
  tiny: adaptiveCases(4),
  fixed: {
    'to one pixel': adaptive([2, 3, 5, 7], [1, 1]),
    'to parts that are equal': adaptive([2, 3, 6, 8], [3, 2]),
    'to windows that overlap': adaptive([2, 2, 7, 5], [3, 4]),
    'to more than there are': adaptive([1, 2, 2, 3], [3, 5]),
    'to the same size': adaptive([1, 2, 2, 3], [2, 3]),
    'no images': adaptive([0, 2, 5, 3], [2, 1]),
  },
  inputs: ({ shape, seed }, kind) => random([shape], seed, kind),
  run: ([x], { size }) => adaptiveAvgPool2d(x!, size),
  forward: ([x], given) => forward(x!, adaptedSpans(given)),
  backward: (dy, [x], given) => [backward(dy, x!.shape, adaptedSpans(given))],
  pytorch: ({ pair, shape }) => adaptive([...shape('input')], pair('size')),
  refused: [
    ...refusedInputs('adaptiveAvgPool2d', (x) => adaptiveAvgPool2d(x, 1)),
    [
      'a size of 0',
      [zeros(2, 3, 4, 5)],
      (x) => adaptiveAvgPool2d(x, 0),
      ShapeError,
      'adaptiveAvgPool2d: size must be a whole number or two of them, 1 or more, not 0',
    ],
  ],
}

export const avgPool2dRows = [avgPool2dRow, adaptiveAvgPool2dRow] as const
