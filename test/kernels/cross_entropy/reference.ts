// crossEntropy in float64, with the error that float32 may make.
import { gamma, SMALLEST_NORMAL, UNIT_ROUNDOFF as u } from '../../support/close.ts'
import { type Ref, type Result, ref, requireShape } from '../../support/ref.ts'

export type Reduction = 'mean' | 'sum' | 'none'

// Where the bounds come from. WGSL's accuracy table for float32, with 1 unit in the last place (ULP) ≤ 2u relative:
//   exp(x)   3 + 2·|x| ULP; 16 ULP at least are granted, for drivers measured at about 10
//   log(x)   2⁻²¹ absolute for x in [0.5, 2], 3 ULP elsewhere; 4 ULP = 2⁻²¹ relative are granted, so that
//            2⁻²¹ · max(1, log x) covers both, for x ≥ 1
//   x / y    2.5 ULP = 5u;   +, −, ·   correctly rounded: u
// and anything below the smallest normal number may become zero. The formula is the stable one: with m = max_j x_j and
// d_j = x_j − m, loss = log Σ exp(d_j) − d_t. A rounded d_j is off by u·|d_j|, which multiplies exp by exp(±u·|d_j|).

/** e^−110 is below float32's smallest subnormal: from here on an exponential is zero or flushed to zero. */
const VANISHED = -110
/** Largest error of a division, or of a multiplication with a rounded reciprocal, in u. */
const DIVISION = 5

function expError(x: number): number {
  return 2 * u * Math.max(16, 3 + 2 * Math.abs(x))
}

/** One row's softmax, and how far each part may be off in float32. */
interface Row {
  /** x_j − max x */
  d: Float64Array
  /** Σ exp(d_j), at least 1, and its largest relative error */
  sum: number
  sumError: number
  logSum: number
  logError: number
}

/** Relative error of float32's exp(d), d ≤ 0 itself rounded once. */
function termError(d: number): number {
  return (1 + expError(d)) * Math.exp(u * Math.abs(d)) - 1
}

function analyseRow(logits: Float64Array): Row {
  const max = logits.reduce((most, x) => Math.max(most, x), -Infinity)
  const d = logits.map((x) => x - max)
  let sum = 0
  let error = 0
  for (const dj of d) {
    const e = Math.exp(dj)
    sum += e
    error += SMALLEST_NORMAL + (dj < VANISHED ? 0 : e * termError(dj))
  }
  error += gamma(d.length - 1) * (sum + error)
  const sumError = error / sum
  const logSum = Math.log(sum)
  const logError = -Math.log1p(-sumError) + 2 ** -21 * Math.max(1, Math.log(sum + error))
  return { d, sum, sumError, logSum, logError }
}

/**
 * Largest error of a float32 softmax p_j, for the larger of two usual ways: exp(d_j) / Σ, and exp(d_j − log Σ).
 * In the first the errors of the exponential, the sum and the division multiply; in the second the errors of d_j, the
 * logarithm and their difference add up in the argument.
 */
function softmaxError(d: number, row: Row): number {
  if (d < VANISHED) return 2 * SMALLEST_NORMAL
  const p = Math.exp(d) / row.sum
  const quotient = ((1 + termError(d)) * (1 + DIVISION * u)) / (1 - row.sumError) - 1
  const argument = d - row.logSum
  const argumentError = row.logError + u * (Math.abs(d) + Math.abs(argument) + row.logError)
  const exponential = (1 + expError(argument)) * Math.exp(argumentError) - 1
  return p * Math.max(quotient, exponential) + 2 * SMALLEST_NORMAL
}

function checkTarget(logits: Ref, target: ArrayLike<number>, ignoreIndex: number): [number, number] {
  if (logits.shape.length !== 2) throw new Error('crossEntropy: logits of [N, C] are needed')
  const [n, classes] = logits.shape as [number, number]
  if (target.length !== n) throw new Error(`crossEntropy: ${target.length} labels for ${n} rows`)
  for (let i = 0; i < n; i++) {
    const label = target[i]!
    if (label === ignoreIndex) continue
    if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
      throw new RangeError(`crossEntropy: label ${label} of row ${i} is not from 0 to ${classes - 1}`)
    }
  }
  return [n, classes]
}

