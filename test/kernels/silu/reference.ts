// silu in float64, with the error that float32 may make.

import { type Ref, type Result, ref, requireShape } from '../../support/ref.ts'
import { type Approx, exactly, exponential, over, plus, times } from '../../support/running_error.ts'

const ONE = exactly(1)

/** The sigmoid of x and of −x, both from exp(−|x|). */
function sigmoids(x: number): [Approx, Approx] {
  const t = exponential(exactly(-Math.abs(x)))
  const sum = plus(ONE, t)
  const [large, small] = [over(ONE, sum), over(t, sum)]
  return x >= 0 ? [large, small] : [small, large]
}

/** What the formula gives for each element; where x is not finite, `otherwise` and no error. */
function elements(x: Ref, formula: (v: number, i: number) => Approx, otherwise: (v: number) => number): Result {
  const all = Array.from(x.data, (v, i) => (Number.isFinite(v) ? formula(v, i) : exactly(otherwise(v))))
  const value = ref(
    x.shape,
    all.map((a) => a.value),
  )
  // The bounds are worked out with the values; the roundings of the longest way, of which exp has most, are not counted.
  return { ...value, magnitude: value.data.map(Math.abs), roundings: 0, bound: Float64Array.from(all, (a) => a.error) }
}

/** x / (1 + exp(−x)): NaN for NaN and for −∞. */
export function silu(x: Ref): Result {
  const formula = (v: number) => times(exactly(v), sigmoids(v)[0])
  return elements(x, formula, (v) => v / (1 + Math.exp(-v)))
}

/** dy · s · (1 + x · (1 − s)), where s is the sigmoid of x: NaN where x is not finite. */
export function siluBackward(gradOut: Ref, x: Ref): Result {
  requireShape('siluBackward: gradOut', gradOut.shape, x.shape)
  const formula = (v: number, i: number) => {
    const [s, rest] = sigmoids(v)
    return times(exactly(gradOut.data[i]!), times(s, plus(ONE, times(exactly(v), rest))))
  }
  return elements(x, formula, () => Number.NaN)
}
