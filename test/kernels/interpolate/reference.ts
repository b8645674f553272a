// interpolate in float64, with the error that float32 may make.
import { gamma, SMALLEST_NORMAL } from '../../support/close.ts'
import { exact, type Ref, type Result, ref } from '../../support/ref.ts'

/** Height and width of the output, and the scale of each axis if it was given. */
export interface Sizes {
  readonly size: readonly [number, number]
  readonly scale: readonly [number, number] | null
}

/** The cells of an output on one axis, with their weights, which are above 0. */
type Cells = readonly (readonly [cell: number, weight: number])[]
type CellsOf = (o: number, cells: number, outputs: number, scale: number | null) => Cells

/** ⌊o · s⌋ in float32, as upsample_nearest2d has it. */
const nearest: CellsOf = (o, cells, outputs, scale) => {
  const step = Math.fround(scale === null ? cells / outputs : 1 / scale)
  return [[Math.min(Math.floor(Math.fround(o * step)), cells - 1), 1]]
}

/** (o + ½) · s − ½, as upsample_bilinear2d has it; a quotient of whole numbers is rounded once. */
const bilinear: CellsOf = (o, cells, outputs, scale) => {
  const at = Math.max(0, scale === null ? ((2 * o + 1) * cells - outputs) / (2 * outputs) : (o + 0.5) / scale - 0.5)
  const first = Math.min(Math.floor(at), cells - 1)
  const weight = at - first
  if (first === cells - 1 || weight === 0) return [[first, 1]]
  return [
    [first, 1 - weight],
    [first + 1, weight],
  ]
}

/** Visits every cell of every output. */
function forEach(
  shape: readonly number[],
  { size, scale }: Sizes,
  cellsOf: CellsOf,
  visit: (out: number, input: number, weight: number) => void,
): void {
  const [N, C, H, W] = shape as [number, number, number, number]
  const [OH, OW] = size
  for (let out = 0; out < N * C * OH * OW; out++) {
    const plane = Math.floor(out / (OH * OW))
    const rows = cellsOf(Math.floor(out / OW) % OH, H, OH, scale?.[0] ?? null)
    const columns = cellsOf(out % OW, W, OW, scale?.[1] ?? null)
    for (const [y, wy] of rows) for (const [x, wx] of columns) visit(out, (plane * H + y) * W + x, wy * wx)
  }
}

/**
 * The weight l of each axis is rounded to float32, so that l and 1 − l are each off by 2⁻²⁴ of 1, not of themselves: of the
 * largest neighbour, that is, and so are the terms. Besides, a term passes a subtraction and a product an axis, and the additions.
 */
function resultOf(value: Ref, neighbours: Float64Array, terms: readonly number[]): Result {
  const bound = neighbours.map((m, i) => gamma(terms[i]! + 8) * m + (terms[i]! + 8) * SMALLEST_NORMAL)
  return { ...value, magnitude: neighbours, roundings: 0, bound }
}

export function forward(mode: 'nearest' | 'bilinear', x: Ref, sizes: Sizes): Result {
  const [N, C] = x.shape as [number, number]
  const out = ref([N, C, ...sizes.size])
  const neighbours = new Float64Array(out.data.length)
  forEach(x.shape, sizes, mode === 'nearest' ? nearest : bilinear, (o, i, weight) => {
    out.data[o]! += weight * x.data[i]!
    neighbours[o]! += Math.abs(x.data[i]!)
  })
  return mode === 'nearest'
    ? exact(out)
    : resultOf(
        out,
        neighbours,
        Array.from(out.data, () => 4),
      )
}

export function backward(mode: 'nearest' | 'bilinear', dy: Ref, shape: readonly number[], sizes: Sizes): Result {
  const dx = ref(shape)
  const neighbours = new Float64Array(dx.data.length)
  const terms = new Array<number>(dx.data.length).fill(0)
  forEach(shape, sizes, mode === 'nearest' ? nearest : bilinear, (o, i, weight) => {
    dx.data[i]! += weight * dy.data[o]!
    neighbours[i]! += Math.abs(dy.data[o]!)
    terms[i]!++
  })
  return resultOf(dx, neighbours, terms)
}
