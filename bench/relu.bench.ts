// Benchmark of relu, forward and backward.
import { relu } from '../src/index.ts'
import { type Shape, sizeOf } from '../src/tensor/shape.ts'
import { type Case, exactly, operation, randomInput, text } from './support.ts'

function bench(set: Case['set'], shape: Shape): Case[] {
  const size = sizeOf(shape)
  return operation('relu', text(shape), set, (gpu) => {
    const x = randomInput(gpu, shape, 1)
    return {
      inputs: [x.tensor],
      apply: () => relu(x.tensor),
      forward: { flops: size, bytes: 8 * size, out: { cost: 1, at: (i) => exactly(Math.max(0, x.data[i]!)) } },
      backward: (dy) => ({
        flops: size,
        bytes: 12 * size,
        gradients: [['dx', { cost: 1, at: (i) => exactly(x.data[i]! > 0 ? dy[i]! : 0) }]],
      }),
    }
  })
}

export const cases: readonly Case[] = [
  ...bench('lenet', [256, 6, 28, 28]),
  ...bench('lenet', [256, 16, 10, 10]),
  ...bench('lenet', [256, 120]),
  ...bench('lenet', [256, 84]),
  ...bench('large', [2 ** 20]),
  ...bench('large', [2 ** 22]),
]
