// scaledDotProductAttention in float64, with the error that float32 may make.
import { type Ref, type Result, ref, sizeOf } from '../../support/ref.ts'
import { type Approx, constant, exactly, larger, minus, over, plus, times, ZERO } from '../../support/running_error.ts'
import { matrixOf } from '../matmul/reference.ts'
import { decayed, sumOf } from '../reduce/reference.ts'

export interface Attention {
  /** Added to the scores, to which it broadcasts. */
  mask: Ref | null
  /** Whether a score is left out, by its place among all. */
  hidden(place: number): boolean
  /** Whether minus infinity is added to the scores of keys after their query. */
  causal: boolean
  scale: number
}

const NOTHING = exactly(-Infinity)
const isNumber = ({ value }: Approx) => Number.isFinite(value)
/** In whatever order the terms are added. */
const sum = (terms: readonly Approx[]) => sumOf(terms, Math.max(0, terms.length - 1))

/** Of one query: the weights of the keys. */
function weightsOf(scores: readonly Approx[]): readonly Approx[] {
  const m = scores.filter((s) => s.value !== -Infinity).reduce(larger, NOTHING)
  if (!isNumber(m)) return scores.map(() => exactly(Number.NaN))
  const terms = scores.map((s) => (s.value === -Infinity ? ZERO : decayed(s, m)))
  const total = sum(terms)
  return terms.map((t) => over(t, total))
}

/** From the gradient of a query's weights that of its scores. */
function backThrough(weights: readonly Approx[], g: readonly Approx[]): readonly Approx[] {
  if (![...weights, ...g].every(isNumber)) {
    const total = weights.reduce((sum, w, i) => sum + w.value * g[i]!.value, 0)
    return weights.map((w, i) => exactly(w.value * (g[i]!.value - total)))
  }
  const total = sum(weights.map((w, i) => times(w, g[i]!)))
  return weights.map((w, i) => times(w, minus(g[i]!, total)))
}

function resultOf(shape: readonly number[], terms: readonly Approx[][]): Result {
  const values = terms.map((own) => {
    if (own.every(isNumber)) return sum(own)
    return exactly(own.reduce((total, { value }) => total + value, 0))
  })
  const value = ref(
    shape,
    values.map((a) => a.value),
  )
  const bound = Float64Array.from(values, (a) => a.error)
  // Σ|terms| is within this: each term has been rounded at least once.
  const magnitude = value.data.map((v, i) => Math.abs(v) + 2 ** 24 * bound[i]!)
  return { ...value, magnitude, roundings: 0, bound }
}

const empty = (shape: readonly number[]): Approx[][] => Array.from({ length: sizeOf(shape) }, () => [])

/** Output and gradients; without `dy` the output alone. */
export function attention(q: Ref, k: Ref, v: Ref, given: Attention, dy?: Ref): readonly Result[] {
  const [L, E] = q.shape.slice(-2) as [number, number]
  const [S, V] = v.shape.slice(-2) as [number, number]
  const rank = Math.max(...[q, k, v].map(({ shape }) => shape.length))
  const batch = Array.from({ length: rank - 2 }, (_, d) => {
    const sizes = [q, k, v].map(({ shape }) => shape[shape.length - rank + d] ?? 1)
    return sizes.find((n) => n !== 1) ?? 1
  })
  const outShape = [...batch, L, V]
  const terms = { out: empty(outShape), q: empty(q.shape), k: empty(k.shape), v: empty(v.shape) }
  const ofMask = given.mask && empty(given.mask.shape)
  const scale = constant(given.scale)
  for (let g = 0; g < sizeOf(batch); g++) {
    const [inQ, inK, inV] = [q, k, v].map((t) => matrixOf(g, batch, t)) as [number, number, number]
    const scaled = (i: number, e: number) => times(exactly(q.data[(inQ * L + i) * E + e]!), scale)
    for (let i = 0; i < L; i++) {
      const placeOf = (j: number) => (g * L + i) * S + j
      const maskAt = (j: number) => placeIn([...batch, L, S], given.mask!.shape, placeOf(j))
      const scores = Array.from({ length: S }, (_, j) => {
        if (given.hidden(placeOf(j))) return NOTHING
        const products = Array.from({ length: E }, (_, e) =>
          times(scaled(i, e), exactly(k.data[(inK * S + j) * E + e]!)),
        )
        const score = products.every(isNumber)
          ? sum(products)
          : exactly(products.reduce((total, { value }) => total + value, 0))
        const added = given.mask ? plus(score, exactly(given.mask.data[maskAt(j)]!)) : score
        return given.causal && j > i ? exactly(added.value - Infinity) : added
      })
      const weights = weightsOf(scores)
      for (let c = 0; c < V; c++) {
        weights.forEach((w, j) => {
          terms.out[(g * L + i) * V + c]!.push(times(w, exactly(v.data[(inV * S + j) * V + c]!)))
        })
      }
      if (!dy) continue
      const dyOf = (c: number) => exactly(dy.data[(g * L + i) * V + c]!)
      const ofWeights = weights.map((w, j) => {
        const products = Array.from({ length: V }, (_, c) => {
          terms.v[(inV * S + j) * V + c]!.push(times(w, dyOf(c)))
          return times(dyOf(c), exactly(v.data[(inV * S + j) * V + c]!))
        })
        return products.every(isNumber) ? sum(products) : exactly(products.reduce((total, p) => total + p.value, 0))
      })
      backThrough(weights, ofWeights).forEach((d, j) => {
        const own = given.hidden(placeOf(j)) ? ZERO : d
        if (ofMask) ofMask[maskAt(j)]!.push(own)
        for (let e = 0; e < E; e++) {
          terms.q[(inQ * L + i) * E + e]!.push(times(times(own, exactly(k.data[(inK * S + j) * E + e]!)), scale))
          terms.k[(inK * S + j) * E + e]!.push(times(own, scaled(i, e)))
        }
      })
    }
  }
  const gradients = [resultOf(q.shape, terms.q), resultOf(k.shape, terms.k), resultOf(v.shape, terms.v)]
  const all = [resultOf(outShape, terms.out), ...(dy ? gradients : [])]
  return dy && ofMask ? [...all, resultOf(given.mask!.shape, ofMask)] : all
}

/** Where an element of `shape` lies in what was broadcast to it. */
function placeIn(shape: readonly number[], own: readonly number[], place: number): number {
  let [rest, at, stride] = [place, 0, 1]
  for (let d = shape.length - 1; d >= 0; d--) {
    const size = own[own.length - shape.length + d] ?? 1
    if (size > 1) at += stride * (rest % shape[d]!)
    stride *= size
    rest = Math.floor(rest / shape[d]!)
  }
  return at
}
