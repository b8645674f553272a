// conv2d in float64, with the error that float32 may make.
import { type Pair, type Ref, type Result, ref, requireShape, withBound } from '../../support/ref.ts'

/** Each as [height, width]. */
export interface Conv2dOptions {
  stride: Pair
  padding: Pair
  dilation: Pair
  /** 1 unless given. */
  groups?: number
}

interface Sizes {
  n: number
  c: number
  h: number
  w: number
  f: number
  /** Channels and filters of a group. */
  cg: number
  fg: number
  kh: number
  kw: number
  oh: number
  ow: number
}

/** ⌊(size + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1, as torch.nn.Conv2d documents it; 0 if negative. */
export function convOutputSize(size: number, kernel: number, stride: number, padding: number, dilation = 1): number {
  return Math.max(0, Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1)
}

function sizesOf(input: Ref, weight: Ref, { stride, padding, dilation, groups = 1 }: Conv2dOptions): Sizes {
  if (input.shape.length !== 4 || weight.shape.length !== 4) throw new Error('conv2d: NCHW and OIHW are needed')
  const [n, c, h, w] = input.shape as [number, number, number, number]
  const [f, cg, kh, kw] = weight.shape as [number, number, number, number]
  if (cg * groups !== c) throw new Error(`conv2d: the input has ${c} channels, the weight ${cg} in ${groups} groups`)
  const oh = convOutputSize(h, kh, stride[0], padding[0], dilation[0])
  const ow = convOutputSize(w, kw, stride[1], padding[1], dilation[1])
  return { n, c, h, w, f, cg, fg: f / groups, kh, kw, oh, ow }
}

/**
 * Visits every product that is not with padding, a kernel row at a time: the flat indices of its place in the output, of
 * its first input and of its first weight, and how many products follow one another, the inputs `dilation` apart.
 * Forward and both gradients are sums over the same products.
 */
function forEachTapRow(
  { n, c, h, w, f, cg, fg, kh, kw, oh, ow }: Sizes,
  { stride, padding, dilation }: Conv2dOptions,
  visit: (out: number, input: number, weight: number, count: number) => void,
): void {
  for (let out = 0; out < n * f * oh * ow; out++) {
    const left = (out % ow) * stride[1] - padding[1]
    const top = (Math.floor(out / ow) % oh) * stride[0] - padding[0]
    const filter = Math.floor(out / (ow * oh)) % f
    const image = Math.floor(out / (ow * oh * f))
    // The columns of the kernel that lie inside the image: 0 ≤ left + kx·dilation < w.
    const first = Math.max(0, Math.ceil(-left / dilation[1]))
    const count = Math.min(kw, Math.ceil((w - left) / dilation[1])) - first
    const group = Math.floor(filter / fg)
    for (let channel = 0; channel < cg; channel++) {
      for (let ky = 0; ky < kh; ky++) {
        const y = top + ky * dilation[0]
        if (y < 0 || y >= h || count <= 0) continue
        const input = ((image * c + group * cg + channel) * h + y) * w + left + first * dilation[1]
        visit(out, input, ((filter * cg + channel) * kh + ky) * kw + first, count)
      }
    }
  }
}

/** Cross-correlation: input [N, C, H, W], weight [F, C / groups, KH, KW], bias [F] or null → [N, F, OH, OW]. */
export function conv2d(input: Ref, weight: Ref, bias: Ref | null, options: Conv2dOptions): Result {
  const sizes = sizesOf(input, weight, options)
  const { n, cg, f, kh, kw, oh, ow } = sizes
  if (bias !== null) requireShape('conv2d: bias', bias.shape, [f])
  const out = ref([n, f, oh, ow])
  const magnitude = new Float64Array(out.data.length)
  forEachTapRow(sizes, options, (o, i, j, count) => {
    for (let tap = 0; tap < count; tap++) {
      const product = input.data[i + tap * options.dilation[1]]! * weight.data[j + tap]!
      out.data[o]! += product
      magnitude[o]! += Math.abs(product)
    }
  })
  if (bias !== null) {
    for (let i = 0; i < out.data.length; i++) {
      const b = bias.data[Math.floor(i / (oh * ow)) % f]!
      out.data[i]! += b
      magnitude[i]! += Math.abs(b)
    }
  }
  // Each term is rounded once as a product, in one addition per further term, and in that of the bias.
  return withBound(out, magnitude, cg * kh * kw + (bias === null ? 0 : 1))
}

/**
 * Gradients of `conv2d`; that of the bias is what a bias would have, whether or not there was one. Outputs for which
 * `isTerm` is false add nothing to any of them.
 */
export function conv2dBackward(
  gradOut: Ref,
  input: Ref,
  weight: Ref,
  options: Conv2dOptions,
  isTerm: (output: number) => boolean = () => true,
): { input: Result; weight: Result; bias: Result } {
  const sizes = sizesOf(input, weight, options)
  const { n, f, fg, kh, kw, oh, ow } = sizes
  requireShape('conv2dBackward: gradOut', gradOut.shape, [n, f, oh, ow])
  const gradInput = ref(input.shape)
  const gradWeight = ref(weight.shape)
  const gradBias = ref([f])
  const magnitudeInput = new Float64Array(input.data.length)
  const magnitudeWeight = new Float64Array(weight.data.length)
  const magnitudeBias = new Float64Array(f)
  forEachTapRow(sizes, options, (o, firstInput, firstWeight, count) => {
    if (!isTerm(o)) return
    const g = gradOut.data[o]!
    for (let tap = 0; tap < count; tap++) {
      const i = firstInput + tap * options.dilation[1]
      const j = firstWeight + tap
      gradInput.data[i]! += g * weight.data[j]!
      magnitudeInput[i]! += Math.abs(g * weight.data[j]!)
      gradWeight.data[j]! += g * input.data[i]!
      magnitudeWeight[j]! += Math.abs(g * input.data[i]!)
    }
  })
  gradOut.data.forEach((g, i) => {
    const filter = Math.floor(i / (oh * ow)) % f
    gradBias.data[filter]! += g
    magnitudeBias[filter]! += Math.abs(g)
  })
  const positions = n * oh * ow
  return {
    input: withBound(gradInput, magnitudeInput, fg * kh * kw),
    weight: withBound(gradWeight, magnitudeWeight, positions),
    bias: withBound(gradBias, magnitudeBias, Math.max(0, positions - 1)),
  }
}
