// What is drawn on the device, in float64 from the host's own streams; dropout with the error that float32 may make.
import { Stream } from '../../../src/tensor/random.ts'
import { type Ref, type Result, ref, withBound } from '../../support/ref.ts'

/** The 32-bit words of the elements 0 … size − 1 of a draw. */
export function wordsOf(size: number, seed: number, draw: number): Uint32Array {
  const stream = new Stream(seed, 'draw', draw % 2 ** 32)
  stream.position = 2 ** 34 * Math.floor(draw / 2 ** 32) // four words a block, whose high word it is
  return Uint32Array.from({ length: size }, () => stream.nextUint32())
}

export function rand(size: number, seed: number, draw: number): Float64Array {
  return Float64Array.from(wordsOf(size, seed, draw), (word) => (word >>> 8) * 2 ** -24)
}

export function bernoulli(p: number, size: number, seed: number, draw: number): Float64Array {
  return Float64Array.from(wordsOf(size, seed, draw), (word) => (word < p * 2 ** 32 ? 1 : 0))
}

/** Normal numbers by Box and Muller, and the radius of each. */
export function randn(size: number, seed: number, draw: number) {
  const words = wordsOf(size + (size % 2), seed, draw)
  const [xi, radius] = [new Float64Array(size), new Float64Array(size)]
  for (let i = 0; i < size; i++) {
    const [first, second] = [words[i - (i % 2)]!, words[i - (i % 2) + 1]!]
    const angle = 2 * Math.PI * (second >>> 8) * 2 ** -24
    radius[i] = Math.sqrt(-2 * Math.log(((first >>> 8) + 1) * 2 ** -24))
    xi[i] = radius[i]! * (i % 2 === 0 ? Math.cos(angle) : Math.sin(angle))
  }
  return { xi, radius }
}

/** dropout by the first draw of a seed; its gradient is the same of dy. */
export function dropout(x: Ref, p: number, seed: number): Result {
  const hits = bernoulli(1 - p, x.data.length, seed, 0)
  const value = ref(
    x.shape,
    x.data.map((v, i) => v * (hits[i] === 1 ? 1 / (1 - p) : 0)),
  )
  // The scale is rounded, and the product.
  return withBound(value, value.data.map(Math.abs), 2)
}
