// linear and linearRelu in float64, with the error that float32 may make.
import { type Ref, type Result, ref, requireShape, sizeOf, withBound } from '../../support/ref.ts'
import { matmul, matmulBackward } from '../matmul/reference.ts'

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
