// Random cases of operations for property tests: sizes and configurations at which kernels break.
import fc from 'fast-check'
import { convOutputSize } from './reference/conv2d.ts'
import type { Pair } from './reference/ref.ts'

export { type FillKind, fill, mulberry32 } from './fill.ts'

/** Sizes at which kernels break: nothing, one, primes, and the neighbours of a tile, a subgroup and a workgroup. */
export const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 11, 13, 17, 31, 32, 33, 63, 64, 65, 96, 127, 255, 256, 257] as const

/** A case's multiply-adds stay below this, so that the float64 loops take milliseconds. */
export const MAX_WORK = 2e6

/** One of SIZES, mostly small ones, at least `min`. */
export function sizesFrom(min: number): fc.Arbitrary<number> {
  const from = (low: number, high: number) => SIZES.filter((n) => n >= Math.max(min, low) && n <= high)
  return fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...from(0, Math.max(8, min + 4))) },
    { weight: 3, arbitrary: fc.constantFrom(...from(0, 33)) },
    { weight: 1, arbitrary: fc.constantFrom(...from(0, 257)) },
  )
}

/** Any of SIZES, zero included. */
export const sizes = sizesFrom(0)

/** Replaces the largest of the sizes by the next lower one until the work fits; a size never falls below its minimum. */
function lowerToWork<K extends string>(
  given: Record<K, number>,
  minima: Record<K, number>,
  work: (sizes: Record<K, number>) => number,
): Record<K, number> {
  const fitted = { ...given }
  const keys = Object.keys(given) as K[]
  while (work(fitted) > MAX_WORK) {
    const candidates = keys.filter((key) => fitted[key] > minima[key])
    if (candidates.length === 0) throw new Error('the smallest case exceeds MAX_WORK')
    const largest = candidates.reduce((a, b) => (fitted[b] > fitted[a] ? b : a))
    const lower = SIZES.filter((n) => n < fitted[largest]).at(-1) ?? 0
    fitted[largest] = Math.max(lower, minima[largest])
  }
  return fitted
}

/** Seeds of values. */
export const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 })

export interface ConvConfig {
  kernel: Pair
  stride: Pair
  padding: Pair
  dilation: Pair
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

/** A convolution: input [n, c, h, w], weight [f, c, kh, kw]; `seed` is for the values. */
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
  bias: boolean
  seed: number
}

function convCaseOf({ kernel: [kh, kw], stride, padding, dilation }: ConvConfig): fc.Arbitrary<ConvCase> {
  // The least input that gives one output; c and f are at least 1, n = 0 is the deliberately empty output.
  const minH = Math.max(1, dilation[0] * (kh - 1) + 1 - 2 * padding[0])
  const minW = Math.max(1, dilation[1] * (kw - 1) + 1 - 2 * padding[1])
  const work = (s: { n: number; c: number; f: number; h: number; w: number }): number => {
    const oh = convOutputSize(s.h, kh, stride[0], padding[0], dilation[0])
    const ow = convOutputSize(s.w, kw, stride[1], padding[1], dilation[1])
    return Math.max(s.n * s.f * oh * ow * s.c * kh * kw, s.n * s.c * s.h * s.w, s.f * s.c * kh * kw)
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
      return { ...fitted, kh, kw, stride, padding, dilation, bias, seed }
    })
}

/** Convolutions with an output, or one in twenty with a batch of no images. */
export const convCase: fc.Arbitrary<ConvCase> = fc.oneof(...CONV_CONFIGS.map(convCaseOf))

export interface PoolConfig {
  kernelSize: Pair
  stride: Pair
  padding: Pair
}

/** Apart, touching, overlapping and padded windows; padding is at most half the kernel, so each window has a cell. */
export const POOL_CONFIGS: readonly PoolConfig[] = [
  { kernelSize: [2, 2], stride: [2, 2], padding: [0, 0] },
  { kernelSize: [3, 3], stride: [2, 2], padding: [1, 1] },
  { kernelSize: [3, 3], stride: [1, 1], padding: [1, 1] },
  { kernelSize: [2, 2], stride: [1, 1], padding: [0, 0] },
  { kernelSize: [2, 2], stride: [3, 3], padding: [0, 0] },
  { kernelSize: [5, 5], stride: [5, 5], padding: [2, 2] },
  { kernelSize: [2, 3], stride: [1, 2], padding: [1, 0] },
  { kernelSize: [1, 4], stride: [1, 3], padding: [0, 2] },
  { kernelSize: [1, 1], stride: [1, 1], padding: [0, 0] },
]

/** A pooling of an input [n, c, h, w]; `seed` is for the values. */
export interface PoolCase extends PoolConfig {
  n: number
  c: number
  h: number
  w: number
  seed: number
}

function poolCaseOf(config: PoolConfig): fc.Arbitrary<PoolCase> {
  const { kernelSize, stride, padding } = config
  const minH = Math.max(1, kernelSize[0] - 2 * padding[0])
  const minW = Math.max(1, kernelSize[1] - 2 * padding[1])
  const work = (s: { n: number; c: number; h: number; w: number }): number => {
    const oh = convOutputSize(s.h, kernelSize[0], stride[0], padding[0])
    const ow = convOutputSize(s.w, kernelSize[1], stride[1], padding[1])
    return s.n * s.c * Math.max(oh * ow * kernelSize[0] * kernelSize[1], s.h * s.w)
  }
  const batch = fc.oneof({ weight: 19, arbitrary: sizesFrom(1) }, { weight: 1, arbitrary: fc.constant(0) })
  return fc
    .record({
      n: batch,
      c: sizesFrom(1),
      h: sizesFrom(1).map((h) => Math.max(h, minH)),
      w: sizesFrom(1).map((w) => Math.max(w, minW)),
      seed: seeds,
    })
    .map(({ seed, ...given }) => ({ ...lowerToWork(given, { n: 0, c: 1, h: minH, w: minW }, work), ...config, seed }))
}

/** Poolings with an output, or one in twenty with a batch of no images. */
export const poolCase: fc.Arbitrary<PoolCase> = fc.oneof(...POOL_CONFIGS.map(poolCaseOf))

/** op(a) · op(b) of [m, k] and [k, n], any of which may be 0; `seed` is for the values. */
export interface MatmulCase {
  m: number
  n: number
  k: number
  transposeA: boolean
  transposeB: boolean
  seed: number
}

export const matmulCase: fc.Arbitrary<MatmulCase> = fc
  .record({ m: sizes, n: sizes, k: sizes, transposeA: fc.boolean(), transposeB: fc.boolean(), seed: seeds })
  .map(({ m, n, k, ...rest }) => ({
    ...lowerToWork({ m, n, k }, { m: 0, n: 0, k: 0 }, (s) => s.m * s.n * s.k),
    ...rest,
  }))
