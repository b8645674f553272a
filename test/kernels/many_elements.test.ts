// Kernels that give a thread more elements where there are many: the last elements, and what lies behind them.
import { beforeAll, expect, it } from 'vitest'
import { TUNING } from '../../src/kernels/tuning.ts'
import { add, exp, mseLoss, pad, permute, sum } from '../../src/node/index.ts'
import { parameter, tensor, testGpu, values } from '../support/gpu.ts'

beforeAll(testGpu)

const MANY = TUNING.elementwise.cpu.many
const counted = (size: number) => new Float32Array(size).map((_, i) => i)

it.each([MANY, MANY + 3, MANY + 8192])('an operation on %i elements reaches each of them', async (size) => {
  const x = parameter(counted(size), [size])
  const y = add(x, x)
  expect((await values(y)).every((v, i) => v === 2 * i)).toBe(true)
  sum(y).backward()
  expect((await values(x.grad)).every((v) => v === 2)).toBe(true)
  expect((await values(exp(tensor(new Float32Array(size), [size])))).every((v) => v === 1)).toBe(true)
})

it('a loss of many elements and both of its gradients reach each of them', async () => {
  const size = MANY + 3
  const [x, t] = [parameter(counted(size), [size]), parameter(new Float32Array(size).fill(1), [size])]
  const y = mseLoss(x, t, { reduction: 'none' })
  expect((await values(y)).every((v, i) => v === Math.fround((i - 1) ** 2))).toBe(true)
  sum(y).backward()
  expect((await values(x.grad)).every((v, i) => v === 2 * (i - 1))).toBe(true)
  expect((await values(t.grad)).every((v, i) => v === -2 * (i - 1))).toBe(true)
})

it.each([0, 1])('moved elements, %i more than whole vectors', async (more) => {
  const [rows, columns] = [MANY / 256, 256 + more]
  const x = tensor(counted(rows * columns), [rows, columns])
  const turned = await values(permute(x, [1, 0]))
  expect(turned.every((v, i) => v === (i % rows) * columns + Math.floor(i / rows))).toBe(true)
  const width = columns + 4
  const padded = await values(pad(x, [4, 0], { value: -1 }))
  expect(padded.every((v, i) => v === (i % width < 4 ? -1 : Math.floor(i / width) * columns + (i % width) - 4))).toBe(
    true,
  )
})
