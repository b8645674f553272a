// The kernel of SGD against its reference.
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { newWatch } from '../../../src/kernels/finite.ts'
import { type FillKind, fill } from '../../support/arbitraries.ts'
import { bitsOf, expectExact, expectTensor, type Hold, tensorOf } from '../../support/check.ts'
import { parameter, tensor, testGpu, values } from '../../support/gpu.ts'
import { ref } from '../../support/ref.ts'
import { sgdStep as sgdReference } from './reference.ts'
import { type SgdUpdate, sgdStep } from './step.ts'

beforeAll(testGpu)

const PLAIN: SgdUpdate = { lr: 0.1, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false }

/** Every combination: without momentum, and with it and each dampening or Nesterov's. */
const combinations: SgdUpdate[] = [0, 0.01].flatMap((weightDecay) =>
  [false, true].flatMap((maximize) => [
    { ...PLAIN, weightDecay, maximize },
    { ...PLAIN, weightDecay, maximize, dampening: 0.3 },
    { ...PLAIN, weightDecay, maximize, momentum: 0.9 },
    { ...PLAIN, weightDecay, maximize, momentum: 0.9, dampening: 0.3 },
    { ...PLAIN, weightDecay, maximize, momentum: 0.9, dampening: 1 },
    { ...PLAIN, weightDecay, maximize, momentum: 0.9, nesterov: true },
    { ...PLAIN, weightDecay, maximize, momentum: 0.9, dampening: 0.3, nesterov: true },
  ]),
)

/**
 * Takes steps and holds each to float64's, which starts from the float32 state before it: so the bound is that of one
 * step. The buffer is full of NaN before the first, which must not read it.
 */
async function check(
  size: number,
  steps: number,
  update: SgdUpdate,
  seed = 1,
  kind: FillKind = 'normal',
  hold: Hold = expectTensor,
) {
  const p = parameter(fill(size, seed, kind), [size])
  const buffer = update.momentum === 0 ? null : tensor(new Float32Array(size).fill(Number.NaN), [size])
  let before = { p: await values(p), buffer: null as Float32Array | null }
  for (let step = 0; step < steps; step++) {
    const grad = fill(size, seed + 1 + step, kind)
    sgdStep(p, tensor(grad, [size]), buffer, step === 0, update)
    const old = before.buffer && ref([size], before.buffer)
    const expected = sgdReference(ref([size], before.p), ref([size], grad), old, update)
    await hold(p, expected.param, `p after step ${step}`)
    if (buffer) await hold(buffer, expected.buffer!, `buffer after step ${step}`)
    before = { p: await values(p), buffer: buffer && (await values(buffer)) }
  }
}

