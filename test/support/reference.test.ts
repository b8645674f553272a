import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CONV_CONFIGS, fill, POOL_CONFIGS } from './arbitraries.ts'
import {
  add,
  addBackward,
  conv2d,
  conv2dBackward,
  crossEntropy,
  crossEntropyBackward,
  linear,
  linearBackward,
  matmul,
  matmulBackward,
  maxPool2d,
  maxPool2dBackward,
  type Ref,
  type Result,
  ref,
  relu,
  reluBackward,
  sizeOf,
} from './reference.ts'

/** Small enough for a truncation error near 1e-9, large enough for a rounding error near 1e-11. */
const STEP = 2 ** -14
const RUNS = { seed: 1, numRuns: 40 }

const seeds = fc.integer({ min: 0, max: 1e6 })
const small = fc.integer({ min: 1, max: 5 })

function random(shape: number[], seed: number): Ref {
  return ref(shape, fill(sizeOf(shape), seed, 'normal'))
}

/** Values a tenth or more apart, in a random order, none within 0.05 of 0: differences step over no kink. */
function clearOfKinks(shape: number[], seed: number): Ref {
  const noise = fill(sizeOf(shape), seed, 'normal')
  const order = Array.from(noise.keys()).sort((i, j) => noise[i]! - noise[j]!)
  const out = ref(shape)
  order.forEach((place, rank) => {
    out.data[place] = (rank - Math.floor(order.length / 2)) / 10 + 0.05
  })
  return out
}

