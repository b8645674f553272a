// The reference of crossEntropy, and whether its bounds hold for float32 arithmetic and for little else.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { randomRef } from '../../operations/row.ts'
import { seeds } from '../../support/arbitraries.ts'
import { expectClose } from '../../support/close.ts'
import { sum32 } from '../../support/float32.ts'
import { type Ref, ref } from '../../support/ref.ts'
import { crossEntropy, crossEntropyBackward } from './reference.ts'

function randomLogits(shape: number[], seed: number, scale: number): Ref {
  return ref(
    shape,
    randomRef(shape, seed, 'normal').data.map((v) => v * scale),
  )
}

/** Softmax cross-entropy of one row as a device may compute it, exp and log off by `ulps` units in the last place. */
function loss32(x: Float32Array, target: number, ulps: number, order: number): { loss: number; p: Float32Array } {
  const off = 1 + ulps * 2 ** -23
  const max = x.reduce((a, b) => Math.max(a, b))
  const e = x.map((v) => Math.exp(Math.fround(v - max)) * off)
  const sum = sum32(e, order)
  const log = Math.fround(Math.log(sum) + Math.sign(ulps) * 2 ** -22)
  return { loss: Math.fround(log - Math.fround(x[target]! - max)), p: e.map((v) => v / sum) }
}

describe('the reference of crossEntropy', () => {
  it('takes huge logits, one class and no rows, and refuses a bad label', () => {
    expect([...crossEntropy(ref([2, 2], [1e4, -1e4, 3e38, -3e38]), [1, 0], 'none').data]).toEqual([2e4, 0])
    expect([...crossEntropy(ref([2, 1], [7, -7]), [0, 0], 'mean').data]).toEqual([0])
    expect([...crossEntropy(ref([0, 3]), [], 'mean').data]).toEqual([Number.NaN])
    expect([...crossEntropy(ref([0, 3]), [], 'sum').data]).toEqual([0])
    expect(() => crossEntropy(ref([1, 3]), [3], 'mean')).toThrow('crossEntropy: label 3 of row 0 is not from 0 to 2')
  })

  it('has bounds that hold with inexact exp and log, from tiny to huge logits', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom(1e-3, 1, 10, 1e4, 9e37),
        fc.integer({ min: -15, max: 15 }),
        fc.integer({ min: 0, max: 2 }),
        seeds,
        (classes, scale, ulps, order, seed) => {
          const x = randomLogits([1, classes], seed, scale)
          const target = seed % classes
          const { loss, p } = loss32(Float32Array.from(x.data), target, ulps, order)
          const expected = crossEntropy(x, [target], 'none')
          expectClose(Float32Array.of(loss), expected, expected.bound, 'loss')
          const grad = crossEntropyBackward(ref([1], [1]), x, [target], 'none')
          const actual = p.map((v, j) => v - (j === target ? 1 : 0))
          expectClose(actual, grad, grad.bound, 'gradient')
        },
      ),
      { seed: 1, numRuns: 50 },
    )
  })

  it('has bounds near float32’s own precision', () => {
    const x = randomLogits([8, 10], 5, 1)
    const target = [0, 1, 2, 3, 4, 5, 6, 7]
    for (const reduction of ['mean', 'sum', 'none'] as const) {
      const { data, bound } = crossEntropy(x, target, reduction)
      bound.forEach((b, i) => {
        expect(b).toBeLessThan(5e-6 * Math.max(1, data[i]!))
      })
    }
    const grad = crossEntropyBackward(ref([], [1]), x, target, 'mean')
    grad.bound.forEach((b) => {
      expect(b).toBeLessThan(1e-6)
    })
  })
})
