// The row of conv1d in the table of operations: conv2d's reference, of images of one row.
import fc from 'fast-check'
import { type Conv1dOptions, conv1d, ShapeError } from '../../../src/node/index.ts'
import { integers, type Refusal, type Row, random, type Seeded, zeros } from '../../operations/row.ts'
import { seeds } from '../../support/arbitraries.ts'
import { type Ref, type Result, ref } from '../../support/ref.ts'
import { conv2dBackward, conv2d as reference } from '../conv2d/reference.ts'

interface Conv1dCase extends Seeded {
  n: number
  /** Channels and filters of a group. */
  cg: number
  fg: number
  length: number
  k: number
  stride: number
  padding: number
  dilation: number
  groups: number
  bias: boolean
}

const CONFIGS = [
  { k: 3, stride: 1, padding: 1, dilation: 1, groups: 1 },
  { k: 4, stride: 2, padding: 0, dilation: 1, groups: 1 },
  { k: 3, stride: 1, padding: 4, dilation: 3, groups: 3 },
  { k: 1, stride: 1, padding: 0, dilation: 1, groups: 2 },
]

const of = (n: number, cg: number, fg: number, length: number, config = CONFIGS[0]!): Conv1dCase => {
  return { n, cg, fg, length, ...config, bias: true, seed: 5 }
}

const casesOf = (most: number, batch: readonly number[]) => {
  return fc
    .record({
      n: fc.constantFrom(...batch),
      cg: fc.constantFrom(1, 2, 5),
      fg: fc.constantFrom(1, 2, 3),
      length: fc.integer({ min: 4, max: most }),
      config: fc.constantFrom(...CONFIGS),
      bias: fc.boolean(),
      seed: seeds,
    })
    .map(({ config, ...given }) => ({ ...given, ...config }))
}

const options = ({ stride, padding, dilation, groups }: Conv1dCase) => {
  const one = (value: number, first: number) => [first, value] as const
  return { stride: one(stride, 1), padding: one(padding, 0), dilation: one(dilation, 1), groups }
}

const image = ({ shape: [a, b, length], data }: Ref): Ref => ref([a!, b!, 1, length!], data)
const line = (result: Result): Result => ({ ...result, shape: [result.shape[0]!, result.shape[1]!, result.shape[3]!] })

const SHAPES = '  input  [2, 4, 5]  N C L\n  weight [6, 4, 3]  F C K'
const refused = (what: string, given: Conv1dOptions, message: string): Refusal => {
  return [what, [zeros(2, 4, 5), zeros(6, 4, 3)], (x, w) => conv1d(x, w, null, given), ShapeError, message]
}

export const conv1dRow: Row<Conv1dCase> = {
  name: 'conv1d',
  roles: ['input', 'weight', 'bias'],
  runs: 8,
  cases: casesOf(40, [0, 1, 2, 3]),
  tiny: casesOf(8, [1, 2]),
  fixed: {
    'a sequence': of(3, 2, 5, 17),
    'steps without bias': { ...of(2, 3, 2, 11, CONFIGS[1]), bias: false },
    'groups, dilated': of(2, 2, 3, 9, CONFIGS[2]),
    'no sequences': of(0, 2, 3, 5),
    'no channels: the bias': of(2, 0, 3, 5, CONFIGS[3]),
  },
  inputs: ({ n, cg, fg, length, k, groups, bias, seed }, kind) => {
    const filters = fg * groups
    return random([[n, cg * groups, length], [filters, cg, k], bias ? [filters] : null], seed, kind)
  },
  run: ([x, w, b], { stride, padding, dilation, groups }) => conv1d(x!, w!, b, { stride, padding, dilation, groups }),
  forward: ([x, w, b], given) => line(reference(image(x!), image(w!), b ?? null, options(given))),
  backward: (dy, [x, w], given) => {
    const { input, weight, bias } = conv2dBackward(image(dy), image(x!), image(w!), options(given))
    return [line(input), line(weight), bias]
  },
  kinks: false,
  exact: true,
  sums: true,
  homogeneous: [
    [0, 2],
    [1, 2],
  ],
  linear: true,
  pytorch: ({ args, shape }) => {
    const { stride, padding, dilation, groups } = args as Record<'stride' | 'padding' | 'dilation' | 'groups', number>
    const [n, , length] = shape('input') as [number, number, number]
    const [f, cg, k] = shape('weight') as [number, number, number]
    return { n, cg, fg: f / groups, length, k, stride, padding, dilation, groups, bias: true, seed: 0 }
  },
  laws: {},
  refused: [
    [
      'integers',
      [integers(2, 4, 5), zeros(6, 4, 3)],
      (x, w) => conv1d(x, w),
      TypeError,
      'conv1d: input must be float32, it is int32',
    ],
    [
      'an image',
      [zeros(2, 4, 5, 5), zeros(6, 4, 3)],
      (x, w) => conv1d(x, w),
      ShapeError,
      'conv1d: input has 4 dimensions, it must have 3 (N C L)\n  input [2, 4, 5, 5]',
    ],
    [
      'channels that differ',
      [zeros(2, 3, 5), zeros(6, 4, 3)],
      (x, w) => conv1d(x, w),
      ShapeError,
      'conv1d: weight takes 4 input channels, input has 3\n  input  [2, 3, 5]  N C L\n  weight [6, 4, 3]  F C K',
    ],
    refused(
      'a window too long',
      { dilation: 3 },
      `conv1d: the window's length 7 (3 at dilation 3) exceeds the input's 5\n${SHAPES}`,
    ),
    refused(
      'a stride of two numbers',
      { stride: [1, 1] as never },
      'conv1d: stride must be a whole number, 1 or more, not [1, 1]',
    ),
    refused(
      'a padding far too large',
      { padding: 2 ** 20 },
      'conv1d: padding must be a whole number, at most 65,535, not 1048576',
    ),
    refused('no groups', { groups: 0 }, 'conv1d: groups must be a whole number, 1 or more, not 0'),
    [
      'an option it does not have',
      [zeros(2, 4, 5), zeros(6, 4, 3)],
      (x, w) => conv1d(x, w, null, { outputPadding: 1 } as never),
      TypeError,
      'conv1d: unknown option outputPadding; known: stride, padding, dilation, groups',
    ],
  ],
}
