// Benchmark of matmul, forward and backward, with either side transposed.
import { matmul } from '../src/index.ts'
import { type Case, type Elements, operation, randomInput, Sum } from './support.ts'

/** A matrix on the host, read by row and column; transposing swaps the strides. */
interface Matrix {
  readonly data: Float32Array
  readonly down: number
  readonly right: number
}

const matrix = (data: Float32Array, columns: number, transposed = false): Matrix =>
  transposed ? { data, down: 1, right: columns } : { data, down: columns, right: 1 }

const transpose = ({ data, down, right }: Matrix): Matrix => ({ data, down: right, right: down })

/** The elements of a·b, stored row by row, or column by column where `transposed`. */
function product(a: Matrix, b: Matrix, [M, K, N]: readonly [number, number, number], transposed = false): Elements {
  return {
    cost: K,
    at(i) {
      const [m, n] = transposed ? [i % M, Math.floor(i / M)] : [Math.floor(i / N), i % N]
      const sum = new Sum()
      for (let k = 0; k < K; k++) {
        sum.add(a.data[m * a.down + k * a.right]! * b.data[k * b.down + n * b.right]!)
      }
      return sum.expected()
    },
  }
}

function bench(
  set: Case['set'],
  [M, K, N]: readonly [number, number, number],
  { transposeA = false, transposeB = false } = {},
): Case[] {
  const shapeA = transposeA ? [K, M] : [M, K]
  const shapeB = transposeB ? [N, K] : [K, N]
  const mark = (shape: number[], transposed: boolean) => `[${shape.join(',')}]${transposed ? 'ᵀ' : ''}`
  return operation('matmul', `${mark(shapeA, transposeA)}·${mark(shapeB, transposeB)}`, set, (gpu) => {
    const inputA = randomInput(gpu, shapeA, 1)
    const inputB = randomInput(gpu, shapeB, 2)
    const a = matrix(inputA.data, shapeA[1]!, transposeA)
    const b = matrix(inputB.data, shapeB[1]!, transposeB)
    const flops = 2 * M * K * N
    return {
      inputs: [inputA.tensor, inputB.tensor],
      apply: () => matmul(inputA.tensor, inputB.tensor, { transposeA, transposeB }),
      forward: { flops, bytes: 4 * (M * K + K * N + M * N), out: product(a, b, [M, K, N]) },
      backward(data) {
        const dy = matrix(data, N)
        return {
          flops: 2 * flops,
          bytes: 4 * (M * N + 2 * (M * K + K * N)),
          gradients: [
            ['da', product(dy, transpose(b), [M, N, K], transposeA)],
            ['db', product(transpose(a), dy, [K, M, N], transposeB)],
          ],
        }
      },
    }
  })
}

export const cases: readonly Case[] = [
  // LeNet's first linear layer as a bare product.
  ...bench('lenet', [256, 400, 120], { transposeB: true }),
  ...bench('large', [256, 256, 256]),
  ...bench('large', [256, 256, 256], { transposeA: true }),
  ...bench('large', [256, 256, 256], { transposeB: true }),
  ...bench('large', [256, 256, 256], { transposeA: true, transposeB: true }),
  ...bench('large', [512, 512, 512]),
  ...bench('large', [1024, 1024, 1024]),
  ...bench('large', [2048, 2048, 2048]),
]
