// Benchmark of silu, forward and backward.
import { silu } from '../src/index.ts'
import { type Shape, sizeOf } from '../src/tensor/shape.ts'
import { type Case, operation, randomInput, text, within } from './support.ts'

/** Roundings of an exponential, a division and what is between, by WGSL's table of accuracies: below 40. */
const ROUNDINGS = 40

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))

function bench(set: Case['set'], shape: Shape): Case[] {
  const size = sizeOf(shape)
  return operation('silu', text(shape), set, (gpu) => {
    const x = randomInput(gpu, shape, 1)
    const gradient = (v: number) => sigmoid(v) * (1 + v * (1 - sigmoid(v)))
    return {
      inputs: [x.tensor],
      apply: () => silu(x.tensor),
      forward: {
        flops: 4 * size,
        bytes: 8 * size,
        out: { cost: 1, at: (i) => within(x.data[i]! * sigmoid(x.data[i]!), ROUNDINGS) },
      },
      backward: (dy) => ({
        flops: 8 * size,
        bytes: 12 * size,
        gradients: [
          // For x from -1 to 1 the sum 1 + x · (1 - s) is above 0.2: its terms are at most ten times as large.
          ['dx', { cost: 1, at: (i) => within(dy[i]! * gradient(x.data[i]!), 10 * ROUNDINGS) }],
        ],
      }),
    }
  })
}

export const cases: readonly Case[] = [
  ...bench('lenet', [256, 6, 28, 28]),
  ...bench('lenet', [256, 120]),
  ...bench('large', [2 ** 20]),
  ...bench('large', [2 ** 22]),
]
