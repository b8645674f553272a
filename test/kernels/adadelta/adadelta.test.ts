// The kernel of Adadelta's update, held to float64 over parameters of many sizes.
import { it } from 'vitest'
import { optim } from '../../../src/node/index.ts'
import { adadelta } from '../../optim/rules.ts'
import { elementwise, expectSteps } from '../../optim/torch_cases.ts'
import { testGpu } from '../../support/gpu.ts'

it('adadelta equals float64 over two steps', async () => {
  await testGpu()
  const options = { weightDecay: 0.1 }
  await expectSteps((parameters) => new optim.Adadelta(parameters, options), elementwise(adadelta))
})
