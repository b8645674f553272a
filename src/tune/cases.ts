// The uses of kernels that `dawngrad tune` measures.
import type { Gpu } from '../gpu/gpu.ts'
import { conv2d } from '../kernels/conv2d.ts'
import { conv2dReluMaxPool2d } from '../kernels/conv2d_relu_max_pool2d.ts'
import { linear, linearRelu } from '../kernels/linear.ts'
import { matmul } from '../kernels/matmul.ts'
import type { Numbers } from '../kernels/tuning.ts'
import { tensor } from '../tensor/create.ts'
import { noGrad } from '../tensor/modes.ts'
import { type Shape, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** One operation at one shape: the kernels that it runs, forward and for the gradient of each input. */
export interface TuneCase {
  /** For tables: `256x1x28x28 * 6x1x5x5`. */
  readonly label: string
  readonly shape: Numbers
  readonly shapes: readonly Shape[]
  /** The inputs whose gradients each kernel computes; an empty list: it computes the output. */
  readonly kernels: Readonly<Record<string, readonly number[]>>
  apply(inputs: readonly Tensor[]): Tensor
}

export type ShapeSet = 'lenet' | 'big' | 'all'

type Layer = readonly [N: number, C: number, side: number, F: number, K: number, P: number]

function convCase([N, C, side, F, K, P]: Layer, fused: boolean): TuneCase {
  const full = side + 2 * P - K + 1
  const out = fused ? Math.floor(full / 2) : full
  const kernel = fused ? 'conv2d_relu_max_pool2d' : 'conv2d'
  const options = { padding: P }
  return {
    label: `${N}x${C}x${side}x${side} * ${F}x${C}x${K}x${K}`,
    shape: { N, C, H: side, W: side, F, KH: K, KW: K, OH: out, OW: out, SH: 1, SW: 1, PH: P, PW: P, DH: 1, DW: 1 },
    shapes: [[N, C, side, side], [F, C, K, K], [F]],
    kernels: { [`${kernel}.forward`]: [], [`${kernel}.backward_input`]: [0], [`${kernel}.backward_weight`]: [1, 2] },
    apply: ([x, w, b]) => (fused ? conv2dReluMaxPool2d(x!, w!, b!, options) : conv2d(x!, w!, b!, options)),
  }
}

function linearCase([N, I, O]: readonly [number, number, number], relu: 0 | 1): TuneCase {
  return {
    label: `${N}x${I} * ${O}x${I}${relu ? ', relu' : ''}`,
    shape: { N, I, O, relu },
    shapes: [[N, I], [O, I], [O]],
    kernels: { 'linear.forward': [], 'linear.backward': [0, 1, 2] },
    apply: ([x, w, b]) => (relu ? linearRelu(x!, w!, b!) : linear(x!, w!, b!)),
  }
}

function matmulCase([M, K, N]: readonly [number, number, number]): TuneCase {
  return {
    label: `${M}x${K} * ${K}x${N}`,
    shape: { M, K, N, transposeA: 0, transposeB: 0 },
    shapes: [
      [M, K],
      [K, N],
    ],
    kernels: { 'matmul.matmul': [] },
    apply: ([a, b]) => matmul(a!, b!),
  }
}

/** LeNet's layers, larger ones, or both, at a batch of so many images. */
export function tuneCases(set: ShapeSet, batch = 256): readonly TuneCase[] {
  const layers = (all: readonly Layer[]) => all.flatMap((one) => [convCase(one, true), convCase(one, false)])
  const lenet = [
    ...layers([
      [batch, 1, 28, 6, 5, 2],
      [batch, 6, 14, 16, 5, 0],
    ]),
    linearCase([batch, 400, 120], 1),
    linearCase([batch, 120, 84], 1),
    linearCase([batch, 84, 10], 0),
    matmulCase([batch, 400, 120]),
  ]
  const big = [
    ...layers([
      [32, 3, 64, 32, 3, 1],
      [32, 32, 32, 64, 3, 1],
    ]),
    linearCase([256, 1024, 1024], 1),
    matmulCase([512, 512, 512]),
  ]
  return [...(set === 'big' ? [] : lenet), ...(set === 'lenet' ? [] : big)]
}

/** One kernel of a case, ready to run any number of times with the tuning that was set when it was made. */
export interface Side {
  /** Runs it once. The caller disposes the results, an output or gradients. */
  run(): Tensor[]
  dispose(): void
}

/** Small values of both signs from a simple generator, the same in every run. */
export function inputsOf(gpu: Gpu, shapes: readonly Shape[], wanted: readonly number[] = []): Tensor[] {
  let state = 12_345
  return shapes.map((shape, i) => {
    const data = new Float32Array(sizeOf(shape))
    for (let j = 0; j < data.length; j++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      data[j] = state / 2 ** 31 - 1
    }
    return tensor(data, shape, { gpu, requiresGrad: wanted.includes(i) })
  })
}

/** `inputs` come from inputsOf and remain the caller's. */
export function openSide({ apply }: TuneCase, inputs: readonly Tensor[], wanted: readonly number[]): Side {
  if (wanted.length === 0) return { run: () => [noGrad(() => apply(inputs))], dispose: () => undefined }
  const leaves = wanted.map((i) => inputs[i]!)
  const out = apply(inputs)
  const [dy] = inputsOf(out.gpu, [out.shape]) as [Tensor]
  return {
    run() {
      out.backward(dy, { retainGraph: true })
      return leaves.map((leaf) => {
        const gradient = leaf.grad!
        leaf.grad = null
        return gradient
      })
    },
    dispose() {
      out.dispose()
      dy.dispose()
    },
  }
}
