// Layer, group, instance and root-mean-square norm in float64, with the error that float32 may make.
import { UNIT_ROUNDOFF as u } from '../../support/close.ts'
import { type Ref, type Result, ref } from '../../support/ref.ts'
import { type Approx, constant, exactly, inverseRoot, minus, over, plus, times } from '../../support/running_error.ts'
import { groupsOf, sumOf } from '../reduce/reference.ts'

/** What is normalised with what, and which elements share a weight. */
export interface Layout {
  /** The input as it is reduced, and along which dimensions. */
  readonly reduced: readonly [shape: readonly number[], dims: readonly number[]]
  /** The input's dimensions along which weight and bias are broadcast. */
  readonly shared: readonly number[]
  readonly eps: number
  /** Whether the mean is subtracted. */
  readonly centred: boolean
}

const plainSum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
const finite = (values: readonly number[]) => values.every(Number.isFinite)
const meanOf = (terms: readonly Approx[], depth: number) => over(sumOf(terms, depth), exactly(terms.length))

/**
 * The distances from the mean μ. float32's first mean is off from μ by e, so that the distances from it are x − μ − e, each
 * rounded by ρᵢ. Their mean is −e plus the mean of the ρᵢ, and as computed off from that by the errors of a mean alone: e falls out.
 */
function distances(values: readonly number[], depth: number): readonly Approx[] {
  const mean = plainSum(values) / values.length
  const e = meanOf(values.map(exactly), depth).error
  const sizes = values.map((v) => Math.abs(v - mean) + e)
  // What the first subtraction rounds: u of its result, which lies within the size. Differences of float32 never underflow.
  const rounded = sizes.map((size) => u * size)
  const second = meanOf(
    sizes.map((size, i) => exactly(size + rounded[i]!)),
    depth,
  )
  const common = plainSum(rounded) / values.length + second.error
  return values.map((v, i) => {
    const before = rounded[i]! + common
    return { value: v - mean, error: before + u * (Math.abs(v - mean) + before) }
  })
}

/** A group: what its values are multiplied with, and the products. */
interface Normalised {
  readonly centred: readonly Approx[]
  readonly r: Approx
  readonly out: readonly Approx[]
}

function normalise(values: readonly number[], depth: number, { eps, centred }: Layout): Normalised {
  if (!finite(values)) {
    const mean = centred ? Number.NaN : 0
    const r = 1 / Math.sqrt(plainSum(values.map((v) => (v - mean) ** 2)) / values.length + eps)
    return {
      centred: values.map((v) => exactly(v - mean)),
      r: exactly(r),
      out: values.map((v) => exactly((v - mean) * r)),
    }
  }
  const c = centred ? distances(values, depth) : values.map(exactly)
  const variance = meanOf(
    c.map((d) => times(d, d)),
    depth,
  )
  const r = inverseRoot(plus(variance, constant(eps)))
  return { centred: c, r, out: c.map((d) => times(d, r)) }
}

/** The gradients of a group, from those of what its normalised values are. */
function gradients({ out: xhat, r }: Normalised, h: readonly Approx[], depth: number, subtracts: boolean): Approx[] {
  const n = xhat.length
  if (!finite([...xhat, r, ...h].map((a) => a.value))) {
    if (subtracts) return xhat.map(() => exactly(Number.NaN))
    const share = plainSum(h.map((a, i) => a.value * xhat[i]!.value)) / n
    return h.map((a, i) => exactly(r.value * (a.value - xhat[i]!.value * share)))
  }
  const products = h.map((a, i) => times(a, xhat[i]!))
  const share = meanOf(products, depth)
  const mean = subtracts ? meanOf(h, depth) : exactly(0)
  return h.map((a, i) => times(r, minus(minus(a, mean), times(xhat[i]!, share))))
}

function resultOf(shape: readonly number[], approx: readonly Approx[], magnitude: Float64Array): Result {
  const value = ref(
    shape,
    approx.map((a) => a.value),
  )
  return { ...value, magnitude, roundings: 0, bound: Float64Array.from(approx, (a) => a.error) }
}

/** For each element the place of its weight. */
function placesOfWeights(
  x: Ref,
  { shared }: Layout,
): { of: number[]; members: readonly (readonly number[])[]; depth: number } {
  const { members, depth } = groupsOf(x.shape, shared, false)
  const of: number[] = []
  members.forEach((places, w) => {
    for (const place of places) of[place] = w
  })
  return { of, members, depth }
}

/** Every element's normalised value, and the group it was made in. */
function normalised(x: Ref, layout: Layout) {
  const { members, depth } = groupsOf(...layout.reduced, false)
  const groups = members.filter((places) => places.length > 0)
  const made = groups.map((places) =>
    normalise(
      places.map((i) => x.data[i]!),
      depth,
      layout,
    ),
  )
  const out = new Array<Approx>(x.data.length)
  groups.forEach((places, k) => {
    places.forEach((place, i) => {
      out[place] = made[k]!.out[i]!
    })
  })
  return { groups, made, out, depth }
}

export function forward(x: Ref, weight: Ref | null, bias: Ref | null, layout: Layout): Result {
  const { out } = normalised(x, layout)
  const { of } = placesOfWeights(x, layout)
  const products = out.map((a, i) => (weight ? times(a, exactly(weight.data[of[i]!]!)) : a))
  const sums = products.map((a, i) => (bias ? plus(a, exactly(bias.data[of[i]!]!)) : a))
  const magnitude = Float64Array.from(products, (a, i) => Math.abs(a.value) + Math.abs(bias?.data[of[i]!] ?? 0))
  return resultOf(x.shape, sums, magnitude)
}

/** Gradients of input, weight and bias. */
export function backward(dy: Ref, x: Ref, weight: Ref | null, layout: Layout): readonly [Result, Result, Result] {
  const { groups, made, out, depth } = normalised(x, layout)
  const { of, members, depth: rows } = placesOfWeights(x, layout)
  const g = Array.from(dy.data, (v, i) => (weight ? times(exactly(v), exactly(weight.data[of[i]!]!)) : exactly(v)))
  const dx = new Array<Approx>(x.data.length)
  const magnitude = new Float64Array(x.data.length)
  groups.forEach((places, k) => {
    const own = places.map((i) => g[i]!)
    const total = plainSum(own.map((a) => Math.abs(a.value)))
    gradients(made[k]!, own, depth, layout.centred).forEach((a, i) => {
      dx[places[i]!] = a
      magnitude[places[i]!] = made[k]!.r.value * total * (1 + Math.abs(out[places[i]!]!.value))
    })
  })
  const sums = (terms: readonly Approx[]) => {
    const all = members.map((places) => places.map((i) => terms[i]!))
    const sizes = all.map((own) => plainSum(own.map((a) => Math.abs(a.value))))
    const shape = x.shape.filter((_, d) => !layout.shared.includes(d))
    return resultOf(
      shape,
      all.map((own) => sumOf(own, rows)),
      Float64Array.from(sizes),
    )
  }
  const ofWeight = sums(out.map((a, i) => times(exactly(dy.data[i]!), a)))
  return [resultOf(x.shape, dx, magnitude), ofWeight, sums(Array.from(dy.data, exactly))]
}
