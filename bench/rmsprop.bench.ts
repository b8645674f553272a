// The update of RMSprop: one dispatch over all parameters.
import { rmspropStep } from '../src/optim/rmsprop.ts'
import { within } from './support.ts'
import { byKernel, updateCases } from './update_cases.ts'

const [LR, ALPHA, EPS, SQUARE] = [0.0625, 0.75, 2 ** -20, 0.25]

export const cases = updateCases({
  name: 'rmsprop',
  emit: byKernel(rmspropStep),
  settings: [LR, ALPHA, 1 - ALPHA, EPS, 0, 0, 0],
  states: { squareAvg: SQUARE },
  flops: (size) => 9 * size,
  bytes: 20,
  updated: (p, dp) => (i) => {
    const g = dp[i]!
    const step = (LR * g) / (Math.sqrt(ALPHA * SQUARE + (1 - ALPHA) * g * g) + EPS)
    return within(p[i]! - step, 24, Math.abs(p[i]!) + Math.abs(step))
  },
})
