// The oracle itself: its gradients are those of its own forward, by central differences in float64.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Ref, type Result, ref } from '../support/ref.ts'
import type { Refs, Row, Seeded } from './row.ts'
import { drawn } from './run.ts'
import { table } from './table.ts'

/** Small enough for a truncation error near 1e-9, large enough for a rounding error near 1e-11. */
const STEP = 2 ** -14

/** Holds a gradient to central differences of Σ forward() · dy in every element of x. */
function expectGradient(what: string, x: Ref, gradient: Result, forward: () => Ref, dy: Ref): void {
  const project = () => forward().data.reduce((sum, v, i) => sum + v * dy.data[i]!, 0)
  expect(gradient.shape, what).toEqual(x.shape)
  x.data.forEach((value, i) => {
    x.data[i] = value + STEP
    const above = project()
    x.data[i] = value - STEP
    const below = project()
    x.data[i] = value
    const difference = (above - below) / (2 * STEP)
    const error = Math.abs(difference - gradient.data[i]!)
    const allowed = 1e-7 * Math.max(1, Math.abs(difference))
    if (!(error <= allowed)) throw new Error(`${what}[${i}]: ${gradient.data[i]}, by differences ${difference}`)
  })
}

/** Σ|terms|, from which the bounds are made, is what the same formula gives for absolute values. */
function expectMagnitude(what: string, result: Result, ofAbsolutes: Result): void {
  expect(result.magnitude.length, what).toBe(ofAbsolutes.data.length)
  result.magnitude.forEach((m, i) => {
    expect(m, what).toBeCloseTo(ofAbsolutes.data[i]!, 10)
  })
}

const absolute = (x: Ref): Ref => ref(x.shape, x.data.map(Math.abs))

function check(row: Row, given: Seeded): void {
  const { inputs, dy } = drawn(row, given, row.kinks ? 'clear' : 'normal')
  const gradients = row.backward(dy, inputs, given)
  inputs.forEach((x, i) => {
    if (x) expectGradient(row.roles[i]!, x, gradients[i]!, () => row.forward(inputs, given), dy)
  })
  if (!row.sums) return
  const absolutes: Refs = inputs.map((x) => x && absolute(x))
  expectMagnitude('out', row.forward(inputs, given), row.forward(absolutes, given))
  const ofAbsolutes = row.backward(absolute(dy), absolutes, given)
  inputs.forEach((x, i) => {
    if (x) expectMagnitude(row.roles[i]!, gradients[i]!, ofAbsolutes[i]!)
  })
}

describe('the gradients of the reference are those of its own forward', () => {
  it.each(table.map((row) => [row.name, row] as const))('%s', (_, row) => {
    fc.assert(
      fc.property(row.tiny, (given) => check(row, given)),
      { seed: 1, numRuns: 40 },
    )
  })
})
