// matmul, linear and linearRelu in float64, each value with its error bound.
import { type Ref, type Result, ref, requireShape, sizeOf, withBound } from './ref.ts'

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

/** The rows of an input of shape [..., in] as one matrix. */
function asRows(x: Ref, columns: number): Ref {
  if (x.shape.at(-1) !== columns) throw new Error(`linear: [${x.shape.join(', ')}] does not end in ${columns}`)
  return { shape: [sizeOf(x.shape.slice(0, -1)), columns], data: x.data }
}

/** input · weightᵀ + bias: [..., in], weight [out, in], bias [out] or null → [..., out]. */
export function linear(input: Ref, weight: Ref, bias: Ref | null): Result {
  const [outFeatures, inFeatures] = [weight.shape[0]!, weight.shape[1]!]
  if (bias !== null) requireShape('linear: bias', bias.shape, [outFeatures])
  const product = matmul(asRows(input, inFeatures), weight, { transposeB: true })
  const out = ref([...input.shape.slice(0, -1), outFeatures], product.data)
  const magnitude = product.magnitude.slice()
  if (bias !== null) {
    for (let i = 0; i < out.data.length; i++) {
      const b = bias.data[i % outFeatures]!
      out.data[i]! += b
      magnitude[i]! += Math.abs(b)
    }
  }
  return withBound(out, magnitude, product.roundings + (bias === null ? 0 : 1))
}

/** Gradients of `linear`; that of the bias is what a bias would have, whether or not there was one. */
export function linearBackward(gradOut: Ref, input: Ref, weight: Ref): { input: Result; weight: Result; bias: Result } {
  const [outFeatures, inFeatures] = [weight.shape[0]!, weight.shape[1]!]
  requireShape('linearBackward: gradOut', gradOut.shape, [...input.shape.slice(0, -1), outFeatures])
  const rows = asRows(input, inFeatures)
  const grads = matmulBackward({ shape: [rows.shape[0]!, outFeatures], data: gradOut.data }, rows, weight, {
    transposeB: true,
  })
  const bias = ref([outFeatures])
  const magnitude = new Float64Array(outFeatures)
  gradOut.data.forEach((g, i) => {
    bias.data[i % outFeatures]! += g
    magnitude[i % outFeatures]! += Math.abs(g)
  })
  return {
    input: { ...grads.a, shape: [...input.shape] },
    weight: grads.b,
    bias: withBound(bias, magnitude, Math.max(0, rows.shape[0]! - 1)),
  }
}

/** max(linear, 0): no farther off than the linear value. A NaN stays one. */
export function linearRelu(input: Ref, weight: Ref, bias: Ref | null): Result {
  const before = linear(input, weight, bias)
  // What is -Infinity becomes 0 and no less certain.
  const finite = (values: Float64Array) => values.map((v, i) => (before.data[i] === -Infinity ? 0 : v))
  const data = before.data.map((v) => Math.max(v, 0))
  return { ...before, data, magnitude: finite(before.magnitude), bound: finite(before.bound) }
}

/**
 * Gradients of `linearRelu`: those of `linear` for a gradient that is 0 where the linear value is not above 0. Where that
 * value is nearer to 0 than float32 can tell, the gradient may be that of the other side: the bounds allow for it.
 */
export function linearReluBackward(
  gradOut: Ref,
  input: Ref,
  weight: Ref,
  bias: Ref | null,
): { input: Result; weight: Result; bias: Result } {
  const before = linear(input, weight, bias)
  const passes = ref(gradOut.shape)
  const doubtful = ref(gradOut.shape)
  gradOut.data.forEach((g, i) => {
    const value = before.data[i]!
    if (!(value <= 0)) passes.data[i] = g
    const bound = before.bound[i]!
    if (Number.isFinite(value) && Math.abs(value) <= bound && bound > 0) doubtful.data[i] = Math.abs(g)
  })
  const absolute = ({ shape, data }: Ref) => ref(shape, data.map(Math.abs))
  const grads = linearBackward(passes, input, weight)
  if (doubtful.data.every((g) => g === 0)) return grads
  const spread = linearBackward(doubtful, absolute(input), absolute(weight))
  const wider = (a: Result, b: Result): Result => ({ ...a, bound: a.bound.map((v, i) => v + b.data[i]! + b.bound[i]!) })
  return {
    input: wider(grads.input, spread.input),
    weight: wider(grads.weight, spread.weight),
    bias: wider(grads.bias, spread.bias),
  }
}
