// The kernel of Lion's update, held to float64 over parameters of many sizes.
import { it } from 'vitest'
import { optim } from '../../../src/node/index.ts'
import { lion } from '../../optim/rules.ts'
import { elementwise, expectSteps } from '../../optim/torch_cases.ts'
import { testGpu } from '../../support/gpu.ts'

it('lion equals float64 over two steps', async () => {
  await testGpu()
  const options = { lr: 0.01, weightDecay: 0.1 }
  await expectSteps((parameters) => new optim.Lion(parameters, options), elementwise(lion))
})
