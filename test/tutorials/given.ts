// Values that both sides of a comparison with PyTorch make for themselves: test/reference/makers/tutorials/given.py has the same.
import { type ImageDataset, type nn, type Tensor, tensor } from '../../src/node/index.ts'
import { fill, mulberry32 } from '../support/fill.ts'

/** n values around 0 with variance 1. */
export const normal = (n: number, seed: number): Float32Array => fill(n, seed, 'normal')

/** n values in [0, 1). */
export function uniform(n: number, seed: number): Float32Array {
  const next = mulberry32(seed)
  return Float32Array.from({ length: n }, () => next() / 2 ** 32)
}

/** n whole numbers, 0 to below − 1. */
export function whole(n: number, seed: number, below: number): Int32Array {
  const next = mulberry32(seed)
  return Int32Array.from({ length: n }, () => next() % below)
}

/**
 * The network with values that depend on the names and shapes of its parameters alone: matrices and filters are divided by the root
 * of what one output adds up, weights of one dimension are around 1, other parameters of one dimension small.
 */
export function given<N extends nn.Module<unknown>>(net: N): N {
  const parameters = [...net.namedParameters()].sort(([a], [b]) => (a < b ? -1 : 1))
  const values = parameters.map(([name, p], i): [string, Tensor] => {
    const isWeight = name.endsWith('weight')
    const of = (v: number) =>
      p.shape.length > 1 ? v / Math.sqrt(p.size / p.shape[0]!) : isWeight ? 1 + 0.1 * v : 0.1 * v
    return [name, tensor(normal(p.size, i + 1).map(of), p.shape)]
  })
  net.loadStateDict({ ...Object.fromEntries(net.stateDict()), ...Object.fromEntries(values) })
  return net
}

/** Images of given bytes, [count, channels, height, width], with labels. */
export function images(shape: readonly [number, number, number, number], classes: number, seed = 100): ImageDataset {
  const [count, channels, height, width] = shape
  return {
    images: Uint8Array.from(whole(count * channels * height * width, seed, 256)),
    labels: Uint8Array.from(whole(count, seed + 1, classes)),
    count,
    channels,
    height,
    width,
    classes: Array.from({ length: classes }, (_, i) => String(i)),
  }
}
