// The losses of numbers in float64, with the error that float32 may make: each element's formula, then the reduction.
import { type Ref, type Result, ref } from '../../support/ref.ts'
import {
  type Approx,
  constant,
  exactly,
  minus,
  negate,
  over,
  plus,
  standsFor,
  times,
} from '../../support/running_error.ts'
import { partners } from '../binary/reference.ts'
import { groupsOf, sumOf } from '../reduce/reference.ts'
import { formulas as unary } from '../unary/reference.ts'

export type Reduction = 'mean' | 'batchmean' | 'sum' | 'none'

/** An element's loss, and the terms that the gradient is multiplied with one by one before they are added. */
export interface Formula {
  value(x: number, t: number): Approx
  dx(x: number, t: number): readonly Approx[]
  dt(x: number, t: number): readonly Approx[]
}

const ONE = exactly(1)
const finite = ({ value }: Approx) => Number.isFinite(value)
const scaled = ({ value, error }: Approx, by: number): Approx => ({ value: by * value, error: Math.abs(by) * error })
const opposite = (terms: readonly Approx[]) => terms.map(negate)
/** Beside infinities there is no rounding. */
export const product = (a: Approx, b: Approx) => (finite(a) && finite(b) ? times(a, b) : exactly(a.value * b.value))
export const total = (terms: readonly Approx[]) =>
  terms.every(finite) ? terms.reduce(plus) : exactly(terms.reduce((sum, { value }) => sum + value, 0))

const difference = (x: number, t: number) => (Number.isFinite(x - t) ? minus(exactly(x), exactly(t)) : exactly(x - t))

/** From −most to most. */
function within(a: Approx, most: Approx): Approx {
  const value = Math.min(Math.max(a.value, -most.value), most.value)
  return { value, error: Number.isFinite(a.value) ? Math.max(a.error, most.error) : most.error }
}

/** A loss of the difference alone. */
function ofDifference(value: (d: Approx) => Approx, slope: (d: Approx) => Approx): Formula {
  const dx = (x: number, t: number) => [slope(difference(x, t))]
  return { value: (x, t) => value(difference(x, t)), dx, dt: (x, t) => opposite(dx(x, t)) }
}

export const mse = ofDifference(
  (d) => product(d, d),
  (d) => scaled(d, 2),
)

export const l1 = ofDifference(
  ({ value, error }) => ({ value: Math.abs(value), error }),
  ({ value }) => exactly(Math.sign(value)),
)

const sizeOf = ({ value }: Approx) => Math.abs(value)

export function smoothL1(beta: number): Formula {
  if (beta === 0) return l1
  const slope = (d: Approx) => within(finite(d) ? over(d, constant(beta)) : d, ONE)
  return ofDifference((d) => {
    const right = sizeOf(d) < beta ? d.value ** 2 / (2 * beta) : sizeOf(d) - beta / 2
    const s = slope(d)
    return finite(d) ? standsFor(right, times(s, minus(d, times(s, constant(beta / 2))))) : exactly(right)
  }, slope)
}

export function huber(delta: number): Formula {
  const slope = (d: Approx) => within(d, constant(delta))
  return ofDifference((d) => {
    const right = sizeOf(d) <= delta ? d.value ** 2 / 2 : delta * (sizeOf(d) - delta / 2)
    const s = slope(d)
    return finite(d) ? standsFor(right, times(s, minus(d, scaled(s, 0.5)))) : exactly(right)
  }, slope)
}

const rest = (v: number) => difference(1, v)
const least = (a: Approx, low: number): Approx => (a.value < low ? exactly(low) : a)

/** Of probabilities inside of (0, 1), and of numbers that are not finite. */
export const bce: Formula = {
  value(x, t) {
    if (!(x >= 0 && x <= 1)) return exactly(Number.NaN)
    const cost = (log: Approx) => least(log, -100)
    const one = product(exactly(t), cost(unary.log.value(x)))
    return negate(total([one, product(rest(t), cost(unary.log1p.value(-x)))]))
  },
  dx(x, t) {
    if (!(x >= 0 && x <= 1)) return [exactly(Number.NaN)]
    const divisor = least(product(exactly(x), rest(x)), Math.fround(1e-12))
    const d = difference(x, t)
    return [finite(d) ? over(d, divisor) : d]
  },
  dt: (x) => [total([unary.log1p.value(-x), negate(unary.log.value(x))])],
}

