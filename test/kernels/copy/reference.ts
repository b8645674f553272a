// Operations that move elements, in float64: each is told by where an element of the output comes from.
import { exact, type Ref, type Result, ref, sizeOf, withBound } from '../../support/ref.ts'

/** Which element of which input stands at a place of the output; null where it is the constant. */
export interface Moved {
  readonly shape: number[]
  source(c: readonly number[]): { readonly input?: number; readonly at: readonly number[] } | null
  readonly constant?: number
}

/** The coordinates of every element, in row-major order. */
export function* coordinates(shape: readonly number[]): Generator<number[]> {
  const size = sizeOf(shape)
  for (let i = 0; i < size; i++) {
    const c: number[] = []
    let rest = i
    for (let d = shape.length - 1; d >= 0; d--) {
      c.unshift(rest % shape[d]!)
      rest = Math.floor(rest / shape[d]!)
    }
    yield c
  }
}

/** The number of an element in row-major order. Throws for coordinates outside of the shape. */
export function placeOf(c: readonly number[], shape: readonly number[]): number {
  if (c.length !== shape.length) throw new Error(`[${c}] are not coordinates in [${shape}]`)
  return c.reduce((place, at, d) => {
    if (!(at >= 0 && at < shape[d]!)) throw new Error(`[${c}] lies outside of [${shape}]`)
    return place * shape[d]! + at
  }, 0)
}

/** The elements where they are moved to. */
export function forward(moved: Moved, inputs: readonly (Ref | null)[]): Result {
  const out = ref(moved.shape)
  let i = 0
  for (const c of coordinates(moved.shape)) {
    const from = moved.source(c)
    const input = from && inputs[from.input ?? 0]!
    out.data[i++] = input ? input.data[placeOf(from.at, input.shape)]! : (moved.constant ?? 0)
  }
  return exact(out)
}

/** The gradient of an element: the sum over the places that it was moved to. */
export function backward(moved: Moved, dy: Ref, inputs: readonly (Ref | null)[]): (Result | null)[] {
  const sums = inputs.map((x) => x && { dx: ref(x.shape), magnitude: ref(x.shape), terms: ref(x.shape) })
  let i = 0
  for (const c of coordinates(moved.shape)) {
    const g = dy.data[i++]!
    const from = moved.source(c)
    if (!from) continue
    const { dx, magnitude, terms } = sums[from.input ?? 0]!
    const place = placeOf(from.at, dx.shape)
    dx.data[place]! += g
    magnitude.data[place]! += Math.abs(g)
    terms.data[place]! += 1
  }
  return sums.map((sum) => {
    if (!sum) return null
    const most = sum.terms.data.reduce((a, b) => Math.max(a, b), 1)
    return withBound(sum.dx, sum.magnitude.data, most - 1)
  })
}

const from = (dim: number, rank: number) => (dim < 0 ? dim + rank : dim)
const resized = (shape: readonly number[], dim: number, n: number) => shape.map((own, d) => (d === dim ? n : own))

export function permuted(shape: readonly number[], dims: readonly number[]): Moved {
  const order = dims.map((d) => from(d, shape.length))
  return { shape: order.map((d) => shape[d]!), source: (c) => ({ at: shape.map((_, d) => c[order.indexOf(d)]!) }) }
}

export function transposed(shape: readonly number[], a: number, b: number): Moved {
  const [i, j] = [from(a, shape.length), from(b, shape.length)]
  return permuted(
    shape,
    shape.map((_, d) => (d === i ? j : d === j ? i : d)),
  )
}

export function flipped(shape: readonly number[], dims: readonly number[]): Moved {
  const all = dims.map((d) => from(d, shape.length))
  return { shape: [...shape], source: (c) => ({ at: c.map((at, d) => (all.includes(d) ? shape[d]! - 1 - at : at)) }) }
}

