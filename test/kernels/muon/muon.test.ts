// The kernels of Muon, held to float64 over matrices of several rows of the table, tall and wide.
import { expect, it } from 'vitest'
import { optim } from '../../../src/node/index.ts'
import { muon } from '../../optim/rules.ts'
import { expectClose } from '../../support/close.ts'
import { fill } from '../../support/fill.ts'
import { parameter, tensor, testGpu, values } from '../../support/gpu.ts'
import { exactly } from '../../support/running_error.ts'

it('muon equals float64 over a step of matrices of many shapes', async () => {
  await testGpu()
  const shapes = ['1 1', '0 3', '40 30', '30 40', '8 135', '9 1'].map((text) => text.split(' ').map(Number))
  const data = shapes.map(([rows, columns], i) => fill(rows! * columns!, i, 'normal'))
  const parameters = data.map((each, i) => parameter(each, shapes[i]!))
  const optimizer = new optim.Muon(parameters, { lr: 0.5, weightDecay: 0.25 })
  const { params: _, ...options } = optimizer.paramGroups[0]!
  const gradients = data.map((each, i) => fill(each.length, 10 + i, 'normal'))
  for (const [i, p] of parameters.entries()) p.backward(tensor(gradients[i]!, shapes[i]!))
  optimizer.step()
  for (const [i, p] of parameters.entries()) {
    const elements = [...data[i]!].map((value) => ({ p: exactly(value), state: {} }))
    if (elements.length > 0) muon(elements, [...gradients[i]!].map(exactly), options, 1, shapes[i]!)
    const expected = Float64Array.from(elements, (element) => element.p.value)
    const bounds = elements.map((element) => element.p.error)
    const found = await values(p)
    expectClose(found, expected, (k) => bounds[k]!, `[${shapes[i]}]`)
    // What bounds each element holds for the whole, beside which it is small.
    const difference = Math.hypot(...[...found].map((value, k) => value - expected[k]!))
    const step = Math.hypot(...expected.map((value, k) => value - 0.875 * data[i]![k]!))
    const bound = Math.max(0, ...bounds)
    expect(difference, `[${shapes[i]}]`).toBeLessThanOrEqual(1.01 * bound)
    expect(bound, `[${shapes[i]}]`).toBeLessThanOrEqual(0.1 * step)
  }
})
