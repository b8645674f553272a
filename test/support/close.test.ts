// Tests of expectClose, and of the error bounds it is given.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fill } from './arbitraries.ts'
import { expectClose, gamma } from './close.ts'
import { conv2d, crossEntropy, crossEntropyBackward, matmul, type Ref, ref, sgdStep } from './reference.ts'

const f32 = Math.fround
const close = (actual: number[], expected: number[], bound: number) =>
  expectClose(Float32Array.from(actual), Float64Array.from(expected), () => bound, 'out')

describe('expectClose', () => {
  it('accepts what is on the bound and refuses what is past it', () => {
    expect(() => close([1.5], [1], 0.5)).not.toThrow()
    expect(() => close([1.5], [1], 0.499)).toThrow(
      'out: 1 of 1 values out of bounds, the worst at index 0: 1.5 instead of 1, bound 0.499',
    )
    expect(() => close([1], [1], 0)).not.toThrow()
    expect(() => close([1 + 2 ** -23], [1], 0)).toThrow('out of bounds')
  })

  it('names the worst element, not the first, by its place in the shape', () => {
    const expected = ref([2, 1, 3])
    const actual = Float32Array.of(0, 2, 0, 0, 0, 4)
    expect(() => expectClose(actual, expected, Float64Array.of(1, 1, 1, 1, 1, 1), 'conv2d')).toThrow(
      'conv2d: 2 of 6 values out of bounds, the worst at [1, 0, 2] (index 5): 4 instead of 0, bound 1',
    )
    expect(() => expectClose(Float32Array.of(1), ref([], [0]), () => 0.5, 'loss')).toThrow('the worst at [] (index 0)')
  })

  it('lets NaN and infinities match only themselves', () => {
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number
    expect(() => close([nan, inf, -inf], [nan, inf, -inf], 1)).not.toThrow()
    const wrong: [number, number][] = [
      [nan, 0],
      [0, nan],
      [inf, nan],
      [nan, inf],
      [inf, -inf],
      [3e38, inf],
      [inf, 3e38],
    ]
    for (const [actual, expected] of wrong) {
      expect(() => close([actual], [expected], 1e30), `${actual} for ${expected}`).toThrow('out of bounds')
    }
  })

  it('takes the infinity for a value that float32 cannot hold', () => {
    expect(() => close([Number.POSITIVE_INFINITY], [6e38], 1)).not.toThrow()
    expect(() => close([Number.NEGATIVE_INFINITY], [6e38], 1)).toThrow('out of bounds')
  })

  it('refuses other lengths and unusable bounds', () => {
    expect(() => close([1], [1, 2], 1)).toThrow('out: 1 values instead of 2')
    expect(() => expectClose(Float32Array.of(1), Float64Array.of(1), Float64Array.of(), 'out')).toThrow(
      'out: 0 bounds for 1 values',
    )
    for (const bound of [Number.NaN, Number.POSITIVE_INFINITY, -1]) {
      expect(() => close([1], [1], bound)).toThrow(`out: the bound at index 0 is ${bound}`)
    }
  })

  it('gamma is k·u / (1 − k·u)', () => {
    expect(gamma(0)).toBe(0)
    expect(gamma(1, 0.25)).toBe(1 / 3)
    expect(() => gamma(2 ** 24)).toThrow('gamma: k must be from 0 up to 1/u, got 16777216')
  })
})

const seeds = fc.integer({ min: 0, max: 1e6 })
const RUNS = { seed: 1, numRuns: 50 }
const random = (shape: number[], seed: number, scale = 1): Ref =>
  ref(
    shape,
    fill(
      shape.reduce((p, n) => p * n, 1),
      seed,
      'normal',
    ).map((v) => v * scale),
  )

/** A float32 sum in index order, backwards, or by halves: the bound is to hold for any order. */
function sum32(terms: Float32Array, order: number): number {
  if (order === 0) return terms.reduce((s, v) => f32(s + v), 0)
  if (order === 1) return terms.reduceRight((s, v) => f32(s + v), 0)
  if (terms.length <= 1) return terms[0] ?? 0
  const half = terms.length >> 1
  return f32(sum32(terms.subarray(0, half), 2) + sum32(terms.subarray(half), 2))
}

