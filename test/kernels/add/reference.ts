// add in float64, with the error that float32 may make.
import { exact, type Ref, type Result, ref, requireShape, withBound } from '../../support/ref.ts'

/** The channel of each element: dimension 1, which is the last for two dimensions. */
function channelOf(shape: readonly number[]): (index: number) => number {
  const channels = shape[1]!
  const inner = shape.slice(2).reduce((product, n) => product * n, 1)
  return (i) => Math.floor(i / inner) % channels
}

/** Where each element of a finds its partner in b: in its own place, or at its channel. */
function partnerOf(a: readonly number[], b: readonly number[]): (index: number) => number {
  const same = a.length === b.length && a.every((n, i) => n === b[i])
  if (same) return (i) => i
  if (a.length < 2) throw new Error(`add: no channels in shape [${a.join(', ')}]`)
  requireShape('add: b', b, [a[1]!])
  return channelOf(a)
}

/** a + b; b has a's shape, or one value per channel: [C] for a of [N, C, …]. */
export function add(a: Ref, b: Ref): Result {
  const partner = partnerOf(a.shape, b.shape)
  const out = ref(a.shape)
  const magnitude = new Float64Array(out.data.length)
  a.data.forEach((value, i) => {
    out.data[i] = value + b.data[partner(i)]!
    magnitude[i] = Math.abs(value) + Math.abs(b.data[partner(i)]!)
  })
  return withBound(out, magnitude, 1)
}

/** The gradient passes to a unchanged, to b summed over all that b was added to. */
export function addBackward(gradOut: Ref, a: Ref, b: Ref): { a: Result; b: Result } {
  requireShape('addBackward: gradOut', gradOut.shape, a.shape)
  const partner = partnerOf(a.shape, b.shape)
  const grad = ref(b.shape)
  const magnitude = new Float64Array(grad.data.length)
  gradOut.data.forEach((g, i) => {
    grad.data[partner(i)]! += g
    magnitude[partner(i)]! += Math.abs(g)
  })
  const terms = b.data.length === 0 ? 0 : a.data.length / b.data.length
  return { a: exact(ref(a.shape, gradOut.data)), b: withBound(grad, magnitude, Math.max(0, terms - 1)) }
}
