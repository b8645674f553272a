// Random poolings.
import fc from 'fast-check'
import { lowerToWork, seeds, sizesFrom } from '../../support/arbitraries.ts'
import type { Pair } from '../../support/ref.ts'
import { convOutputSize } from '../conv2d/reference.ts'

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
