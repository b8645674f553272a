// The row of convTranspose2d in the table of operations.
import fc from 'fast-check'
import { convTranspose2d, ShapeError } from '../../../src/node/index.ts'
import { integers, type Refusal, type Row, random, type Seeded, zeros } from '../../operations/row.ts'
import { seeds } from '../../support/arbitraries.ts'
import type { Pair } from '../../support/ref.ts'
import { backward, forward, type Options } from './reference.ts'

interface TransposeCase extends Options, Seeded {
  n: number
  /** Channels and filters of a group. */
  cg: number
  fg: number
  h: number
  w: number
  kernel: Pair
  bias: boolean
}

type Config = Options & { kernel: Pair }
const UNIT: Config = {
  kernel: [3, 3],
  stride: [1, 1],
  padding: [0, 0],
  outputPadding: [0, 0],
  dilation: [1, 1],
  groups: 1,
}

const CONFIGS: readonly Config[] = [
  { ...UNIT, kernel: [4, 4], stride: [2, 2], padding: [1, 1] },
  { ...UNIT, padding: [1, 1] },
  { ...UNIT, kernel: [2, 2], stride: [2, 2] },
  { ...UNIT, stride: [2, 3], padding: [1, 0], outputPadding: [1, 2], groups: 2 },
  { ...UNIT, kernel: [2, 3], dilation: [1, 2], groups: 3 },
  // Output padding of a whole step, which a dilation allows.
  { ...UNIT, kernel: [2, 2], dilation: [3, 2], outputPadding: [2, 1] },
]

const of = ([n, cg, fg, h, w]: readonly number[], config: Config): TransposeCase => {
  return { n: n!, cg: cg!, fg: fg!, h: h!, w: w!, ...config, bias: true, seed: 5 }
}

const casesOf = (most: number, batch: readonly number[], channels: readonly number[]) =>
  fc
    .record({
      n: fc.constantFrom(...batch),
      cg: fc.constantFrom(...channels),
      fg: fc.constantFrom(...channels),
      h: fc.integer({ min: 2, max: most }),
      w: fc.integer({ min: 2, max: most }),
      config: fc.constantFrom(...CONFIGS),
      bias: fc.boolean(),
      seed: seeds,
    })
    .map(({ config, ...given }) => ({ ...given, ...config }))

const image = zeros(2, 4, 5, 5)
const kernel = zeros(4, 6, 3, 3)
const SHAPES = '  input  [2, 4, 5, 5]  N C H W\n  weight [4, 6, 3, 3]  C F KH KW'
const refusedOption = (what: string, options: object, error: Refusal[3], message: string): Refusal => {
  return [what, [image, kernel], (x, w) => convTranspose2d(x, w, null, options), error, message]
}

