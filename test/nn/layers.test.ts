import { beforeAll, describe, expect, it } from 'vitest'
import {
  adaptiveAvgPool2d,
  avgPool2d,
  conv1d,
  conv2d,
  convTranspose2d,
  dropout,
  interpolate,
  linear,
  manualSeed,
  maxPool2d,
  nn,
  pixelShuffle,
  relu,
} from '../../src/node/index.ts'
import { fill } from '../support/fill.ts'
import { messageOf, tensor, testGpu, values } from '../support/gpu.ts'

beforeAll(testGpu)

describe('layers compute what their operations do:', () => {
  it('Conv2d with stride, padding and dilation', async () => {
    const layer = new nn.Conv2d(2, 3, [3, 2], { stride: [2, 1], padding: [1, 2], dilation: 2 })
    expect([layer.weight.shape, layer.bias!.shape]).toEqual([[3, 2, 3, 2], [3]])
    const x = tensor(fill(2 * 2 * 7 * 6, 1, 'normal'), [2, 2, 7, 6])
    const options = { stride: [2, 1], padding: [1, 2], dilation: 2 } as const
    const y = layer.forward(x)
    expect(y.shape).toEqual([2, 3, 3, 8])
    expect(await values(y)).toEqual(await values(conv2d(x, layer.weight, layer.bias, options)))
  })

  it('Conv2d in groups', async () => {
    const layer = new nn.Conv2d(4, 6, 3, { groups: 2, padding: 1, bias: false })
    expect([layer.weight.shape, layer.bias]).toEqual([[6, 2, 3, 3], null])
    const x = tensor(fill(2 * 4 * 5 * 6, 1, 'normal'), [2, 4, 5, 6])
    const y = layer.forward(x)
    expect(await values(y)).toEqual(await values(conv2d(x, layer.weight, null, { groups: 2, padding: 1 })))
    // PyTorch's bound counts the channels that a filter sees.
    const weights = await values(new nn.Conv2d(64, 64, 2, { groups: 64 }).weight)
    expect(Math.max(...weights.map(Math.abs))).toBeGreaterThan(0.45)
    expect(Math.max(...weights.map(Math.abs))).toBeLessThanOrEqual(0.5)
    expect(() => new nn.Conv2d(4, 6, 3, { groups: 4 })).toThrow('nn.Conv2d: 4 groups do not divide the 6 outChannels')
  })

  it('Conv1d', async () => {
    const options = { stride: 2, padding: 1, dilation: 2, groups: 2 }
    const layer = new nn.Conv1d(4, 6, 3, options)
    expect([layer.weight.shape, layer.bias!.shape]).toEqual([[6, 2, 3], [6]])
    const x = tensor(fill(2 * 4 * 9, 1, 'normal'), [2, 4, 9])
    const y = layer.forward(x)
    expect(y.shape).toEqual([2, 6, 4])
    expect(await values(y)).toEqual(await values(conv1d(x, layer.weight, layer.bias, options)))
    expect(new nn.Conv1d(1, 2, 1, { bias: false }).bias).toBeNull()
    const weights = await values(new nn.Conv1d(64, 64, 4, { groups: 64 }).weight)
    expect(Math.max(...weights.map(Math.abs))).toBeGreaterThan(0.45)
    expect(Math.max(...weights.map(Math.abs))).toBeLessThanOrEqual(0.5)
  })

  it('ConvTranspose2d', async () => {
    const options = { stride: [2, 3], padding: 1, outputPadding: [1, 2], dilation: [1, 2], groups: 2 } as const
    const layer = new nn.ConvTranspose2d(4, 6, [3, 2], options)
    expect([layer.weight.shape, layer.bias!.shape]).toEqual([[4, 3, 3, 2], [6]])
    const x = tensor(fill(2 * 4 * 5 * 3, 1, 'normal'), [2, 4, 5, 3])
    const y = layer.forward(x)
    expect(y.shape).toEqual([2, 6, 10, 9])
    expect(await values(y)).toEqual(await values(convTranspose2d(x, layer.weight, layer.bias, options)))
    expect(new nn.ConvTranspose2d(1, 2, 1, { bias: false }).bias).toBeNull()
    // PyTorch's fan in is the second size of the weight times the kernel.
    const weights = await values(new nn.ConvTranspose2d(64, 4, 2).weight)
    expect(Math.max(...weights.map(Math.abs))).toBeGreaterThan(0.24)
    expect(Math.max(...weights.map(Math.abs))).toBeLessThanOrEqual(0.25)
    expect(() => new nn.ConvTranspose2d(2, 2, 3, { stride: 2, outputPadding: 2 })).toThrow(
      'nn.ConvTranspose2d: outputPadding 2 must be less than the stride 2 or the dilation 1',
    )
  })

  it('Linear, with and without bias', async () => {
    const x = tensor(fill(15, 1, 'normal'), [3, 5])
    const layer = new nn.Linear(5, 4)
    expect([layer.weight.shape, layer.bias!.shape]).toEqual([[4, 5], [4]])
    expect(await values(layer.forward(x))).toEqual(await values(linear(x, layer.weight, layer.bias)))
    const bare = new nn.Linear(5, 4, { bias: false })
    expect(bare.bias).toBeNull()
    expect(await values(bare.forward(x))).toEqual(await values(linear(x, bare.weight)))
  })

  it('MaxPool2d and Flatten', async () => {
    const x = tensor(fill(2 * 3 * 5 * 5, 1, 'normal'), [2, 3, 5, 5])
    const pooled = new nn.MaxPool2d(3, { stride: 1, padding: 1 }).forward(x)
    expect(await values(pooled)).toEqual(await values(maxPool2d(x, { kernelSize: 3, stride: 1, padding: 1 })))
    expect(new nn.MaxPool2d(2).forward(x).shape).toEqual([2, 3, 2, 2])
    expect(new nn.MaxPool2d([2, 3]).forward(x).shape).toEqual([2, 3, 2, 1])
    expect(new nn.Flatten().forward(x).shape).toEqual([2, 75])
    expect(new nn.Flatten(2).forward(x).shape).toEqual([2, 3, 25])
  })

  it('AvgPool2d and AdaptiveAvgPool2d', async () => {
    const x = tensor(fill(2 * 3 * 5 * 5, 1, 'normal'), [2, 3, 5, 5])
    const options = { stride: 2, padding: 1, countIncludePad: false }
    const pooled = new nn.AvgPool2d(3, options).forward(x)
    expect(await values(pooled)).toEqual(await values(avgPool2d(x, { kernelSize: 3, ...options })))
    expect(new nn.AvgPool2d([2, 3]).forward(x).shape).toEqual([2, 3, 2, 1])
    const adapted = new nn.AdaptiveAvgPool2d([2, 3]).forward(x)
    expect(await values(adapted)).toEqual(await values(adaptiveAvgPool2d(x, [2, 3])))
    expect(() => new nn.AvgPool2d(3, { padding: 2 })).toThrow(
      'nn.AvgPool2d: padding 2 is more than half of the kernel size 3',
    )
    expect(() => new nn.AdaptiveAvgPool2d(0)).toThrow(
      'nn.AdaptiveAvgPool2d: size must be a whole number or two of them, 1 or more, not 0',
    )
  })

  it('Upsample and PixelShuffle', async () => {
    const x = tensor(fill(2 * 4 * 3 * 5, 1, 'normal'), [2, 4, 3, 5])
    for (const options of [{ scale: [2, 1.5] }, { size: 4, mode: 'bilinear' }] as const) {
      expect(await values(new nn.Upsample(options).forward(x))).toEqual(await values(interpolate(x, options)))
    }
    expect(await values(new nn.PixelShuffle(2).forward(x))).toEqual(await values(pixelShuffle(x, 2)))
    expect(() => new nn.Upsample({ mode: 'nearest' })).toThrow('nn.Upsample: give either a scale or a size')
    expect(() => new nn.PixelShuffle(0)).toThrow('nn.PixelShuffle: r must be a whole number, 1 or more, not 0')
  })

  it('Dropout in training, and nothing in evaluation', async () => {
    const x = tensor(fill(200, 1, 'normal'), [20, 10])
    for (const [layer, p] of [
      [new nn.Dropout(), 0.5],
      [new nn.Dropout(0.9), 0.9],
    ] as const) {
      expect(layer.p).toBe(p)
      manualSeed(1)
      const out = await values(layer.forward(x))
      manualSeed(1)
      expect(out).toEqual(await values(dropout(x, { p })))
      expect(layer.eval().forward(x)).toBe(x)
      expect(layer.parameters()).toEqual([])
    }
  })

  it('Sequential, in order, and none at all', async () => {
    const x = tensor([[-1, 2]])
    const net = new nn.Sequential(new nn.Linear(2, 2), new nn.ReLU())
    net.loadStateDict({ '0.weight': tensor([-1, 0, 0, -1], [2, 2]), '0.bias': tensor([0, 0]) })
    expect([...(await values(net.forward(x)))]).toEqual([1, 0])
    expect(new nn.Sequential().forward(x)).toBe(x)
  })
})

