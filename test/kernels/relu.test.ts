import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { relu } from '../../src/node/index.ts'
import { fill, sizes } from '../support/arbitraries.ts'
import { expectClose } from '../support/close.ts'
import { messageOf, parameter, tensor, testGpu, values } from '../support/gpu.ts'
import { ref, reluBackward, relu as reluReference } from '../support/reference.ts'

beforeAll(testGpu)

/** Holds output and gradient to the float64 reference. */
async function check(shape: number[], x: Float32Array, dy: Float32Array): Promise<void> {
  const input = parameter(x, shape)
  const out = relu(input)
  out.backward(tensor(dy, shape))
  const expected = reluReference(ref(shape, x))
  expectClose(await values(out), expected, expected.bound, 'out')
  const gradient = reluBackward(ref(shape, dy), ref(shape, x))
  expectClose(await values(input.grad), gradient, gradient.bound, 'dx')
  for (const t of [input, out]) t.dispose()
}

describe('relu', () => {
  it('equals the reference on random shapes, ties at 0 included', async () => {
    const cases = fc.record({
      n: sizes,
      c: sizes,
      seed: fc.nat(),
      kind: fc.constantFrom('normal', 'ties', 'smallInts'),
    })
    await fc.assert(
      fc.asyncProperty(cases, async ({ n, c, seed, kind }) => {
        await check([n, c], fill(n * c, seed, kind as 'normal'), fill(n * c, seed + 1, 'normal'))
      }),
      { seed: 1, numRuns: 40 },
    )
  })

  it('is 0 with gradient 0 at 0 and -0, passes NaN and infinities', async () => {
    const x = [0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e-45]
    const input = parameter(x, [6])
    const out = relu(input)
    out.backward(tensor([1, 2, 3, 4, 5, 6]))
    const y = await values(out)
    expect([...y.slice(0, 5)]).toEqual([0, 0, Number.NaN, Number.POSITIVE_INFINITY, 0])
    expect([...(await values(input.grad))].slice(0, 5)).toEqual([0, 0, 3, 4, 0])
  })

  it('refuses integers', () => {
    expect(messageOf(() => relu(tensor(new Int32Array(2))))).toBe('relu: input must be float32, it is int32')
  })
})
