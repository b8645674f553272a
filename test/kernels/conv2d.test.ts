import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { conv2d } from '../../src/node/index.ts'
import { CONV_CONFIGS, convCase } from '../support/arbitraries.ts'
import { messageOf, tensor, testGpu } from '../support/gpu.ts'
import { conv2dBackward, ref } from '../support/reference.ts'
import { dispose, expectExact, expectTensor, tensorOf } from './check.ts'
import { check, optionsOf, sized, UNIT, valuesOf } from './conv2d_check.ts'

beforeAll(testGpu)

describe('conv2d', () => {
  it('equals the reference on random shapes', async () => {
    await fc.assert(
      fc.asyncProperty(convCase, (given) => check(given)),
      { seed: 1, numRuns: 16 },
    )
  })

  it.each(CONV_CONFIGS.map((config) => [JSON.stringify(config), config] as const))(
    'is exact on small integers: %s',
    async (_, config) => {
      const given = sized({ n: 3, c: 3, f: 5, h: 13, w: 11 }, config)
      await check(given, valuesOf(given, 'smallInts'), expectExact)
    },
  )

  // Sizes at which another path is taken: a kernel compiled in, weights that exceed a uniform buffer, more than one
  // block of 32 images, channels that leave a block of filters half full, a kernel in several tiles.
  it.each([
    ['the first layer of LeNet', sized({ n: 2, c: 1, f: 6, h: 28, w: 28 }, CONV_CONFIGS[0]!)],
    ['its second', sized({ n: 2, c: 6, f: 16, h: 14, w: 14 }, CONV_CONFIGS[1]!)],
    ['weights of more than 64 KiB', sized({ n: 2, c: 129, f: 128, h: 2, w: 2 }, UNIT)],
    ['32 images', sized({ n: 32, c: 2, f: 3, h: 4, w: 5 }, CONV_CONFIGS[2]!)],
    ['33 images', sized({ n: 33, c: 2, f: 3, h: 4, w: 5 }, CONV_CONFIGS[2]!)],
    ['96 images', sized({ n: 96, c: 1, f: 2, h: 3, w: 3 }, CONV_CONFIGS[6]!)],
    ['a wide kernel', sized({ n: 1, c: 2, f: 3, h: 11, w: 24 }, { ...UNIT, kernel: [2, 9], padding: [0, 4] })],
    ['one pixel', sized({ n: 1, c: 1, f: 1, h: 1, w: 1 }, UNIT)],
    ['padding wider than the input', sized({ n: 2, c: 2, f: 2, h: 1, w: 2 }, { ...UNIT, padding: [3, 4] })],
    ['input rows that no window reaches', sized({ n: 1, c: 2, f: 2, h: 9, w: 9 }, { ...UNIT, stride: [4, 5] })],
    ['a stride beyond the input', sized({ n: 2, c: 1, f: 2, h: 3, w: 2 }, { ...UNIT, stride: [7, 9] })],
  ])('equals the reference: %s', async (_, given) => {
    await check(given)
    await check(given, valuesOf(given, 'smallInts'), expectExact)
  })

  it.each([
    ['no images', sized({ n: 0, c: 2, f: 3, h: 5, w: 5 }, CONV_CONFIGS[2]!)],
    ['no filters', sized({ n: 2, c: 2, f: 0, h: 5, w: 5 }, CONV_CONFIGS[2]!)],
    ['no input channels: the bias', sized({ n: 2, c: 0, f: 3, h: 5, w: 5 }, CONV_CONFIGS[2]!)],
    ['an input without rows', sized({ n: 2, c: 2, f: 3, h: 0, w: 5 }, { ...UNIT, padding: [1, 0] })],
    ['neither channels nor bias', { ...sized({ n: 2, c: 0, f: 3, h: 5, w: 5 }, CONV_CONFIGS[3]!), bias: false }],
  ])('has the gradients of an empty sum: %s', async (_, given) => {
    await check(given, valuesOf(given, 'smallInts'), expectExact)
  })

  it.each([
    [true, false, false],
    [false, true, false],
    [false, false, true],
    [true, true, false],
    [true, false, true],
    [false, true, true],
  ])('gives the gradients asked for: input %s, weight %s, bias %s', async (...wanted) => {
    const given = sized({ n: 2, c: 3, f: 2, h: 4, w: 5 }, CONV_CONFIGS[2]!)
    const data = valuesOf(given)
    const tensors = [data.x, data.w, data.b!].map((r, i) =>
      tensor(Float32Array.from(r.data), r.shape, { requiresGrad: wanted[i]! }),
    )
    const out = conv2d(tensors[0]!, tensors[1]!, tensors[2]!, optionsOf(given))
    out.backward(tensorOf(data.dy))
    const expected = conv2dBackward(data.dy, data.x, data.w, given)
    const all = [expected.input, expected.weight, expected.bias]
    for (const [i, t] of tensors.entries()) {
      if (wanted[i]) await expectTensor(t.grad, all[i]!, `gradient ${i}`)
      else expect(t.grad).toBeNull()
    }
    dispose(...tensors, out)
  })
})

