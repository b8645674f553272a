// Benchmark of matmul, forward and backward, with either side transposed, and of batches of matrices.
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

/** The elements of the products of so many matrices, one after another. */
function products(count: number, of: (g: number) => Elements, size: number): Elements {
  const all = Array.from({ length: count }, (_, g) => of(g))
  return { cost: all[0]!.cost, at: (i) => all[Math.floor(i / size)]!.at(i % size) }
}

/** `count` products, one a matrix; 0: a product of two plain matrices. */
function bench(
  set: Case['set'],
  [M, K, N]: readonly [number, number, number],
  { transposeA = false, transposeB = false, count = 0 } = {},
): Case[] {
  const batch = count === 0 ? [] : [count]
  const shapeA = [...batch, ...(transposeA ? [K, M] : [M, K])]
  const shapeB = [...batch, ...(transposeB ? [N, K] : [K, N])]
  const mark = (shape: number[], transposed: boolean) => `[${shape.join(',')}]${transposed ? 'ᵀ' : ''}`
  return operation('matmul', `${mark(shapeA, transposeA)}·${mark(shapeB, transposeB)}`, set, (gpu) => {
    const inputA = randomInput(gpu, shapeA, 1)
    const inputB = randomInput(gpu, shapeB, 2)
    const many = Math.max(1, count)
    const part = (data: Float32Array, g: number, size: number) => data.subarray(g * size, (g + 1) * size)
    const a = (g: number) => matrix(part(inputA.data, g, M * K), transposeA ? M : K, transposeA)
    const b = (g: number) => matrix(part(inputB.data, g, K * N), transposeB ? K : N, transposeB)
    const flops = 2 * many * M * K * N
    return {
      inputs: [inputA.tensor, inputB.tensor],
      apply: () => matmul(inputA.tensor, inputB.tensor, { transposeA, transposeB }),
      forward: {
        flops,
        bytes: 4 * many * (M * K + K * N + M * N),
        out: products(many, (g) => product(a(g), b(g), [M, K, N]), M * N),
      },
      backward(data) {
        const dy = (g: number) => matrix(part(data, g, M * N), N)
        const da = (g: number) => product(dy(g), transpose(b(g)), [M, N, K], transposeA)
        const db = (g: number) => product(transpose(a(g)), dy(g), [K, M, N], transposeB)
        return {
          flops: 2 * flops,
          bytes: 4 * many * (M * N + 2 * (M * K + K * N)),
          gradients: [
            ['da', products(many, da, M * K)],
            ['db', products(many, db, K * N)],
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
  // The scores of 32 heads, the products with their values, and as many multiplications as one product of 512 has.
  ...bench('large', [128, 64, 128], { transposeB: true, count: 32 }),
  ...bench('large', [128, 128, 64], { count: 32 }),
  ...bench('large', [128, 128, 128], { count: 64 }),
]
