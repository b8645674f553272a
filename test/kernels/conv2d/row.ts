// The row of conv2d in the table of operations.
import fc from 'fast-check'
import { conv2d, ShapeError } from '../../../src/node/index.ts'
import { integers, type Refusal, type Row, random, zeros } from '../../operations/row.ts'
import { seeds } from '../../support/arbitraries.ts'
import { CONV_CONFIGS, type ConvCase, type ConvConfig, convCase, GROUPED, groupedCase } from './cases.ts'
import { conv2dBackward, conv2d as conv2dReference } from './reference.ts'

const UNIT: ConvConfig = { kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1] }
type Sizes = Pick<ConvCase, 'n' | 'c' | 'f' | 'h' | 'w'>

/** A case of these sizes with the kernel, stride, padding and dilation of a configuration. */
function sized(sizes: Sizes, { kernel, ...options }: ConvConfig): ConvCase {
  return { ...sizes, kh: kernel[0], kw: kernel[1], groups: 1, ...options, bias: true, seed: 7 }
}

/** A case with so many channels and filters in each group of a configuration. */
function grouped({ c, f, ...sizes }: Sizes, config: ConvConfig): ConvCase {
  return sized({ ...sizes, c: c * config.groups!, f: f * config.groups! }, config)
}

const [DEPTHWISE, PAIRS] = GROUPED as readonly [ConvConfig, ConvConfig]
const [LENET_1, LENET_2, SAME] = CONV_CONFIGS as readonly [ConvConfig, ConvConfig, ConvConfig]
const side = fc.integer({ min: 5, max: 8 })
const few = fc.integer({ min: 1, max: 3 })

const image = zeros(2, 1, 6, 5)
const kernel = zeros(4, 1, 3, 3)
const SHAPES = '  input  [2, 1, 6, 5]  N C H W\n  weight [4, 1, 3, 3]  F C KH KW'

function refusedOption(what: string, options: object, message: string): Refusal {
  return [
    what,
    [image, kernel],
    (x, w) => conv2d(x, w, null, options),
    /unknown/.test(message) ? TypeError : ShapeError,
    message,
  ]
}