describe('conv2d refuses', () => {
  const zeros = (...shape: number[]) => tensorOf(ref(shape))
  const bytes = () => tensor(new Int32Array(1), [1, 1, 1, 1])
  const image = () => zeros(2, 1, 6, 5)
  const kernel = () => zeros(4, 1, 3, 3)

  it.each<[string, () => unknown, string]>([
    ['an input of integers', () => conv2d(bytes(), kernel()), 'conv2d: input must be float32, it is int32'],
    ['a weight of integers', () => conv2d(image(), bytes()), 'conv2d: weight must be float32, it is int32'],
    ['a bias of integers', () => conv2d(image(), kernel(), bytes()), 'conv2d: bias must be float32, it is int32'],
    [
      'an input of three dimensions',
      () => conv2d(zeros(1, 6, 5), kernel()),
      'conv2d: input has 3 dimensions, 4 are needed (N C H W)\n  input [1, 6, 5]',
    ],
    [
      'a weight of two dimensions',
      () => conv2d(image(), zeros(3, 3)),
      'conv2d: weight has 2 dimensions, 4 are needed (F C KH KW)\n  weight [3, 3]',
    ],
    [
      'channels that differ',
      () => conv2d(zeros(64, 1, 28, 28), zeros(6, 3, 5, 5)),
      'conv2d: weight takes 3 input channels, input has 1\n  input  [64, 1, 28, 28]  N C H W\n  weight [6, 3, 5, 5]     F C KH KW',
    ],
    [
      'a kernel without elements',
      () => conv2d(image(), zeros(4, 1, 0, 3)),
      'conv2d: the kernel has no elements\n  input  [2, 1, 6, 5]  N C H W\n  weight [4, 1, 0, 3]  F C KH KW',
    ],
    [
      'a bias of another length',
      () => conv2d(image(), kernel(), zeros(3)),
      'conv2d: bias must have one value for each of the 4 filters\n' +
        '  input  [2, 1, 6, 5]  N C H W\n  weight [4, 1, 3, 3]  F C KH KW\n  bias   [3]           F',
    ],
    [
      'a bias of two dimensions',
      () => conv2d(image(), kernel(), zeros(4, 1)),
      'conv2d: bias must have one value for each of the 4 filters\n' +
        '  input  [2, 1, 6, 5]  N C H W\n  weight [4, 1, 3, 3]  F C KH KW\n  bias   [4, 1]        F',
    ],
    [
      'a window higher than the input',
      () => conv2d(image(), zeros(4, 1, 7, 3)),
      "conv2d: the window's height 7 exceeds the input's 6\n" +
        '  input  [2, 1, 6, 5]  N C H W\n  weight [4, 1, 7, 3]  F C KH KW',
    ],
    [
      'a dilated window wider than the padded input',
      () => conv2d(image(), kernel(), null, { dilation: [1, 4], padding: [0, 1] }),
      "conv2d: the window's width 9 (3 at dilation 4) exceeds the input's 5 with padding 1\n" +
        '  input  [2, 1, 6, 5]  N C H W\n  weight [4, 1, 3, 3]  F C KH KW',
    ],
    [
      'stride 0',
      () => conv2d(image(), kernel(), null, { stride: 0 }),
      'conv2d: stride must be a whole number or two of them, 1 or more, not 0',
    ],
    [
      'a stride of three numbers',
      () => conv2d(image(), kernel(), null, { stride: [1, 2, 3] }),
      'conv2d: stride must be a whole number or two of them, 1 or more, not [1, 2, 3]',
    ],
    [
      'half a stride',
      () => conv2d(image(), kernel(), null, { stride: [1, 0.5] }),
      'conv2d: stride must be a whole number or two of them, 1 or more, not [1, 0.5]',
    ],
    [
      'negative padding',
      () => conv2d(image(), kernel(), null, { padding: [0, -1] }),
      'conv2d: padding must be a whole number or two of them, 0 or more, not [0, -1]',
    ],
    [
      'dilation 0',
      () => conv2d(image(), kernel(), null, { dilation: 0 }),
      'conv2d: dilation must be a whole number or two of them, 1 or more, not 0',
    ],
    [
      'an option it does not have',
      () => conv2d(image(), kernel(), null, { groups: 2 } as object),
      'conv2d: unknown option groups; known: stride, padding, dilation',
    ],
  ])('%s', (_, run, message) => {
    expect(messageOf(run)).toBe(message)
  })
})
