// Reductions in float64, with the error that float32 may make.
import { gamma, SMALLEST_NORMAL } from '../../support/close.ts'
import { type Ref, type Result, ref, sizeOf } from '../../support/ref.ts'
import {
  type Approx,
  constant,
  exactly,
  exponential,
  logarithm,
  minus,
  over,
  plus,
  root,
  times,
} from '../../support/running_error.ts'

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
const product = (values: readonly number[]) => values.reduce((a, b) => a * b, 1)
const finite = (values: readonly number[]) => values.every(Number.isFinite)

/** What is reduced: the places of each result's elements in the input, in order. */
export interface Groups {
  readonly shape: readonly number[]
  readonly members: readonly (readonly number[])[]
  /** The most additions that a term of a sum passes. */
  readonly depth: number
}

/** Rows that one pass combines: it adds 63 times at most. */
const FOLD = 64

/** Passes over n rows: each leaves a 64th of them. */
const passes = (n: number) => Math.ceil(Math.log(Math.max(1, n)) / Math.log(FOLD) - 1e-9)

export function groupsOf(shape: readonly number[], dims: readonly number[], keepDim: boolean): Groups {
  const out = shape.flatMap((n, d) => (dims.includes(d) ? (keepDim ? [1] : []) : [n]))
  const members: number[][] = Array.from({ length: sizeOf(out) }, () => [])
  for (let i = 0; i < sizeOf(shape); i++) {
    let [rest, at, stride] = [i, 0, 1]
    for (let d = shape.length - 1; d >= 0; d--) {
      const index = rest % shape[d]!
      rest = Math.floor(rest / shape[d]!)
      if (dims.includes(d)) continue
      at += index * stride
      stride *= shape[d]!
    }
    members[at]!.push(i)
  }
  // Dimensions that are not neighbours are reduced one after the other.
  const n = sizeOf(dims.map((d) => shape[d]!))
  const worst = sum(dims.map((d) => (FOLD - 1) * passes(shape[d]!))) + (FOLD - 1) * passes(n)
  return { shape: out, members, depth: Math.max(0, Math.min(n - 1, worst)) }
}

/** A sum of terms of which each passes `depth` additions at most. */
export function sumOf(terms: readonly Approx[], depth: number): Approx {
  const errors = sum(terms.map((t) => t.error))
  const sizes = sum(terms.map((t) => Math.abs(t.value)))
  return {
    value: sum(terms.map((t) => t.value)),
    error: errors + gamma(depth) * (sizes + errors) + terms.length * SMALLEST_NORMAL,
  }
}

const negative = ({ value, error }: Approx): Approx => ({ value: -value, error })

/** x^y of a positive number by exp2(y · log2 x): WGSL's log2 is within 2⁻²¹ from 1/2 to 2, else 3 ULP; exp2 has 3 + 2·|x| ULP. */
export function power(x: Approx, y: number): Approx {
  if (x.value === 0 || !Number.isFinite(x.value)) return exactly(x.value ** y)
  const natural = logarithm(x)
  const log2: Approx = { value: natural.value / Math.LN2, error: natural.error / Math.LN2 }
  const e = times(log2, constant(y))
  const value = 2 ** e.value
  const units = 2 * (3 + 2 * (Math.abs(e.value) + e.error))
  const grown = value * (2 ** e.error - 1)
  return { value, error: grown + units * 2 ** -24 * (value + grown) + SMALLEST_NORMAL }
}

/** How a reduction makes a result of its elements, and their gradients from the result's. */
export interface Formula {
  value(values: readonly number[], depth: number): Approx
  gradients(values: readonly number[], g: number, depth: number): readonly Approx[]
}

const all = <T>(values: readonly number[], each: (v: number, i: number) => T) => values.map(each)

const ofSum: Formula = {
  value: (values, depth) => sumOf(values.map(exactly), depth),
  gradients: (values, g) => all(values, () => exactly(g)),
}

/** The mean; the number of elements is exact in float32. */
const meanOf = (terms: readonly Approx[], depth: number) => over(sumOf(terms, depth), exactly(terms.length))

const ofMean: Formula = {
  value: (values, depth) => (values.length === 0 ? exactly(Number.NaN) : meanOf(values.map(exactly), depth)),
  gradients: (values, g) => all(values, () => over(exactly(g), exactly(values.length))),
}

const same = (a: number, b: number) => a === b || (Number.isNaN(a) && Number.isNaN(b))

function shares(values: readonly number[], best: number, g: number): readonly Approx[] {
  const count = values.filter((v) => same(v, best)).length
  return all(values, (v) => (same(v, best) ? over(exactly(g), exactly(count)) : exactly(0)))
}

const extreme = (best: (values: readonly number[]) => number): Formula => ({
  value: (values) => exactly(best(values)),
  gradients: (values, g) => shares(values, best(values), g),
})

