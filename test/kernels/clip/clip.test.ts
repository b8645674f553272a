// The kernels that clip gradients: norms, scaling, clamping.
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { clampInPlace, NORM_BLOCK, normOf, scaleToNorm } from '../../../src/kernels/clip.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf } from '../../support/check.ts'
import { expectClose, gamma } from '../../support/close.ts'
import { type Gpu, Tensor, tensor, testGpu, values } from '../../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const { NaN: nan, POSITIVE_INFINITY: inf } = Number
const SIZES = [0, 1, 2, 15, 16, 63, 64, 65, 1023, 1024, 1025, 2500] as const
const tensorsOf = (arrays: readonly Float32Array[]) =>
  arrays.map((data) => tensor(data, [data.length])) as [Tensor, ...Tensor[]]

/** Tensors side by side in one buffer, in this order, and the buffer: 5 wherever none of them is. */
function together(arrays: readonly Float32Array[]): { whole: Tensor; parts: [Tensor, ...Tensor[]] } {
  const sizes = arrays.map(({ length }) => 64 * Math.ceil((length + 1) / 64)) // parts begin at multiples of 256 bytes
  const data = new Float32Array(64 + sizes.reduce((sum, size) => sum + size, 0)).fill(5)
  const whole = tensor(data)
  let at = 64
  const parts = arrays.map((array, i) => {
    const part = new Tensor(gpu, whole.storage.part(4 * at, 4 * array.length), [array.length], 'float32')
    gpu.write(part.storage, Float32Array.from(array))
    at += sizes[i]!
    return part
  })
  return { whole, parts: parts as [Tensor, ...Tensor[]] }
}

/** How many of the buffer's elements are 5. */
const fives = async (whole: Tensor) => (await values(whole)).filter((v) => v === 5).length

function dispatchesOf(fn: () => void): number {
  const before = gpu.dispatches
  fn()
  return gpu.dispatches - before
}

/**
 * The most roundings that a square passes on its way into the sum: its own; in a thread NORM_BLOCK / 64, in a workgroup 64;
 * then all blocks over 256, and 256. The root halves them. WGSL has sqrt right to 1 / inverseSqrt: 2 and 2.5 ulp, 9 halves.
 */
function roundingsOf(arrays: readonly Float32Array[]): number {
  const blocks = arrays.reduce((sum, { length }) => sum + Math.ceil(length / NORM_BLOCK), 0)
  const sum = 1 + NORM_BLOCK / 64 + 64 + Math.ceil(blocks / 256) + 256
  return Math.ceil(sum / 2) + 1 + 9
}

const euclidean = (arrays: readonly Float32Array[]) =>
  Math.sqrt(arrays.flatMap((a) => [...a]).reduce((sum, v) => sum + v * v, 0))
const largest = (arrays: readonly Float32Array[]) => Math.max(0, ...arrays.flatMap((a) => [...a]).map(Math.abs))

describe('normOf', () => {
  it('equals float64, for lists of all sizes', async () => {
    const lists = fc.array(fc.constantFrom(...SIZES), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(lists, fc.nat(1e6), async (sizes, seed) => {
        const arrays = sizes.map((size, i) => fill(size, seed + i, 'normal'))
        const tensors = tensorsOf(arrays)
        const norm = euclidean(arrays)
        const bound = gamma(roundingsOf(arrays)) * norm
        expectClose(await values(normOf(tensors, 2)), Float64Array.of(norm), () => bound, 'norm 2')
        expect(await values(normOf(tensors, Infinity))).toEqual(Float32Array.of(largest(arrays)))
      }),
      { seed: 1, numRuns: 30 },
    )
  })

  it('counts every element once, whatever the block', async () => {
    for (const size of [1, 64, 1024, 1025, 4099]) {
      for (const at of [0, size >> 1, size - 1]) {
        const data = new Float32Array(size)
        data[at] = -3
        const other = Float32Array.of(0, 4)
        const norm = await normOf(tensorsOf([data, other]), 2).item()
        expect(Math.abs(norm - 5)).toBeLessThanOrEqual(5 * gamma(9))
        expect(await normOf(tensorsOf([data, other.map((v) => v / 2)]), Infinity).item()).toBe(3)
      }
    }
  })

  it('more partial results than the threads that add them up', async () => {
    const data = fill(300 * NORM_BLOCK + 7, 3, 'normal')
    let sum = 0
    for (const v of data) sum += v * v
    const bound = gamma(roundingsOf([data])) * Math.sqrt(sum)
    expect(Math.abs((await normOf(tensorsOf([data]), 2).item()) - Math.sqrt(sum))).toBeLessThanOrEqual(bound)
  })

  it.each([2, Infinity] as const)('of type %s is NaN where one is, else infinite where one is', async (type) => {
    for (const at of [0, 1024, 2047]) {
      const data = fill(2048, 1, 'normal')
      data[at] = -inf
      const rest = Float32Array.of(1, 2)
      expect(await normOf(tensorsOf([data, rest]), type).item()).toBe(inf)
      expect(await normOf(tensorsOf([data, Float32Array.of(nan)]), type).item()).toBeNaN()
      data[at] = nan
      expect(await normOf(tensorsOf([data, rest]), type).item()).toBeNaN()
    }
    // Squares overflow in float32; the largest does not.
    expect(await normOf(tensorsOf([Float32Array.of(1, 3e20)]), type).item()).toBe(type === 2 ? inf : Math.fround(3e20))
    expect(await normOf(tensorsOf([new Float32Array(0)]), type).item()).toBe(0)
  })

  it('gives the same bits twice, and wherever the gradients lie', async () => {
    const arrays = [48_000, 3, 0, 10_000, 1024, 2500, 77].map((size, i) => fill(size, i, 'normal'))
    const apart = tensorsOf(arrays)
    const { parts } = together(arrays)
    const mixed = apart.map((tensor, i) => (i % 3 === 1 ? tensor : parts[i]!)) as [Tensor, ...Tensor[]]
    const bits = await bitsOf(normOf(apart, 2))
    for (const tensors of [apart, parts, mixed, parts]) expect(await bitsOf(normOf(tensors, 2))).toEqual(bits)
  })

  it('takes two dispatches for those that lie in one buffer, and one more for each that does not', () => {
    const arrays = [48_000, 3, 0, 10_000].map((size) => new Float32Array(size))
    const { parts } = together(arrays)
    const [other] = tensorsOf([new Float32Array(9)])
    for (const type of [2, Infinity] as const) {
      expect(dispatchesOf(() => void normOf(parts, type))).toBe(2)
      expect(dispatchesOf(() => void normOf([...parts, other], type))).toBe(3)
    }
  })
})

