// What only relu promises: its kink, NaN and infinities.
import { beforeAll, describe, expect, it } from 'vitest'
import { relu } from '../../../src/node/index.ts'
import { parameter, tensor, testGpu, values } from '../../support/gpu.ts'

beforeAll(testGpu)

describe('relu', () => {
  it('is 0 with gradient 0 at 0 and -0, passes NaN and infinities', async () => {
    const x = [0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e-45]
    const input = parameter(x, [6])
    const out = relu(input)
    out.backward(tensor([1, 2, 3, 4, 5, 6]))
    const y = await values(out)
    expect([...y.slice(0, 5)]).toEqual([0, 0, Number.NaN, Number.POSITIVE_INFINITY, 0])
    expect([...(await values(input.grad))].slice(0, 5)).toEqual([0, 0, 3, 4, 0])
  })
})