export const convTranspose2dRow: Row<TransposeCase> = {
  name: 'convTranspose2d',
  roles: ['input', 'weight', 'bias'],
  runs: 10,
  cases: casesOf(13, [0, 1, 2, 33], [1, 3, 9]),
  tiny: casesOf(3, [1, 2], [1, 2]),
  fixed: {
    ...Object.fromEntries(CONFIGS.map((config) => [JSON.stringify(config), of([3, 2, 3, 5, 4], config)])),
    'no bias': { ...of([2, 3, 2, 4, 5], CONFIGS[0]!), bias: false },
    'a kernel compiled in': of([2, 16, 6, 11, 12], CONFIGS[1]!),
    'no images': of([0, 2, 3, 4, 4], CONFIGS[0]!),
    'no filters': of([2, 3, 0, 4, 4], CONFIGS[1]!),
    'no channels: the bias': of([2, 0, 3, 4, 4], CONFIGS[3]!),
  },
  inputs: ({ n, cg, fg, h, w, kernel, groups, bias, seed }, kind) => {
    return random([[n, cg * groups, h, w], [cg * groups, fg, ...kernel], bias ? [fg * groups] : null], seed, kind)
  },
  run: ([x, w, b], { stride, padding, outputPadding, dilation, groups }) =>
    convTranspose2d(x!, w!, b, { stride, padding, outputPadding, dilation, groups }),
  forward: ([x, w, b], given) => forward(x!, w!, b ?? null, given),
  backward: (dy, [x, w], given) => backward(dy, x!, w!, given),
  kinks: false,
  exact: true,
  sums: true,
  homogeneous: [
    [0, 2],
    [1, 2],
  ],
  linear: true,
  pytorch: ({ args, pair, shape }) => {
    const [n, c, h, w] = shape('input') as [number, number, number, number]
    const [, fg, kh, kw] = shape('weight') as [number, number, number, number]
    const groups = args.groups as number
    const axes = { stride: pair('stride'), padding: pair('padding'), dilation: pair('dilation') }
    const sizes = { n, cg: c / groups, fg, h, w, kernel: [kh, kw] as const }
    return { ...sizes, ...axes, outputPadding: pair('outputPadding'), groups, bias: true, seed: 0 }
  },
  laws: {},
  refused: [
    [
      'an input of integers',
      [integers(2, 4, 5, 5), kernel],
      (x, w) => convTranspose2d(x, w),
      TypeError,
      'convTranspose2d: input must be float32, it is int32',
    ],
    [
      'a weight of three dimensions',
      [image, zeros(4, 3, 3)],
      (x, w) => convTranspose2d(x, w),
      ShapeError,
      'convTranspose2d: weight has 3 dimensions, it must have 4 (C F KH KW)\n  weight [4, 3, 3]',
    ],
    [
      'channels that differ',
      [zeros(2, 6, 5, 5), kernel],
      (x, w) => convTranspose2d(x, w),
      ShapeError,
      'convTranspose2d: weight takes 4 input channels, input has 6\n  input  [2, 6, 5, 5]  N C H W\n  weight [4, 6, 3, 3]  C F KH KW',
    ],
    [
      'a bias for a group',
      [image, kernel, zeros(6)],
      (x, w, b) => convTranspose2d(x, w, b, { groups: 2 }),
      ShapeError,
      'convTranspose2d: bias must have one value for each of the 12 filters\n  input  [2, 4, 5, 5]  N C H W\n  weight [4, 6, 3, 3]  C F/groups KH KW\n  bias   [6]           F',
    ],
    [
      'a kernel without elements',
      [image, zeros(4, 6, 3, 0)],
      (x, w) => convTranspose2d(x, w),
      ShapeError,
      'convTranspose2d: the kernel has no elements\n  input  [2, 4, 5, 5]  N C H W\n  weight [4, 6, 3, 0]  C F KH KW',
    ],
    [
      'an input without rows',
      [zeros(2, 4, 0, 5), kernel],
      (x, w) => convTranspose2d(x, w),
      ShapeError,
      'convTranspose2d: the input has no rows or no columns\n  input  [2, 4, 0, 5]  N C H W\n  weight [4, 6, 3, 3]  C F KH KW',
    ],
    refusedOption(
      'groups that do not divide the channels',
      { groups: 3 },
      ShapeError,
      'convTranspose2d: 3 groups do not divide the 4 channels\n  input  [2, 4, 5, 5]  N C H W\n  weight [4, 6, 3, 3]  C F/groups KH KW',
    ),
    refusedOption(
      'padding that leaves nothing',
      { padding: [0, 4] },
      ShapeError,
      `convTranspose2d: with padding 4 nothing is left of the output's width\n${SHAPES}`,
    ),
    refusedOption(
      'output padding of a whole step',
      { stride: 2, outputPadding: [1, 2] },
      ShapeError,
      'convTranspose2d: outputPadding 2 must be less than the stride 2 or the dilation 1',
    ),
    refusedOption(
      'an option it does not have',
      { outputSize: [9, 9] },
      TypeError,
      'convTranspose2d: unknown option outputSize; known: stride, padding, outputPadding, dilation, groups',
    ),
  ],
}
