// Batch norm in training: statistics of the batch, forward and backward.
import { batchNorm } from '../src/index.ts'
import { sizeOf } from '../src/tensor/shape.ts'
import { type Case, type Expected, operation, randomInput, Sum, text, within } from './support.ts'

/** What normalises a channel, in float64. */
function statistics(x: Float32Array, at: (i: number) => number, count: number): { mean: number; scale: number } {
  let sum = 0
  for (let i = 0; i < count; i++) sum += x[at(i)]!
  const mean = sum / count
  let squares = 0
  for (let i = 0; i < count; i++) squares += (x[at(i)]! - mean) ** 2
  return { mean, scale: 1 / Math.sqrt(squares / count + 1e-5) }
}

function batchNormCases(set: Case['set'], shape: readonly [number, number, ...number[]]): Case[] {
  const [N, C] = shape
  const S = sizeOf(shape.slice(2))
  const [size, count] = [sizeOf(shape), N * S]
  return operation('batch_norm', text(shape), set, (gpu) => {
    const [x, weight, bias] = [randomInput(gpu, shape, 1), randomInput(gpu, [C], 2), randomInput(gpu, [C], 3)]
    const places = (c: number) => (i: number) => (Math.floor(i / S) * C + c) * S + (i % S)
    const channels = Array.from({ length: C }, (_, c) => statistics(x.data, places(c), count))
    const normal = (i: number) => {
      const { mean, scale } = channels[Math.floor(i / S) % C]!
      return (x.data[i]! - mean) * scale
    }
    const at = (i: number): Expected => {
      const c = Math.floor(i / S) % C
      return within(normal(i) * weight.data[c]! + bias.data[c]!, 64, Math.abs(normal(i) * weight.data[c]!) + 1)
    }
    return {
      inputs: [x.tensor, weight.tensor, bias.tensor],
      apply: () => batchNorm(x.tensor, { weight: weight.tensor, bias: bias.tensor, training: true }),
      // Two additions for the mean, four operations for the variance, and three to normalise.
      forward: { flops: 8 * size, bytes: 4 * (2 * size + 2 * C), out: { cost: 1, at } },
      backward: (dy) => {
        const sums = Array.from({ length: C }, (_, c) => {
          const [ofBias, ofWeight] = [new Sum(), new Sum()]
          for (let i = 0; i < count; i++) {
            const place = places(c)(i)
            ofBias.add(dy[place]!)
            ofWeight.add(dy[place]! * normal(place))
          }
          return { bias: ofBias.expected(), weight: ofWeight.expected() }
        })
        const dx = (i: number): Expected => {
          const c = Math.floor(i / S) % C
          const scale = channels[c]!.scale * weight.data[c]!
          const parts = [dy[i]!, sums[c]!.bias.value / count, (normal(i) * sums[c]!.weight.value) / count] as const
          return within((parts[0] - parts[1] - parts[2]) * scale, 64, Math.abs(scale) * (Math.abs(parts[0]) + 1))
        }
        return {
          flops: 11 * size,
          bytes: 4 * (3 * size + 2 * C),
          gradients: [
            ['dx', { cost: 1, at: dx }],
            // The normalised values have errors of their own.
            ['dweight', { cost: 1, at: (c) => wider(sums[c]!.weight, count) }],
            ['dbias', { cost: 1, at: (c) => sums[c]!.bias }],
          ],
        }
      },
    }
  })
}

function wider({ value, bound }: Expected, count: number): Expected {
  return { value, bound: bound + 16 * 2 ** -24 * Math.sqrt(count) }
}

export const cases: readonly Case[] = [
  ...batchNormCases('lenet', [256, 6, 28, 28]),
  ...batchNormCases('lenet', [256, 16, 10, 10]),
  ...batchNormCases('lenet', [256, 120]),
  ...batchNormCases('large', [64, 64, 32, 32]),
  ...batchNormCases('large', [128, 512, 4, 4]),
]
