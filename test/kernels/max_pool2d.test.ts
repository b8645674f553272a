import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { maxPool2d } from '../../src/node/index.ts'
import { type FillKind, fill, POOL_CONFIGS, type PoolCase, poolCase } from '../support/arbitraries.ts'
import { messageOf, parameter, tensor, testGpu, values } from '../support/gpu.ts'
import {
  convOutputSize,
  maxPool2dBackward,
  maxPool2d as maxPool2dReference,
  type Ref,
  ref,
} from '../support/reference.ts'
import { bitsOf, dispose, dot, expectExact, expectTensor, type Hold, tensorOf } from './check.ts'

beforeAll(testGpu)

type Config = Pick<PoolCase, 'kernelSize' | 'stride' | 'padding'>
const named = POOL_CONFIGS.map((config) => [JSON.stringify(config), config] as const)

function inputOf({ n, c, h, w, seed }: PoolCase, kind: FillKind): Ref {
  return ref([n, c, h, w], fill(n * c * h * w, seed, kind))
}

function gradientOf(x: Ref, { kernelSize, stride, padding }: Config, kind: FillKind): Ref {
  const [n, c, h, w] = x.shape as [number, number, number, number]
  const oh = convOutputSize(h, kernelSize[0], stride[0], padding[0])
  const ow = convOutputSize(w, kernelSize[1], stride[1], padding[1])
  return ref([n, c, oh, ow], fill(n * c * oh * ow, 99, kind))
}

/** Holds the maxima, which are exact, and the gradient to the oracle. */
async function check(x: Ref, config: Config, kind: FillKind = 'normal', hold: Hold = expectTensor): Promise<void> {
  const { kernelSize, stride, padding } = config
  const dy = gradientOf(x, config, kind)
  const input = parameter(x.data, x.shape)
  const gradient = tensorOf(dy)
  const out = maxPool2d(input, { kernelSize, stride, padding })
  out.backward(gradient)
  const expected = maxPool2dReference(x, config)
  await expectExact(out, expected, 'out')
  await hold(input.grad, maxPool2dBackward(dy, expected.indices, x.shape), 'dx')
  dispose(input, gradient, out)
}

