// The update of schedule-free AdamW: one dispatch over all parameters.
import { scheduleFreeAdamWStep } from '../src/optim/schedule_free.ts'
import { within } from './support.ts'
import { byKernel, updateCases } from './update_cases.ts'

const [RATE, SHARE, PULL, BETA2, EPS, Z, SQUARE] = [0.125, 0.25, -0.0625, 0.75, 2 ** -20, 0.5, 0.25]

export const cases = updateCases({
  name: 'schedule_free',
  emit: byKernel(scheduleFreeAdamWStep),
  settings: [RATE, SHARE, PULL, 0, BETA2, 1 - BETA2, EPS],
  states: { z: Z, expAvgSq: SQUARE },
  flops: (size) => 14 * size,
  bytes: 28,
  updated: (p, dp) => (i) => {
    const [y, g] = [p[i]!, dp[i]!]
    const step = (PULL * g) / (Math.sqrt(BETA2 * SQUARE + (1 - BETA2) * g * g) + EPS)
    return within(y + SHARE * (Z - y) + step, 28, 1 + Math.abs(step))
  },
})
