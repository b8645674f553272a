// Resizes pictures on the host.
import type { HostArray } from './host_array.ts'

/** What one element of the output is made of: input elements from `first` on, by these weights, whose sum is 1. */
interface Mix {
  readonly first: number
  readonly weights: readonly number[]
}

/**
 * A picture of bytes [channels, h, w] as [channels, height, width]. Along an axis that shrinks, each output pixel is the mean of the area
 * that it covers; along one that grows, bilinear interpolation between the pixels' centres, as PyTorch's with alignCorners false.
 * Rounded once, at the end.
 */
export function resize({ data, shape }: HostArray<Uint8Array>, height: number, width: number): HostArray<Uint8Array> {
  const [channels, h, w] = shape as [number, number, number]
  if (h === height && w === width) return { data, shape }
  const [down, right] = [mixes(h, height), mixes(w, width)]
  const to = new Uint8Array(channels * height * width)
  const line = new Float64Array(w)
  for (let c = 0; c < channels; c++) {
    for (const [y, { first, weights }] of down.entries()) {
      line.fill(0)
      for (const [k, weight] of weights.entries()) {
        const at = (c * h + first + k) * w
        for (let x = 0; x < w; x++) line[x]! += weight * data[at + x]!
      }
      for (const [x, mix] of right.entries()) {
        const sum = mix.weights.reduce((sum, weight, k) => sum + weight * line[mix.first + k]!, 0)
        to[(c * height + y) * width + x] = Math.round(sum)
      }
    }
  }
  return { data: to, shape: [channels, height, width] }
}

function mixes(from: number, to: number): Mix[] {
  return Array.from({ length: to }, (_, i) => (to < from ? covered(i, from / to, from) : between(i, from / to, from)))
}

/** The mean of the input from i · ratio to (i + 1) · ratio. */
function covered(i: number, ratio: number, from: number): Mix {
  const [start, end] = [i * ratio, Math.min((i + 1) * ratio, from)]
  const first = Math.floor(start)
  const parts = Array.from({ length: Math.ceil(end) - first }, (_, k) => {
    return Math.min(end, first + k + 1) - Math.max(start, first + k)
  })
  const sum = parts.reduce((sum, part) => sum + part, 0)
  return { first, weights: parts.map((part) => part / sum) }
}

/** Between the two nearest centres, or the one at the edge. */
function between(i: number, ratio: number, from: number): Mix {
  const at = Math.min(Math.max((i + 0.5) * ratio - 0.5, 0), from - 1)
  const first = Math.min(Math.floor(at), Math.max(from - 2, 0))
  return { first, weights: from === 1 ? [1] : [1 - (at - first), at - first] }
}
