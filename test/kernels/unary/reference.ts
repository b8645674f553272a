// The functions of one element in float64, with the error that float32 may make: what is right, and the shader's formula.
import { erfs, normal } from '../../support/erf.ts'
import { type Ref, type Result, ref, requireShape } from '../../support/ref.ts'
import {
  type Approx,
  constant,
  exactly,
  exponential,
  inverseRoot,
  logarithm,
  minus,
  negate,
  over,
  plus,
  polynomial,
  root,
  standsFor,
  times,
} from '../../support/running_error.ts'

/** A function and its derivative. Of a number that is not finite only the value counts. */
export interface Formula {
  readonly value: (x: number) => Approx
  readonly slope: (x: number) => Approx
  /** Whether dy is left out where the slope is 0, whatever it is: 0 · ∞ would be NaN. */
  readonly selects?: true
}

const ONE = exactly(1)
const HALF = exactly(0.5)
/** Multiplies with a power of two, without a rounding. */
const scaled = ({ value, error }: Approx, by: number): Approx => ({ value: by * value, error: Math.abs(by) * error })

function expm1(x: Approx): Approx {
  const near = Math.abs(x.value) <= 0.3465736
  const series = [1, 2, 6, 24, 120, 720, 5040, 40320].map((n) => 1 / n)
  const formula = near ? times(x, polynomial(x, series)) : minus(exponential(x), ONE)
  return standsFor(Math.expm1(x.value), formula)
}

function log1p(x: Approx): Approx {
  const near = x.value >= -0.2928933 && x.value <= 0.4142136
  const s = near ? over(x, plus(exactly(2), x)) : ONE
  const series = times(scaled(s, 2), polynomial(times(s, s), [1, 1 / 3, 1 / 5, 1 / 7, 1 / 9]))
  return standsFor(Math.log1p(x.value), near ? series : logarithm(plus(ONE, x)))
}

const decay = (x: number): Approx => exponential(exactly(-Math.abs(x)))
const sigmoidOf = (x: number) => 1 / (1 + Math.exp(-x))

/** The sigmoid of x and of −x, both from exp(−|x|). */
function sigmoids(x: Approx): [Approx, Approx] {
  const t = exponential({ value: -Math.abs(x.value), error: x.error })
  const sum = plus(ONE, t)
  const [large, small] = [over(ONE, sum), over(t, sum)]
  return x.value >= 0 ? [large, small] : [small, large]
}

function tanh(x: Approx): Approx {
  const e = expm1(scaled({ value: Math.min(Math.abs(x.value), 10), error: x.error }, 2))
  const t = over(e, plus(e, exactly(2)))
  return standsFor(Math.tanh(x.value), x.value < 0 ? negate(t) : t)
}

/** 1 − tanh². */
function sech2(x: Approx): Approx {
  const t = exponential(scaled({ value: -Math.abs(x.value), error: x.error }, 2))
  const d = plus(ONE, t)
  return standsFor(Math.cosh(x.value) ** -2, over(scaled(t, 4), times(d, d)))
}

/** Reduced to a quarter exactly but for 4 roundings, then fdlibm's polynomials, whose error is below a unit of the value. */
const circular = (value: number): Approx => ({ value, error: 10 * 2 ** -24 * Math.abs(value) + 2 ** -126 })

/** The shader's complement of erf, for z from 0. */
function erfc(z: Approx): Approx {
  const t = over(ONE, plus(ONE, times(HALF, z)))
  const p = polynomial(
    t,
    [
      -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223,
      0.17087277,
    ],
  )
  return standsFor(erfs(z.value).erfc, times(t, exponential(minus(p, times(z, z)))))
}

function erf(x: Approx): Approx {
  const z = { value: Math.abs(x.value), error: x.error }
  if (z.value < 0.84375) {
    const q = times(x, x)
    const r = polynomial(q, [0.12837917, -0.3250421, -0.02848175, -0.0057702703, -0.000023763017])
    const s = polynomial(q, [1, 0.39791721, 0.065022253, 0.0050813063, 0.00013249474, -0.0000039602282])
    return standsFor(erfs(x.value).erf, plus(x, times(x, over(r, s))))
  }
  const e = minus(ONE, erfc(z))
  return standsFor(erfs(x.value).erf, x.value < 0 ? negate(e) : e)
}

/** The shader's distribution function of the normal distribution. */
function normalOf(x: number): Approx {
  const z = times(exactly(x), constant(Math.SQRT1_2))
  if (Math.abs(z.value) < 0.84375) return standsFor(normal(x), plus(HALF, scaled(erf(z), 0.5)))
  const tail = scaled(erfc({ value: Math.abs(z.value), error: z.error }), 0.5)
  return standsFor(normal(x), x < 0 ? tail : minus(ONE, tail))
}