/** As Python's x[start:end:step]. */
export function sliced(shape: readonly number[], dim: number, start: number, end: number, step: number): Moved {
  const own = from(dim, shape.length)
  const places = Array.from({ length: shape[own]! }, (_, i) => i)
  const taken = places.slice(start, end).filter((_, i) => i % step === 0)
  return { shape: resized(shape, own, taken.length), source: (c) => ({ at: resized(c, own, taken[c[own]!]!) }) }
}

export function selected(shape: readonly number[], dim: number, index: number): Moved {
  const own = from(dim, shape.length)
  const at = from(index, shape[own]!)
  return {
    shape: shape.filter((_, d) => d !== own),
    source: (c) => ({ at: [...c.slice(0, own), at, ...c.slice(own)] }),
  }
}

export function expanded(shape: readonly number[], to: readonly number[]): Moved {
  const added = to.length - shape.length
  const sizes = to.map((n, d) => (n === -1 ? shape[d - added]! : n))
  return { shape: sizes, source: (c) => ({ at: c.slice(added).map((at, d) => (shape[d] === 1 ? 0 : at)) }) }
}

export function repeated(shape: readonly number[], times: readonly number[]): Moved {
  const added = times.length - shape.length
  const sizes = times.map((n, d) => n * (d < added ? 1 : shape[d - added]!))
  return { shape: sizes, source: (c) => ({ at: c.slice(added).map((at, d) => at % shape[d]!) }) }
}

export function joined(shapes: readonly (readonly number[])[], dim: number): Moved {
  const own = from(dim, shapes[0]!.length)
  const owners = shapes.flatMap((shape, input) => Array.from({ length: shape[own]! }, (_, at) => ({ input, at })))
  return {
    shape: resized(shapes[0]!, own, owners.length),
    source: (c) => ({ input: owners[c[own]!]!.input, at: resized(c, own, owners[c[own]!]!.at) }),
  }
}

export function stacked(shapes: readonly (readonly number[])[], dim: number): Moved {
  const [shape] = shapes as [number[]]
  const own = from(dim, shape.length + 1)
  return {
    shape: [...shape.slice(0, own), shapes.length, ...shape.slice(own)],
    source: (c) => ({ input: c[own]!, at: c.filter((_, d) => d !== own) }),
  }
}

/** The pieces of a split in reverse order, one after another. */
export function splitAndReversed(shape: readonly number[], sizes: number | readonly number[], dim: number): Moved {
  const own = from(dim, shape.length)
  const places = Array.from({ length: shape[own]! }, (_, i) => i)
  const pieces: number[][] = []
  if (typeof sizes === 'number') for (let i = 0; i < places.length; i += sizes) pieces.push(places.slice(i, i + sizes))
  else sizes.reduce((at, n) => pieces.push(places.slice(at, at + n)) && at + n, 0)
  const taken = pieces.reverse().flat()
  return { shape: [...shape], source: (c) => ({ at: resized(c, own, taken[c[own]!]!) }) }
}

export type Mode = 'constant' | 'reflect' | 'replicate'

export function padded(shape: readonly number[], padding: readonly number[], mode: Mode, constant = 0): Moved {
  const pairs = shape.map((_, d) => {
    const pair = 2 * (shape.length - 1 - d)
    return [padding[pair] ?? 0, padding[pair + 1] ?? 0] as const
  })
  const source = (c: readonly number[]) => {
    const at = c.map((place, d) => {
      const own = place - pairs[d]![0]
      const last = shape[d]! - 1
      if (mode === 'replicate') return Math.min(Math.max(own, 0), last)
      return mode === 'constant' ? own : last - Math.abs(last - Math.abs(own))
    })
    return at.every((place, d) => place >= 0 && place < shape[d]!) ? { at } : null
  }
  return { shape: shape.map((n, d) => pairs[d]![0] + n + pairs[d]![1]), source, constant }
}

export function triangle(shape: readonly number[], diagonal: number, upper: boolean): Moved {
  const source = (c: readonly number[]) => {
    const above = c.at(-1)! - c.at(-2)!
    return (upper ? above >= diagonal : above <= diagonal) ? { at: c } : null
  }
  return { shape: [...shape], source }
}
