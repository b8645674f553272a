// Benchmark of avg_pool2d: windows side by side, forward and backward.
import { avgPool2d } from '../src/index.ts'
import { type Case, operation, randomInput, text, within } from './support.ts'

function bench(set: Case['set'], shape: readonly [number, number, number, number], kernelSize: number): Case[] {
  const [N, C, H, W] = shape
  const [OH, OW] = [Math.floor(H / kernelSize), Math.floor(W / kernelSize)]
  const count = kernelSize ** 2
  const [size, windows] = [N * C * H * W, N * C * OH * OW]
  return operation('avg_pool2d', `${text(shape)} ${kernelSize}x${kernelSize}`, set, (gpu) => {
    const x = randomInput(gpu, shape, 1)
    const mean = (o: number) => {
      const [row, ow] = [Math.floor(o / OW), o % OW]
      const first = (Math.floor(row / OH) * H + (row % OH) * kernelSize) * W + ow * kernelSize
      let sum = 0
      for (let k = 0; k < count; k++) sum += x.data[first + Math.floor(k / kernelSize) * W + (k % kernelSize)]!
      return sum / count
    }
    return {
      inputs: [x.tensor],
      apply: () => avgPool2d(x.tensor, { kernelSize }),
      forward: {
        flops: count * windows,
        bytes: 4 * (size + windows),
        out: { cost: count, at: (o) => within(mean(o), count + 5, 1) },
      },
      backward: (dy) => {
        const at = (i: number) => {
          const [row, w] = [Math.floor(i / W), Math.floor((i % W) / kernelSize)]
          const h = Math.floor((row % H) / kernelSize)
          return within(h < OH && w < OW ? dy[(Math.floor(row / H) * OH + h) * OW + w]! / count : 0, 6)
        }
        return { flops: windows, bytes: 4 * (size + windows), gradients: [['dx', { cost: 1, at }]] }
      },
    }
  })
}

export const cases: readonly Case[] = [
  ...bench('lenet', [256, 6, 28, 28], 2),
  ...bench('large', [64, 32, 32, 32], 2),
  ...bench('large', [64, 64, 33, 33], 3),
]
