// The kernel of Langevin noise.
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { perStepWords } from '../../../src/capture/per_step.ts'
import { type Piece, rowsOf } from '../../../src/kernels/rows.ts'
import { SGLD_WORDS, type SgldNoise, sgldNoise, sgldRow } from '../../../src/kernels/sgld.ts'
import { Stream } from '../../../src/tensor/random.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf } from '../../support/check.ts'
import { expectClose, gamma, SMALLEST_NORMAL } from '../../support/close.ts'
import { type Gpu, type Tensor, tensor, testGpu, values } from '../../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const ONE: SgldNoise = { seed: 0, step: 0, scale: 1 }

function add(p: Tensor, noise: SgldNoise, pieces: readonly Piece[]): void {
  const { words, rows } = rowsOf(pieces)
  const [table, settings] = [words, perStepWords([sgldRow(noise)], SGLD_WORDS)].map((data) =>
    tensor(Int32Array.from(data)),
  )
  sgldNoise(gpu, { table: table!.storage, settings: settings!.storage, parameters: p.storage }, rows, 0)
  for (const t of [table, settings]) t!.dispose()
}

/** ξ of elements first, first + 1, … and the radius r of each, in float64 from the host's own words. */
function reference(seed: number, step: number, first: number, size: number) {
  const stream = new Stream(seed, 'noise', step + 1)
  stream.position = first
  const [xi, radius] = [new Float64Array(size), new Float64Array(size)]
  for (let i = 0; i < size; i += 2) {
    const u1 = ((stream.nextUint32() >>> 8) + 1) * 2 ** -24
    const angle = 2 * Math.PI * (stream.nextUint32() >>> 8) * 2 ** -24
    const r = Math.sqrt(-2 * Math.log(u1))
    for (const [j, factor] of [Math.cos(angle), Math.sin(angle)].entries()) {
      if (i + j < size) [xi[i + j], radius[i + j]] = [r * factor, r]
    }
  }
  return { xi, radius }
}

/**
 * How far ξ may be off, in units of u r. The logarithm: s has a subtraction, an addition and a division of 2.5 ULP, or
 * 5 u; its series four roundings and 2^-27; the sum with e ln 2, whose two roundings count against what is left of it, at
 * least 0.34 of 0.70, four and one more: 16, half of it after the square root. The root, as 1 / inverseSqrt, 4.5 ULP or 9 u.
 * The cosine and sine: the angle two roundings times at most 0.79, their series three, 2^-24 of truncation at most. The
 * product one. In all below 8 + 9 + 6 + 1 = 24.
 */
const XI_ROUNDINGS = 24

async function check(size: number, noise: SgldNoise, first = 0): Promise<void> {
  const before = fill(size, 7, 'normal')
  const p = tensor(before, [size])
  add(p, noise, [{ at: 0, other: first, size }])
  const { xi, radius } = reference(noise.seed, noise.step, first, size)
  const { scale } = noise
  const expected = Float64Array.from(before, (x, i) => x + scale * xi[i]!)
  const bound = (i: number) =>
    gamma(XI_ROUNDINGS + 2) * scale * radius[i]! + gamma(1) * Math.abs(expected[i]!) + SMALLEST_NORMAL
  expectClose(await values(p), expected, bound, `p with the noise of ${JSON.stringify(noise)}`)
}

describe('sgldNoise', () => {
  it("is the host's own stream, by Box and Muller in float64: any seed, step, place and scale", async () => {
    const noises = fc.record({
      seed: fc.oneof(fc.nat(10), fc.nat({ max: Number.MAX_SAFE_INTEGER })),
      step: fc.oneof(fc.nat(10), fc.nat({ max: 2 ** 32 - 3 })),
      scale: fc.double({ min: 0, max: 10, noNaN: true }),
    })
    const sizes = fc.constantFrom(0, 1, 2, 3, 5, 255, 257, 1023, 1024, 1025, 2500)
    await fc.assert(
      fc.asyncProperty(noises, sizes, fc.nat(2 ** 29), (noise, size, quarter) => check(size, noise, 4 * quarter)),
      { seed: 1, numRuns: 30 },
    )
  })

  it('is right in 200,000 elements, near the ends of the logarithm and in all quarters', () => check(200_000, ONE))

  it('leaves every bit at scale 0, that of -0 too', async () => {
    const p = tensor([...Array(16).fill(-0), 1, Number.NaN, 1e-40])
    const before = await bitsOf(p)
    add(p, { ...ONE, scale: 0 }, [{ at: 0, other: 0, size: 19 }])
    expect(await bitsOf(p)).toEqual(before)
  })

  it('keeps to its pieces, and numbers their elements as the table says', async () => {
    const p = tensor(new Float32Array(3000))
    const entries = [
      { at: 1500, other: 2000, size: 1025 },
      { at: 7, other: 4, size: 3 },
    ]
    add(p, ONE, entries)
    const whole = tensor(new Float32Array(4000))
    add(whole, ONE, [{ at: 0, other: 0, size: 4000 }])
    const all = await values(whole)
    const expected = new Float32Array(3000)
    for (const { at, other, size } of entries) expected.set(all.subarray(other, other + size), at)
    expect(await values(p)).toEqual(expected)
  })

  it('is standard normal, and independent from element to element and step to step', async () => {
    const n = 65_536
    const draw = async (step: number) => {
      const p = tensor(new Float32Array(n))
      add(p, { ...ONE, seed: 5, step }, [{ at: 0, other: 0, size: n }])
      return await values(p)
    }
    const [xi, next] = [await draw(0), await draw(1)]
    // Five standard deviations of each mean: those of x, x², x³, x⁴ and xy are 1, √2, √15, √96 and 1.
    const mean = (f: (x: number, i: number) => number) => xi.reduce((sum, x, i) => sum + f(x, i), 0) / n
    const near = (value: number, expected: number, deviation: number) =>
      expect(Math.abs(value - expected)).toBeLessThan((5 * deviation) / Math.sqrt(n))
    near(
      mean((x) => x),
      0,
      1,
    )
    near(
      mean((x) => x ** 2),
      1,
      Math.sqrt(2),
    )
    near(
      mean((x) => x ** 3),
      0,
      Math.sqrt(15),
    )
    near(
      mean((x) => x ** 4),
      3,
      Math.sqrt(96),
    )
    for (const lag of [1, 2, 4, 64, 1024]) {
      near(
        mean((x, i) => x * xi[(i + lag) % n]!),
        0,
        1,
      )
    }
    near(
      mean((x, i) => x * next[i]!),
      0,
      1,
    )
  })
})
