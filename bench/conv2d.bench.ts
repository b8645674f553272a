// Benchmark of conv2d, forward and backward; its references also serve conv2d_relu_max_pool2d.
import type { Gpu } from '../src/gpu/gpu.ts'
import { conv2d } from '../src/index.ts'
import {
  type Case,
  type Elements,
  type Expected,
  type Operation,
  operation,
  randomInput,
  Sum,
  text,
} from './support.ts'

/** Sizes of a convolution of stride 1: input [N, C, H, W], weight [F, C, K, K], output [N, F, OH, OW]. */
export interface Convolution {
  readonly N: number
  readonly C: number
  readonly H: number
  readonly W: number
  readonly F: number
  readonly K: number
  readonly P: number
  /** Groups. */
  readonly G: number
  readonly OH: number
  readonly OW: number
}

/** An element's place in an array of four dimensions, given the last three sizes. */
function place(i: number, b: number, c: number, d: number): [number, number, number, number] {
  return [Math.floor(i / (b * c * d)), Math.floor(i / (c * d)) % b, Math.floor(i / d) % c, i % d]
}

export function forward(
  x: Float32Array,
  w: Float32Array,
  b: Float32Array,
  { C, H, W, F, K, P, G, OH, OW }: Convolution,
): Elements {
  const CG = C / G
  const at = (i: number): Expected => {
    const [n, f, oy, ox] = place(i, F, OH, OW)
    const sum = new Sum()
    sum.add(b[f]!)
    const first = Math.floor((f * G) / F) * CG
    for (let c = 0; c < CG; c++) {
      for (let ky = 0; ky < K; ky++) {
        for (let kx = 0; kx < K; kx++) {
          const [y, xx] = [oy + ky - P, ox + kx - P]
          if (y < 0 || y >= H || xx < 0 || xx >= W) continue
          sum.add(x[((n * C + first + c) * H + y) * W + xx]! * w[((f * CG + c) * K + ky) * K + kx]!)
        }
      }
    }
    return sum.expected()
  }
  return { cost: CG * K * K, at }
}

export function gradientOfInput(
  dy: Float32Array,
  w: Float32Array,
  { C, H, W, F, K, P, G, OH, OW }: Convolution,
): Elements {
  const [CG, FG] = [C / G, F / G]
  const at = (i: number): Expected => {
    const [n, c, y, x] = place(i, C, H, W)
    const sum = new Sum()
    const first = Math.floor(c / CG) * FG
    for (let f = first; f < first + FG; f++) {
      for (let ky = 0; ky < K; ky++) {
        for (let kx = 0; kx < K; kx++) {
          const [oy, ox] = [y + P - ky, x + P - kx]
          if (oy < 0 || oy >= OH || ox < 0 || ox >= OW) continue
          sum.add(dy[((n * F + f) * OH + oy) * OW + ox]! * w[((f * CG + (c % CG)) * K + ky) * K + kx]!)
        }
      }
    }
    return sum.expected()
  }
  return { cost: FG * K * K, at }
}

export function gradientOfWeight(
  dy: Float32Array,
  x: Float32Array,
  { N, C, H, W, F, K, P, G, OH, OW }: Convolution,
): Elements {
  const CG = C / G
  const at = (i: number): Expected => {
    const [f, of, ky, kx] = place(i, CG, K, K)
    const c = Math.floor((f * G) / F) * CG + of
    const sum = new Sum()
    for (let n = 0; n < N; n++) {
      for (let oy = 0; oy < OH; oy++) {
        const y = oy + ky - P
        if (y < 0 || y >= H) continue
        for (let ox = 0; ox < OW; ox++) {
          const xx = ox + kx - P
          if (xx < 0 || xx >= W) continue
          sum.add(dy[((n * F + f) * OH + oy) * OW + ox]! * x[((n * C + c) * H + y) * W + xx]!)
        }
      }
    }
    return sum.expected()
  }
  return { cost: N * OH * OW, at }
}

export function gradientOfBias(dy: Float32Array, { N, F, OH, OW }: Convolution): Elements {
  const S = OH * OW
  const at = (f: number): Expected => {
    const sum = new Sum()
    for (let n = 0; n < N; n++) for (let s = 0; s < S; s++) sum.add(dy[(n * F + f) * S + s]!)
    return sum.expected()
  }
  return { cost: N * S, at }
}

export interface Layer {
  readonly input: readonly [number, number, number, number]
  readonly filters: number
  readonly kernel: number
  readonly padding?: number
  readonly groups?: number
  /** Whether the input requires a gradient; a network's first layer has images there, which do not. */
  readonly needsInput?: boolean
}

export function sizesOf({ input, filters: F, kernel: K, padding: P = 0, groups: G = 1 }: Layer): Convolution {
  const [N, C, H, W] = input
  return { N, C, H, W, F, K, P, G, OH: H + 2 * P - K + 1, OW: W + 2 * P - K + 1 }
}

/** The rows of a layer, forward and backward. */
export function bench(set: Case['set'], layer: Layer): Case[] {
  const { input, filters: F, kernel: K, padding: P = 0, needsInput = true } = layer
  const sizes = sizesOf(layer)
  const { N, C, H, W, G, OH, OW } = sizes
  const weight = [F, C / G, K, K]
  const [xs, ws, ys] = [N * C * H * W, (F * C * K * K) / G, N * F * OH * OW]
  const shape = `${text(input)}*${text(weight)}${P === 0 ? '' : ` pad ${P}`}`
  const make = (gpu: Gpu): Operation => {
    const x = randomInput(gpu, input, 1, needsInput)
    const w = randomInput(gpu, weight, 2)
    const b = randomInput(gpu, [F], 3)
    // Taps that fall into the padding count, as is usual.
    const flops = (2 * ys * C * K * K) / G
    return {
      inputs: [x.tensor, w.tensor, b.tensor],
      apply: () => conv2d(x.tensor, w.tensor, b.tensor, { padding: P, groups: G }),
      forward: { flops: flops + ys, bytes: 4 * (xs + ws + F + ys), out: forward(x.data, w.data, b.data, sizes) },
      backward: (dy) => ({
        flops: (needsInput ? 2 : 1) * flops + ys,
        bytes: 4 * (ys + xs + ws + F + (needsInput ? xs + ws : 0)),
        gradients: [
          ...(needsInput ? [['dx', gradientOfInput(dy, w.data, sizes)] as const] : []),
          ['dw', gradientOfWeight(dy, x.data, sizes)],
          ['db', gradientOfBias(dy, sizes)],
        ],
      }),
    }
  }
  return [
    ...operation('conv2d', shape, set, make, ['forward']),
    ...operation('conv2d', `${shape}${needsInput ? '' : ', no dx'}`, set, make, ['backward']),
  ]
}

export const cases: readonly Case[] = [
  ...bench('lenet', { input: [256, 1, 28, 28], filters: 6, kernel: 5, padding: 2, needsInput: false }),
  ...bench('lenet', { input: [256, 6, 14, 14], filters: 16, kernel: 5 }),
  ...bench('large', { input: [32, 3, 32, 32], filters: 64, kernel: 3, padding: 1 }),
  ...bench('large', { input: [32, 64, 16, 16], filters: 128, kernel: 3, padding: 1 }),
  ...bench('large', { input: [32, 128, 8, 8], filters: 256, kernel: 3, padding: 1 }),
  ...bench('large', { input: [32, 128, 28, 28], filters: 128, kernel: 3, padding: 1, groups: 32 }),
]