/** `posWeight` of an element, or null. */
export const bceWithLogits = (posWeight: number | null): Formula => {
  const weighted = (a: Approx) => (posWeight === null ? a : product(a, exactly(posWeight)))
  const one = (t: number) => weighted(exactly(t))
  return {
    value: (x, t) => total([product(rest(t), unary.softplus.value(x)), product(one(t), unary.softplus.value(-x))]),
    dx: (x, t) => [product(rest(t), unary.softplus.slope(x)), negate(product(one(t), unary.softplus.slope(-x)))],
    dt: (x) => [negate(unary.softplus.value(x)), weighted(unary.softplus.value(-x))],
  }
}

/** Of targets that are not 0. */
export const klDiv: Formula = {
  value: (x, t) => total([product(exactly(t), unary.log.value(t)), negate(product(exactly(t), exactly(x)))]),
  dx: (_, t) => [exactly(-t)],
  dt: (x, t) => [unary.log.value(t), product(exactly(t), unary.log.slope(t)), exactly(-x)],
}

export const klDivOfLogs: Formula = {
  value: (x, t) => product(unary.exp.value(t), difference(t, x)),
  dx: (_, t) => [negate(unary.exp.value(t))],
  dt: (x, t) => [product(difference(t, x), unary.exp.slope(t)), unary.exp.value(t)],
}

/** The same formula with one more product. */
const weighted = ({ value, dx, dt }: Formula, weight: number | null): Formula => {
  if (weight === null) return { value, dx, dt }
  const by = (a: Approx) => product(a, exactly(weight))
  return { value: (x, t) => by(value(x, t)), dx: (x, t) => dx(x, t).map(by), dt: (x, t) => dt(x, t).map(by) }
}

/** A result from values with their errors. */
export function resultOf(shape: readonly number[], all: readonly Approx[]): Result {
  const value = ref(
    shape,
    all.map((a) => a.value),
  )
  return { ...value, magnitude: value.data.map(Math.abs), roundings: 0, bound: Float64Array.from(all, (a) => a.error) }
}

/** What a sum is divided by. */
function divisorOf(reduction: Reduction, shape: readonly number[]): number {
  if (reduction === 'mean') return shape.reduce((size, n) => size * n, 1)
  return reduction === 'batchmean' ? (shape[0] ?? 1) : 1
}

export const quotient = (a: Approx, b: Approx) => (finite(a) && b.value !== 0 ? over(a, b) : exactly(a.value / b.value))

export const sumFor = (shape: readonly number[], terms: readonly Approx[]) => {
  const { depth } = groupsOf(
    shape,
    shape.map((_, d) => d),
    false,
  )
  return sumOf(terms, depth)
}

/** The losses of all elements as the reduction wants them. */
export function reduced(shape: readonly number[], losses: readonly Approx[], reduction: Reduction): Result {
  if (reduction === 'none') return resultOf(shape, losses)
  const sum = sumFor(shape, losses)
  const divisor = divisorOf(reduction, shape)
  return resultOf([], [reduction === 'sum' ? sum : quotient(sum, exactly(divisor))])
}

/** What the gradient of one element's loss is, given that of the result. */
export function gradientAt(dy: Ref, shape: readonly number[], reduction: Reduction): (i: number) => Approx {
  if (reduction === 'none') return (i) => exactly(dy.data[i]!)
  const g = exactly(dy.data[0]!)
  const each = reduction === 'sum' ? g : quotient(g, exactly(divisorOf(reduction, shape)))
  return () => each
}

/** The value of a weight, which broadcasts to a shape, for each of its elements. */
export function placed(shape: readonly number[], weight: { shape: readonly number[]; data: ArrayLike<number> }) {
  const places = partners(weight.shape, shape)
  return (i: number): number => weight.data[places[i]!]!
}

/** The formula of every element, times its weight if there is one. */
export const formulasAt =
  (weight: ((i: number) => number) | null, of: (i: number) => Formula) =>
  (i: number): Formula =>
    weighted(of(i), weight ? weight(i) : null)

export function forward([x, t]: readonly [Ref, Ref], at: (i: number) => Formula, reduction: Reduction): Result {
  const losses = Array.from(x.data, (v, i) => at(i).value(v, t.data[i]!))
  return reduced(x.shape, losses, reduction)
}

export function backward(
  dy: Ref,
  [x, t]: readonly [Ref, Ref],
  at: (i: number) => Formula,
  reduction: Reduction,
): [Result, Result] {
  const g = gradientAt(dy, x.shape, reduction)
  const of = (which: 'dx' | 'dt') =>
    resultOf(
      x.shape,
      Array.from(x.data, (v, i) =>
        total(
          at(i)
            [which](v, t.data[i]!)
            .map((term) => product(g(i), term)),
        ),
      ),
    )
  return [of('dx'), of('dt')]
}
