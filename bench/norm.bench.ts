// Benchmark of layerNorm and groupNorm, forward and backward, with weight and bias.
import { groupNorm, layerNorm } from '../src/index.ts'
import { type Shape, sizeOf } from '../src/tensor/shape.ts'
import type { Tensor } from '../src/tensor/tensor.ts'
import { type Case, type Expected, type Input, operation, randomInput, Sum, text, within } from './support.ts'

/** Roundings of what is of the order of 1: the statistics' and those of few operations. */
const ROUNDINGS = 64

/** The input as rows of D elements; element i is scaled by `channel(i)` of C channels. */
interface Layout {
  readonly D: number
  readonly C: number
  readonly channel: (i: number) => number
}

/** Of each row what normalises it, and the normalised elements. */
function rowsOf(x: Float32Array, D: number) {
  const scales: number[] = []
  const normal = new Float64Array(x.length)
  for (let first = 0; first < x.length; first += D) {
    const row = x.subarray(first, first + D)
    const mean = row.reduce((sum, v) => sum + v, 0) / D
    const scale = 1 / Math.sqrt(row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / D + 1e-5)
    scales.push(scale)
    row.forEach((v, i) => {
      normal[first + i] = (v - mean) * scale
    })
  }
  return { scales, normal }
}

type Apply = (x: Tensor, weight: Tensor, bias: Tensor) => Tensor

function bench(name: string, set: Case['set'], shape: Shape, { D, C, channel }: Layout, apply: Apply): Case[] {
  const size = sizeOf(shape)
  return operation('norm', `${name} ${text(shape)}`, set, (gpu) => {
    const [x, weight, bias]: Input[] = [shape, [C], [C]].map((s, i) => randomInput(gpu, s, i + 1))
    const { scales, normal } = rowsOf(x!.data, D)
    const by = (i: number) => weight!.data[channel(i)]!
    return {
      inputs: [x!.tensor, weight!.tensor, bias!.tensor],
      apply: () => apply(x!.tensor, weight!.tensor, bias!.tensor),
      forward: {
        flops: 8 * size,
        bytes: 4 * (2 * size + 2 * C),
        out: { cost: 1, at: (i) => within(normal[i]! * by(i) + bias!.data[channel(i)]!, ROUNDINGS, 4) },
      },
      backward: (dy) => {
        const [ofBias, ofWeight] = [0, 0].map(() => Array.from({ length: C }, () => new Sum()))
        const means = scales.map(() => [0, 0] as [number, number])
        for (let i = 0; i < size; i++) {
          ofBias![channel(i)]!.add(dy[i]!)
          ofWeight![channel(i)]!.add(dy[i]! * normal[i]!)
          const mean = means[Math.floor(i / D)]!
          mean[0] += (dy[i]! * by(i)) / D
          mean[1] += (dy[i]! * by(i) * normal[i]!) / D
        }
        const dx = (i: number): Expected => {
          const row = Math.floor(i / D)
          const [plain, weighed] = means[row]!
          return within(scales[row]! * (dy[i]! * by(i) - plain - normal[i]! * weighed), ROUNDINGS, 4 * scales[row]!)
        }
        return {
          flops: 12 * size,
          bytes: 4 * (3 * size + 2 * C),
          gradients: [
            ['dx', { cost: 1, at: dx }],
            // The normalised values have errors of their own.
            ['dweight', { cost: 1, at: (c) => wider(ofWeight![c]!.expected(), size / C) }],
            ['dbias', { cost: 1, at: (c) => ofBias![c]!.expected() }],
          ],
        }
      },
    }
  })
}

function wider({ value, bound }: Expected, count: number): Expected {
  return { value, bound: bound + 16 * 2 ** -24 * Math.sqrt(count) }
}

function layers(set: Case['set'], shape: readonly [number, number]): Case[] {
  const D = shape[1]
  const layout = { D, C: D, channel: (i: number) => i % D }
  return bench('layer', set, shape, layout, (x, weight, bias) => layerNorm(x, D, weight, bias))
}

function groups(set: Case['set'], shape: readonly [number, number, number, number], G: number): Case[] {
  const [, C, H, W] = shape
  const layout = { D: (C / G) * H * W, C, channel: (i: number) => Math.floor(i / (H * W)) % C }
  return bench(`${G} groups`, set, shape, layout, (x, weight, bias) => groupNorm(x, G, weight, bias))
}

export const cases: readonly Case[] = [
  ...layers('lenet', [256, 84]),
  ...layers('large', [4096, 1024]),
  ...layers('large', [1024, 4096]),
  ...groups('large', [64, 32, 32, 32], 8),
]
