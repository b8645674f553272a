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

it('x.slice(…) is slice(x, …), and so are the others that move elements', async () => {
  const x = tensor([1, 2, 3, 4, 5, 6], [2, 3])
  expect([...(await values(x.permute([1, 0]).slice(0, 1).flip(0)))]).toEqual([3, 6, 2, 5])
  expect([...(await values(x.transpose(0, 1).select(1, -1).expand([2, 3])))]).toEqual([4, 5, 6, 4, 5, 6])
  expect(x.split(2, 1).map(({ shape }) => shape[1])).toEqual([2, 1])
  expect([...(await values(x.tril().indexSelect(0, tensor(Int32Array.of(1)))))]).toEqual([4, 5, 0])
  expect([...(await values(x.gather(1, tensor(Int32Array.of(2, 0), [2, 1])).repeat([1, 2])))]).toEqual([3, 3, 4, 4])
})

it('x.sum(…) is sum(x, …), and so are the other reductions', async () => {
  const x = tensor([1, 2, 3, 6], [2, 2])
  expect(await x.mean().item()).toBe(3)
  expect([...(await values(x.var(1).sum(0, { keepDim: true })))]).toEqual([5])
  expect([...(await x.argmax(0).data())]).toEqual([1, 1])
  expect([...(await values(x.cumsum(-1).max(0).norm({ p: 1 })))]).toEqual([12])
  expect([...(await values(x.softmax().sum(1)))]).toEqual([1, 1])
})

it('methods are not among the properties that a loop finds', () => {
  const found: string[] = []
  for (const key in tensor([1])) found.push(key)
  expect(found).not.toContain('mul')
})
