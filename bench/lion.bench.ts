// The update of Lion: one dispatch over all parameters.
import { lionStep } from '../src/optim/lion.ts'
import { within } from './support.ts'
import { byKernel, updateCases } from './update_cases.ts'

const [LR, KEEP, AVERAGE] = [0.125, 0.9375, 2] // an average that no gradient changes the sign of

export const cases = updateCases({
  name: 'lion',
  emit: byKernel(lionStep),
  settings: [LR, KEEP, 0.125, 0.0625],
  states: { expAvg: AVERAGE },
  flops: (size) => 8 * size,
  bytes: 20,
  updated: (p) => (i) => within(p[i]! * KEEP - LR, 4, Math.abs(p[i]!) + LR),
})
