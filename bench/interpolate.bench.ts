// Benchmark of interpolate, forward and backward, to twice the size.
import { interpolate } from '../src/index.ts'
import { sizeOf } from '../src/tensor/shape.ts'
import { type Case, type Elements, operation, randomInput, Sum, text } from './support.ts'

type Image = readonly [N: number, C: number, H: number, W: number]
type Mode = 'nearest' | 'bilinear'

/** The cells that output o has on an axis of so many, and their weights. */
function cellsOf(mode: Mode, o: number, cells: number): readonly (readonly [number, number])[] {
  if (mode === 'nearest') return [[Math.floor(o / 2), 1]]
  const at = Math.max(0, o / 2 - 0.25)
  const first = Math.floor(at)
  if (first === cells - 1) return [[first, 1]]
  return [
    [first, first + 1 - at],
    [first + 1, at - first],
  ]
}

function forward(mode: Mode, x: Float32Array, [, , H, W]: Image): Elements {
  const at = (i: number) => {
    const sum = new Sum()
    const plane = Math.floor(i / (4 * H * W))
    const columns = cellsOf(mode, i % (2 * W), W)
    for (const [y, wy] of cellsOf(mode, Math.floor(i / (2 * W)) % (2 * H), H)) {
      for (const [column, wx] of columns) sum.add(wy * wx * x[(plane * H + y) * W + column]!)
    }
    return sum.expected()
  }
  return { cost: 4, at }
}

function gradient(mode: Mode, dy: Float32Array, [, , H, W]: Image): Elements {
  const at = (i: number) => {
    const sum = new Sum()
    const plane = Math.floor(i / (H * W))
    const [y, x] = [Math.floor(i / W) % H, i % W]
    const weight = (o: number, cell: number, cells: number) => {
      return o < 0 || o >= 2 * cells ? 0 : (cellsOf(mode, o, cells).find(([own]) => own === cell)?.[1] ?? 0)
    }
    for (let oy = 2 * y - 2; oy <= 2 * y + 3; oy++) {
      for (let ox = 2 * x - 2; ox <= 2 * x + 3; ox++) {
        const w = weight(oy, y, H) * weight(ox, x, W)
        if (w > 0) sum.add(w * dy[(plane * 2 * H + oy) * 2 * W + ox]!)
      }
    }
    return sum.expected()
  }
  return { cost: 36, at }
}

function bench(set: Case['set'], shape: Image, mode: Mode): Case[] {
  const size = sizeOf(shape)
  return operation('interpolate', `${text(shape)} ${mode} 2`, set, (gpu) => {
    const x = randomInput(gpu, shape, 1)
    const flops = (mode === 'nearest' ? 0 : 36) * size
    return {
      inputs: [x.tensor],
      apply: () => interpolate(x.tensor, { scale: 2, mode }),
      forward: { flops, bytes: 20 * size, out: forward(mode, x.data, shape) },
      backward: (dy) => ({ flops, bytes: 20 * size, gradients: [['dx', gradient(mode, dy, shape)]] }),
    }
  })
}

export const cases: readonly Case[] = [
  ...bench('lenet', [256, 6, 14, 14], 'nearest'),
  ...bench('large', [32, 64, 32, 32], 'nearest'),
  ...bench('large', [32, 64, 32, 32], 'bilinear'),
]
