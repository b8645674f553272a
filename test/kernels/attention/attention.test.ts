// What only scaledDotProductAttention promises: what sees nothing, what is dropped, and captured steps.
import { beforeAll, expect, it } from 'vitest'
import { capture, manualSeed, scaledDotProductAttention } from '../../../src/node/index.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf } from '../../support/check.ts'
import { parameter, tensor, testGpu, values } from '../../support/gpu.ts'

beforeAll(testGpu)

const drawn = (shape: number[], seed: number) =>
  parameter(
    fill(
      shape.reduce((a, b) => a * b),
      seed,
      'normal',
    ),
    shape,
  )

it('gives NaN to a query that sees no key, and to no other', async () => {
  const [q, k, v] = [drawn([3, 2], 1), drawn([2, 2], 2), drawn([2, 1], 3)]
  const seen = Uint8Array.of(1, 0, 0, 0, 0, 1)
  const [first, second] = await values(v)
  for (const mask of [
    tensor(seen, [3, 2]),
    tensor(
      Float32Array.from(seen, (one) => (one ? 0 : -Infinity)),
      [3, 2],
    ),
  ]) {
    const out = await values(scaledDotProductAttention(q, k, v, { mask }))
    expect([...out]).toEqual([first, Number.NaN, second])
  }
})

it('isCausal is the lower triangle as a mask', async () => {
  const run = async (options: object) => {
    const tensors = [drawn([2, 4, 3], 1), drawn([2, 6, 3], 2), drawn([2, 6, 5], 3)] as const
    const out = scaledDotProductAttention(...tensors, options)
    out.backward(drawn([2, 4, 5], 4).detach())
    return Promise.all([out, ...tensors.map((t) => t.grad)].map(bitsOf))
  }
  const lower = Uint8Array.from({ length: 24 }, (_, i) => (i % 6 <= Math.floor(i / 6) ? 1 : 0))
  expect(await run({ isCausal: true })).toEqual(await run({ mask: tensor(lower, [4, 6]) }))
})

it('drops weights: at p = 1 all of them', async () => {
  const tensors = [drawn([4, 3], 1), drawn([50, 3], 2), drawn([50, 2], 3)] as const
  const run = async (dropoutP: number) => [...(await values(scaledDotProductAttention(...tensors, { dropoutP })))]
  expect(await run(1)).toEqual(Array(8).fill(0))
  manualSeed(1)
  const first = await run(0.5)
  expect(await run(0.5)).not.toEqual(first)
  manualSeed(1)
  expect(await run(0.5)).toEqual(first)
  expect(await run(0)).not.toEqual(first)
})

it('has the same bits captured, with a mask and causal, step after step', async () => {
  const seen = Uint8Array.from({ length: 25 }, (_, i) => (i % 6 === 0 || i % 3 === 1 ? 1 : 0))
  for (const options of [{ isCausal: true }, { mask: tensor(seen, [5, 5]) }]) {
    const runs = []
    for (const captured of [false, true]) {
      const q = drawn([2, 2, 5, 4], 1)
      const step = () => {
        q.grad = null
        scaledDotProductAttention(q, q, q, options).sum().backward()
      }
      const plan = captured ? capture(step) : null
      if (plan) plan.run(3)
      else for (let i = 0; i < 3; i++) step()
      runs.push(new Uint32Array((await q.grad!.data()).buffer))
      plan?.dispose()
    }
    expect(runs[1]).toEqual(runs[0])
  }
})
