// Benchmark of add: a + b, and a bias added to channels.
import type { Gpu } from '../src/gpu/gpu.ts'
import { add } from '../src/index.ts'
import { sizeOf } from '../src/tensor/shape.ts'
import { type Case, type Operation, operation, randomInput, Sum, text, within } from './support.ts'

/** a [N, C, …] + b [C]: the bias of a layer. */
function channels(set: Case['set'], shape: readonly [number, number, ...number[]]): Case[] {
  const [N, C] = shape
  const S = sizeOf(shape.slice(2))
  const size = sizeOf(shape)
  return operation('add', `${text(shape)}+[${C}]`, set, (gpu) => {
    const a = randomInput(gpu, shape, 1)
    const b = randomInput(gpu, [C], 2)
    return {
      inputs: [a.tensor, b.tensor],
      apply: () => add(a.tensor, b.tensor),
      forward: {
        flops: size,
        bytes: 4 * (2 * size + C),
        out: { cost: 1, at: (i) => within(a.data[i]! + b.data[Math.floor(i / S) % C]!, 2) },
      },
      // The gradient of a is dy itself: no work.
      backward: (dy) => ({
        flops: size,
        bytes: 4 * (size + C),
        gradients: [
          ['da', { cost: 1, at: (i) => within(dy[i]!, 0) }],
          ['db', { cost: N * S, at: (c) => channelSum(dy, c, { N, C, S }) }],
        ],
      }),
    }
  })
}

function channelSum(dy: Float32Array, c: number, { N, C, S }: { N: number; C: number; S: number }) {
  const sum = new Sum()
  for (let n = 0; n < N; n++) for (let s = 0; s < S; s++) sum.add(dy[(n * C + c) * S + s]!)
  return sum.expected()
}

function same(size: number): Case[] {
  const make = (gpu: Gpu): Operation => {
    const a = randomInput(gpu, [size], 1)
    const b = randomInput(gpu, [size], 2)
    return {
      inputs: [a.tensor, b.tensor],
      apply: () => add(a.tensor, b.tensor),
      forward: {
        flops: size,
        bytes: 12 * size,
        out: { cost: 1, at: (i) => within(a.data[i]! + b.data[i]!, 2) },
      },
    }
  }
  return operation('add', `[${size}]+[${size}]`, 'large', make, ['forward'])
}

export const cases: readonly Case[] = [
  ...channels('lenet', [256, 6, 28, 28]),
  ...channels('lenet', [256, 120]),
  ...channels('large', [64, 64, 32, 32]),
  ...same(2 ** 22),
]