/** Softmax cross-entropy of one row as a device may compute it, exp and log off by `ulps` units in the last place. */
function loss32(x: Float32Array, target: number, ulps: number, order: number): { loss: number; p: Float32Array } {
  const off = 1 + ulps * 2 ** -23
  const max = x.reduce((a, b) => Math.max(a, b))
  const e = x.map((v) => Math.exp(f32(v - max)) * off)
  const sum = sum32(e, order)
  const log = f32(Math.log(sum) + Math.sign(ulps) * 2 ** -22)
  return { loss: f32(log - f32(x[target]! - max)), p: e.map((v) => v / sum) }
}

describe('the bounds hold for float32 arithmetic, and for little else', () => {
  it('matmul and conv2d, in any order of additions', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 2 }), seeds, (k, order, seed) => {
        const a = random([1, k], seed)
        const b = random([k, 1], seed + 1)
        const actual = sum32(
          Float32Array.from(a.data, (v, i) => v * b.data[i]!),
          order,
        )
        const product = matmul(a, b)
        expectClose(Float32Array.of(actual), product, product.bound, 'matmul')
        const options = { stride: [1, 1], padding: [0, 0], dilation: [1, 1] } as const
        const conv = conv2d(ref([1, 1, 1, k], a.data), ref([1, 1, 1, k], b.data), null, options)
        expectClose(Float32Array.of(actual), conv, conv.bound, 'conv2d')
      }),
      RUNS,
    )
  })

  it('matmul: a factor that is off by 1 % in one of 100 terms is caught', () => {
    const a = random([1, 100], 3)
    const b = random([100, 1], 4)
    const product = matmul(a, b)
    a.data[50]! *= 1.01
    const wrong = Float32Array.from(matmul(a, b).data)
    expect(() => expectClose(wrong, product, product.bound, 'matmul')).toThrow('out of bounds')
  })

  it('crossEntropy, with inexact exp and log, from tiny to huge logits', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom(1e-3, 1, 10, 1e4, 9e37),
        fc.integer({ min: -15, max: 15 }),
        fc.integer({ min: 0, max: 2 }),
        seeds,
        (classes, scale, ulps, order, seed) => {
          const x = random([1, classes], seed, scale)
          const target = seed % classes
          const { loss, p } = loss32(Float32Array.from(x.data), target, ulps, order)
          const expected = crossEntropy(x, [target], 'none')
          expectClose(Float32Array.of(loss), expected, expected.bound, 'loss')
          const grad = crossEntropyBackward(ref([1], [1]), x, [target], 'none')
          const actual = p.map((v, j) => v - (j === target ? 1 : 0))
          expectClose(actual, grad, grad.bound, 'gradient')
        },
      ),
      RUNS,
    )
  })

  it('crossEntropy: bounds stay near float32’s own precision', () => {
    const x = random([8, 10], 5)
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

  it('sgdStep, with hyperparameters that float32 cannot hold', () => {
    const hyper = fc.constantFrom(0, 0.1, 0.3, 0.9)
    fc.assert(
      fc.property(hyper, hyper, hyper, fc.boolean(), seeds, (momentum, dampening, weightDecay, nesterov, seed) => {
        const [p, g, b] = [random([1], seed), random([1], seed + 1), random([1], seed + 2)]
        const expected = sgdStep(p, g, b, { lr: 0.1, momentum, dampening, weightDecay, nesterov })
        let d = f32(g.data[0]! + f32(f32(weightDecay) * p.data[0]!))
        if (momentum !== 0) {
          const moved = f32(f32(f32(momentum) * b.data[0]!) + f32(f32(1 - dampening) * d))
          expectClose(Float32Array.of(moved), expected.buffer!, expected.buffer!.bound, 'buffer')
          d = nesterov ? f32(d + f32(f32(momentum) * moved)) : moved
        }
        const actual = f32(p.data[0]! - f32(f32(0.1) * d))
        expectClose(Float32Array.of(actual), expected.param, expected.param.bound, 'parameter')
      }),
      RUNS,
    )
  })
})
