// The reference of batchNorm.
import { describe, expect, it } from 'vitest'
import { ref } from '../../support/ref.ts'
import { batchNorm, batchNormBackward, batchNormRunning } from './reference.ts'

describe('the reference of batchNorm', () => {
  it('takes channels from dimension 1, and by hand', () => {
    // Channel 0 has −1, 1, −1, 1, channel 1 has 0, 4, 0, 4; variances 1 and 4.
    const x = ref([2, 2, 2], [-1, 1, 0, 4, -1, 1, 0, 4])
    const out = batchNorm(x, ref([2], [2, 1]), ref([2], [0, 10]), { eps: 0 })
    expect([...out.data]).toEqual([-2, 2, 9, 11, -2, 2, 9, 11])
    const running = { mean: ref([2], [1, 0]), variance: ref([2], [0.25, 16]) }
    expect([...batchNorm(x, null, null, { eps: 0, running }).data]).toEqual([-4, 0, 0, 1, -4, 0, 0, 1])
    expect(() => batchNorm(ref([3]), null, null, { eps: 0 })).toThrow('an input of two dimensions or more')
  })

  it('has gradients that sum to 0 over a channel, alone and times the normalised values', () => {
    const x = ref([4, 1], [1, 2, 4, 8])
    const dy = ref([4, 1], [3, -1, 2, 5])
    const { input, weight, bias } = batchNormBackward(dy, x, null, { eps: 0 })
    const normal = batchNorm(x, null, null, { eps: 0 }).data
    expect(bias.data[0]).toBe(9)
    expect(weight.data[0]).toBeCloseTo(
      normal.reduce((sum, v, i) => sum + v * dy.data[i]!, 0),
      12,
    )
    expect(input.data.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 12)
    expect(input.data.reduce((sum, v, i) => sum + v * normal[i]!, 0)).toBeCloseTo(0, 12)
  })

  it('moves running statistics by the unbiased variance', () => {
    const x = ref([2, 1, 2], [0, 4, 0, 4])
    const { mean, variance } = batchNormRunning(x, ref([1], [10]), ref([1], [3]), 0.25)
    expect([mean.data[0], variance.data[0]]).toEqual([0.75 * 10 + 0.25 * 2, 0.75 * 3 + 0.25 * (16 / 3)])
  })

  it('has bounds that neither a mean nor a size blows up', () => {
    const near = ref(
      [64, 1],
      Float64Array.from({ length: 64 }, (_, i) => Math.fround(Math.sin(i))),
    )
    const far = ref(
      [64, 1],
      near.data.map((v) => Math.fround(1e4 + v)),
    )
    const largest = (x: typeof near) => Math.max(...batchNorm(x, null, null, { eps: 1e-5 }).bound)
    expect(largest(near)).toBeLessThan(2e-4)
    // Σx² − M·mean² would be off by 1e8 roundings, which is more than all of it.
    expect(largest(far)).toBeLessThan(1e-3)
    expect(largest(near)).toBeGreaterThan(1e-7)
  })
})
