// The operations with the tuning numbers of the other class of adapter.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { conv2d, conv2dReluMaxPool2d, type Tensor } from '../../src/node/index.ts'
import { fill } from '../support/arbitraries.ts'
import { bitsOf } from '../support/check.ts'
import { type Gpu, parameter, tensor, testGpu } from '../support/gpu.ts'
import type { Row } from './row.ts'
import { checkAgainstReference, checkNotFinite, drawn } from './run.ts'
import { table } from './table.ts'

const SEED = 1
const RUNS = 2

let gpu: Gpu
let own: Gpu['info']['adapterClass']
beforeAll(async () => {
  gpu = await testGpu()
  own = gpu.info.adapterClass
})

// The column of the other class than the adapter's own: that one is what every other test runs with.
describe('with the numbers of the other class of adapter', () => {
  beforeAll(() => {
    Object.assign(gpu.info, { adapterClass: own === 'cpu' ? 'gpu' : 'cpu' })
  })
  afterAll(() => {
    Object.assign(gpu.info, { adapterClass: own })
  })

  const tuned = ['conv2d', 'conv2dReluMaxPool2d', 'linear', 'linearRelu', 'matmul', 'crossEntropy']
  const rows = table.filter(({ name }) => tuned.includes(name))

  it.each(rows.map((row) => [row.name, row] as const))('%s equals the reference', async (_, row: Row) => {
    for (const given of Object.values(row.fixed)) await checkAgainstReference(row, given, drawn(row, given, 'normal'))
    for (const given of Object.values(row.fixed).slice(-2))
      await checkNotFinite(row, given, [{ which: 0, at: 0.5, value: Number.NaN }])
    await fc.assert(
      fc.asyncProperty(row.cases, (given) => checkAgainstReference(row, given, drawn(row, given, 'normal'))),
      { seed: SEED, numRuns: RUNS },
    )
  })

  it.each([
    ['conv2d', conv2d, 10],
    ['conv2dReluMaxPool2d', conv2dReluMaxPool2d, 5],
  ] as const)(
    '%s gives weights the same gradients, bit for bit, when rows of zeros follow',
    async (_, operation, side) => {
      const gradients = async (zeros: number) => {
        const rows = 37 + zeros
        const filled = (each: number, seed: number) => {
          const data = new Float32Array(rows * each)
          data.set(fill(37 * each, seed, 'normal'))
          return data
        }
        const x = tensor(filled(6 * 14 * 14, 1), [rows, 6, 14, 14])
        const weight = parameter(fill(16 * 6 * 25, 2, 'normal'), [16, 6, 5, 5])
        const bias = parameter(fill(16, 3, 'normal'), [16])
        const out: Tensor = operation(x, weight, bias)
        out.backward(tensor(filled(16 * side * side, 4), out.shape))
        return [await bitsOf(weight.grad), await bitsOf(bias.grad)]
      }
      const [without, withZeros] = [await gradients(0), await gradients(60)]
      expect(withZeros).toEqual(without)
    },
  )
})
