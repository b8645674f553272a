// The kernel of RMSprop's update, held to float64 over parameters of many sizes.
import { it } from 'vitest'
import { optim } from '../../../src/node/index.ts'
import { rmsprop } from '../../optim/rules.ts'
import { elementwise, expectSteps } from '../../optim/torch_cases.ts'
import { testGpu } from '../../support/gpu.ts'

it('rmsprop equals float64 over two steps', async () => {
  await testGpu()
  const options = { momentum: 0.5, centered: true, weightDecay: 0.1, alpha: 0.9 }
  await expectSteps((parameters) => new optim.RMSprop(parameters, options), elementwise(rmsprop))
})
