// Operations as methods of Tensor.
import { beforeAll, expect, it } from 'vitest'
import { tensor } from '../../src/node/index.ts'
import { testGpu, values } from '../support/gpu.ts'

beforeAll(testGpu)

it('x.mul(y) is mul(x, y): with tensors, numbers and options', async () => {
  const x = tensor([1, -2, 3])
  expect([...(await values(x.mul(x).add(1).neg()))]).toEqual([-2, -5, -10])
  expect([
    ...(await values(
      x
        .clamp({ min: 0 })
        .pow(2)
        .sub(tensor([1])),
    )),
  ]).toEqual([0, -1, 8])
  expect([...(await x.gt(0).data())]).toEqual([1, 0, 1])
})

it('methods are not among the properties that a loop finds', () => {
  const found: string[] = []
  for (const key in tensor([1])) found.push(key)
  expect(found).not.toContain('mul')
})
