// The comparison that every result is held to the reference by.
import { describe, expect, it } from 'vitest'
import { expectClose, gamma } from '../support/close.ts'
import { ref } from '../support/ref.ts'

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
