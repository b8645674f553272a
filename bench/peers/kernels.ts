// The kernels that are compared: their shapes, and the inputs that every library gets.
import { randomIntegers, randomValues } from '../support.ts'
import { ALGEBRA, type AlgebraCase, algebraShape } from './algebra.ts'

/** A tensor on the host. */
export interface Values {
  readonly shape: readonly number[]
  readonly data: Float32Array<ArrayBuffer>
}

/** Sizes of a convolution of stride 1: input [N, C, H, H], weight [F, C, K, K], P zeros around the input. */
export interface ConvSizes {
  readonly N: number
  readonly C: number
  readonly H: number
  readonly F: number
  readonly K: number
  readonly P: number
}

/** An operation at a shape. Every library gets the same inputs: see the functions below. */
export type KernelCase =
  | AlgebraCase
  | { readonly name: 'conv2d forward' | 'conv2d backward input' | 'conv2d backward weight'; readonly sizes: ConvSizes }
  | { readonly name: 'max_pool2d forward' | 'max_pool2d backward'; readonly shape: readonly [number, number, number] }
  | { readonly name: 'matmul forward'; readonly size: number }
  | { readonly name: 'linear forward' | 'linear backward'; readonly sizes: readonly [N: number, I: number, O: number] }
  | { readonly name: 'relu forward' | 'relu backward'; readonly size: number }
  | {
      readonly name: 'cross_entropy forward' | 'cross_entropy gradient'
      readonly sizes: readonly [N: number, C: number]
    }

/** Random values from -1 to 1. `which` tells the inputs of an operation apart. */
export function input(shape: readonly number[], which: number): Values {
  const size = shape.reduce((product, n) => product * n, 1)
  return { shape, data: randomValues(size, which) }
}

export const convOutput = ({ N, F, H, K, P }: ConvSizes): [number, number, number, number] => {
  const OH = H + 2 * P - K + 1
  return [N, F, OH, OH]
}

/** Labels from 0 to C - 1. */
export const labelsOf = (N: number, C: number) => randomIntegers(N, C, 7)

/** The labels as rows of zeros with one 1. */
export function oneHot(labels: Int32Array, C: number): Values {
  const data = new Float32Array(labels.length * C)
  labels.forEach((label, n) => {
    data[n * C + label] = 1
  })
  return { shape: [labels.length, C], data }
}

/** The shape of a case, as the table shows it. */
export function shapeOf(item: KernelCase): string {
  if ('operation' in item) return algebraShape(item)
  switch (item.name) {
    case 'conv2d forward':
    case 'conv2d backward input':
    case 'conv2d backward weight': {
      const { N, C, H, F, K, P } = item.sizes
      return `[${N},${C},${H},${H}]*[${F},${C},${K},${K}]${P === 0 ? '' : ` pad ${P}`}`
    }
    case 'max_pool2d forward':
    case 'max_pool2d backward':
      return `[${item.shape.join(',')},${item.shape[2]}] 2×2`
    case 'matmul forward':
      return `[${item.size},${item.size}]·[${item.size},${item.size}]`
    case 'linear forward':
    case 'linear backward':
      return `[${item.sizes[0]},${item.sizes[1]}]→${item.sizes[2]}`
    case 'relu forward':
    case 'relu backward':
      return `[${item.size}]`
    default:
      return `[${item.sizes.join(',')}]`
  }
}

function conv(sizes: ConvSizes, needsInput = true): KernelCase[] {
  const names = ['conv2d forward', 'conv2d backward input', 'conv2d backward weight'] as const
  return names.filter((name) => needsInput || !name.endsWith('input')).map((name) => ({ name, sizes }))
}

const pool = (shape: readonly [number, number, number]): KernelCase[] =>
  (['max_pool2d forward', 'max_pool2d backward'] as const).map((name) => ({ name, shape }))

const linear = (sizes: readonly [number, number, number]): KernelCase[] =>
  (['linear forward', 'linear backward'] as const).map((name) => ({ name, sizes }))

const relu = (size: number): KernelCase[] =>
  (['relu forward', 'relu backward'] as const).map((name) => ({ name, size }))

const crossEntropy = (sizes: readonly [number, number]): KernelCase[] =>
  (['cross_entropy forward', 'cross_entropy gradient'] as const).map((name) => ({ name, sizes }))

/** LeNet's shapes at batch 256. */
export const LENET_KERNELS: readonly KernelCase[] = [
  ...conv({ N: 256, C: 1, H: 28, F: 6, K: 5, P: 2 }, false),
  ...conv({ N: 256, C: 6, H: 14, F: 16, K: 5, P: 0 }),
  ...pool([256, 6, 28]),
  ...pool([256, 16, 10]),
  ...linear([256, 400, 120]),
  ...linear([256, 120, 84]),
  ...linear([256, 84, 10]),
  ...relu(256 * 6 * 28 * 28),
  ...crossEntropy([256, 10]),
]

const LARGE_KERNELS: readonly KernelCase[] = [
  ...conv({ N: 32, C: 3, H: 32, F: 64, K: 3, P: 1 }),
  ...conv({ N: 32, C: 64, H: 16, F: 128, K: 3, P: 1 }),
  ...conv({ N: 32, C: 128, H: 8, F: 256, K: 3, P: 1 }),
  ...[256, 512, 1024, 2048].map((size) => ({ name: 'matmul forward', size }) as const),
  ...linear([256, 1024, 1024]),
  ...relu(2 ** 22),
  ...crossEntropy([4096, 1000]),
]

export const KERNELS: readonly KernelCase[] = [...LENET_KERNELS, ...LARGE_KERNELS, ...ALGEBRA]
