// convTranspose2d in float64, with the error that float32 may make.
import { type Pair, type Ref, type Result, ref, requireShape, withBound } from '../../support/ref.ts'

/** Each as [height, width], except for the groups. */
export interface Options {
  stride: Pair
  padding: Pair
  outputPadding: Pair
  dilation: Pair
  groups: number
}

/** (size − 1)·stride − 2·padding + dilation·(kernel − 1) + outputPadding + 1, as torch.nn.ConvTranspose2d documents it. */
export function transposedSize(size: number, kernel: number, axis: 0 | 1, options: Options): number {
  const { stride, padding, outputPadding, dilation } = options
  return (size - 1) * stride[axis] - 2 * padding[axis] + dilation[axis] * (kernel - 1) + outputPadding[axis] + 1
}

/** Shape of the output. */
export function shapeOf(input: readonly number[], weight: readonly number[], options: Options): number[] {
  const [n, , h, w] = input as [number, number, number, number]
  const [, fg, kh, kw] = weight as [number, number, number, number]
  return [n, fg * options.groups, transposedSize(h, kh, 0, options), transposedSize(w, kw, 1, options)]
}

/** Visits every product that falls into the output: the flat indices of its place there, of its input and of its weight. */
function forEachProduct(
  input: readonly number[],
  weight: readonly number[],
  options: Options,
  visit: (out: number, input: number, weight: number) => void,
): void {
  const [n, c, h, w] = input as [number, number, number, number]
  const [, fg, kh, kw] = weight as [number, number, number, number]
  const [, f, oh, ow] = shapeOf(input, weight, options) as [number, number, number, number]
  const { stride, padding, dilation, groups } = options
  for (let i = 0; i < n * c * h * w; i++) {
    const [x, y] = [i % w, Math.floor(i / w) % h]
    const channel = Math.floor(i / (w * h)) % c
    const image = Math.floor(i / (w * h * c))
    const firstFilter = Math.floor(channel / (c / groups)) * fg
    for (let j = 0; j < fg * kh * kw; j++) {
      const oy = y * stride[0] - padding[0] + (Math.floor(j / kw) % kh) * dilation[0]
      const ox = x * stride[1] - padding[1] + (j % kw) * dilation[1]
      if (oy < 0 || oy >= oh || ox < 0 || ox >= ow) continue
      const filter = firstFilter + Math.floor(j / (kh * kw))
      visit(((image * f + filter) * oh + oy) * ow + ox, i, channel * fg * kh * kw + j)
    }
  }
}

/** input [N, C, H, W], weight [C, F / groups, KH, KW], bias [F] or null → [N, F, OH, OW]. */
export function forward(input: Ref, weight: Ref, bias: Ref | null, options: Options): Result {
  const out = ref(shapeOf(input.shape, weight.shape, options))
  const [, f, oh, ow] = out.shape as [number, number, number, number]
  if (bias !== null) requireShape('convTranspose2d: bias', bias.shape, [f])
  const magnitude = new Float64Array(out.data.length)
  forEachProduct(input.shape, weight.shape, options, (o, i, j) => {
    const product = input.data[i]! * weight.data[j]!
    out.data[o]! += product
    magnitude[o]! += Math.abs(product)
  })
  for (let o = 0; o < out.data.length && bias !== null; o++) {
    const b = bias.data[Math.floor(o / (oh * ow)) % f]!
    out.data[o]! += b
    magnitude[o]! += Math.abs(b)
  }
  const products = (input.shape[1]! / options.groups) * weight.shape[2]! * weight.shape[3]!
  return withBound(out, magnitude, products + (bias === null ? 0 : 1))
}

/** Gradients; that of the bias is what a bias would have, whether or not there was one. */
export function backward(dy: Ref, input: Ref, weight: Ref, options: Options): Result[] {
  const [n, f, oh, ow] = dy.shape as [number, number, number, number]
  const [dx, dw, db] = [ref(input.shape), ref(weight.shape), ref([f])]
  const [ofX, ofW, ofB] = [dx, dw, db].map(({ data }) => new Float64Array(data.length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  forEachProduct(input.shape, weight.shape, options, (o, i, j) => {
    const g = dy.data[o]!
    dx.data[i]! += g * weight.data[j]!
    ofX[i]! += Math.abs(g * weight.data[j]!)
    dw.data[j]! += g * input.data[i]!
    ofW[j]! += Math.abs(g * input.data[i]!)
  })
  dy.data.forEach((g, o) => {
    const filter = Math.floor(o / (oh * ow)) % f
    db.data[filter]! += g
    ofB[filter]! += Math.abs(g)
  })
  const [, fg, kh, kw] = weight.shape as [number, number, number, number]
  const positions = n * input.shape[2]! * input.shape[3]!
  return [
    withBound(dx, ofX, fg * kh * kw),
    withBound(dw, ofW, positions),
    withBound(db, ofB, Math.max(0, n * oh * ow - 1)),
  ]
}