// Loops: the arguments of Math.max are limited in number.
const largest = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b))
const smallest = (values: readonly number[]) => values.reduce((a, b) => Math.min(a, b))

/** A product: a number below the smallest normal one may be 0, and what it would be multiplied with is at most Π max(1, |x|). */
function productOf(values: readonly number[]): Approx {
  const value = product(values)
  if (!finite(values)) return exactly(value)
  const lost = values.length * SMALLEST_NORMAL * product(values.map((v) => Math.max(1, Math.abs(v))))
  return { value, error: gamma(values.length) * Math.abs(value) + lost }
}

const ofProduct: Formula = {
  value: productOf,
  gradients(values, g) {
    const zeros = values.filter((v) => v === 0).length
    const whole = productOf(values)
    return all(values, (v) => {
      const others = zeros === 1 ? productOf(values.filter((w) => w !== 0)) : whole
      if (!finite(values) || !Number.isFinite(g)) return exactly(g * (v === 0 ? others.value : whole.value / v))
      return times(exactly(g), v === 0 ? others : over(whole, exactly(v)))
    })
  },
}

/**
 * The distances from the mean. The kernels take a number near it, by two means of n terms each; then the mean of the distances
 * from that, which is taken off the distances.
 */
function distances(values: readonly number[], depth: number): readonly Approx[] {
  const mean = sum(values) / values.length
  const first = meanOf(values.map(exactly), depth)
  const moved = values.map((v) => minus(exactly(v), { ...first, value: mean }))
  const second = meanOf(moved, depth)
  // The sum of both is rounded; it is near the mean by the error of the second alone.
  const far = second.error + 2 ** -24 * Math.abs(mean)
  const near: Approx = { value: mean, error: far }
  // The distances from that number are known but for one rounding each; their mean corrects it.
  const sizes = values.map((v) => Math.abs(v - mean) + near.error)
  const rounding = (size: number) => 2 ** -24 * size + SMALLEST_NORMAL
  const rest = meanOf(
    sizes.map((size) => ({ value: size, error: rounding(size) })),
    depth,
  )
  return values.map((v, i) => ({ value: v - mean, error: 2 * rounding(sizes[i]!) + rest.error + rounding(rest.value) }))
}

const variance = (correction: number) => {
  const by = (n: number) => Math.max(0, n - correction)
  const squares = (values: readonly number[], depth: number): Approx => {
    const terms = distances(values, depth).map((d) => times(d, d))
    const total = sumOf(terms, depth)
    if (by(values.length) > 0) return over(total, constant(by(values.length)))
    return exactly(total.value / 0)
  }
  const unknown = (values: readonly number[]) => values.length === 0 || !finite(values)
  const var_: Formula = {
    value: (values, depth) => (unknown(values) ? exactly(Number.NaN) : squares(values, depth)),
    gradients(values, g, depth) {
      if (unknown(values)) return all(values, () => exactly(Number.NaN))
      const factor = 2 / by(values.length)
      return distances(values, depth).map((d) =>
        Number.isFinite(factor) && Number.isFinite(g)
          ? times(exactly(g), times(d, constant(factor)))
          : exactly(g * (d.value * factor)),
      )
    },
  }
  const std: Formula = {
    value: (values, depth) => {
      const v = var_.value(values, depth)
      return Number.isFinite(v.value) ? root(v) : exactly(Math.sqrt(v.value))
    },
    gradients(values, g, depth) {
      const s = std.value(values, depth)
      if (values.length === 0) return []
      if (s.value === 0) return all(values, () => exactly(0))
      const factor = 1 / by(values.length)
      if (!Number.isFinite(s.value) || !Number.isFinite(g)) {
        return distances(values, depth).map((d) => exactly(g * (d.value / s.value) * factor))
      }
      return distances(values, depth).map((d) => times(times(exactly(g), over(d, s)), constant(factor)))
    },
  }
  return { var: var_, std }
}

const signed = (v: number, a: Approx): Approx =>
  Number.isNaN(v) ? exactly(v) : v === 0 ? exactly(0) : v < 0 ? negative(a) : a

