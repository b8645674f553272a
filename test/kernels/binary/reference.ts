// The functions of two tensors in float64, with the error that float32 may make: shapes broadcast by plain loops.
import { gamma, SMALLEST_NORMAL } from '../../support/close.ts'
import { type Ref, type Result, ref, sizeOf } from '../../support/ref.ts'
import {
  type Approx,
  exactly,
  exponential,
  logarithm,
  minus,
  negate,
  over,
  plus,
  root,
  standsFor,
  times,
} from '../../support/running_error.ts'

/** A function of two numbers and its derivatives. Beside numbers that are not finite only the values count. */
export interface Formula {
  readonly value: (a: number, b: number) => Approx
  /** What dy is multiplied with, or null where it does not pass at all, whatever it is. */
  readonly da: (a: number, b: number) => Approx | null
  readonly db: (a: number, b: number) => Approx | null
}

/** The shape that all of these broadcast to. */
export function broadcastShape(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length))
  return Array.from({ length: rank }, (_, i) => {
    const sizes = shapes.map((shape) => shape[shape.length - rank + i] ?? 1)
    return sizes.find((n) => n !== 1) ?? 1
  })
}

/** For each element of `shape` the index of its own in a tensor of shape `own`. */
export function partners(own: readonly number[], shape: readonly number[]): number[] {
  return Array.from({ length: sizeOf(shape) }, (_, i) => {
    let rest = i
    let stride = 1
    let at = 0
    for (let k = 1; k <= shape.length; k++) {
      const size = shape[shape.length - k]!
      const ownSize = own[own.length - k] ?? 1
      if (ownSize !== 1) at += (rest % size) * stride
      stride *= ownSize
      rest = Math.floor(rest / size)
    }
    return at
  })
}

/** A formula where both are finite; else only the value, which JavaScript's arithmetic knows. */
function where(value: (a: number, b: number) => number, formula: (a: Approx, b: Approx) => Approx) {
  return (a: number, b: number): Approx => {
    const right = value(a, b)
    return Number.isFinite(right) && Number.isFinite(a) && Number.isFinite(b)
      ? standsFor(right, formula(exactly(a), exactly(b)))
      : exactly(right)
  }
}

const ONE = exactly(1)
const pass = (a: number, b: number): Approx => (Number.isNaN(a) || Number.isNaN(b) ? ONE : ONE)
const firstNaN = (a: number, b: number) => (Number.isNaN(a) ? a : b)

/** The larger or the smaller; ties share. */
function extreme(better: (a: number, b: number) => boolean): Formula {
  const share = (mine: number, other: number): Approx | null => {
    if (Number.isNaN(mine) || Number.isNaN(other)) return exactly(Number.NaN)
    if (mine === other) return exactly(0.5)
    return better(mine, other) ? ONE : null
  }
  return {
    value: (a, b) => exactly(Number.isNaN(a) || Number.isNaN(b) ? firstNaN(a, b) : better(a, b) ? a : b),
    da: (a, b) => share(a, b),
    db: (a, b) => share(b, a),
  }
}

/** a to the power of b, as the shader works it out. */
function power(a: Approx, b: Approx): Approx {
  const [x, y] = [a.value, b.value]
  if (y === 0) return ONE
  if (y === 0.5) return root(a)
  if (Number.isInteger(y) && Math.abs(y) <= 64) {
    let product = ONE
    for (let i = 0; i < Math.abs(y); i++) product = times(product, a)
    return y > 0 ? product : over(ONE, product)
  }
  if (x === 0) return exactly(x ** y)
  const r = exponential(times(b, logarithm({ value: Math.abs(x), error: a.error })))
  return x < 0 ? negate(r) : r
}

const pow: Formula = {
  value: where((a, b) => a ** b, power),
  da: (a, b) => {
    if (b === 0) return Number.isNaN(a) ? exactly(a) : null
    return where(
      (x, y) => y * x ** (y - 1),
      (x, y) => times(y, power(x, minus(y, ONE))),
    )(a, b)
  },
  db: (a, b) => {
    if (a === 0 && b >= 0) return null
    return where(
      (x, y) => x ** y * Math.log(x),
      (x, y) => times(power(x, y), logarithm(x)),
    )(a, b)
  },
}

export const formulas = {
  add: { value: where((a, b) => a + b, plus), da: pass, db: pass },
  sub: { value: where((a, b) => a - b, minus), da: pass, db: () => exactly(-1) },
  mul: { value: where((a, b) => a * b, times), da: (_, b) => exactly(b), db: (a) => exactly(a) },
  div: {
    value: where((a, b) => a / b, over),
    da: where(
      (_, b) => 1 / b,
      (_, b) => over(ONE, b),
    ),
    db: where(
      (a, b) => -a / b / b,
      (a, b) => negate(over(over(a, b), b)),
    ),
  },
  pow,
  maximum: extreme((a, b) => a > b),
  minimum: extreme((a, b) => a < b),
} as const satisfies Record<string, Formula>

/** a where the condition holds, else b. */
export const chosen = (condition: boolean): Formula => ({
  value: (a, b) => exactly(condition ? a : b),
  da: () => (condition ? ONE : null),
  db: () => (condition ? null : ONE),
})

/** The formula of each element of the output, and its operands. */
interface Broadcast {
  readonly shape: readonly number[]
  readonly at: readonly (readonly [Formula, a: number, b: number])[]
  readonly places: readonly (readonly number[])[]
}

export function broadcast(a: Ref, b: Ref, formulaAt: (i: number) => Formula, shape: readonly number[]): Broadcast {
  const places = [a, b].map((own) => partners(own.shape, shape))
  const at = places[0]!.map((p, i) => [formulaAt(i), a.data[p]!, b.data[places[1]![i]!]!] as const)
  return { shape, at, places }
}

function resultOf(shape: readonly number[], all: readonly Approx[]): Result {
  const value = ref(
    shape,
    all.map((v) => v.value),
  )
  return { ...value, magnitude: value.data.map(Math.abs), roundings: 0, bound: Float64Array.from(all, (v) => v.error) }
}

export function forward({ shape, at }: Broadcast): Result {
  return resultOf(
    shape,
    at.map(([{ value }, a, b]) => value(a, b)),
  )
}

/** The gradient of operand `which`: dy times its derivative, summed over what it was broadcast along. */
export function backward(dy: Ref, { at, places }: Broadcast, which: 0 | 1, own: readonly number[]): Result {
  const size = sizeOf(own)
  const [sum, magnitude, error] = [new Float64Array(size), new Float64Array(size), new Float64Array(size)]
  const terms = size === 0 ? 0 : at.length / size
  for (const [i, [formula, a, b]] of at.entries()) {
    const p = places[which]![i]!
    const slope = which === 0 ? formula.da(a, b) : formula.db(a, b)
    if (slope === null) continue
    const g = dy.data[i]!
    const finite = Number.isFinite(g) && Number.isFinite(slope.value)
    // Of add and sub nothing is multiplied.
    const term = !finite || Math.abs(slope.value) === 1 ? exactly(g * slope.value) : times(exactly(g), slope)
    sum[p]! += term.value
    magnitude[p]! += Math.abs(term.value)
    error[p]! += term.error
  }
  const roundings = Math.max(0, terms - 1)
  const bound = error.map((e, p) => e + gamma(roundings) * (magnitude[p]! + e) + roundings * SMALLEST_NORMAL)
  return { ...ref(own, sum), magnitude, roundings, bound }
}
