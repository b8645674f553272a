// matmul in float64, with the error that float32 may make.
import { type Ref, type Result, ref, requireShape, sizeOf, withBound } from '../../support/ref.ts'

export interface MatmulOptions {
  transposeA?: boolean
  transposeB?: boolean
}

interface Sizes {
  m: number
  n: number
  k: number
  /** The dimensions before the last two, of the output. */
  batch: number[]
}

function sizesOf(a: Ref, b: Ref, { transposeA = false, transposeB = false }: MatmulOptions): Sizes {
  if (a.shape.length < 2 || b.shape.length < 2) throw new Error('matmul: two matrices are needed')
  const [m, k] = (transposeA ? [a.shape.at(-1), a.shape.at(-2)] : a.shape.slice(-2)) as [number, number]
  const [inner, n] = (transposeB ? [b.shape.at(-1), b.shape.at(-2)] : b.shape.slice(-2)) as [number, number]
  if (inner !== k) throw new Error(`matmul: inner sizes ${k} and ${inner} differ`)
  const rank = Math.max(a.shape.length, b.shape.length)
  const batch = Array.from({ length: rank - 2 }, (_, d) => {
    const [ofA, ofB] = [a, b].map(({ shape }) => shape[shape.length - rank + d] ?? 1) as [number, number]
    if (ofA !== ofB && ofA !== 1 && ofB !== 1) throw new Error(`matmul: batches of ${ofA} and ${ofB}`)
    return ofA === 1 ? ofB : ofA
  })
  return { m, n, k, batch }
}

/** Which matrix of an operand belongs to matrix `g` of a batch: coordinate by coordinate, the last one first. */
export function matrixOf(g: number, batch: readonly number[], { shape }: Ref): number {
  let [rest, at, stride] = [g, 0, 1]
  for (let d = batch.length - 1; d >= 0; d--) {
    const size = shape[shape.length - 2 - batch.length + d] ?? 1
    if (size > 1) at += stride * (rest % batch[d]!)
    stride *= size
    rest = Math.floor(rest / batch[d]!)
  }
  return at
}

/** Visits every product: the flat indices of its place in the output, of its factor in a and of its factor in b. */
function forEachProduct(
  a: Ref,
  b: Ref,
  { transposeA = false, transposeB = false }: MatmulOptions,
  visit: (out: number, a: number, b: number) => void,
): void {
  const { m, n, k, batch } = sizesOf(a, b, { transposeA, transposeB })
  for (let g = 0; g < sizeOf(batch); g++) {
    const [ofA, ofB] = [matrixOf(g, batch, a) * m * k, matrixOf(g, batch, b) * k * n]
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        for (let l = 0; l < k; l++) {
          visit(
            (g * m + i) * n + j,
            ofA + (transposeA ? l * m + i : i * k + l),
            ofB + (transposeB ? j * k + l : l * n + j),
          )
        }
      }
    }
  }
}

/**
 * op(a) · op(b): [M, K] · [K, N] → [M, N], where op transposes a matrix stored as [K, M] or [N, K]; matrix by matrix where
 * there are more dimensions, which broadcast.
 */
export function matmul(a: Ref, b: Ref, options: MatmulOptions = {}): Result {
  const { m, n, k, batch } = sizesOf(a, b, options)
  const out = ref([...batch, m, n])
  const magnitude = new Float64Array(out.data.length)
  forEachProduct(a, b, options, (o, i, j) => {
    const product = a.data[i]! * b.data[j]!
    out.data[o]! += product
    magnitude[o]! += Math.abs(product)
  })
  // Each term is rounded once as a product and takes part in at most k − 1 additions.
  return withBound(out, magnitude, k)
}

/** Gradients in the layouts in which a and b are stored. */
export function matmulBackward(gradOut: Ref, a: Ref, b: Ref, options: MatmulOptions = {}): { a: Result; b: Result } {
  const { m, n, batch } = sizesOf(a, b, options)
  requireShape('matmulBackward: gradOut', gradOut.shape, [...batch, m, n])
  const gradA = ref(a.shape)
  const gradB = ref(b.shape)
  const magnitudeA = new Float64Array(a.data.length)
  const magnitudeB = new Float64Array(b.data.length)
  forEachProduct(a, b, options, (o, i, j) => {
    const g = gradOut.data[o]!
    gradA.data[i]! += g * b.data[j]!
    magnitudeA[i]! += Math.abs(g * b.data[j]!)
    gradB.data[j]! += g * a.data[i]!
    magnitudeB[j]! += Math.abs(g * a.data[i]!)
  })
  // An operand that is broadcast has terms of several matrices.
  const matrices = ({ shape }: Ref) => sizeOf(batch) / Math.max(1, sizeOf(shape.slice(0, -2)))
  return {
    a: withBound(gradA, magnitudeA, n * matrices(a)),
    b: withBound(gradB, magnitudeB, m * matrices(b)),
  }
}