/**
 * −log softmax(logits)[target], by rows: logits [N, C], N integers from 0 to C − 1 → [N] for 'none', else [].
 * Rows whose label is `ignoreIndex` have a loss of 0 and do not count for the mean. The mean of no rows is NaN, as in
 * PyTorch. A label out of range is a RangeError.
 */
export function crossEntropy(logits: Ref, target: ArrayLike<number>, reduction: Reduction, ignoreIndex = -100): Result {
  const [n, classes] = checkTarget(logits, target, ignoreIndex)
  const losses = ref([n])
  const bounds = new Float64Array(n)
  const magnitudes = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    if (target[i] === ignoreIndex) continue
    const row = analyseRow(logits.data.slice(i * classes, (i + 1) * classes))
    const dt = row.d[target[i]!]!
    losses.data[i] = row.logSum - dt
    magnitudes[i] = row.logSum + Math.abs(dt)
    // The error of the logarithm, that of d_t, and the rounding of their difference.
    const parts = row.logError + u * Math.abs(dt)
    bounds[i] = parts + u * (magnitudes[i]! + parts) + SMALLEST_NORMAL
  }
  if (reduction === 'none') return { ...losses, magnitude: magnitudes, roundings: 1, bound: bounds }
  // n − 1 additions, and for the mean one division; losses are never negative.
  const scale = reduction === 'mean' ? 1 / counted(target, n, ignoreIndex) : 1
  const total = losses.data.reduce((a, b) => a + b, 0)
  const bound = bounds.reduce((a, b) => a + b, 0)
  const roundings = Math.max(0, n - 1) + (reduction === 'mean' ? DIVISION : 0)
  return {
    ...ref([], [total * scale]),
    magnitude: Float64Array.of(magnitudes.reduce((a, b) => a + b, 0) * scale),
    roundings,
    bound: Float64Array.of((bound + gamma(roundings) * (total + bound)) * scale + SMALLEST_NORMAL),
  }
}

function counted(target: ArrayLike<number>, n: number, ignoreIndex: number): number {
  let count = 0
  for (let i = 0; i < n; i++) if (target[i] !== ignoreIndex) count++
  return count
}

/**
 * (softmax − one-hot) · gradient, the gradient being of shape [N] for 'none', else [] (and divided by the number of rows
 * that count for 'mean'). 0 for rows whose label is `ignoreIndex`.
 */
export function crossEntropyBackward(
  gradOut: Ref,
  logits: Ref,
  target: ArrayLike<number>,
  reduction: Reduction,
  ignoreIndex = -100,
): Result {
  const [n, classes] = checkTarget(logits, target, ignoreIndex)
  requireShape('crossEntropyBackward: gradOut', gradOut.shape, reduction === 'none' ? [n] : [])
  const grad = ref(logits.shape)
  const magnitude = new Float64Array(grad.data.length)
  const bound = new Float64Array(grad.data.length)
  // The subtraction, the product with the gradient, the product with 1/n, and the error of 1/n itself.
  const roundings = 3 + DIVISION
  const divisor = reduction === 'mean' ? counted(target, n, ignoreIndex) : 1
  for (let i = 0; i < n; i++) {
    if (target[i] === ignoreIndex) continue
    const row = analyseRow(logits.data.slice(i * classes, (i + 1) * classes))
    const g = reduction === 'none' ? gradOut.data[i]! : gradOut.data[0]! / divisor
    for (let j = 0; j < classes; j++) {
      const p = Math.exp(row.d[j]!) / row.sum
      const hot = j === target[i] ? 1 : 0
      const at = i * classes + j
      grad.data[at] = (p - hot) * g
      magnitude[at] = (p + hot) * Math.abs(g)
      const pError = softmaxError(row.d[j]!, row)
      bound[at] =
        Math.abs(g) * pError + gamma(roundings) * (magnitude[at]! + Math.abs(g) * pError) + roundings * SMALLEST_NORMAL
    }
  }
  return { ...grad, magnitude, roundings, bound }
}
