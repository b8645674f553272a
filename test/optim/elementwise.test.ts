// Adam, RMSprop, Adadelta, Lion and the schedule-free optimizers against PyTorch's values, or the paper's.
import { beforeAll, describe, it } from 'vitest'
import { optim } from '../../src/node/index.ts'
import { type Tensor, testGpu } from '../support/gpu.ts'
import { adadelta, adam, lion, rmsprop, scheduleFreeAdamW, scheduleFreeSGD } from './rules.ts'
import { elementwise, expectTorch, torchCases } from './torch_cases.ts'

beforeAll(async () => {
  await testGpu()
})

describe('is followed for twelve steps:', () => {
  it.each(torchCases('Adam'))('%s', async (_, torch) => {
    const defaults = { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, amsgrad: false, maximize: false }
    await expectTorch(torch, (groups, options) => new optim.Adam(groups, options), elementwise(adam), defaults)
  })

  it.each(torchCases('RMSprop'))('%s', async (_, torch) => {
    const defaults = { alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false, maximize: false }
    await expectTorch(torch, (groups, options) => new optim.RMSprop(groups, options), elementwise(rmsprop), defaults)
  })

  it.each(torchCases('Adadelta'))('%s', async (_, torch) => {
    const defaults = { lr: 1, rho: 0.9, eps: 1e-6, weightDecay: 0, maximize: false }
    await expectTorch(torch, (groups, options) => new optim.Adadelta(groups, options), elementwise(adadelta), defaults)
  })

  it.each(torchCases('Lion'))('%s', async (_, torch) => {
    const defaults = { betas: [0.9, 0.99], weightDecay: 0 }
    await expectTorch(torch, (groups, options) => new optim.Lion(groups, options), elementwise(lion), defaults)
  })

  it.each(torchCases('ScheduleFreeSGD'))('%s', async (_, torch) => {
    const defaults = { momentum: 0.9, weightDecay: 0, warmupSteps: 0, r: 0, weightLrPower: 2 }
    const make = (groups: { params: Tensor[] }[], options: object) => new optim.ScheduleFreeSGD(groups, options)
    await expectTorch(torch, make, elementwise(scheduleFreeSGD), defaults)
  })

  it.each(torchCases('ScheduleFreeAdamW'))('%s', async (_, torch) => {
    const defaults = {
      lr: 0.0025,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay: 0,
      warmupSteps: 0,
      r: 0,
      weightLrPower: 2,
    }
    const make = (groups: { params: Tensor[] }[], options: object) => new optim.ScheduleFreeAdamW(groups, options)
    await expectTorch(torch, make, elementwise(scheduleFreeAdamW), defaults)
  })
})
