// softmax and logSoftmax in float64, with the error that float32 may make.
import { type Approx, exactly, exponential, logarithm, minus, over, times } from '../../support/running_error.ts'
import { decayed, sumOf } from '../reduce/reference.ts'

/** Additions that a term of a row's sum passes: 63 of a thread, fewer by fours, or those of the passes of a fold. */
const depthOf = (n: number) => Math.max(0, Math.min(n - 1, n <= 4096 ? 63 : 63 * Math.ceil(Math.log(n) / Math.log(64))))

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)

/** The largest of a row and its sum of exponentials. */
function statsOf(values: readonly number[]): { m: Approx; z: Approx } | null {
  const m = values.reduce((a, b) => Math.max(a, b))
  if (!Number.isFinite(m)) return null
  const terms = values.map((v) => decayed(exactly(v), exactly(m)))
  return { m: exactly(m), z: sumOf(terms, depthOf(values.length)) }
}

/** A row's output, from its elements. */
export interface RowFormula {
  values(row: readonly number[]): readonly Approx[]
  gradients(row: readonly number[], dy: readonly Approx[]): readonly Approx[]
}

const finite = ({ value }: Approx) => Number.isFinite(value)
const nans = (row: readonly number[]) => row.map(() => exactly(Number.NaN))

const softmax: RowFormula = {
  values(row) {
    const stats = statsOf(row)
    return stats ? row.map((v) => over(decayed(exactly(v), stats.m), stats.z)) : nans(row)
  },
  gradients(row, dy) {
    const y = softmax.values(row)
    if (Number.isNaN(y[0]!.value)) return nans(row)
    if (!dy.every(finite)) {
      const total = sum(y.map((v, i) => v.value * dy[i]!.value))
      return y.map((v, i) => exactly(v.value * (dy[i]!.value - total)))
    }
    const total = sumOf(
      y.map((v, i) => times(v, dy[i]!)),
      depthOf(row.length),
    )
    return y.map((v, i) => times(v, minus(dy[i]!, total)))
  },
}

const logSoftmax: RowFormula = {
  values(row) {
    const stats = statsOf(row)
    if (!stats) return nans(row)
    const log = logarithm(stats.z)
    return row.map((v) => (v === -Infinity ? exactly(v) : minus(minus(exactly(v), stats.m), log)))
  },
  gradients(row, dy) {
    const y = logSoftmax.values(row)
    if (Number.isNaN(y[0]!.value)) return nans(row)
    const share = (v: Approx) => (v.value === -Infinity ? exactly(0) : exponential(v))
    if (!dy.every(finite)) {
      const total = sum(dy.map((g) => g.value))
      return y.map((v, i) => exactly(dy[i]!.value - Math.exp(v.value) * total))
    }
    const total = sumOf(dy, depthOf(row.length))
    return y.map((v, i) => minus(dy[i]!, times(share(v), total)))
  },
}

export const formulas = { softmax, logSoftmax } as const
