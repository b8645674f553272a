// The row of conv2dReluMaxPool2d in the table of operations.
import fc from 'fast-check'
import { conv2dReluMaxPool2d, ShapeError } from '../../../src/node/index.ts'
import { integers, type Kind, type Refs, type Row, random, zeros } from '../../operations/row.ts'
import { seeds } from '../../support/arbitraries.ts'
import { ref } from '../../support/ref.ts'
import { CONV_CONFIGS, type ConvCase, type ConvConfig, convCase } from '../conv2d/cases.ts'
import { conv2d, convOutputSize } from '../conv2d/reference.ts'
import { conv2dReluMaxPool2dBackward, conv2dReluMaxPool2d as reference } from './reference.ts'

const UNIT: ConvConfig = { kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1] }
type Sizes = Pick<ConvCase, 'n' | 'c' | 'f' | 'h' | 'w'>

function sized(sizes: Sizes, { kernel, ...options }: ConvConfig): ConvCase {
  return { ...sizes, kh: kernel[0], kw: kernel[1], groups: 1, ...options, bias: true, seed: 7 }
}

const [LENET_1, LENET_2, SAME] = CONV_CONFIGS as readonly [ConvConfig, ConvConfig, ConvConfig]
const side = fc.integer({ min: 7, max: 9 })
const few = fc.integer({ min: 1, max: 3 })

/** The same with as many rows and columns more as give the convolution a window of 2 × 2. */
function withWindow(given: ConvCase): ConvCase {
  const { kh, kw, stride, padding, dilation } = given
  const grown = { ...given }
  while (convOutputSize(grown.h, kh, stride[0], padding[0], dilation[0]) < 2) grown.h++
  while (convOutputSize(grown.w, kw, stride[1], padding[1], dilation[1]) < 2) grown.w++
  return grown
}

/**
 * Which cell wins must not hang on a rounding: 'normal' values are multiples of 1/32, so that float32 finds every sum
 * exactly. 'clear' ones are drawn until no small step in an input makes another cell win or crosses ReLU's kink.
 */
function inputs(given: ConvCase, kind: Kind): Refs {
  const { n, c, f, h, w, kh, kw, bias, seed } = given
  for (let shift = 0; ; shift += 10) {
    const drawn = random(
      [[n, c, h, w], [f, c, kh, kw], bias ? [f] : null],
      seed + shift,
      kind === 'clear' ? 'normal' : kind,
    )
    if (kind === 'normal')
      return drawn.map(
        (r) =>
          r &&
          ref(
            r.shape,
            r.data.map((v) => Math.round(32 * v) / 32),
          ),
      )
    if (kind !== 'clear' || isClear(drawn, given)) return drawn
  }
}

/** Whether each window's largest cell is above all others, and it or all of them are away from 0. */
function isClear([input, weight, bias]: Refs, given: ConvCase): boolean {
  const z = conv2d(input!, weight!, bias ?? null, given)
  const [oh, ow] = [z.shape[2]!, z.shape[3]!]
  const gap = 2 ** -11 // twice what a step of 2^-14 moves a cell by, the values being below 3.5
  return Array.from({ length: z.shape[0]! * z.shape[1]! * (oh >> 1) * (ow >> 1) }).every((_, i) => {
    const [plane, y, x] = [
      Math.floor(i / ((oh >> 1) * (ow >> 1))),
      Math.floor(i / (ow >> 1)) % (oh >> 1),
      i % (ow >> 1),
    ]
    const at = (plane * oh + 2 * y) * ow + 2 * x
    const [first, second] = [at, at + 1, at + ow, at + ow + 1].map((j) => z.data[j]!).sort((a, b) => b - a)
    return first! < -gap || (first! > gap && first! - second! > gap)
  })
}

const image = zeros(2, 1, 6, 5)
const kernel = zeros(4, 1, 3, 3)

