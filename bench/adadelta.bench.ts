// The update of Adadelta: one dispatch over all parameters.
import { adadeltaStep } from '../src/optim/adadelta.ts'
import { within } from './support.ts'
import { byKernel, updateCases } from './update_cases.ts'

const [LR, RHO, EPS, SQUARE, DELTA] = [0.5, 0.75, 2 ** -20, 0.25, 0.0625]

export const cases = updateCases({
  name: 'adadelta',
  emit: byKernel(adadeltaStep),
  settings: [LR, RHO, 1 - RHO, EPS, 0, 0],
  states: { squareAvg: SQUARE, accDelta: DELTA },
  flops: (size) => 16 * size,
  bytes: 28,
  updated: (p, dp) => (i) => {
    const g = dp[i]!
    const step = LR * Math.sqrt((DELTA + EPS) / (RHO * SQUARE + (1 - RHO) * g * g + EPS)) * g
    return within(p[i]! - step, 40, Math.abs(p[i]!) + Math.abs(step))
  },
})
