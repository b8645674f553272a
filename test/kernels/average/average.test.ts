// The kernel that averages parameters.
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { perStepWords } from '../../../src/capture/per_step.ts'
import { averageUpdate } from '../../../src/kernels/average.ts'
import { type Piece, rowsOf } from '../../../src/kernels/rows.ts'
import { fill } from '../../support/arbitraries.ts'
import { bitsOf } from '../../support/check.ts'
import { expectClose, gamma, SMALLEST_NORMAL } from '../../support/close.ts'
import { type Gpu, type Tensor, tensor, testGpu, values } from '../../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

/** Weights as the kernel reads them. */
const wordsOf = (weights: readonly number[]) =>
  Int32Array.from(
    perStepWords(
      weights.map((weight) => Float32Array.of(weight)),
      1,
    ),
  )

/** One update of these pieces. */
function update(a: Tensor, p: Tensor, weights: readonly number[], pieces: readonly Piece[]): void {
  const { words, rows } = rowsOf(pieces)
  const [table, settings] = [tensor(new Int32Array(words.buffer)), tensor(wordsOf(weights))]
  const storages = { table: table.storage, weights: settings.storage, parameters: p.storage, averages: a.storage }
  averageUpdate(gpu, storages, rows)
  for (const t of [table, settings]) t.dispose()
}

const all = (size: number): Piece[] => [{ at: 0, other: 0, size }]

describe('averageUpdate', () => {
  it('equals float64 for any weight and size', async () => {
    const sizes = fc.constantFrom(0, 1, 63, 64, 65, 1023, 1024, 1025, 2500)
    const weight = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
    await fc.assert(
      fc.asyncProperty(sizes, weight, fc.nat(1e6), async (size, w, seed) => {
        const [before, given] = [fill(size, seed, 'normal'), fill(size, seed + 1, 'normal')]
        const [a, p] = [tensor(before, [size]), tensor(given, [size])]
        update(a, p, [w], all(size))
        const expected = Float64Array.from(before, (x, i) => x + w * (given[i]! - x))
        // A rounding each of the weight, the difference, the product and the sum.
        const bound = (i: number) =>
          gamma(3) * w * Math.abs(given[i]! - before[i]!) * (1 + gamma(1)) +
          gamma(1) * Math.abs(expected[i]!) +
          SMALLEST_NORMAL
        expectClose(await values(a), expected, bound, 'average')
        expect(await values(p)).toEqual(given)
      }),
      { seed: 1, numRuns: 30 },
    )
  })

  it('is a copy at weight 1, whatever was there, and nothing at weight 0', async () => {
    const given = fill(1500, 1, 'normal')
    const a = tensor(new Float32Array(1500).fill(Number.NaN))
    update(a, tensor(given), [1], all(1500))
    expect(await values(a)).toEqual(given)
    update(a, tensor(fill(1500, 2, 'normal')), [0], all(1500))
    expect(await values(a)).toEqual(given)
  })

  it('leaves an average that the parameter equals, bit for bit, at any weight', async () => {
    const given = fill(100, 3, 'normal')
    for (const w of [1e-3, 1 / 3, 0.7]) {
      const a = tensor(given)
      update(a, tensor(given), [w], all(100))
      expect(await values(a)).toEqual(given)
    }
  })

  it('keeps to its pieces, wherever they lie', async () => {
    const [a, p] = [tensor(new Float32Array(3000).fill(-1)), tensor(fill(4000, 1, 'normal'))]
    const pieces = [
      { at: 1500, other: 5, size: 1025 },
      { at: 7, other: 2000, size: 3 },
    ]
    update(a, p, [1], pieces)
    const expected = new Float32Array(3000).fill(-1)
    const given = await values(p)
    for (const { at, other, size } of pieces) expected.set(given.subarray(other, other + size), at)
    expect(await values(a)).toEqual(expected)
  })

  it('passes NaN and infinities to their own average alone', async () => {
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number
    const a = tensor([1, 1, 1, nan])
    update(a, tensor([nan, inf, 3, 1]), [0.5], all(4))
    expect([...(await values(a))]).toEqual([nan, inf, 2, nan])
  })

  it('gives the same bits twice', async () => {
    const run = async () => {
      const a = tensor(fill(1500, 1, 'normal'))
      for (const seed of [2, 3]) update(a, tensor(fill(1500, seed, 'normal')), [1 / 3], all(1500))
      return await bitsOf(a)
    }
    expect(await run()).toEqual(await run())
  })
})
