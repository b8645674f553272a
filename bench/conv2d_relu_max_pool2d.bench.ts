// Benchmark of conv2d, ReLU and 2 × 2 max pooling in one operation, forward and backward.
import type { Gpu } from '../src/gpu/gpu.ts'
import { conv2dReluMaxPool2d } from '../src/index.ts'
import {
  type Convolution,
  forward,
  gradientOfBias,
  gradientOfInput,
  gradientOfWeight,
  type Layer,
  sizesOf,
} from './conv2d.bench.ts'
import { type Case, type Elements, type Operation, operation, roundInput, text } from './support.ts'

/** For each window the place in the convolution's output of its first largest cell if that is above 0, else -1. */
function winners(z: Elements, { N, F, OH, OW }: Convolution): Int32Array {
  const [PH, PW] = [OH >> 1, OW >> 1]
  return Int32Array.from({ length: N * F * PH * PW }, (_, i) => {
    const row = Math.floor(i / PW)
    const first = (Math.floor(row / PH) * OH + 2 * (row % PH)) * OW + 2 * (i % PW)
    const cells = [first, first + 1, first + OW, first + OW + 1]
    const values = cells.map((at) => z.at(at).value)
    const best = Math.max(...values)
    return best > 0 ? cells[values.indexOf(best)]! : -1
  })
}

function bench(set: Case['set'], layer: Layer): Case[] {
  const { input, filters: F, kernel: K, padding: P = 0, needsInput = true } = layer
  const sizes = sizesOf(layer)
  const { N, C, OH, OW } = sizes
  const ws = F * C * K * K
  const [xs, cells, ys] = [N * C * sizes.H * sizes.W, N * F * OH * OW, N * F * (OH >> 1) * (OW >> 1)]
  const shape = `${text(input)}*${text([F, C, K, K])}${P === 0 ? '' : ` pad ${P}`}`
  const make = (gpu: Gpu): Operation => {
    // Multiples of 1/64: every sum is exact, so that the processor finds the same winners.
    const x = roundInput(gpu, input, 1, needsInput)
    const w = roundInput(gpu, [F, C, K, K], 2)
    const b = roundInput(gpu, [F], 3)
    const z = forward(x.data, w.data, b.data, sizes)
    let found: Int32Array | null = null
    const all = () => {
      found ??= winners(z, sizes)
      return found
    }
    const at = (i: number) => {
      const row = Math.floor(i / (OW >> 1))
      const first = (Math.floor(row / (OH >> 1)) * OH + 2 * (row % (OH >> 1))) * OW + 2 * (i % (OW >> 1))
      const four = [first, first + 1, first + OW, first + OW + 1].map((cell) => z.at(cell))
      return four.reduce((best, v) => (v.value > best.value ? v : best), { value: 0, bound: 0 })
    }
    // The multiplications of the plain operations, whether the kernel leaves some out or not.
    const flops = 2 * cells * C * K * K
    // The winners, four bits each, are an output of forward and an input of backward.
    const winnersBytes = ys / 2
    return {
      inputs: [x.tensor, w.tensor, b.tensor],
      apply: () => conv2dReluMaxPool2d(x.tensor, w.tensor, b.tensor, { padding: P }),
      forward: {
        flops: flops + 2 * cells,
        bytes: 4 * (xs + ws + F + ys) + winnersBytes,
        out: { cost: 4 * z.cost, at },
      },
      backward: (dy) => {
        const dense = new Float32Array(cells)
        all().forEach((cell, i) => {
          if (cell >= 0) dense[cell] = dy[i]!
        })
        return {
          flops: (needsInput ? 2 : 1) * flops + ys,
          bytes: 4 * (ys + xs + ws + F + (needsInput ? xs + ws : 0)) + winnersBytes,
          gradients: [
            ...(needsInput ? [['dx', gradientOfInput(dense, w.data, sizes)] as const] : []),
            ['dw', gradientOfWeight(dense, x.data, sizes)],
            ['db', gradientOfBias(dense, sizes)],
          ],
        }
      },
    }
  }
  return [
    ...operation('conv2d_relu_max_pool2d', shape, set, make, ['forward']),
    ...operation('conv2d_relu_max_pool2d', `${shape}${needsInput ? '' : ', no dx'}`, set, make, ['backward']),
  ]
}

export const cases: readonly Case[] = [
  ...bench('lenet', { input: [256, 1, 28, 28], filters: 6, kernel: 5, padding: 2, needsInput: false }),
  ...bench('lenet', { input: [256, 6, 14, 14], filters: 16, kernel: 5 }),
  ...bench('large', { input: [32, 3, 32, 32], filters: 64, kernel: 3, padding: 1 }),
  ...bench('large', { input: [16, 64, 16, 16], filters: 128, kernel: 3, padding: 1 }),
]
