// What only maxPool2d promises: ties, NaN, strips of columns.
import { beforeAll, describe, expect, it } from 'vitest'
import { maxPool2d, noGrad } from '../../../src/node/index.ts'
import { randomRef } from '../../operations/row.ts'
import { checkAgainstReference } from '../../operations/run.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf } from '../../support/check.ts'
import { parameter, tensor, testGpu, values } from '../../support/gpu.ts'
import { type Ref, ref } from '../../support/ref.ts'
import { POOL_CONFIGS, type PoolConfig } from './cases.ts'
import { maxPool2dRow } from './row.ts'

beforeAll(testGpu)

const named = POOL_CONFIGS.map((config) => [JSON.stringify(config), config] as const)

/** Holds maxima and gradient of these values to the oracle. */
function check(x: Ref, config: PoolConfig): Promise<void> {
  const [n, c, h, w] = x.shape as [number, number, number, number]
  const given = { n, c, h, w, ...config, seed: 99 }
  const dy = randomRef(maxPool2dRow.forward([x], given).shape, 99, 'normal')
  return checkAgainstReference(maxPool2dRow, given, { inputs: [x], dy })
}

describe('maxPool2d', () => {
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

  it.each([
    [3, 5, 28, 28],
    [1, 1, 2, 2],
    [2, 3, 7, 38],
    [4, 1, 6, 5],
  ])('gives the same values where no gradient is wanted: [%i, %i, %i, %i]', async (...shape) => {
    const size = shape.reduce((a, b) => a * b, 1)
    const data = fill(size, 4, 'ties').map((v, i) => (i % 11 === 3 ? Number.NaN : i % 7 === 2 ? -Infinity : v))
    const [wanted, plain] = [parameter(data, shape), tensor(data, shape)]
    const bits = await bitsOf(maxPool2d(wanted, { kernelSize: 2 }))
    expect(await bitsOf(maxPool2d(plain, { kernelSize: 2 }))).toEqual(bits)
    expect(await bitsOf(noGrad(() => maxPool2d(wanted, { kernelSize: 2 })))).toEqual(bits)
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
    for (const x of kinds) {
      await check(ref([1, 2, 5, 9], x), config)
      await check(ref([1, 1, 9, 10], x), config) // rows of whole pairs
    }
  })

  it.each([16, 17, 18, 34, 37, 38])('takes rows of %i columns in strips', async (w) => {
    const x = randomRef([2, 3, 5, w], w, 'ties')
    for (const config of [{}, { padding: [1, 1] }, { stride: [1, 1] }, { kernelSize: [3, 2] }, { stride: [3, 3] }]) {
      await check(x, { kernelSize: [2, 2], stride: [2, 2], padding: [0, 0], ...config } as PoolConfig)
    }
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
})
