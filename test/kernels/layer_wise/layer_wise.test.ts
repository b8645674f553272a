// The kernels of LARS and LAMB, held to float64 over parameters of many sizes.
import { expect, it } from 'vitest'
import { optim } from '../../../src/node/index.ts'
import { lamb, lars } from '../../optim/rules.ts'
import { expectSteps } from '../../optim/torch_cases.ts'
import { parameter, tensor, testGpu, values } from '../../support/gpu.ts'

it('layer_wise equals float64 over two steps: LARS', async () => {
  await testGpu()
  const options = { lr: 1, momentum: 0.5, dampening: 0.25, weightDecay: 0.1, trustCoefficient: 0.1 }
  await expectSteps((parameters) => new optim.LARS(parameters, options), lars)
})

it('layer_wise equals float64 over two steps: LAMB', async () => {
  await testGpu()
  await expectSteps((parameters) => new optim.LAMB(parameters, { lr: 0.1, weightDecay: 0.1 }), lamb)
})

it('layer_wise adds up more rows than a workgroup has threads', async () => {
  await testGpu()
  const p = parameter(new Float32Array(70_000).fill(1), [70_000]) // 69 rows; ‖p‖² is exact
  p.backward(tensor(Float32Array.from({ length: 70_000 }, (_, i) => (i === 69_999 ? 1 : 0))))
  new optim.LARS([p], { lr: 1, trustCoefficient: 1 }).step()
  const found = await values(p)
  expect(found.at(-1)).toBeCloseTo(1 - Math.sqrt(70_000), 3)
  expect(found[0]).toBe(1)
})
