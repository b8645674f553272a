// The row of maxPool2d in the table of operations.
import fc from 'fast-check'
import { type MaxPool2dOptions, maxPool2d } from '../../../src/kernels/max_pool2d.ts'
import { ShapeError } from '../../../src/node/index.ts'
import { integers, type Refusal, type Row, random, zeros } from '../../operations/row.ts'
import { seeds } from '../../support/arbitraries.ts'
import { POOL_CONFIGS, type PoolCase, type PoolConfig, poolCase } from './cases.ts'
import { maxPool2dBackward, maxPool2d as maxPool2dReference } from './reference.ts'

const of = (shape: readonly [number, number, number, number], config: PoolConfig): PoolCase => {
  const [n, c, h, w] = shape
  return { n, c, h, w, ...config, seed: 5 }
}
const side = fc.integer({ min: 3, max: 9 })
const named = (shape: readonly [number, number, number, number], configs: readonly PoolConfig[]) =>
  Object.fromEntries(configs.map((config) => [`[${shape}] ${JSON.stringify(config)}`, of(shape, config)]))

function refusedOption(what: string, options: MaxPool2dOptions, error: Refusal[3], message: string): Refusal {
  return [what, [zeros(2, 3, 4, 5)], (x) => maxPool2d(x, options), error, message]
}

export const maxPool2dRow: Row<PoolCase> = {
  name: 'maxPool2d',
  roles: ['input'],
  runs: 60,
  cases: poolCase,
  tiny: fc
    .record({ config: fc.constantFrom(...POOL_CONFIGS), c: fc.integer({ min: 1, max: 5 }), h: side, w: side })
    .chain(({ config, c, h, w }) => seeds.map((seed) => ({ ...of([2, c, h, w], config), seed }))),
  fixed: {
    ...named([3, 2, 7, 8], POOL_CONFIGS),
    ...named([1, 5, 31, 17], POOL_CONFIGS),
    ...named([2, 1, 6, 6], POOL_CONFIGS),
    ...named([0, 3, 6, 7], POOL_CONFIGS.slice(0, 3)),
    ...named([2, 0, 6, 7], POOL_CONFIGS.slice(0, 3)),
    'one pixel': of([1, 1, 1, 1], { kernelSize: [1, 1], stride: [1, 1], padding: [0, 0] }),
    'one pixel in a padded window': of([1, 1, 1, 1], { kernelSize: [2, 2], stride: [2, 2], padding: [1, 1] }),
    'windows apart': of([2, 2, 11, 8], { kernelSize: [2, 1], stride: [4, 3], padding: [0, 0] }),
    'windows apart, into the padding': of([2, 2, 9, 9], { kernelSize: [4, 4], stride: [5, 9], padding: [2, 2] }),
  },
  inputs: ({ n, c, h, w, seed }, kind) => random([[n, c, h, w]], seed, kind),
  run: ([x], { kernelSize, stride, padding }) => maxPool2d(x!, { kernelSize, stride, padding }),
  forward: ([x], given) => maxPool2dReference(x!, given),
  backward: (dy, [x], given) => [maxPool2dBackward(dy, maxPool2dReference(x!, given).indices, x!.shape)],
  kinks: true,
  exact: true,
  sums: false,
  homogeneous: [[0]],
  linear: false,
  pytorch: ({ pair, shape }) => {
    const options = { kernelSize: pair('kernelSize'), stride: pair('stride'), padding: pair('padding') }
    return of(shape('input') as [number, number, number, number], options)
  },
  laws: {},
  refused: [
    [
      'integers',
      [integers(1, 1, 2, 2)],
      (x) => maxPool2d(x, { kernelSize: 2 }),
      TypeError,
      'maxPool2d: input must be float32, it is int32',
    ],
    [
      'three dimensions',
      [zeros(3, 4, 5)],
      (x) => maxPool2d(x, { kernelSize: 2 }),
      ShapeError,
      'maxPool2d: input has 3 dimensions, it must have 4 (N C H W)\n  input [3, 4, 5]',
    ],
    [
      'an input without rows, whose windows would hold padding alone',
      [zeros(1, 1, 0, 4)],
      (x) => maxPool2d(x, { kernelSize: 2, padding: 1 }),
      ShapeError,
      'maxPool2d: the input has no rows or no columns to pool\n  input [1, 1, 0, 4]  N C H W',
    ],
    [
      'an input without columns',
      [zeros(1, 1, 4, 0)],
      (x) => maxPool2d(x, { kernelSize: 2, padding: 1 }),
      ShapeError,
      'maxPool2d: the input has no rows or no columns to pool\n  input [1, 1, 4, 0]  N C H W',
    ],
    refusedOption(
      'a window higher than the input',
      { kernelSize: 5 },
      ShapeError,
      "maxPool2d: the window's height 5 exceeds the input's 4\n  input [2, 3, 4, 5]  N C H W",
    ),
    refusedOption(
      'a window wider than the padded input',
      { kernelSize: [2, 8], padding: [0, 1] },
      ShapeError,
      "maxPool2d: the window's width 8 exceeds the input's 5 with padding 1\n  input [2, 3, 4, 5]  N C H W",
    ),
    refusedOption(
      'padding over half of the window',
      { kernelSize: 3, padding: 2 },
      ShapeError,
      'maxPool2d: padding 2 is more than half of the kernel size 3: a window could be empty',
    ),
    refusedOption(
      'padding over half of its width',
      { kernelSize: [3, 1], padding: [1, 1] },
      ShapeError,
      'maxPool2d: padding 1 is more than half of the kernel size 1: a window could be empty',
    ),
    refusedOption(
      'a window of size 0',
      { kernelSize: 0 },
      ShapeError,
      'maxPool2d: kernelSize must be a whole number or two of them, 1 or more, not 0',
    ),
    refusedOption(
      'stride 0',
      { kernelSize: 2, stride: [2, 0] },
      ShapeError,
      'maxPool2d: stride must be a whole number or two of them, 1 or more, not [2, 0]',
    ),
    refusedOption(
      'negative padding',
      { kernelSize: 2, padding: -1 },
      ShapeError,
      'maxPool2d: padding must be a whole number or two of them, 0 or more, not -1',
    ),
    refusedOption(
      'an option it does not have',
      { kernelSize: 2, dilation: 2 } as MaxPool2dOptions,
      TypeError,
      'maxPool2d: unknown option dilation; known: kernelSize, stride, padding',
    ),
  ],
}
