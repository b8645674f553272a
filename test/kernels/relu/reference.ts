// relu in float64.
import { exact, type Ref, type Result, ref, requireShape } from '../../support/ref.ts'

/** max(x, 0). A NaN stays one. */
export function relu(x: Ref): Result {
  return exact(
    ref(
      x.shape,
      x.data.map((v) => Math.max(v, 0)),
    ),
  )
}

/** The gradient where x > 0 or NaN, else 0: at x = 0 it is 0. */
export function reluBackward(gradOut: Ref, x: Ref): Result {
  requireShape('reluBackward: gradOut', gradOut.shape, x.shape)
  return exact(
    ref(
      x.shape,
      x.data.map((v, i) => (v <= 0 ? 0 : gradOut.data[i]!)),
    ),
  )
}
