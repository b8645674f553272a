// The kernels of schedule-free updates, held to float64 over parameters of many sizes.
import { it } from 'vitest'
import { optim } from '../../../src/node/index.ts'
import { scheduleFreeAdamW, scheduleFreeSGD } from '../../optim/rules.ts'
import { elementwise, expectSteps } from '../../optim/torch_cases.ts'
import { testGpu } from '../../support/gpu.ts'

const options = { lr: 0.1, weightDecay: 0.1, r: 1 }

it('schedule_free equals float64 over two steps: SGD', async () => {
  await testGpu()
  await expectSteps((parameters) => new optim.ScheduleFreeSGD(parameters, options), elementwise(scheduleFreeSGD))
})

it('schedule_free equals float64 over two steps: AdamW', async () => {
  await testGpu()
  await expectSteps((parameters) => new optim.ScheduleFreeAdamW(parameters, options), elementwise(scheduleFreeAdamW))
})
