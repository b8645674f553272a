// Random convolutions.
import fc from 'fast-check'
import { lowerToWork, seeds, sizesFrom } from '../../support/arbitraries.ts'
import type { Pair } from '../../support/ref.ts'
import { convOutputSize } from './reference.ts'

export interface ConvConfig {
  kernel: Pair
  stride: Pair
  padding: Pair
  dilation: Pair
  /** 1 unless given. */
  groups?: number
}

/** Few, since each may be a pipeline of its own. The first two are LeNet's. */
export const CONV_CONFIGS: readonly ConvConfig[] = [
  { kernel: [5, 5], stride: [1, 1], padding: [2, 2], dilation: [1, 1] },
  { kernel: [5, 5], stride: [1, 1], padding: [0, 0], dilation: [1, 1] },
  { kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1] },
  { kernel: [3, 3], stride: [2, 2], padding: [1, 1], dilation: [1, 1] },
  { kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1] },
  { kernel: [1, 1], stride: [2, 2], padding: [0, 0], dilation: [1, 1] },
  { kernel: [3, 5], stride: [2, 1], padding: [1, 2], dilation: [1, 1] },
  { kernel: [2, 3], stride: [1, 1], padding: [0, 0], dilation: [1, 2] },
  { kernel: [3, 3], stride: [1, 1], padding: [2, 2], dilation: [2, 2] },
  { kernel: [7, 7], stride: [2, 2], padding: [3, 3], dilation: [1, 1] },
  { kernel: [4, 1], stride: [3, 1], padding: [2, 0], dilation: [1, 1] },
  { kernel: [3, 2], stride: [1, 3], padding: [0, 1], dilation: [2, 1] },
]

/** Groups of one channel, each with one filter or several; and of several channels. */
export const GROUPED: readonly ConvConfig[] = [
  { kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 5 },
  { kernel: [3, 2], stride: [2, 1], padding: [0, 1], dilation: [1, 2], groups: 3 },
]

/** A convolution: input [n, c, h, w], weight [f, c / groups, kh, kw]; `seed` is for the values. */
export interface ConvCase {
  n: number
  c: number
  f: number
  h: number
  w: number
  kh: number
  kw: number
  stride: Pair
  padding: Pair
  dilation: Pair
  groups: number
  bias: boolean
  seed: number
}

function convCaseOf({ kernel: [kh, kw], stride, padding, dilation, groups = 1 }: ConvConfig): fc.Arbitrary<ConvCase> {
  // The least input that gives one output; c and f are at least 1, n = 0 is the deliberately empty output.
  const minH = Math.max(1, dilation[0] * (kh - 1) + 1 - 2 * padding[0])
  const minW = Math.max(1, dilation[1] * (kw - 1) + 1 - 2 * padding[1])
  const work = (s: { n: number; c: number; f: number; h: number; w: number }): number => {
    const oh = convOutputSize(s.h, kh, stride[0], padding[0], dilation[0])
    const ow = convOutputSize(s.w, kw, stride[1], padding[1], dilation[1])
    return groups * Math.max(s.n * s.f * oh * ow * s.c * kh * kw, s.n * s.c * s.h * s.w, s.f * s.c * kh * kw)
  }
  const batch = fc.oneof({ weight: 19, arbitrary: sizesFrom(1) }, { weight: 1, arbitrary: fc.constant(0) })
  return fc
    .record({
      n: batch,
      c: sizesFrom(1),
      f: sizesFrom(1),
      h: sizesFrom(1).map((h) => Math.max(h, minH)),
      w: sizesFrom(1).map((w) => Math.max(w, minW)),
      bias: fc.boolean(),
      seed: seeds,
    })
    .map(({ bias, seed, ...given }) => {
      const fitted = lowerToWork(given, { n: 0, c: 1, f: 1, h: minH, w: minW }, work)
      const all = { c: groups * fitted.c, f: groups * fitted.f }
      return { ...fitted, ...all, kh, kw, stride, padding, dilation, groups, bias, seed }
    })
}

/** Convolutions with an output, or one in twenty with a batch of no images. */
export const convCase: fc.Arbitrary<ConvCase> = fc.oneof(...CONV_CONFIGS.map(convCaseOf))

/** The same in groups: `c` and `f` are multiples of their number. */
export const groupedCase: fc.Arbitrary<ConvCase> = fc.oneof(...GROUPED.map(convCaseOf))