const density = (x: number): Approx => {
  const e = exponential(negate(scaled(times(exactly(x), exactly(x)), 0.5)))
  return standsFor(Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI), times(constant(1 / Math.sqrt(2 * Math.PI)), e))
}

const C = 0.044715
/** What the tanh of gelu's approximation is taken of. */
function inner(x: number): Approx {
  const v = exactly(x)
  return times(constant(Math.sqrt(2 / Math.PI)), plus(v, times(times(times(constant(C), v), v), v)))
}

/** A formula where x is finite; beside infinities and NaN only the value, which JavaScript's functions know. */
function where(value: (x: number) => number, formula: (x: number) => Approx): (x: number) => Approx {
  return (x) => (Number.isFinite(x) ? standsFor(value(x), formula(x)) : exactly(value(x)))
}

const same = (value: (x: number) => number) => where(value, (x) => ({ value: value(x), error: 0 }))

const nanAt = (infinity: number, f: (x: number) => number) => (x: number) => (x === infinity ? Number.NaN : f(x))
const notFinite = (f: (x: number) => number) => (x: number) => (Number.isFinite(x) ? f(x) : Number.NaN)

export const formulas = {
  neg: { value: same((x) => -x), slope: same((x) => (Number.isNaN(x) ? x : -1)) },
  abs: { value: same(Math.abs), slope: same(Math.sign) },
  sign: { value: same(Math.sign), slope: same((x) => (Number.isNaN(x) ? x : 0)), selects: true },
  square: {
    value: where(
      (x) => x * x,
      (x) => times(exactly(x), exactly(x)),
    ),
    slope: same((x) => 2 * x),
  },
  sqrt: {
    value: where(Math.sqrt, (x) => root(exactly(x))),
    slope: where(
      (x) => 0.5 / Math.sqrt(x),
      (x) => over(ONE, scaled(root(exactly(x)), 2)),
    ),
  },
  rsqrt: {
    value: where(
      (x) => 1 / Math.sqrt(x),
      (x) => inverseRoot(exactly(x)),
    ),
    slope: where(
      (x) => -0.5 * (1 / Math.sqrt(x)) ** 3,
      (x) => {
        const r = inverseRoot(exactly(x))
        return times(scaled(r, -0.5), times(r, r))
      },
    ),
  },
  reciprocal: {
    value: where(
      (x) => 1 / x,
      (x) => over(ONE, exactly(x)),
    ),
    slope: where(
      (x) => -1 / (x * x),
      (x) => {
        const r = over(ONE, exactly(x))
        return negate(times(r, r))
      },
    ),
  },
  exp: {
    value: where(Math.exp, (x) => exponential(exactly(x))),
    slope: where(Math.exp, (x) => exponential(exactly(x))),
  },
  expm1: {
    value: where(Math.expm1, (x) => expm1(exactly(x))),
    slope: where(Math.exp, (x) => exponential(exactly(x))),
  },
  log: {
    value: where(Math.log, (x) => (x > Math.SQRT1_2 && x < Math.SQRT2 ? log1p(exactly(x - 1)) : logarithm(exactly(x)))),
    slope: where(
      (x) => 1 / x,
      (x) => over(ONE, exactly(x)),
    ),
  },
  log1p: {
    value: where(Math.log1p, (x) => log1p(exactly(x))),
    slope: where(
      (x) => 1 / (1 + x),
      (x) => over(ONE, plus(ONE, exactly(x))),
    ),
  },
  sin: { value: where(Math.sin, (x) => circular(Math.sin(x))), slope: where(Math.cos, (x) => circular(Math.cos(x))) },
  cos: {
    value: where(Math.cos, (x) => circular(Math.cos(x))),
    slope: where(
      (x) => -Math.sin(x),
      (x) => circular(-Math.sin(x)),
    ),
  },
  tanh: {
    value: where(Math.tanh, (x) => tanh(exactly(x))),
    slope: where(
      (x) => Math.cosh(x) ** -2,
      (x) => sech2(exactly(x)),
    ),
  },
  sigmoid: {
    value: where(sigmoidOf, (x) => sigmoids(exactly(x))[0]),
    slope: where(
      (x) => sigmoidOf(x) * sigmoidOf(-x),
      (x) => {
        const d = plus(ONE, decay(x))
        return over(decay(x), times(d, d))
      },
    ),
  },
  relu: { value: same((x) => Math.max(x, 0)), slope: same((x) => (x <= 0 ? 0 : 1)), selects: true },
  silu: {
    value: where(
      (x) => x / (1 + Math.exp(-x)),
      (x) => times(exactly(x), sigmoids(exactly(x))[0]),
    ),
    slope: where(
      notFinite((x) => sigmoidOf(x) * (1 + x * sigmoidOf(-x))),
      (x) => {
        const [s, rest] = sigmoids(exactly(x))
        return times(s, plus(ONE, times(exactly(x), rest)))
      },
    ),
  },
  softplus: {
    value: where(
      (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
      (x) => plus(exactly(Math.max(x, 0)), log1p(decay(x))),
    ),
    slope: where(sigmoidOf, (x) => sigmoids(exactly(x))[0]),
  },
  erf: {
    value: where(
      (x) => erfs(x).erf,
      (x) => erf(exactly(x)),
    ),
    slope: where(
      (x) => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x),
      (x) => times(constant(2 / Math.sqrt(Math.PI)), exponential(negate(times(exactly(x), exactly(x))))),
    ),
  },
} as const satisfies Record<string, Formula>