describe('scaleToNorm', () => {
  /** What becomes of `data` under a norm. */
  async function scaled(data: Float32Array, norm: number, maxNorm: number, keep = false): Promise<Float32Array> {
    const g = tensor(data, [data.length])
    const { version } = g.storage
    scaleToNorm([g], { norm: tensor(norm, []), maxNorm, keep })
    expect(g.storage.version).toBe(version + (g.size > 0 ? 1 : 0))
    return await values(g)
  }

  it('equals float64: min(maxNorm / (norm + 1e-6), 1) times each', async () => {
    // Nothing on the way is so small that an adapter may make it 0.
    const norms = fc.double({ min: 0, max: 100, noNaN: true }).map((v) => (v < 2 ** -20 ? 0 : Math.fround(v)))
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...SIZES), norms, norms, fc.nat(1e6), async (size, norm, maxNorm, seed) => {
        const data = fill(size, seed, 'normal')
        const factor = Math.min(maxNorm / (norm + 1e-6), 1)
        const expected = Float64Array.from(data, (v) => v * factor)
        // 1e-6 and the sum with it, the quotient (2.5 ulp, so five halves), the product.
        const bound = (i: number) => gamma(8) * Math.abs(expected[i]!)
        expectClose(await scaled(data, norm, maxNorm), expected, bound, 'scaled')
      }),
      { seed: 1, numRuns: 40 },
    )
  })

  it('changes no bit where the norm is small enough', async () => {
    const data = fill(1500, 1, 'normal')
    for (const [norm, maxNorm] of [
      [0, 0.001],
      [1, 1.001],
      [1, 3.4e38],
      [0, 3.4e38],
    ] as const) {
      expect(await scaled(data, norm, maxNorm)).toEqual(data)
    }
  })

  it('of an infinite norm leaves zeros, and NaN where it was infinite; of a NaN nothing but NaN', async () => {
    const data = Float32Array.of(1, -2, inf, -inf, nan, 0)
    expect([...(await scaled(data, inf, 1))]).toEqual([0, -0, nan, nan, nan, 0])
    expect([...(await scaled(data, nan, 1))]).toEqual(Array(6).fill(nan))
    expect([...(await scaled(data, inf, 1, true))]).toEqual([0, -0, nan, nan, nan, 0])
    expect(await scaled(data, nan, 1, true)).toEqual(data)
  })
})

it.each<[string, (tensors: readonly Tensor[]) => void]>([
  ['scaleToNorm', (tensors) => scaleToNorm(tensors, { norm: tensor(2, []), maxNorm: 1, keep: false })],
  ['clampInPlace', (tensors) => clampInPlace(tensors, { limit: 0.5, keep: false })],
])('%s changes those of one buffer in one dispatch, as it would each, and nothing beside them', async (_, change) => {
  const arrays = [1, 2500, 0, 63, 1024, 1500].map((size, i) => fill(size, i, 'normal'))
  const { whole, parts } = together(arrays)
  const rest = await fives(whole)
  const chosen = [1, 4, 5].map((i) => parts[i]!)
  const versions = chosen.map(({ storage }) => storage.version)
  expect(dispatchesOf(() => change(chosen))).toBe(1)
  expect(chosen.map(({ storage }, i) => storage.version - versions[i]!)).toEqual([1, 1, 1])
  for (const [i, array] of arrays.entries()) {
    const [alone] = tensorsOf([array])
    if (chosen.includes(parts[i]!)) change([alone])
    expect(await parts[i]!.data()).toEqual(await values(alone))
  }
  expect(await fives(whole)).toBe(rest)
})

describe('clampInPlace', () => {
  it('equals min(max(g, -limit), limit), exactly', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SIZES),
        fc.double({ min: 0, max: 4, noNaN: true }),
        fc.nat(1e6),
        async (size, drawn, seed) => {
          const limit = Math.fround(drawn)
          const data = fill(size, seed, 'normal')
          const g = tensor(data, [size])
          clampInPlace([g], { limit, keep: false })
          expect(await values(g)).toEqual(data.map((v) => Math.min(Math.max(v, -limit), limit)))
        },
      ),
      { seed: 1, numRuns: 30 },
    )
  })

  it('takes infinities to the limit, or keeps them; NaN stays', async () => {
    const data = Float32Array.of(nan, inf, -inf, 2, -2, 1, -1, -0, 0.5)
    for (const keep of [false, true]) {
      const g = tensor(data, [9])
      clampInPlace([g], { limit: 1, keep })
      const ends = keep ? [inf, -inf] : [1, -1]
      expect([...(await values(g))]).toEqual([nan, ...ends, 1, -1, 1, -1, -0, 0.5])
    }
  })
})