export const conv2dReluMaxPool2dRow: Row<ConvCase> = {
  name: 'conv2dReluMaxPool2d',
  roles: ['input', 'weight', 'bias'],
  runs: 16,
  cases: convCase.map(withWindow),
  tiny: fc
    .record({
      config: fc.constantFrom(...CONV_CONFIGS),
      n: fc.integer({ min: 1, max: 2 }),
      c: few,
      f: few,
      h: side,
      w: side,
    })
    .chain(({ config, ...sizes }) =>
      seeds.map((seed) => withWindow({ ...sized(sizes, config), bias: seed % 2 === 0, seed })),
    ),
  // Every configuration; then sizes at which another path is taken: a kernel compiled in, rows in one piece and in several,
  // weights that exceed a uniform buffer, more than one block of 32 images, filters and channels past a block of four.
  fixed: {
    ...Object.fromEntries(
      CONV_CONFIGS.map((config) => [
        JSON.stringify(config),
        withWindow(sized({ n: 3, c: 3, f: 5, h: 13, w: 11 }, config)),
      ]),
    ),
    'the first layer of LeNet': sized({ n: 2, c: 1, f: 6, h: 28, w: 28 }, LENET_1),
    'its second': sized({ n: 2, c: 6, f: 16, h: 14, w: 14 }, LENET_2),
    'a kernel compiled in, whole rows of odd length': sized({ n: 2, c: 6, f: 16, h: 11, w: 13 }, LENET_2),
    'a kernel compiled in, whole rows of two words': sized({ n: 2, c: 6, f: 16, h: 14, w: 14 }, LENET_1),
    'a kernel compiled in, odd sizes': sized({ n: 2, c: 5, f: 9, h: 17, w: 19 }, { ...LENET_1, padding: [1, 1] }),
    'such a kernel padded beyond its half': sized({ n: 1, c: 6, f: 7, h: 12, w: 16 }, { ...SAME, padding: [3, 4] }),
    'weights of more than 64 KiB': sized({ n: 1, c: 43, f: 43, h: 9, w: 10 }, SAME),
    'as many without a variant': sized({ n: 2, c: 129, f: 131, h: 2, w: 3 }, UNIT),
    '33 images': sized({ n: 33, c: 2, f: 3, h: 4, w: 5 }, SAME),
    '96 images': sized({ n: 96, c: 1, f: 2, h: 4, w: 3 }, CONV_CONFIGS[6]!),
    'one window': sized({ n: 1, c: 1, f: 1, h: 2, w: 2 }, UNIT),
    'a row and a column without a partner': sized({ n: 2, c: 2, f: 2, h: 3, w: 3 }, UNIT),
    'padding wider than the input': sized({ n: 2, c: 2, f: 2, h: 1, w: 2 }, { ...UNIT, padding: [3, 4] }),
    'input rows that no window reaches': sized({ n: 1, c: 2, f: 2, h: 9, w: 9 }, { ...UNIT, stride: [4, 5] }),
    'no images': sized({ n: 0, c: 2, f: 3, h: 5, w: 5 }, SAME),
    'no filters': sized({ n: 2, c: 2, f: 0, h: 5, w: 5 }, SAME),
    'no input channels: the bias': sized({ n: 2, c: 0, f: 3, h: 5, w: 5 }, SAME),
    'neither channels nor bias': { ...sized({ n: 2, c: 0, f: 3, h: 5, w: 5 }, SAME), bias: false },
    'an input without rows': sized({ n: 2, c: 2, f: 3, h: 0, w: 5 }, { ...UNIT, padding: [1, 0] }),
  },
  inputs,
  run: ([input, weight, bias], { stride, padding, dilation }) =>
    conv2dReluMaxPool2d(input!, weight!, bias, { stride, padding, dilation }),
  forward: ([input, weight, bias], given) => reference(input!, weight!, bias ?? null, given),
  backward: (dy, [input, weight, bias], given) => {
    const gradients = conv2dReluMaxPool2dBackward(dy, input!, weight!, bias ?? null, given)
    return [gradients.input, gradients.weight, gradients.bias]
  },
  kinks: true,
  kinksOfSums: true,
  exact: true,
  sums: false,
  homogeneous: [
    [0, 2],
    [1, 2],
  ],
  linear: false,
  laws: {},
  refused: [
    [
      'an input of integers',
      [integers(1, 1, 2, 2), kernel],
      (x, w) => conv2dReluMaxPool2d(x, w),
      TypeError,
      'conv2dReluMaxPool2d: input must be float32, it is int32',
    ],
    [
      'channels that differ',
      [zeros(64, 1, 28, 28), zeros(6, 3, 5, 5)],
      (x, w) => conv2dReluMaxPool2d(x, w),
      ShapeError,
      'conv2dReluMaxPool2d: weight takes 3 input channels, input has 1\n' +
        '  input  [64, 1, 28, 28]  N C H W\n  weight [6, 3, 5, 5]     F C KH KW',
    ],
    [
      'a convolution of one column',
      [image, zeros(4, 1, 3, 5)],
      (x, w) => conv2dReluMaxPool2d(x, w),
      ShapeError,
      "conv2dReluMaxPool2d: the convolution's 4 × 1 cells are too few for a 2 × 2 window\n" +
        '  input  [2, 1, 6, 5]  N C H W\n  weight [4, 1, 3, 5]  F C KH KW',
    ],
    [
      'a convolution of one row',
      [image, zeros(4, 1, 6, 3)],
      (x, w) => conv2dReluMaxPool2d(x, w),
      ShapeError,
      "conv2dReluMaxPool2d: the convolution's 1 × 3 cells are too few for a 2 × 2 window\n" +
        '  input  [2, 1, 6, 5]  N C H W\n  weight [4, 1, 6, 3]  F C KH KW',
    ],
    [
      'stride 0',
      [image, kernel],
      (x, w) => conv2dReluMaxPool2d(x, w, null, { stride: 0 }),
      ShapeError,
      'conv2dReluMaxPool2d: stride must be a whole number or two of them, 1 or more, not 0',
    ],
    [
      'negative padding',
      [image, kernel],
      (x, w) => conv2dReluMaxPool2d(x, w, null, { padding: [0, -1] }),
      ShapeError,
      'conv2dReluMaxPool2d: padding must be a whole number or two of them, 0 or more, not [0, -1]',
    ],
    [
      'dilation 0',
      [image, kernel],
      (x, w) => conv2dReluMaxPool2d(x, w, null, { dilation: 0 }),
      ShapeError,
      'conv2dReluMaxPool2d: dilation must be a whole number or two of them, 1 or more, not 0',
    ],
    [
      'an option it does not have',
      [image, kernel],
      (x, w) => conv2dReluMaxPool2d(x, w, null, { kernelSize: 2 } as object),
      TypeError,
      'conv2dReluMaxPool2d: unknown option kernelSize; known: stride, padding, dilation',
    ],
  ],
}
