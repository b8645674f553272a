// The update of LAMB: three dispatches over all parameters.
import { emitLamb } from '../src/kernels/layer_wise.ts'
import { within } from './support.ts'
import { updateCases } from './update_cases.ts'

const [LR, TAKE1, BETA2, EPS, DECAY, SCALE, ROOT, MEAN, SQUARE] = [
  0.125,
  0.25,
  0.75,
  2 ** -20,
  0.125,
  2,
  0.5,
  0.5,
  0.25,
]

export const cases = updateCases({
  name: 'layer_wise',
  emit: emitLamb,
  settings: [LR, TAKE1, BETA2, 1 - BETA2, EPS, DECAY, SCALE, ROOT],
  states: { expAvg: MEAN, expAvgSq: SQUARE },
  flops: (size) => 36 * size,
  bytes: 44,
  updated(p, dp) {
    const directions = Float64Array.from(p, (before, i) => {
      const g = dp[i]!
      const root = Math.sqrt(BETA2 * SQUARE + (1 - BETA2) * g * g) / ROOT
      return (SCALE * (MEAN + TAKE1 * (g - MEAN))) / (root + EPS) + DECAY * before
    })
    const norm = (all: ArrayLike<number>) =>
      Math.sqrt(Array.prototype.reduce.call(all, (sum, v) => (sum as number) + v * v, 0) as number)
    const rate = (LR * norm(p)) / norm(directions)
    // Sums of a block, and of the blocks of this many elements, are the longest chains of roundings.
    const roundings = 80 + p.length / 1024 / 64
    return (i) => {
      const step = rate * directions[i]!
      return within(p[i]! - step, 64 + roundings, Math.abs(p[i]!) + rate * (4 + Math.abs(directions[i]!)))
    }
  },
})
