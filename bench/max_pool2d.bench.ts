// Benchmark of max_pool2d, forward and backward.
import { maxPool2d } from '../src/index.ts'
import { type Case, type Elements, exactly, operation, randomInput, Sum, text } from './support.ts'

interface Window {
  readonly input: readonly [number, number, number, number]
  readonly kernel: number
  readonly stride: number
  readonly padding: number
}

const outputSize = ({ kernel, stride, padding }: Window, size: number) =>
  Math.floor((size + 2 * padding - kernel) / stride) + 1

/** Place in x of the first maximum of the window of output element i, in row-major order. */
function winner(x: Float32Array, window: Window, i: number): number {
  const { input, kernel, stride, padding } = window
  const [H, W] = [input[2], input[3]]
  const [OH, OW] = [outputSize(window, H), outputSize(window, W)]
  const plane = Math.floor(i / (OH * OW))
  const top = (Math.floor(i / OW) % OH) * stride - padding
  const left = (i % OW) * stride - padding
  let best = -1
  for (let y = Math.max(0, top); y < Math.min(H, top + kernel); y++) {
    for (let xx = Math.max(0, left); xx < Math.min(W, left + kernel); xx++) {
      const at = (plane * H + y) * W + xx
      if (best < 0 || x[at]! > x[best]!) best = at
    }
  }
  return best
}

/** The gradient of an input element: the sum of dy over the windows that contain the element and that it wins. */
function gradient(x: Float32Array, dy: Float32Array, window: Window): Elements {
  const { input, kernel, stride, padding } = window
  const [H, W] = [input[2], input[3]]
  const [OH, OW] = [outputSize(window, H), outputSize(window, W)]
  const at = (i: number) => {
    const plane = Math.floor(i / (H * W))
    const [y, xx] = [(Math.floor(i / W) % H) + padding, (i % W) + padding]
    const sum = new Sum()
    for (let oy = Math.max(0, Math.ceil((y - kernel + 1) / stride)); oy <= Math.min(OH - 1, y / stride); oy++) {
      for (let ox = Math.max(0, Math.ceil((xx - kernel + 1) / stride)); ox <= Math.min(OW - 1, xx / stride); ox++) {
        const o = (plane * OH + oy) * OW + ox
        if (winner(x, window, o) === i) sum.add(dy[o]!)
      }
    }
    return sum.expected()
  }
  return { cost: kernel ** 4, at }
}

function bench(set: Case['set'], window: Window): Case[] {
  const { input, kernel, stride, padding } = window
  const [N, C, H, W] = input
  const ys = N * C * outputSize(window, H) * outputSize(window, W)
  const xs = N * C * H * W
  const notes = `${kernel}×${kernel}${stride === kernel ? '' : ` stride ${stride}`}${padding === 0 ? '' : ` pad ${padding}`}`
  return operation('max_pool2d', `${text(input)} ${notes}`, set, (gpu) => {
    const x = randomInput(gpu, input, 1)
    return {
      inputs: [x.tensor],
      apply: () => maxPool2d(x.tensor, { kernelSize: kernel, stride, padding }),
      // The winners, an int32 each, are an output of forward and an input of backward.
      forward: {
        flops: ys * kernel * kernel,
        bytes: 4 * (xs + 2 * ys),
        out: { cost: kernel * kernel, at: (i) => exactly(x.data[winner(x.data, window, i)]!) },
      },
      // Where windows do not overlap nothing is added up: the gradients are only put in their places.
      backward: (dy) => ({
        flops: kernel <= stride ? 0 : ys,
        bytes: 4 * (xs + 2 * ys),
        gradients: [['dx', gradient(x.data, dy, window)]],
      }),
    }
  })
}

export const cases: readonly Case[] = [
  ...bench('lenet', { input: [256, 6, 28, 28], kernel: 2, stride: 2, padding: 0 }),
  ...bench('lenet', { input: [256, 16, 10, 10], kernel: 2, stride: 2, padding: 0 }),
  ...bench('large', { input: [64, 64, 32, 32], kernel: 2, stride: 2, padding: 0 }),
  ...bench('large', { input: [32, 32, 56, 56], kernel: 3, stride: 2, padding: 1 }),
]
