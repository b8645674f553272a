// The watch for values that are not finite, and its codes.
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { codeOf, meaningOf, newWatch, noteNotFinite } from '../../../src/kernels/finite.ts'
import { fill } from '../../support/arbitraries.ts'
import { messageOf, type Tensor, tensor, testGpu } from '../../support/gpu.ts'

beforeAll(testGpu)

const EMPTY = 0xffffffff

/** Clock and code noted first. */
async function noted(watch: Tensor): Promise<[number, number]> {
  const words = new Uint32Array((await watch.data()).buffer)
  return [words[3]!, words[4]!]
}

const withBits = (...words: number[]) => new Float32Array(Uint32Array.from(words).buffer)

describe('noteNotFinite', () => {
  it('finds one bad value at any place of any size, and nothing where there is none', async () => {
    const bad = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)
    const places = fc
      .constantFrom(1, 2, 15, 16, 63, 64, 65, 1023, 1024, 1025, 2500)
      .chain((size) => fc.record({ size: fc.constant(size), at: fc.nat(size - 1) }))
    await fc.assert(
      fc.asyncProperty(places, bad, fc.nat(1e6), fc.nat(0xfffffffe), async ({ size, at }, value, seed, code) => {
        const x = fill(size, seed, 'normal')
        const watch = tensor(newWatch())
        noteNotFinite(watch, tensor(x), code)
        expect(await noted(watch)).toEqual([EMPTY, EMPTY])
        x[at] = value
        noteNotFinite(watch, tensor(x), code)
        expect(await noted(watch)).toEqual([0, code])
      }),
      { seed: 1, numRuns: 60 },
    )
  })

  it('goes by the bits: every NaN, both infinities, and not the largest or smallest finite numbers', async () => {
    for (const bits of [0x7f800000, 0xff800000, 0x7f800001, 0x7fc00000, 0xffc00000, 0x7fffffff, 0xffffffff]) {
      const watch = tensor(newWatch())
      noteNotFinite(watch, tensor(withBits(0, bits)), 5)
      expect(await noted(watch), bits.toString(16)).toEqual([0, 5])
    }
    const watch = tensor(newWatch())
    noteNotFinite(watch, tensor(withBits(0, 0x80000000, 0x7f7fffff, 0xff7fffff, 1, 0x80000001, 0x007fffff)), 5)
    expect(await noted(watch)).toEqual([EMPTY, EMPTY])
  })

  it('keeps the earliest clock, and the least code of that clock', async () => {
    const bad = tensor([Number.NaN])
    const watch = tensor(newWatch())
    const at = (clock: number, code: number) => {
      const { gpu, storage } = watch
      // As countedCrossEntropy does: the clock alone is moved on.
      gpu.copy(tensor(Int32Array.of(0, clock)).storage, storage, 8)
      noteNotFinite(watch, bad, code)
    }
    at(256, 9)
    at(256, 4)
    at(256, 7)
    expect(await noted(watch)).toEqual([256, 4])
    at(512, 1)
    expect(await noted(watch)).toEqual([256, 4])
  })

  it('takes a tensor of no elements for finite', async () => {
    const watch = tensor(newWatch())
    noteNotFinite(watch, tensor([], [0]), 1)
    expect(await noted(watch)).toEqual([EMPTY, EMPTY])
  })

  it('refuses a tensor that was released', () => {
    const [watch, x] = [tensor(newWatch()), tensor([1])]
    x.dispose()
    expect(messageOf(() => noteNotFinite(watch, x, 1))).toBe(
      "finite: tensor [1] can't be used any more: dispose() was called on it",
    )
  })
})

it('codes have their meaning back, and are in the order of a step', () => {
  for (const count of [1, 2, 10]) {
    const all: number[] = [codeOf.logits, codeOf.loss]
    const indices = Array.from({ length: count }, (_, i) => i)
    for (const i of indices.toReversed()) all.push(codeOf.gradient(i, count))
    for (const i of indices) all.push(codeOf.parameter(i, count))
    expect(all).toEqual(all.map((_, i) => i))
    expect(all.map((code) => meaningOf(code, count))).toEqual([
      { kind: 'logits', index: 0 },
      { kind: 'loss', index: 0 },
      ...indices.toReversed().map((index) => ({ kind: 'gradient', index })),
      ...indices.map((index) => ({ kind: 'parameter', index })),
    ])
  }
})