export const conv2dRow: Row<ConvCase> = {
  name: 'conv2d',
  roles: ['input', 'weight', 'bias'],
  runs: 16,
  cases: fc.oneof({ weight: 3, arbitrary: convCase }, { weight: 1, arbitrary: groupedCase }),
  tiny: fc
    .record({
      config: fc.constantFrom(...CONV_CONFIGS, { ...PAIRS, groups: 2 }),
      n: fc.integer({ min: 1, max: 2 }),
      c: few,
      f: few,
      h: side,
      w: side,
    })
    .chain(({ config, ...sizes }) =>
      seeds.map((seed) => ({ ...grouped(sizes, { groups: 1, ...config }), bias: seed % 2 === 0, seed })),
    ),
  // Every configuration; then sizes at which another path is taken: a kernel compiled in, weights that exceed a uniform
  // buffer, more than one block of 32 images, channels that leave a block of filters half full, a kernel in several tiles.
  fixed: {
    ...Object.fromEntries(
      CONV_CONFIGS.map((config) => [JSON.stringify(config), sized({ n: 3, c: 3, f: 5, h: 13, w: 11 }, config)]),
    ),
    'the first layer of LeNet': sized({ n: 2, c: 1, f: 6, h: 28, w: 28 }, LENET_1),
    'its second': sized({ n: 2, c: 6, f: 16, h: 14, w: 14 }, LENET_2),
    'weights of more than 64 KiB': sized({ n: 2, c: 129, f: 128, h: 2, w: 2 }, UNIT),
    'such weights without bias, filters past a block': {
      ...sized({ n: 2, c: 129, f: 131, h: 2, w: 3 }, UNIT),
      bias: false,
    },
    '32 images': sized({ n: 32, c: 2, f: 3, h: 4, w: 5 }, SAME),
    '33 images': sized({ n: 33, c: 2, f: 3, h: 4, w: 5 }, SAME),
    '96 images': sized({ n: 96, c: 1, f: 2, h: 3, w: 3 }, CONV_CONFIGS[6]!),
    'scratch with room to spare': sized({ n: 35, c: 3, f: 5, h: 5, w: 6 }, SAME),
    'a wide kernel': sized({ n: 1, c: 2, f: 3, h: 11, w: 24 }, { ...UNIT, kernel: [2, 9], padding: [0, 4] }),
    'a filter for each channel': grouped({ n: 3, c: 1, f: 1, h: 9, w: 8 }, DEPTHWISE),
    'two filters for each channel, of which many': grouped(
      { n: 2, c: 1, f: 2, h: 18, w: 20 },
      { ...DEPTHWISE, groups: 37 },
    ),
    'groups that leave blocks of filters half full': grouped({ n: 2, c: 3, f: 9, h: 7, w: 6 }, PAIRS),
    'groups with weights of more than 64 KiB': grouped({ n: 1, c: 2, f: 9, h: 3, w: 2 }, { ...UNIT, groups: 685 }),
    'groups without channels': grouped({ n: 2, c: 0, f: 9, h: 5, w: 5 }, PAIRS),
    'one pixel': sized({ n: 1, c: 1, f: 1, h: 1, w: 1 }, UNIT),
    'padding wider than the input': sized({ n: 2, c: 2, f: 2, h: 1, w: 2 }, { ...UNIT, padding: [3, 4] }),
    'input rows that no window reaches': sized({ n: 1, c: 2, f: 2, h: 9, w: 9 }, { ...UNIT, stride: [4, 5] }),
    'a stride beyond the input': sized({ n: 2, c: 1, f: 2, h: 3, w: 2 }, { ...UNIT, stride: [7, 9] }),
    'no images': sized({ n: 0, c: 2, f: 3, h: 5, w: 5 }, SAME),
    'no filters': sized({ n: 2, c: 2, f: 0, h: 5, w: 5 }, SAME),
    'no input channels: the bias': sized({ n: 2, c: 0, f: 3, h: 5, w: 5 }, SAME),
    'neither channels nor bias': { ...sized({ n: 2, c: 0, f: 3, h: 5, w: 5 }, CONV_CONFIGS[3]!), bias: false },
    'an input without rows': sized({ n: 2, c: 2, f: 3, h: 0, w: 5 }, { ...UNIT, padding: [1, 0] }),
  },
  inputs: ({ n, c, f, h, w, kh, kw, groups, bias, seed }, kind) =>
    random([[n, c, h, w], [f, c / groups, kh, kw], bias ? [f] : null], seed, kind),
  run: ([input, weight, bias], { stride, padding, dilation, groups }) =>
    conv2d(input!, weight!, bias, { stride, padding, dilation, groups }),
  forward: ([input, weight, bias], given) => conv2dReference(input!, weight!, bias ?? null, given),
  backward: (dy, [input, weight], given) => {
    const gradients = conv2dBackward(dy, input!, weight!, given)
    return [gradients.input, gradients.weight, gradients.bias]
  },
  kinks: false,
  exact: true,
  sums: true,
  homogeneous: [
    [0, 2],
    [1, 2],
  ],
  linear: true,
  pytorch: ({ pair, shape }) => {
    const [n, c, h, w] = shape('input') as [number, number, number, number]
    const [f, channels, kh, kw] = shape('weight') as [number, number, number, number]
    const axes = { stride: pair('stride'), padding: pair('padding'), dilation: pair('dilation') }
    const options = { ...axes, groups: c / channels }
    return { n, c, h, w, f, kh, kw, ...options, bias: true, seed: 0 }
  },
  laws: {},
  refused: [
    [
      'an input of integers',
      [integers(1, 1, 1, 1), kernel],
      (x, w) => conv2d(x, w),
      TypeError,
      'conv2d: input must be float32, it is int32',
    ],
    [
      'a weight of integers',
      [image, integers(1, 1, 1, 1)],
      (x, w) => conv2d(x, w),
      TypeError,
      'conv2d: weight must be float32, it is int32',
    ],
    [
      'a bias of integers',
      [image, kernel, integers(4)],
      (x, w, b) => conv2d(x, w, b),
      TypeError,
      'conv2d: bias must be float32, it is int32',
    ],
    [
      'an input of three dimensions',
      [zeros(1, 6, 5), kernel],
      (x, w) => conv2d(x, w),
      ShapeError,
      'conv2d: input has 3 dimensions, it must have 4 (N C H W)\n  input [1, 6, 5]',
    ],
    [
      'a weight of two dimensions',
      [image, zeros(3, 3)],
      (x, w) => conv2d(x, w),
      ShapeError,
      'conv2d: weight has 2 dimensions, it must have 4 (F C KH KW)\n  weight [3, 3]',
    ],
    [
      'channels that differ',
      [zeros(64, 1, 28, 28), zeros(6, 3, 5, 5)],
      (x, w) => conv2d(x, w),
      ShapeError,
      'conv2d: weight takes 3 input channels, input has 1\n  input  [64, 1, 28, 28]  N C H W\n  weight [6, 3, 5, 5]     F C KH KW',
    ],
    [
      'a kernel without elements',
      [image, zeros(4, 1, 0, 3)],
      (x, w) => conv2d(x, w),
      ShapeError,
      'conv2d: the kernel has no elements\n  input  [2, 1, 6, 5]  N C H W\n  weight [4, 1, 0, 3]  F C KH KW',
    ],
    [
      'a bias of another length',
      [image, kernel, zeros(3)],
      (x, w, b) => conv2d(x, w, b),
      ShapeError,
      `conv2d: bias must have one value for each of the 4 filters\n${SHAPES}\n  bias   [3]           F`,
    ],
    [
      'a bias of two dimensions',
      [image, kernel, zeros(4, 1)],
      (x, w, b) => conv2d(x, w, b),
      ShapeError,
      `conv2d: bias must have one value for each of the 4 filters\n${SHAPES}\n  bias   [4, 1]        F`,
    ],
    [
      'a window higher than the input',
      [image, zeros(4, 1, 7, 3)],
      (x, w) => conv2d(x, w),
      ShapeError,
      "conv2d: the window's height 7 exceeds the input's 6\n" +
        '  input  [2, 1, 6, 5]  N C H W\n  weight [4, 1, 7, 3]  F C KH KW',
    ],
    refusedOption(
      'a dilated window wider than the padded input',
      { dilation: [1, 4], padding: [0, 1] },
      `conv2d: the window's width 9 (3 at dilation 4) exceeds the input's 5 with padding 1\n${SHAPES}`,
    ),
    refusedOption('stride 0', { stride: 0 }, 'conv2d: stride must be a whole number or two of them, 1 or more, not 0'),
    refusedOption(
      'a stride of three numbers',
      { stride: [1, 2, 3] },
      'conv2d: stride must be a whole number or two of them, 1 or more, not [1, 2, 3]',
    ),
    refusedOption(
      'half a stride',
      { stride: [1, 0.5] },
      'conv2d: stride must be a whole number or two of them, 1 or more, not [1, 0.5]',
    ),
    refusedOption(
      'negative padding',
      { padding: [0, -1] },
      'conv2d: padding must be a whole number or two of them, 0 or more, not [0, -1]',
    ),
    refusedOption(
      'dilation 0',
      { dilation: 0 },
      'conv2d: dilation must be a whole number or two of them, 1 or more, not 0',
    ),
    refusedOption('no groups', { groups: 0 }, 'conv2d: groups must be a whole number, 1 or more, not 0'),
    [
      'groups that do not divide the channels',
      [zeros(2, 3, 6, 5), zeros(4, 1, 3, 3)],
      (x, w) => conv2d(x, w, null, { groups: 2 }),
      ShapeError,
      'conv2d: 2 groups do not divide the 3 channels\n  input  [2, 3, 6, 5]  N C H W\n  weight [4, 1, 3, 3]  F C/groups KH KW',
    ],
    [
      'groups that do not divide the filters',
      [zeros(2, 3, 6, 5), zeros(4, 1, 3, 3)],
      (x, w) => conv2d(x, w, null, { groups: 3 }),
      ShapeError,
      'conv2d: 3 groups do not divide the 4 filters\n  input  [2, 3, 6, 5]  N C H W\n  weight [4, 1, 3, 3]  F C/groups KH KW',
    ],
    [
      'a weight for all channels, with groups',
      [zeros(2, 4, 6, 5), zeros(4, 4, 3, 3)],
      (x, w) => conv2d(x, w, null, { groups: 2 }),
      ShapeError,
      'conv2d: weight takes 4 input channels in each of 2 groups, input has 4\n  input  [2, 4, 6, 5]  N C H W\n  weight [4, 4, 3, 3]  F C/groups KH KW',
    ],
    refusedOption(
      'padding in words',
      { padding: 'same' },
      "conv2d: padding must be a whole number or two of them, 0 or more, not 'same'",
    ),
    refusedOption(
      'an option it does not have',
      { paddingMode: 'reflect' },
      'conv2d: unknown option paddingMode; known: stride, padding, dilation, groups',
    ),
  ],
}