describe('layers refuse', () => {
  const loose = (options: object) => options as never
  it.each<[string, () => unknown, string]>([
    [
      'unknown options of Conv2d',
      () => new nn.Conv2d(1, 1, 1, loose({ paddingMode: 'zeros' })),
      'nn.Conv2d: unknown option paddingMode; known: stride, padding, dilation, groups, bias',
    ],
    [
      'unknown options of Linear',
      () => new nn.Linear(1, 1, loose({ dtype: 'float32' })),
      'nn.Linear: unknown option dtype; known: bias',
    ],
    [
      'unknown options of MaxPool2d',
      () => new nn.MaxPool2d(2, loose({ dilation: 2 })),
      'nn.MaxPool2d: unknown option dilation; known: stride, padding',
    ],
    [
      'no input channels',
      () => new nn.Conv2d(0, 1, 1),
      'nn.Conv2d: inChannels must be a whole number, 1 or more, not 0',
    ],
    [
      'half an output channel',
      () => new nn.Conv2d(1, 0.5, 1),
      'nn.Conv2d: outChannels must be a whole number, 1 or more, not 0.5',
    ],
    [
      'a kernel of no size',
      () => new nn.Conv2d(1, 1, [3, 0]),
      'nn.Conv2d: kernelSize must be a whole number or two of them, 1 or more, not [3, 0]',
    ],
    [
      'a stride of 0',
      () => new nn.Conv2d(1, 1, 1, { stride: 0 }),
      'nn.Conv2d: stride must be a whole number or two of them, 1 or more, not 0',
    ],
    [
      'negative padding',
      () => new nn.Conv2d(1, 1, 1, { padding: [0, -1] }),
      'nn.Conv2d: padding must be a whole number or two of them, 0 or more, not [0, -1]',
    ],
    [
      'three dilations',
      () => new nn.Conv2d(1, 1, 1, { dilation: [1, 1, 1] }),
      'nn.Conv2d: dilation must be a whole number or two of them, 1 or more, not [1, 1, 1]',
    ],
    [
      'NaN input features',
      () => new nn.Linear(Number.NaN, 1),
      'nn.Linear: inFeatures must be a whole number, 1 or more, not NaN',
    ],
    [
      'negative output features',
      () => new nn.Linear(1, -3),
      'nn.Linear: outFeatures must be a whole number, 1 or more, not -3',
    ],
    [
      'a window of no size',
      () => new nn.MaxPool2d(0),
      'nn.MaxPool2d: kernelSize must be a whole number or two of them, 1 or more, not 0',
    ],
    [
      'a pooling stride of 0',
      () => new nn.MaxPool2d(2, { stride: [1, 0] }),
      'nn.MaxPool2d: stride must be a whole number or two of them, 1 or more, not [1, 0]',
    ],
    [
      'half a cell of padding',
      () => new nn.MaxPool2d(2, { padding: 0.5 }),
      'nn.MaxPool2d: padding must be a whole number or two of them, 0 or more, not 0.5',
    ],
    [
      'what is no module',
      () => new nn.Sequential(new nn.ReLU(), loose(relu)),
      'nn.Sequential: argument 1 is not a module',
    ],
  ])('%s', (_, make, message) => {
    expect(messageOf(make)).toBe(message)
  })
})

describe('lenet', () => {
  it("has the chapter's layers: names, shapes and 61,706 parameters", () => {
    const net = nn.lenet()
    const shapes = [...net.namedParameters()].map(([name, p]) => `${name} ${p.shape.join('x')}`)
    expect(shapes).toEqual([
      '0.weight 6x1x5x5',
      '0.bias 6',
      '3.weight 16x6x5x5',
      '3.bias 16',
      '7.weight 120x400',
      '7.bias 120',
      '9.weight 84x120',
      '9.bias 84',
      '11.weight 10x84',
      '11.bias 10',
    ])
    expect(net.parameters().reduce((sum, p) => sum + p.size, 0)).toBe(61_706)
  })

  it('makes ten logits an image, for any batch', () => {
    manualSeed(0)
    const net = nn.lenet()
    for (const n of [1, 3, 0])
      expect(net.forward(tensor(new Float32Array(784 * n), [n, 1, 28, 28])).shape).toEqual([n, 10])
  })
})