/** Holds a gradient to central differences of Σ forward() · gradOut in every element of x. */
function expectGradient(what: string, x: Ref, gradient: Result, forward: () => Ref, gradOut: Ref): void {
  const project = () => forward().data.reduce((sum, v, i) => sum + v * gradOut.data[i]!, 0)
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

/** Σ|terms| is what the same formula gives for absolute values. */
function expectMagnitude(result: Result, ofAbsolutes: Ref): void {
  expect(result.magnitude.length).toBe(ofAbsolutes.data.length)
  result.magnitude.forEach((m, i) => {
    expect(m).toBeCloseTo(ofAbsolutes.data[i]!, 10)
  })
}

const abs = (x: Ref): Ref => ref(x.shape, x.data.map(Math.abs))

describe('the gradients of the reference are those of its own forward', () => {
  it('add, same shape and one value per channel', () => {
    fc.assert(
      fc.property(fc.array(small, { minLength: 2, maxLength: 4 }), fc.boolean(), seeds, (shape, perChannel, seed) => {
        const a = random(shape, seed)
        const b = random(perChannel ? [shape[1]!] : shape, seed + 1)
        const g = random(shape, seed + 2)
        const grads = addBackward(g, a, b)
        expectGradient('a', a, grads.a, () => add(a, b), g)
        expectGradient('b', b, grads.b, () => add(a, b), g)
        expectMagnitude(add(a, b), add(abs(a), abs(b)))
        expectMagnitude(grads.b, addBackward(abs(g), a, b).b)
      }),
      RUNS,
    )
  })

  it('matmul, with either operand transposed', () => {
    fc.assert(
      fc.property(small, small, small, fc.boolean(), fc.boolean(), seeds, (m, n, k, transposeA, transposeB, seed) => {
        const options = { transposeA, transposeB }
        const a = random(transposeA ? [k, m] : [m, k], seed)
        const b = random(transposeB ? [n, k] : [k, n], seed + 1)
        const g = random([m, n], seed + 2)
        const grads = matmulBackward(g, a, b, options)
        expectGradient('a', a, grads.a, () => matmul(a, b, options), g)
        expectGradient('b', b, grads.b, () => matmul(a, b, options), g)
        expectMagnitude(matmul(a, b, options), matmul(abs(a), abs(b), options))
        const absolutes = matmulBackward(abs(g), abs(a), abs(b), options)
        expectMagnitude(grads.a, absolutes.a)
        expectMagnitude(grads.b, absolutes.b)
      }),
      RUNS,
    )
  })

  it('linear, with and without bias', () => {
    fc.assert(
      fc.property(small, small, small, fc.boolean(), seeds, (n, inputs, outputs, hasBias, seed) => {
        const x = random([n, inputs], seed)
        const w = random([outputs, inputs], seed + 1)
        const b = hasBias ? random([outputs], seed + 2) : null
        const g = random([n, outputs], seed + 3)
        const grads = linearBackward(g, x, w)
        expectGradient('input', x, grads.input, () => linear(x, w, b), g)
        expectGradient('weight', w, grads.weight, () => linear(x, w, b), g)
        if (b !== null) expectGradient('bias', b, grads.bias, () => linear(x, w, b), g)
        expectMagnitude(linear(x, w, b), linear(abs(x), abs(w), b && abs(b)))
        expectMagnitude(grads.bias, linearBackward(abs(g), x, w).bias)
      }),
      RUNS,
    )
  })

  it('relu', () => {
    fc.assert(
      fc.property(fc.array(small, { maxLength: 4 }), seeds, (shape, seed) => {
        const x = clearOfKinks(shape, seed)
        const g = random(shape, seed + 1)
        expectGradient('x', x, reluBackward(g, x), () => relu(x), g)
      }),
      RUNS,
    )
  })

  it('conv2d, in every configuration', () => {
    const sides = fc.integer({ min: 5, max: 8 })
    fc.assert(
      fc.property(
        fc.constantFrom(...CONV_CONFIGS),
        fc.integer({ min: 1, max: 2 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 3 }),
        sides,
        sides,
        seeds,
        ({ kernel, ...options }, n, c, f, h, w, seed) => {
          const x = random([n, c, h, w], seed)
          const k = random([f, c, ...kernel], seed + 1)
          const b = random([f], seed + 2)
          const forward = () => conv2d(x, k, b, options)
          const g = random(forward().shape, seed + 3)
          const grads = conv2dBackward(g, x, k, options)
          expectGradient('input', x, grads.input, forward, g)
          expectGradient('weight', k, grads.weight, forward, g)
          expectGradient('bias', b, grads.bias, forward, g)
          expectMagnitude(forward(), conv2d(abs(x), abs(k), abs(b), options))
          const absolutes = conv2dBackward(abs(g), abs(x), abs(k), options)
          expectMagnitude(grads.input, absolutes.input)
          expectMagnitude(grads.weight, absolutes.weight)
          expectMagnitude(grads.bias, absolutes.bias)
        },
      ),
      RUNS,
    )
  })

  it('maxPool2d, in every configuration', () => {
    const sides = fc.integer({ min: 3, max: 9 })
    fc.assert(
      fc.property(fc.constantFrom(...POOL_CONFIGS), small, sides, sides, seeds, (options, c, h, w, seed) => {
        const x = clearOfKinks([2, c, h, w], seed)
        const forward = () => maxPool2d(x, options)
        const { shape, indices } = forward()
        const g = random(shape, seed + 1)
        const grad = maxPool2dBackward(g, indices, x.shape)
        expectGradient('input', x, grad, forward, g)
        expectMagnitude(grad, maxPool2dBackward(abs(g), indices, x.shape))
      }),
      RUNS,
    )
  })

  it('crossEntropy, in every reduction', () => {
    fc.assert(
      fc.property(small, small, fc.constantFrom('mean', 'sum', 'none'), seeds, (n, classes, reduction, seed) => {
        const x = random([n, classes], seed)
        const target = fill(n, seed + 1, 'smallInts').map((v) => (v + 4) % classes)
        const g = random(reduction === 'none' ? [n] : [], seed + 2)
        const grad = crossEntropyBackward(g, x, target, reduction)
        expectGradient('logits', x, grad, () => crossEntropy(x, target, reduction), g)
      }),
      RUNS,
    )
  })
})
