// LARS, LAMB and Muon against their papers' formulas.
import { beforeAll, describe, it } from 'vitest'
import { optim } from '../../src/node/index.ts'
import { type Tensor, testGpu } from '../support/gpu.ts'
import { lamb, lars, muon } from './rules.ts'
import { expectTorch, torchCases } from './torch_cases.ts'

beforeAll(async () => {
  await testGpu()
})

type Groups = { params: Tensor[] }[]

describe('is followed for twelve steps:', () => {
  it.each(torchCases('LARS'))('%s', async (_, torch) => {
    const defaults = { momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, trustCoefficient: 0.001, eps: 1e-8 }
    await expectTorch(torch, (groups: Groups, options) => new optim.LARS(groups, options), lars, defaults)
  })

  it.each(torchCases('LAMB'))('%s', async (_, torch) => {
    const defaults = { betas: [0.9, 0.999], eps: 1e-6, weightDecay: 0.01 }
    await expectTorch(torch, (groups: Groups, options) => new optim.LAMB(groups, options), lamb, defaults)
  })

  it.each(torchCases('Muon'))('%s', async (_, torch) => {
    const defaults = { lr: 0.02, momentum: 0.95, nesterov: true, weightDecay: 0 }
    await expectTorch(torch, (groups: Groups, options) => new optim.Muon(groups, options), muon, defaults)
  })
})
