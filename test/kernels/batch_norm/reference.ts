// Batch norm in float64, with bounds for float32.
import { gamma, SMALLEST_NORMAL, UNIT_ROUNDOFF as u } from '../../support/close.ts'
import { type Ref, type Result, ref, requireShape, sizeOf } from '../../support/ref.ts'

// Where the bounds come from. A channel has M values x, mean μ, deviations t = x − μ, v = Σt²/M, r = 1/√(v + eps). Sums of M
// terms, in whatever order, are off by γ(M)·Σ|terms|; WGSL allows a division 5u and an inverse square root 2 ULP = 4u. The values
// may be shared out in any way; share i has n values, their mean m, of which float32 makes μᵢ, and all shares' means give k.
//
//   μᵢ, k          off from m and μ by at most e = γ(2M + 16)·max|x|
//   x − μᵢ, μᵢ − k  plain and squared sums of the former, moved by the latter, are Σ(x − k) and Σ(x − k)². With T = |t| + e, and
//                  since n·|m − μ| ≤ Σ|t| and n·(m − μ)² ≤ Σt² over a share, their terms come to at most 3·ΣT and 6·Σt² + 18·M·e²
//   rest           Σ(x − k)/M, off by at most ρ = γ(M + 11)·3·ΣT/M: k + rest is μ up to that, however large μ is
//   v              (Σ(x − k)² − M·rest²)/M, whose exact value is v for any k. The sum of squares is off by γ(M + 8) of its terms,
//                  the other product by M·((e + ρ)² − e²) and its roundings; then a subtraction and a division
//   r              relative: (1 − v'/(v + eps))^(−1/2)·(1 + 4u) − 1, v' being the error of v + eps
//   x − k − rest   off from t by at most t' = u·T + ρ + u·(|t| + u·T + ρ)
//
// With running statistics k is the running mean and rest 0, both exact, and v is given. Anything below the smallest normal
// number may become zero: one such number for each product is added at the end.
const DIVISION = 5
const INVERSE_ROOT = 4

export interface BatchNormOptions {
  eps: number
  /** Running statistics to normalise by; without them by the batch's. */
  running?: { mean: Ref; variance: Ref }
}

/** One channel: which elements it has, and what normalises them. */
interface Channel {
  places: number[]
  /** x − μ, and the largest error of float32's. */
  t: Float64Array
  tError: Float64Array
  mean: number
  meanError: number
  /** The biased variance and its largest error. */
  variance: number
  varianceError: number
  /** 1 / √(variance + eps), and its largest relative error. */
  r: number
  rError: number
}

function dimensions(shape: readonly number[]): [N: number, C: number, S: number] {
  if (shape.length < 2) throw new Error('batchNorm: an input of two dimensions or more is needed')
  return [shape[0]!, shape[1]!, sizeOf(shape.slice(2))]
}

const total = (values: Float64Array) => values.reduce((a, b) => a + b, 0)

function channelOf(x: Ref, c: number, { eps, running }: BatchNormOptions): Channel {
  const [N, C, S] = dimensions(x.shape)
  const places = Array.from({ length: N * S }, (_, i) => (Math.floor(i / S) * C + c) * S + (i % S))
  const values = Float64Array.from(places, (place) => x.data[place]!)
  const M = values.length
  const mean = running ? running.mean.data[c]! : total(values) / M
  const t = values.map((value) => value - mean)
  const variance = running ? running.variance.data[c]! : total(t.map((d) => d * d)) / M
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const kError = running ? 0 : gamma(2 * M + 16) * largest
  const T = t.map((d) => Math.abs(d) + kError)
  const restError = running ? 0 : (gamma(M + 11) * 3 * total(T)) / M
  const tError = t.map((d, i) => {
    const before = u * T[i]! + restError
    return before + u * (Math.abs(d) + before)
  })
  let varianceError = 0
  if (!running) {
    const terms = 6 * M * variance + 18 * M * kError ** 2
    const product = M * (kError + restError) ** 2
    const difference = gamma(M + 8) * terms + (product - M * kError ** 2) + gamma(3) * product
    varianceError = (difference + u * (terms + product)) / M
    varianceError += DIVISION * u * (variance + varianceError)
  }
  const sumError = varianceError + 2 * u * (variance + eps + varianceError)
  const share = sumError / (variance + eps)
  return {
    places,
    t,
    tError,
    mean,
    meanError: restError + u * (Math.abs(mean) + restError),
    variance,
    varianceError,
    r: 1 / Math.sqrt(variance + eps),
    // Where nothing is left of the variance, nothing can be said.
    rError: share < 1 ? (1 + INVERSE_ROOT * u) / Math.sqrt(1 - share) - 1 : Number.isNaN(share) ? 0 : Number.MAX_VALUE,
  }
}

/** |exact|·((1 + relative)·(1 + u)^roundings − 1) for what is itself off by `error`. */
function scaledError(exact: number, error: number, relative: number, roundings: number): number {
  return (Math.abs(exact) + error) * (1 + relative) * (1 + gamma(roundings)) - Math.abs(exact)
}