describe('maxPool2d', () => {
  it('equals the reference on random shapes, ties included', async () => {
    const kinds = fc.constantFrom<FillKind>('normal', 'ties', 'smallInts')
    await fc.assert(
      fc.asyncProperty(poolCase, kinds, (given, kind) => check(inputOf(given, kind), given)),
      { seed: 1, numRuns: 60 },
    )
  })

  it.each(named)('is exact on small integers: %s', async (_, config) => {
    for (const [n, c, h, w] of [
      [3, 2, 7, 8],
      [1, 5, 31, 17],
      [2, 1, 6, 6],
    ] as const) {
      await check(inputOf({ n, c, h, w, ...config, seed: h }, 'smallInts'), config, 'smallInts', expectExact)
    }
  })

  it.each([
    [0, 3],
    [2, 0],
    [0, 0],
  ])('takes %s images of %s channels', async (n, c) => {
    for (const config of POOL_CONFIGS.slice(0, 3)) await check(ref([n, c, 6, 7]), config)
  })

  it('takes one pixel, and windows that leave cells of the input out', async () => {
    await check(ref([1, 1, 1, 1], [5]), { kernelSize: [1, 1], stride: [1, 1], padding: [0, 0] })
    await check(ref([1, 1, 1, 1], [-5]), { kernelSize: [2, 2], stride: [2, 2], padding: [1, 1] })
    const apart: Config = { kernelSize: [2, 1], stride: [4, 3], padding: [0, 0] }
    await check(ref([2, 2, 11, 8], fill(352, 1, 'normal')), apart)
    const reaching: Config = { kernelSize: [4, 4], stride: [5, 9], padding: [2, 2] }
    await check(ref([2, 2, 9, 9], fill(324, 1, 'normal')), reaching)
  })

  it('has stride = kernelSize and no padding unless given, and takes numbers for pairs', async () => {
    const x = tensor(fill(2 * 36, 3, 'normal'), [1, 2, 6, 6])
    const out = await values(maxPool2d(x, { kernelSize: 2 }))
    expect(await values(maxPool2d(x, { kernelSize: [2, 2], stride: 2, padding: 0 }))).toEqual(out)
    expect(maxPool2d(x, { kernelSize: [3, 2] }).shape).toEqual([1, 2, 2, 3])
    expect(maxPool2d(x, { kernelSize: 2 }).requiresGrad).toBe(false)
  })

  it('gives the gradient of equal maxima to the first in row-major order, exactly once', async () => {
    const disjoint = parameter(new Float32Array(16), [1, 1, 4, 4])
    maxPool2d(disjoint, { kernelSize: 2 }).backward(tensor([1, 2, 3, 4], [1, 1, 2, 2]))
    expect([...(await values(disjoint.grad))]).toEqual([1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0])
    const overlapping = parameter(new Float32Array(9), [1, 1, 3, 3])
    maxPool2d(overlapping, { kernelSize: 2, stride: 1 }).backward(tensor([1, 2, 3, 4], [1, 1, 2, 2]))
    expect([...(await values(overlapping.grad))]).toEqual([1, 2, 0, 3, 4, 0, 0, 0, 0])
    // Later cells hold the maximum twice: the upper right one is the first; +0 does not beat the -0 before it.
    const later = parameter([1, 7, 7, 7, -0, 0, 0, 0], [1, 2, 2, 2])
    maxPool2d(later, { kernelSize: 2 }).backward(tensor([5, 6], [1, 2, 1, 1]))
    expect([...(await values(later.grad))]).toEqual([0, 5, 0, 0, 6, 0, 0, 0])
  })

  it('adds the gradients of all windows that a cell wins', async () => {
    const x = parameter([0, 0, 0, 0, 9, 0, 0, 0, 0], [1, 1, 3, 3])
    maxPool2d(x, { kernelSize: 2, stride: 1 }).backward(tensor([1, 10, 100, 1000], [1, 1, 2, 2]))
    expect([...(await values(x.grad))]).toEqual([0, 0, 0, 0, 1111, 0, 0, 0, 0])
  })

  it('never lets padding win', async () => {
    const x = ref([1, 1, 3, 3], new Float64Array(9).fill(-5))
    await check(x, { kernelSize: [3, 3], stride: [2, 2], padding: [1, 1] })
    await check(x, { kernelSize: [2, 2], stride: [2, 2], padding: [1, 1] })
  })

  it.each(named)('lets NaN win, and numbers win over -Infinity: %s', async (_, config) => {
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number
    const kinds = [
      // NaN first, last, between larger numbers, alone in its window, and more than one in a window
      fill(90, 1, 'ties').map((v, i) => ([0, 17, 18, 41, 89].includes(i) ? nan : v)),
      fill(90, 2, 'ties').map((v, i) => (i % 3 === 0 ? nan : v)),
      new Float32Array(90).fill(nan),
      new Float32Array(90).fill(-inf),
      fill(90, 3, 'ties').map((v, i) => (i % 4 === 0 ? inf : i % 4 === 1 ? -inf : v)),
      fill(90, 4, 'normal').map((v, i) => (i % 5 === 0 ? inf : i % 7 === 0 ? nan : -inf * Math.sign(v))),
    ]
    for (const x of kinds) await check(ref([1, 2, 5, 9], x), config)
  })

  it('passes NaN and infinities of the gradient to the winner alone', async () => {
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number
    const x = parameter([1, 2, 3, 4, 8, 7, 6, 5], [1, 2, 2, 2])
    maxPool2d(x, { kernelSize: 2 }).backward(tensor([nan, inf], [1, 2, 1, 1]))
    expect([...(await values(x.grad))]).toEqual([0, 0, 0, nan, inf, 0, 0, 0])
    const shared = parameter([0, 0, 0, 0, 9, 0, 0, 0, 0], [1, 1, 3, 3])
    maxPool2d(shared, { kernelSize: 2, stride: 1 }).backward(tensor([nan, 1, 2, inf], [1, 1, 2, 2]))
    expect([...(await values(shared.grad))]).toEqual([0, 0, 0, 0, nan, 0, 0, 0, 0])
  })

  it.each(named)(
    'has ⟨out, y⟩ = ⟨x, dx⟩, exactly so on small integers, and the same bits twice: %s',
    async (_, config) => {
      const x = inputOf({ n: 2, c: 3, h: 8, w: 9, ...config, seed: 5 }, 'smallInts')
      const dy = gradientOf(x, config, 'smallInts')
      const run = async () => {
        const input = parameter(x.data, x.shape)
        const out = maxPool2d(input, config)
        out.backward(tensorOf(dy))
        expect(dot(await values(out), dy.data)).toBe(dot(await values(input.grad), x.data))
        return [await bitsOf(out), await bitsOf(input.grad)]
      }
      expect(await run()).toEqual(await run())
    },
  )
})

