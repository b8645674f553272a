// The scratch memory that layers of every size ask for, worked out without running them.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { planCorrelate, tuneCorrelate, tuneWeight, weightParts } from '../../../src/kernels/conv2d_tuning.ts'
import { packedForward, planLinearBackward } from '../../../src/kernels/linear_tuning.ts'
import { packedFloats } from '../../../src/kernels/matmul.ts'
import { scratchOfParts } from '../../../src/kernels/sum_parts.ts'
import type { AdapterClass } from '../../../src/kernels/tuning.ts'

const MIB = 2 ** 20
const CLASSES: readonly AdapterClass[] = ['cpu', 'gpu']

/** Bytes that are held at a time must stay below 64 MiB or four times the operands, whichever is more. */
function expectBounded(what: string, bytes: number, operands: readonly number[]): void {
  const floats = operands.reduce((sum, n) => sum + n, 0)
  expect(bytes, what).toBeLessThanOrEqual(Math.max(64 * MIB, 4 * 4 * floats))
}

interface Conv {
  readonly N: number
  readonly C: number
  readonly F: number
  readonly side: number
  readonly K: number
  readonly stride: number
}

function checkConv({ N, C, F, side, K, stride }: Conv): void {
  const P = Math.floor(K / 2)
  const out = Math.floor((side + 2 * P - K) / stride) + 1
  const operands = [N * C * side ** 2, F * C * K ** 2, N * F * out ** 2]
  for (const adapterClass of CLASSES) {
    const layer = { inChannels: C, outChannels: F, KH: K, KW: K, OH: out, OW: out }
    const what = `${JSON.stringify({ N, C, F, side, K, stride })} ${adapterClass}`
    const { plan, cut } = weightParts(
      { N, C, F, KH: K, KW: K, OH: out, OW: out },
      tuneWeight(layer, true, adapterClass),
    )
    expectBounded(what, 4 * scratchOfParts(plan), operands)
    expect(cut.pieces, what).toBeGreaterThan(0)
    for (const one of [layer, { ...layer, inChannels: F, outChannels: C, OH: side, OW: side }]) {
      const tune = tuneCorrelate(one, { unitStep: stride === 1, slices: true }, adapterClass)
      const { floats, channels } = planCorrelate(one, tune)
      const others = channels < one.inChannels ? N * one.outChannels * one.OH * one.OW : 0
      expectBounded(what, 4 * (floats + others), operands)
      expect(4 * floats, what).toBeLessThanOrEqual(32 * MIB)
      expect(channels * K ** 2, what).toBeLessThanOrEqual(Math.max(4096, K ** 2))
    }
  }
}

function checkLinear(N: number, I: number, O: number): void {
  const operands = [N * I, O * I, N * O]
  const [left, right] = packedForward({ N, I, O })
  expectBounded(`linear ${N} ${I} ${O}`, 4 * (left + right), operands)
  for (const adapterClass of CLASSES) {
    for (const relu of [0, 1]) {
      for (const need of [
        { needX: true, needW: true },
        { needX: true, needW: false },
        { needX: false, needW: true },
      ]) {
        const { scratch } = planLinearBackward({ N, I, O, relu }, need, adapterClass)
        expectBounded(`linear ${N} ${I} ${O} ${adapterClass} ${JSON.stringify(need)}`, 4 * scratch, operands)
      }
    }
  }
}

describe('scratch memory stays below 64 MiB or four times the operands', () => {
  // ResNet-18 for images of 224 and of 32 pixels, and VGG's.
  const resnet = [1, 7].flatMap((scale) =>
    [64, 128, 256, 512].flatMap((F, i) => {
      const side = (8 * scale) / 2 ** i
      return [
        { C: F, F, side: Math.max(1, side), K: 3, stride: 1 },
        { C: F / 2, F, side: Math.max(2, 2 * side), K: 3, stride: 2 },
        { C: F / 2, F, side: Math.max(2, 2 * side), K: 1, stride: 2 },
      ]
    }),
  )
  const vgg = [2, 4, 14, 28].map((side) => ({ C: 512, F: 512, side, K: 3, stride: 1 }))
  const others = [
    { C: 1024, F: 1024, side: 1, K: 3, stride: 1 },
    { C: 1910, F: 1910, side: 1, K: 3, stride: 1 },
    { C: 3, F: 64, side: 224, K: 7, stride: 2 },
    { C: 1, F: 1, side: 5000, K: 5, stride: 1 },
    { C: 1, F: 4096, side: 8, K: 8, stride: 8 },
    { C: 300_000, F: 1, side: 1, K: 3, stride: 1 },
    { C: 1, F: 300_000, side: 1, K: 3, stride: 1 },
    { C: 300, F: 9000, side: 1, K: 3, stride: 1 },
  ]
  it.each([...resnet, ...vgg, ...others])('conv2d %o', (layer) => {
    for (const N of [1, 32, 33, 128, 256, 1000, 20_000]) checkConv({ N, ...layer })
    if (layer.side === 1) checkConv({ N: 4_250_000, ...layer })
  })

  it('conv2d of random layers', () => {
    const size = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 2048 }))
    const layers = fc.record({
      N: fc.oneof(size, fc.integer({ min: 1, max: 5_000_000 })),
      C: size,
      F: size,
      side: fc.integer({ min: 1, max: 300 }),
      K: fc.constantFrom(1, 2, 3, 5, 7, 11),
      stride: fc.constantFrom(1, 2, 4),
    })
    fc.assert(fc.property(layers, checkConv), { seed: 1, numRuns: 500 })
  })

  it.each([
    [256, 5700, 5700],
    [64, 8192, 8192],
    [8192, 4096, 8192],
    [4_300_000, 10, 10],
    [4_300_000, 1, 5],
    [33_554_432, 1, 1],
    [1, 33_554_432, 1],
    [1, 1, 33_554_432],
    [8193, 4095, 4095],
    [256, 25_088, 4096],
  ])('linear [%i, %i] to %i', (N, I, O) => checkLinear(N, I, O))

  it('linear of random sizes', () => {
    const size = fc.integer({ min: 0, max: 22 }).chain((e) => fc.integer({ min: 2 ** e, max: 2 ** (e + 1) }))
    fc.assert(fc.property(size, size, size, checkLinear), { seed: 1, numRuns: 500 })
  })

  it('matmul of random sizes', () => {
    const size = fc.integer({ min: 0, max: 24 }).chain((e) => fc.integer({ min: 2 ** e, max: 2 ** (e + 1) }))
    const packs = fc.constantFrom(0, 1)
    const matrices = fc.constantFrom<[number, number]>([1, 1], [64, 64], [1, 1000], [1000, 1])
    const property = fc.property(size, size, size, packs, packs, matrices, (M, K, N, packA, packB, [ofA, ofB]) => {
      const floats = packedFloats({ M, K, N, packA, packB }, [ofA, ofB])
      expectBounded(`matmul ${M} ${K} ${N}`, 4 * floats.reduce((sum, n) => sum + n, 0), [ofA * M * K, ofB * K * N])
    })
    fc.assert(property, { seed: 1, numRuns: 500 })
  })
})
