// matmul in float64, with the error that float32 may make.
import { type Ref, type Result, ref, requireShape, withBound } from '../../support/ref.ts'

export interface MatmulOptions {
  transposeA?: boolean
  transposeB?: boolean
}

interface Sizes {
  m: number
  n: number
  k: number
}

function sizesOf(a: Ref, b: Ref, { transposeA = false, transposeB = false }: MatmulOptions): Sizes {
  if (a.shape.length !== 2 || b.shape.length !== 2) throw new Error('matmul: two matrices are needed')
  const [m, k] = transposeA ? [a.shape[1]!, a.shape[0]!] : [a.shape[0]!, a.shape[1]!]
  const [inner, n] = transposeB ? [b.shape[1]!, b.shape[0]!] : [b.shape[0]!, b.shape[1]!]
  if (inner !== k) throw new Error(`matmul: inner sizes ${k} and ${inner} differ`)
  return { m, n, k }
}

/** Visits every product: the flat indices of its place in the output, of its factor in a and of its factor in b. */
function forEachProduct(
  { m, n, k }: Sizes,
  { transposeA = false, transposeB = false }: MatmulOptions,
  visit: (out: number, a: number, b: number) => void,
): void {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      for (let l = 0; l < k; l++) {
        visit(i * n + j, transposeA ? l * m + i : i * k + l, transposeB ? j * k + l : l * n + j)
      }
    }
  }
}

/** op(a) · op(b): [M, K] · [K, N] → [M, N], where op transposes a matrix stored as [K, M] or [N, K]. */
export function matmul(a: Ref, b: Ref, options: MatmulOptions = {}): Result {
  const sizes = sizesOf(a, b, options)
  const out = ref([sizes.m, sizes.n])
  const magnitude = new Float64Array(out.data.length)
  forEachProduct(sizes, options, (o, i, j) => {
    const product = a.data[i]! * b.data[j]!
    out.data[o]! += product
    magnitude[o]! += Math.abs(product)
  })
  // Each term is rounded once as a product and takes part in at most k − 1 additions.
  return withBound(out, magnitude, sizes.k)
}

/** Gradients in the layouts in which a and b are stored. */
export function matmulBackward(gradOut: Ref, a: Ref, b: Ref, options: MatmulOptions = {}): { a: Result; b: Result } {
  const sizes = sizesOf(a, b, options)
  requireShape('matmulBackward: gradOut', gradOut.shape, [sizes.m, sizes.n])
  const gradA = ref(a.shape)
  const gradB = ref(b.shape)
  const magnitudeA = new Float64Array(a.data.length)
  const magnitudeB = new Float64Array(b.data.length)
  forEachProduct(sizes, options, (o, i, j) => {
    const g = gradOut.data[o]!
    gradA.data[i]! += g * b.data[j]!
    magnitudeA[i]! += Math.abs(g * b.data[j]!)
    gradB.data[j]! += g * a.data[i]!
    magnitudeB[j]! += Math.abs(g * a.data[i]!)
  })
  return { a: withBound(gradA, magnitudeA, sizes.n), b: withBound(gradB, magnitudeB, sizes.m) }
}