export const leakyRelu = (slope: number): Formula => ({
  value: where(
    (x) => (x > 0 ? x : Math.fround(slope) * x),
    (x) => (x > 0 ? exactly(x) : times(constant(slope), exactly(x))),
  ),
  slope: where(
    (x) => (Number.isNaN(x) ? x : x > 0 ? 1 : slope),
    (x) => (x > 0 ? ONE : constant(slope)),
  ),
})

export const elu = (alpha: number): Formula => ({
  value: where(
    (x) => (x > 0 ? x : alpha * Math.expm1(x)),
    (x) => (x > 0 ? exactly(x) : times(constant(alpha), expm1(exactly(x)))),
  ),
  slope: where(
    (x) => (x > 0 ? 1 : alpha * Math.exp(x)),
    (x) => (x > 0 ? ONE : times(constant(alpha), exponential(exactly(x)))),
  ),
})

export const gelu: Formula = {
  value: where(
    nanAt(-Infinity, (x) => x * normal(x)),
    (x) => times(exactly(x), normalOf(x)),
  ),
  slope: where(
    notFinite((x) => normal(x) + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI)),
    (x) => plus(normalOf(x), times(exactly(x), density(x))),
  ),
}

const innerOf = (x: number) => Math.sqrt(2 / Math.PI) * (x + C * x ** 3)

export const geluTanh: Formula = {
  value: where(
    nanAt(-Infinity, (x) => x * sigmoidOf(2 * innerOf(x))),
    (x) => times(exactly(x), sigmoids(scaled(inner(x), 2))[0]),
  ),
  slope: where(
    notFinite((x) => {
      const u = innerOf(x)
      return sigmoidOf(2 * u) + 0.5 * x * Math.cosh(u) ** -2 * Math.sqrt(2 / Math.PI) * (1 + 3 * C * x * x)
    }),
    (x) => {
      const v = exactly(x)
      const factor = times(constant(Math.sqrt(2 / Math.PI)), plus(ONE, times(times(constant(3 * C), v), v)))
      return plus(sigmoids(scaled(inner(x), 2))[0], times(scaled(v, 0.5), times(sech2(inner(x)), factor)))
    },
  ),
}

export const clamp = (min: number, max: number): Formula => ({
  value: same((x) => (Number.isNaN(x) ? x : Math.min(Math.max(x, Math.fround(min)), Math.fround(max)))),
  slope: same((x) => (Number.isNaN(x) ? x : x >= Math.fround(min) && x <= Math.fround(max) ? 1 : 0)),
  selects: true,
})

/** Each element by itself; the bounds are worked out with the values. */
function elements(shape: readonly number[], all: readonly Approx[]): Result {
  const value = ref(
    shape,
    all.map((a) => a.value),
  )
  return { ...value, magnitude: value.data.map(Math.abs), roundings: 0, bound: Float64Array.from(all, (a) => a.error) }
}

export function forward(x: Ref, { value }: Formula): Result {
  return elements(x.shape, Array.from(x.data, value))
}

export function backward(gradOut: Ref, x: Ref, { slope, selects }: Formula): Result {
  requireShape('backward: gradOut', gradOut.shape, x.shape)
  const at = (v: number, i: number) => {
    const [g, d] = [gradOut.data[i]!, slope(v)]
    if (selects && d.value === 0) return exactly(0)
    return Number.isFinite(g) && Number.isFinite(d.value) ? times(exactly(g), d) : exactly(g * d.value)
  }
  return elements(x.shape, Array.from(x.data, at))
}

export const relu = (x: Ref): Result => forward(x, formulas.relu)
export const reluBackward = (gradOut: Ref, x: Ref): Result => backward(gradOut, x, formulas.relu)