export function norm(p: number): Formula {
  const sizes = (values: readonly number[]) => values.map(Math.abs)
  if (Math.abs(p) === Infinity) {
    const best = p > 0 ? largest : smallest
    return {
      value: (values) => exactly(best(sizes(values))),
      gradients: (values, g) =>
        shares(sizes(values), best(sizes(values)), g).map((a, i) =>
          a.value === 0 && a.error === 0 ? a : signed(values[i]!, a),
        ),
    }
  }
  if (p === 0) {
    return {
      value: (values) => exactly(values.filter((v) => v !== 0).length),
      gradients: (values) => all(values, () => exactly(0)),
    }
  }
  const plain = (values: readonly number[]) => sum(values.map((v) => Math.abs(v) ** p)) ** (1 / p)
  const value = (values: readonly number[], depth: number): Approx => {
    if (!Number.isFinite(plain(values)) || plain(values) === 0) return exactly(plain(values))
    if (p === 1)
      return sumOf(
        values.map((v) => exactly(Math.abs(v))),
        depth,
      )
    if (p === 2)
      return root(
        sumOf(
          values.map((v) => times(exactly(v), exactly(v))),
          depth,
        ),
      )
    return power(
      sumOf(
        values.map((v) => power(exactly(Math.abs(v)), p)),
        depth,
      ),
      1 / p,
    )
  }
  return {
    value,
    gradients(values, g, depth) {
      if (p === 1) return all(values, (v) => signed(v, exactly(g)))
      const s = value(values, depth)
      if (s.value === 0) return all(values, () => exactly(0))
      return all(values, (v) => {
        if (v === 0 && p !== 2) return exactly(0)
        if (!Number.isFinite(s.value) || !Number.isFinite(g)) {
          return exactly(g * (p === 2 ? v / s.value : Math.sign(v) * (Math.abs(v) / s.value) ** (p - 1)))
        }
        const share = over(exactly(Math.abs(v)), s)
        return times(exactly(g), signed(v, p === 2 ? share : power(share, p - 1)))
      })
    },
  }
}

/** exp(x − m), which is 0 for x = −Infinity. */
export function decayed(x: Approx, m: Approx): Approx {
  return x.value === -Infinity && Number.isFinite(m.value) ? exactly(0) : exponential(minus(x, m))
}

const ofLogSum: Formula = {
  value(values, depth) {
    if (values.length === 0) return exactly(-Infinity)
    const m = largest(values)
    if (!Number.isFinite(m)) return exactly(m)
    const z = sumOf(
      values.map((v) => decayed(exactly(v), exactly(m))),
      depth,
    )
    return plus(logarithm(z), exactly(m))
  },
  gradients(values, g, depth) {
    const out = ofLogSum.value(values, depth)
    return all(values, (v) => {
      if (!Number.isFinite(out.value) || !Number.isFinite(g)) return exactly(g * Math.exp(v - out.value))
      return times(exactly(g), decayed(exactly(v), out))
    })
  },
}

export const formulas = {
  sum: ofSum,
  mean: ofMean,
  max: extreme(largest),
  min: extreme(smallest),
  prod: ofProduct,
  logSumExp: ofLogSum,
} as const

export const varianceOf = (correction: number): Formula => variance(correction).var
export const deviationOf = (correction: number): Formula => variance(correction).std

function resultOf(shape: readonly number[], approx: readonly Approx[], magnitude?: Float64Array): Result {
  const value = ref(
    shape,
    approx.map((a) => a.value),
  )
  const bound = Float64Array.from(approx, (a) => a.error)
  return { ...value, magnitude: magnitude ?? value.data.map(Math.abs), roundings: 0, bound }
}

export function forward(x: Ref, { shape, members, depth }: Groups, formula: Formula): Result {
  const valuesOf = (places: readonly number[]) => places.map((i) => x.data[i]!)
  const approx = members.map((places) => formula.value(valuesOf(places), depth))
  // Of sums, Σ|terms|.
  const sizes = members.map((places) => sum(valuesOf(places).map(Math.abs)))
  return resultOf(shape, approx, Float64Array.from(sizes))
}

export function backward(dy: Ref, x: Ref, { members, depth }: Groups, formula: Formula): Result {
  const gradients = new Array<Approx>(x.data.length)
  members.forEach((places, result) => {
    const values = places.map((i) => x.data[i]!)
    formula.gradients(values, dy.data[result]!, depth).forEach((a, i) => {
      gradients[places[i]!] = a
    })
  })
  return resultOf(x.shape, gradients)
}

/** Sums along a dimension up to each element, or from each on. */
export function cumsum(x: Ref, dim: number, reverse = false): Result {
  const inner = sizeOf(x.shape.slice(dim + 1))
  const R = x.shape[dim] ?? 1
  const step = reverse ? -1 : 1
  const out = ref(x.shape)
  const magnitude = new Float64Array(x.data.length)
  const bound = new Float64Array(x.data.length)
  for (let k = 0; k < x.data.length; k++) {
    const i = reverse ? x.data.length - 1 - k : k
    const r = Math.floor(i / inner) % R
    const before = reverse ? R - 1 - r : r
    const from = i - step * inner
    out.data[i] = x.data[i]! + (before > 0 ? out.data[from]! : 0)
    magnitude[i] = Math.abs(x.data[i]!) + (before > 0 ? magnitude[from]! : 0)
    bound[i] = gamma(Math.min(before, FOLD * (passes(R) + 1))) * magnitude[i]! + (before + 1) * SMALLEST_NORMAL
  }
  return { ...out, magnitude, roundings: 0, bound }
}
