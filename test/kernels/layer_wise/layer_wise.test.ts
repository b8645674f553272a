// The kernels of LARS and LAMB, held to float64 over parameters of many sizes.
import { it } from 'vitest'
import { optim } from '../../../src/node/index.ts'
import { lamb, lars } from '../../optim/rules.ts'
import { expectSteps } from '../../optim/torch_cases.ts'
import { testGpu } from '../../support/gpu.ts'

it('layer_wise equals float64 over two steps: LARS', async () => {
  await testGpu()
  const options = { lr: 1, momentum: 0.5, dampening: 0.25, weightDecay: 0.1, trustCoefficient: 0.1 }
  await expectSteps((parameters) => new optim.LARS(parameters, options), lars)
})

it('layer_wise equals float64 over two steps: LAMB', async () => {
  await testGpu()
  await expectSteps((parameters) => new optim.LAMB(parameters, { lr: 0.1, weightDecay: 0.1 }), lamb)
})
