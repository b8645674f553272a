// What only silu promises: large numbers of either sign, NaN and infinities.
import { beforeAll, describe, expect, it } from 'vitest'
import { silu } from '../../../src/node/index.ts'
import { parameter, tensor, testGpu, values } from '../../support/gpu.ts'

beforeAll(testGpu)

const { NaN: nan, POSITIVE_INFINITY: inf } = Number

async function run(x: number[]) {
  const input = parameter(x, [x.length])
  const out = silu(input)
  out.backward(tensor(x.map(() => 1)))
  return { out: [...(await values(out))], gradient: [...(await values(input.grad))] }
}

describe('silu', () => {
  it('is finite where exp(-x) overflows: 0 on the left, x on the right', async () => {
    const large = [88, 89, 100, 128, 1000, 1e30, 3e38]
    const left = await run(large.map((v) => -v))
    for (const v of [...left.out, ...left.gradient]) expect(Math.abs(v)).toBeLessThan(1e-36)
    const right = await run(large)
    expect(right.out).toEqual(large.map(Math.fround))
    expect(right.gradient).toEqual(large.map(() => 1))
  })

  it('is 0 with gradient 1/2 at 0', async () => {
    const { out, gradient } = await run([0, -0])
    expect(out.map(Math.abs)).toEqual([0, 0])
    expect(gradient).toEqual([0.5, 0.5])
  })

  it('passes NaN and infinity, and is NaN at minus infinity, as in PyTorch', async () => {
    const { out, gradient } = await run([nan, inf, -inf])
    expect(out).toEqual([nan, inf, nan])
    expect(gradient).toEqual([nan, nan, nan])
  })
})
