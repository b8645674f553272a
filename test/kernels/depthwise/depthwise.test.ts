// Convolutions with a filter for each channel that are large enough for the kernel of their own.
import { beforeAll, describe, expect, it } from 'vitest'
import { conv2d, convTranspose2d } from '../../../src/node/index.ts'
import { checkAgainstReference, checkNotFinite, drawn } from '../../operations/run.ts'
import { inBothClasses } from '../../support/adapter_class.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf } from '../../support/check.ts'
import { parameter, tensor, testGpu } from '../../support/gpu.ts'
import type { ConvCase } from '../conv2d/cases.ts'
import { conv2dRow } from '../conv2d/row.ts'

beforeAll(testGpu)

const ONES = { stride: [1, 1], dilation: [1, 1], bias: true, seed: 5 } as const
const sized = (n: number, c: number, [h, w]: readonly [number, number], [kh, kw]: readonly [number, number]) => {
  return { ...ONES, n, c, f: c, groups: c, h, w, kh, kw }
}
const CASES: Readonly<Record<string, ConvCase>> = {
  'rows and columns that leave strips half full': { ...sized(2, 37, [71, 11], [3, 3]), padding: [1, 1] },
  strides: { ...sized(2, 40, [35, 34], [3, 3]), stride: [2, 2], padding: [1, 1] },
  'strides that differ, an even kernel, padding on one axis': {
    ...sized(1, 61, [33, 26], [4, 3]),
    stride: [1, 2],
    padding: [0, 2],
    bias: false,
  },
  'a stride that the kernel does not fill, more padding than kernel': {
    ...sized(2, 50, [37, 50], [1, 2]),
    stride: [2, 1],
    padding: [3, 2],
  },
}

describe('a filter for each channel', () => {
  it.each(Object.entries(CASES))('equals the reference: %s', async (_, given) => {
    const gradient = given.bias ? 3 : 2
    const unlike = [Number.POSITIVE_INFINITY, Number.NaN, Number.NEGATIVE_INFINITY]
    const places = [0, 1, gradient].flatMap((which) => unlike.map((value, i) => ({ which, at: i / 2, value })))
    await inBothClasses(async () => {
      await checkAgainstReference(conv2dRow, given, drawn(conv2dRow, given, 'normal'))
      await checkNotFinite(conv2dRow, given, places)
    })
  })

  // Half of the channels are below what is worth a kernel of its own.
  it.each([
    ['conv2d', conv2d, [1, 40, 19, 18], 19 * 18],
    ['convTranspose2d', convTranspose2d, [1, 40, 19, 18], 37 * 35],
  ] as const)('%s gives the bits that the general kernel does', async (_, operation, shape, size) => {
    const [, channels, h, w] = shape
    const [x, k, b] = [
      fill(channels * h * w, 1, 'normal'),
      fill(channels * 9, 2, 'normal'),
      fill(channels, 3, 'normal'),
    ]
    const dy = fill(channels * size, 4, 'normal')
    const run = async (from: number, to: number) => {
      const of = (data: Float32Array, each: number) => data.slice(from * each, to * each)
      const groups = to - from
      const options = { padding: 1, groups, ...(operation === conv2d ? {} : { stride: 2 }) }
      const input = parameter(of(x, h * w), [1, groups, h, w])
      const weight = tensor(of(k, 9), [groups, 1, 3, 3])
      const y = operation(input, weight, tensor(of(b, 1), [groups]), options)
      y.backward(tensor(of(dy, size), y.shape))
      return [await bitsOf(y), await bitsOf(input.grad)]
    }
    const { cpu, gpu } = await inBothClasses(() => run(0, channels))
    const halves = [await run(0, channels / 2), await run(channels / 2, channels)]
    const general = [0, 1].map((i) => halves.flatMap((half) => [...half[i]!]))
    for (const bits of [cpu, gpu]) {
      expect(bits.map((own, i) => [...own].findIndex((word, j) => word !== general[i]![j]))).toEqual([-1, -1])
    }
  })
})