/** (x − mean) / √(variance + eps) · weight + bias, by channels (dimension 1); weight and bias may be left out. */
export function batchNorm(x: Ref, weight: Ref | null, bias: Ref | null, options: BatchNormOptions): Result {
  const [, C] = dimensions(x.shape)
  const out = ref(x.shape)
  const magnitude = new Float64Array(out.data.length)
  const bound = new Float64Array(out.data.length)
  for (let c = 0; c < C; c++) {
    const { places, t, tError, r, rError } = channelOf(x, c, options)
    const [w, b] = [weight ? weight.data[c]! : 1, bias ? bias.data[c]! : 0]
    places.forEach((place, i) => {
      const scaled = t[i]! * r * w
      out.data[place] = scaled + b
      magnitude[place] = Math.abs(scaled) + Math.abs(b)
      const error = Math.abs(r * w) * scaledError(t[i]!, tError[i]!, rError, 2)
      bound[place] = error + u * (magnitude[place]! + error) + SMALLEST_NORMAL * (3 + Math.abs(r * w))
    })
  }
  return { ...out, magnitude, roundings: 3, bound }
}

/** Gradients of input, weight and bias; without running statistics the batch's mean and variance depend on x. */
export function batchNormBackward(
  gradOut: Ref,
  x: Ref,
  weight: Ref | null,
  options: BatchNormOptions,
): { input: Result; weight: Result; bias: Result } {
  requireShape('batchNormBackward: gradOut', gradOut.shape, x.shape)
  const [, C] = dimensions(x.shape)
  const result = (shape: number[]): Result => {
    const value = ref(shape)
    return { ...value, magnitude: value.data.slice(), roundings: 0, bound: value.data.slice() }
  }
  const [input, dWeight, dBias] = [result(x.shape), result([C]), result([C])]
  for (let c = 0; c < C; c++) {
    const { places, t, tError, r, rError } = channelOf(x, c, options)
    const M = places.length
    const w = weight ? weight.data[c]! : 1
    const dy = Float64Array.from(places, (place) => gradOut.data[place]!)
    const normal = t.map((d) => d * r)
    const normalError = t.map((d, i) => r * scaledError(d, tError[i]!, rError, 1) + SMALLEST_NORMAL * (1 + r))
    const ofBias = total(dy)
    const ofWeight = total(dy.map((g, i) => g * normal[i]!))
    dBias.data[c] = ofBias
    dBias.magnitude[c] = total(dy.map(Math.abs))
    dBias.bound[c] = gamma(M) * dBias.magnitude[c]! + SMALLEST_NORMAL
    dWeight.data[c] = ofWeight
    dWeight.magnitude[c] = total(dy.map((g, i) => Math.abs(g * normal[i]!)))
    const fromNormal = total(dy.map((g, i) => Math.abs(g) * normalError[i]!))
    dWeight.bound[c] = fromNormal + gamma(M + 1) * (dWeight.magnitude[c]! + fromNormal) + (M + 1) * SMALLEST_NORMAL
    const meanOf = (sum: number, error: number): [number, number] => {
      return [sum / M, (error + DIVISION * u * (Math.abs(sum) + error)) / M + SMALLEST_NORMAL]
    }
    const [a, aError] = options.running ? [0, 0] : meanOf(ofBias, dBias.bound[c]!)
    const [s, sError] = options.running ? [0, 0] : meanOf(ofWeight, dWeight.bound[c]!)
    places.forEach((place, i) => {
      const p = options.running ? 0 : normal[i]! * s
      const exactProduct = Math.abs(normal[i]!) * sError + normalError[i]! * (Math.abs(s) + sError)
      const pError = options.running ? 0 : exactProduct + u * (Math.abs(p) + exactProduct) + SMALLEST_NORMAL
      const inner = dy[i]! - a - p
      const parts = Math.abs(dy[i]!) + Math.abs(a) + Math.abs(p)
      const innerError = aError + pError + gamma(2) * (parts + aError + pError)
      input.data[place] = inner * r * w
      input.magnitude[place] = parts * Math.abs(r * w)
      const error = scaledError(inner, options.running ? 0 : innerError, rError, 2)
      input.bound[place] = Math.abs(r * w) * error + SMALLEST_NORMAL * (3 + Math.abs(r * w))
    })
  }
  return { input, weight: dWeight, bias: dBias }
}

/**
 * Running statistics after a batch: each (1 − f)·old + f·new, with the unbiased variance. f is rounded to float32 by the
 * caller; 1 − f, the products and their sum are four roundings.
 */
export function batchNormRunning(x: Ref, mean: Ref, variance: Ref, f: number): { mean: Result; variance: Result } {
  const [N, C, S] = dimensions(x.shape)
  const M = N * S
  const mixed = (old: Ref, now: (channel: Channel) => [value: number, error: number]): Result => {
    const out = ref([C])
    const magnitude = new Float64Array(C)
    const bound = new Float64Array(C)
    for (let c = 0; c < C; c++) {
      const [value, error] = now(channelOf(x, c, { eps: 0 }))
      out.data[c] = (1 - f) * old.data[c]! + f * value
      magnitude[c] = Math.abs((1 - f) * old.data[c]!) + Math.abs(f * value)
      bound[c] = f * error + gamma(4 + DIVISION) * (magnitude[c]! + f * error) + 4 * SMALLEST_NORMAL
    }
    return { ...out, magnitude, roundings: 4 + DIVISION, bound }
  }
  return {
    mean: mixed(mean, (channel) => [channel.mean, channel.meanError]),
    variance: mixed(variance, ({ variance: v, varianceError }) => {
      // Divided by M − 1 instead of M.
      return [(v * M) / (M - 1), (varianceError * M) / (M - 1)]
    }),
  }
}
