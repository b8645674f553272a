// Benchmark of copy: elements moved by permute, transpose, slice, cat and pad, forward and backward.
import { cat, pad, permute, slice, transpose } from '../src/index.ts'
import { type Shape, sizeOf } from '../src/tensor/shape.ts'
import type { Tensor } from '../src/tensor/tensor.ts'
import { type Case, exactly, operation, randomInput, text } from './support.ts'

/** What an operation does to one tensor: where the element of a place comes from, -1 for a 0. */
interface Move {
  readonly name: string
  readonly apply: (x: Tensor) => Tensor
  readonly out: Shape
  readonly source: (c: readonly number[]) => readonly number[] | null
  /** Where an element of the input goes, null where it is left out. */
  readonly target: (c: readonly number[]) => readonly number[] | null
}

function coordinates(i: number, shape: Shape): number[] {
  let rest = i
  return [...shape]
    .reverse()
    .map((n) => {
      const digit = rest % n
      rest = Math.floor(rest / n)
      return digit
    })
    .reverse()
}

const placeOf = (c: readonly number[], shape: Shape) => c.reduce((place, at, d) => place * shape[d]! + at, 0)

function bench(set: Case['set'], shape: Shape, { name, apply, out, source, target }: Move): Case[] {
  return operation('copy', `${name} ${text(shape)}`, set, (gpu) => {
    const x = randomInput(gpu, shape, 1)
    const at = (data: Float32Array, of: Shape, c: readonly number[] | null) => exactly(c ? data[placeOf(c, of)]! : 0)
    const bytes = 4 * (Math.min(sizeOf(shape), sizeOf(out)) + sizeOf(out))
    return {
      inputs: [x.tensor],
      apply: () => apply(x.tensor),
      forward: { flops: 0, bytes, out: { cost: 1, at: (i) => at(x.data, shape, source(coordinates(i, out))) } },
      backward: (dy) => ({
        flops: 0,
        bytes: 4 * (Math.min(sizeOf(shape), sizeOf(out)) + sizeOf(shape)),
        gradients: [['dx', { cost: 1, at: (i) => at(dy, out, target(coordinates(i, shape))) }]],
      }),
    }
  })
}

function permuted(shape: Shape, dims: readonly number[]): Move {
  const back = dims.map((_, d) => dims.indexOf(d))
  return {
    name: `permute ${dims.join('')}`,
    apply: (x) => permute(x, dims),
    out: dims.map((d) => shape[d]!),
    source: (c) => back.map((d) => c[d]!),
    target: (c) => dims.map((d) => c[d]!),
  }
}

const transposed = ([rows, columns]: readonly [number, number]): Move => ({
  name: 'transpose',
  apply: (x) => transpose(x, 0, 1),
  out: [columns, rows],
  source: ([i, j]) => [j!, i!],
  target: ([i, j]) => [j!, i!],
})

/** Columns `start` to `end` of a matrix: the keys among queries, keys and values. */
const columns = ([rows]: readonly [number, number], start: number, end: number): Move => ({
  name: `slice ${start}:${end}`,
  apply: (x) => slice(x, 1, start, end),
  out: [rows, end - start],
  source: ([i, j]) => [i!, j! + start],
  target: ([i, j]) => (j! >= start && j! < end ? [i!, j! - start] : null),
})

/** Images with a border of one pixel. */
function bordered([n, c, h, w]: readonly [number, number, number, number]): Move {
  return {
    name: 'pad 1111',
    apply: (x) => pad(x, [1, 1, 1, 1]),
    out: [n, c, h + 2, w + 2],
    source: ([i, j, y, x]) => (y! > 0 && y! <= h && x! > 0 && x! <= w ? [i!, j!, y! - 1, x! - 1] : null),
    target: ([i, j, y, x]) => [i!, j!, y! + 1, x! + 1],
  }
}

/** A tensor behind itself, along the channels: the gradient is that of the second. */
const twice = ([n, c, h, w]: readonly [number, number, number, number]): Move => ({
  name: 'cat',
  apply: (x) => cat([x.detach(), x], 1),
  out: [n, 2 * c, h, w],
  source: ([i, j, y, x]) => [i!, j! % c, y!, x!],
  target: ([i, j, y, x]) => [i!, j! + c, y!, x!],
})

const IMAGES = [256, 6, 28, 28] as const
const HEADS = [16, 256, 8, 64] as const
const MATRIX = [2048, 1536] as const
const FEATURES = [32, 64, 28, 28] as const

export const cases: readonly Case[] = [
  ...bench('lenet', IMAGES, permuted(IMAGES, [0, 2, 3, 1])),
  ...bench('large', HEADS, permuted(HEADS, [0, 2, 1, 3])),
  ...bench('large', MATRIX, transposed(MATRIX)),
  ...bench('large', MATRIX, columns(MATRIX, 512, 1024)),
  ...bench('large', FEATURES, bordered(FEATURES)),
  ...bench('large', FEATURES, twice(FEATURES)),
]