describe('maxPool2d refuses', () => {
  const image = tensorOf.bind(null, ref([2, 3, 4, 5]))

  it.each<[string, () => unknown, string]>([
    [
      'integers',
      () => maxPool2d(tensor(new Int32Array(4), [1, 1, 2, 2]), { kernelSize: 2 }),
      'maxPool2d: input must be float32, it is int32',
    ],
    [
      'three dimensions',
      () => maxPool2d(tensorOf(ref([3, 4, 5])), { kernelSize: 2 }),
      'maxPool2d: input has 3 dimensions, 4 are needed (N C H W)\n  input [3, 4, 5]',
    ],
    [
      'an input without rows, whose windows would hold padding alone',
      () => maxPool2d(tensorOf(ref([1, 1, 0, 4])), { kernelSize: 2, padding: 1 }),
      'maxPool2d: the input has no rows or no columns to pool\n  input [1, 1, 0, 4]  N C H W',
    ],
    [
      'an input without columns',
      () => maxPool2d(tensorOf(ref([1, 1, 4, 0])), { kernelSize: 2, padding: 1 }),
      'maxPool2d: the input has no rows or no columns to pool\n  input [1, 1, 4, 0]  N C H W',
    ],
    [
      'a window higher than the input',
      () => maxPool2d(image(), { kernelSize: 5 }),
      "maxPool2d: the window's height 5 exceeds the input's 4\n  input [2, 3, 4, 5]  N C H W",
    ],
    [
      'a window wider than the padded input',
      () => maxPool2d(image(), { kernelSize: [2, 8], padding: [0, 1] }),
      "maxPool2d: the window's width 8 exceeds the input's 5 with padding 1\n  input [2, 3, 4, 5]  N C H W",
    ],
    [
      'padding over half of the window',
      () => maxPool2d(image(), { kernelSize: 3, padding: 2 }),
      'maxPool2d: padding 2 is more than half of the kernel size 3: a window could be empty',
    ],
    [
      'padding over half of its width',
      () => maxPool2d(image(), { kernelSize: [3, 1], padding: [1, 1] }),
      'maxPool2d: padding 1 is more than half of the kernel size 1: a window could be empty',
    ],
    [
      'a window of size 0',
      () => maxPool2d(image(), { kernelSize: 0 }),
      'maxPool2d: kernelSize must be a whole number or two of them, 1 or more, not 0',
    ],
    [
      'stride 0',
      () => maxPool2d(image(), { kernelSize: 2, stride: [2, 0] }),
      'maxPool2d: stride must be a whole number or two of them, 1 or more, not [2, 0]',
    ],
    [
      'negative padding',
      () => maxPool2d(image(), { kernelSize: 2, padding: -1 }),
      'maxPool2d: padding must be a whole number or two of them, 0 or more, not -1',
    ],
    [
      'an option it does not have',
      () => maxPool2d(image(), { kernelSize: 2, dilation: 2 } as { kernelSize: number }),
      'maxPool2d: unknown option dilation; known: kernelSize, stride, padding',
    ],
  ])('%s', (_, run, message) => {
    expect(messageOf(run)).toBe(message)
  })
})
