// Benchmark of softmax, forward and backward, along the last dimension and along the first.
import { softmax } from '../src/index.ts'
import { type Shape, sizeOf } from '../src/tensor/shape.ts'
import { type Case, operation, randomInput, text, within } from './support.ts'

/** Roundings of two exponentials, a sum of few large terms and a division, by WGSL's table of accuracies. */
const ROUNDINGS = 200

function bench(set: Case['set'], shape: Shape, dim: number): Case[] {
  const size = sizeOf(shape)
  const D = shape[dim]!
  const inner = sizeOf(shape.slice(dim + 1))
  return operation('softmax', `${text(shape)} along ${dim}`, set, (gpu) => {
    const x = randomInput(gpu, shape, 1)
    const rowOf = (i: number) => {
      const first = Math.floor(i / (D * inner)) * D * inner + (i % inner)
      return Array.from({ length: D }, (_, d) => first + d * inner)
    }
    // Numbers from -1 to 1 need no largest one.
    const y = (i: number) => {
      let sum = 0
      for (const place of rowOf(i)) sum += Math.exp(x.data[place]!)
      return Math.exp(x.data[i]!) / sum
    }
    return {
      inputs: [x.tensor],
      apply: () => softmax(x.tensor, dim),
      forward: {
        flops: 4 * size,
        bytes: 8 * size,
        out: { cost: D, at: (i) => within(y(i), ROUNDINGS) },
      },
      backward: (dy) => ({
        flops: 4 * size,
        bytes: 12 * size,
        gradients: [
          [
            'dx',
            {
              cost: 2 * D,
              at: (i) => {
                const row = rowOf(i)
                const sum = row.reduce((s, place) => s + Math.exp(x.data[place]!), 0)
                const total = row.reduce((s, place) => s + (Math.exp(x.data[place]!) / sum) * dy[place]!, 0)
                const share = Math.exp(x.data[i]!) / sum
                // The difference is of numbers up to 1.
                return within(share * (dy[i]! - total), ROUNDINGS, 2 * share)
              },
            },
          ],
        ],
      }),
    }
  })
}

export const cases: readonly Case[] = [
  ...bench('lenet', [256, 10], 1),
  ...bench('large', [4096, 1024], 1),
  ...bench('large', [1024, 4096], 0),
]
