// Means of windows in float64, with the error that float32 may make.
import { gamma, SMALLEST_NORMAL } from '../../support/close.ts'
import { type Ref, type Result, ref } from '../../support/ref.ts'

/** The columns, or rows, of a window: from `first` up to before `end`, and how many it is divided by. */
export interface Span {
  readonly first: number
  readonly end: number
  readonly count: number
}

/** Spans of one axis, by the place in the output. */
export type Spans = readonly Span[]

export function spansOf(size: number, kernel: number, stride: number, padding: number, includePad: boolean): Spans {
  const length = Math.floor((size + 2 * padding - kernel) / stride) + 1
  return Array.from({ length }, (_, i) => {
    const from = i * stride - padding
    const [first, end] = [Math.max(0, from), Math.min(size, from + kernel)]
    return { first, end, count: includePad ? kernel : end - first }
  })
}

export function adaptiveSpans(size: number, to: number): Spans {
  return Array.from({ length: to }, (_, i) => {
    const [first, end] = [Math.floor((i * size) / to), Math.ceil(((i + 1) * size) / to)]
    return { first, end, count: end - first }
  })
}

/** Visits every element of every window. */
function forEach(
  shape: readonly number[],
  [rows, columns]: readonly [Spans, Spans],
  visit: (out: number, input: number, count: number) => void,
): void {
  const [N, C, H, W] = shape as [number, number, number, number]
  for (let plane = 0; plane < N * C; plane++) {
    rows.forEach((row, oy) => {
      columns.forEach((column, ox) => {
        const out = (plane * rows.length + oy) * columns.length + ox
        for (let y = row.first; y < row.end; y++) {
          for (let x = column.first; x < column.end; x++) visit(out, (plane * H + y) * W + x, row.count * column.count)
        }
      })
    })
  }
}

/**
 * Sums of terms that are each divided: two divisions at most, of 5 roundings each by WGSL's table, and as many additions as
 * there are terms, in whatever order.
 */
function resultOf(value: Ref, magnitude: Float64Array, terms: readonly number[]): Result {
  const bound = magnitude.map((m, i) => gamma(terms[i]! + 12) * m + (terms[i]! + 2) * SMALLEST_NORMAL)
  return { ...value, magnitude, roundings: 0, bound }
}

export function forward(x: Ref, spans: readonly [Spans, Spans]): Result {
  const [N, C] = x.shape as [number, number]
  const out = ref([N, C, spans[0].length, spans[1].length])
  const magnitude = new Float64Array(out.data.length)
  const terms = new Array<number>(out.data.length).fill(0)
  forEach(x.shape, spans, (o, i, count) => {
    out.data[o]! += x.data[i]! / count
    magnitude[o]! += Math.abs(x.data[i]!) / count
    terms[o]!++
  })
  return resultOf(out, magnitude, terms)
}

export function backward(dy: Ref, shape: readonly number[], spans: readonly [Spans, Spans]): Result {
  const dx = ref(shape)
  const magnitude = new Float64Array(dx.data.length)
  const terms = new Array<number>(dx.data.length).fill(0)
  forEach(shape, spans, (o, i, count) => {
    dx.data[i]! += dy.data[o]! / count
    magnitude[i]! += Math.abs(dy.data[o]!) / count
    terms[i]!++
  })
  return resultOf(dx, magnitude, terms)
}