describe('sgdStep', () => {
  it.each(combinations.map((c) => [JSON.stringify(c), c] as const))(
    'equals float64 over three steps: %s',
    (_, update) => check(37, 3, update),
  )

  it('equals float64 for random options and sizes', async () => {
    const factor = fc.double({ min: 0, max: 1, noNaN: true })
    const options = fc.record({
      lr: fc.double({ min: 0, max: 10, noNaN: true }),
      momentum: fc.oneof(fc.constant(0), factor),
      dampening: fc.oneof(fc.constant(0), factor),
      weightDecay: fc.oneof(fc.constant(0), factor),
      nesterov: fc.boolean(),
      maximize: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(
        options,
        fc.constantFrom(0, 1, 63, 65, 1023, 1024, 1025, 2500),
        fc.nat(1e6),
        (update, size, seed) => check(size, 2, update, seed),
      ),
      { seed: 1, numRuns: 30 },
    )
  })

  it('is exact on small integers and powers of two', async () => {
    const whole = { ...PLAIN, lr: 0.5, weightDecay: 0.25 }
    await check(1500, 2, whole, 1, 'smallInts', expectExact)
    await check(1500, 3, { ...whole, momentum: 0.5, dampening: 0.5 }, 1, 'smallInts', expectExact)
    await check(1500, 3, { ...whole, momentum: 0.5, nesterov: true, maximize: true }, 1, 'smallInts', expectExact)
  })

  it('moves nothing at rate 0, but keeps the momentum', async () => {
    const p = parameter([1, -2, 3], [3])
    const buffer = tensor([8, 8, 8])
    sgdStep(p, tensor([1, 2, 3]), buffer, false, { ...PLAIN, lr: 0, momentum: 0.5 })
    expect([...(await values(p))]).toEqual([1, -2, 3])
    expect([...(await values(buffer))]).toEqual([5, 6, 7])
  })

  it('starts the buffer with the gradient itself, undampened', async () => {
    const p = parameter([1, 1], [2])
    const buffer = tensor([Number.NaN, Number.NaN])
    sgdStep(p, tensor([2, -4]), buffer, true, { ...PLAIN, lr: 0.5, momentum: 0.5, dampening: 0.75 })
    expect([...(await values(buffer))]).toEqual([2, -4])
    expect([...(await values(p))]).toEqual([0, 3])
  })

  it.each([0, 0.9])('passes NaN and infinities to their own parameter alone, momentum %s', async (momentum) => {
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number
    // Without weight decay an infinite parameter is not multiplied by 0, so it does not turn into NaN.
    const p = parameter([1, 1, inf, nan, 1], [5])
    const buffer = momentum === 0 ? null : tensor([0, 0, 0, 0, -inf])
    sgdStep(p, tensor([nan, inf, 1, 1, 0]), buffer, false, { ...PLAIN, momentum })
    expect([...(await values(p))]).toEqual([nan, -inf, inf, nan, momentum === 0 ? 1 : inf])
    if (buffer) expect([...(await values(buffer))]).toEqual([nan, inf, 1, 1, -inf])
  })

  it('leaves the gradient as it was', async () => {
    const p = parameter([1, 2], [2])
    const gradient = tensor([3, 4])
    sgdStep(p, gradient, null, true, PLAIN)
    expect([...(await values(gradient))]).toEqual([3, 4])
  })

  it('gives the same bits twice', async () => {
    const run = async () => {
      const p = parameter(fill(1500, 1, 'normal'), [1500])
      const buffer = tensorOf(ref([1500], fill(1500, 2, 'normal')))
      const update = { ...PLAIN, momentum: 0.9, weightDecay: 0.01 }
      for (const seed of [3, 4]) sgdStep(p, tensor(fill(1500, seed, 'normal')), buffer, false, update)
      return [await bitsOf(p), await bitsOf(buffer)]
    }
    expect(await run()).toEqual(await run())
  })

  describe.each([0, 0.9])('watched, momentum %s', (momentum) => {
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number
    const size = 1500

    /** One update, of which `change` may spoil something; what was noted, and the bits. */
    async function step(watched: boolean, change: (p: Float32Array, dp: Float32Array) => void = () => undefined) {
      const [start, gradient] = [fill(size, 1, 'normal'), fill(size, 2, 'normal')]
      change(start, gradient)
      const p = parameter(start, [size])
      const buffer = momentum === 0 ? null : tensor(fill(size, 3, 'normal'))
      const watch = tensor(newWatch())
      const codes = { watch, gradientCode: 4, parameterCode: 6 }
      sgdStep(p, tensor(gradient), buffer, false, { ...PLAIN, momentum }, watched ? codes : null)
      return { noted: [...(await watch.data())], p: await bitsOf(p), buffer: buffer && (await bitsOf(buffer)) }
    }

    it('has the bits of an update that is not, and notes nothing of finite numbers', async () => {
      const [watched, plain] = [await step(true), await step(false)]
      expect(watched).toEqual(plain)
      expect(watched.noted).toEqual([0, 0, 0, -1, -1])
    })

    it.each([0, 64, 1023, 1024, size - 1])('notes a gradient and a parameter that are not, at %s', async (at) => {
      for (const bad of [nan, inf, -inf]) {
        const gradient = await step(true, (_, dp) => {
          dp[at] = bad
        })
        expect(gradient.noted).toEqual([0, 0, 0, 0, 4])
        const value = await step(true, (p) => {
          p[at] = bad
        })
        expect(value.noted).toEqual([0, 0, 0, 0, 6])
      }
      const overflow = await step(true, (p, dp) => {
        p[at] = 3.4e38
        dp[at] = -3.4e38
      })
      expect(overflow.noted).toEqual([0, 0, 0, 0, 6])
    })
  })
})
