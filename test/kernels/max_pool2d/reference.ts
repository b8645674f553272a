// maxPool2d in float64, with the error that float32 may make.

import { exact, type Pair, type Ref, type Result, ref, requireShape, withBound } from '../../support/ref.ts'
import { convOutputSize } from '../conv2d/reference.ts'

/** Each as [height, width]. */
export interface MaxPool2dOptions {
  kernelSize: Pair
  stride: Pair
  padding: Pair
}

/** `indices` holds for each output the place y·W + x of its maximum in the plane of H×W. */
export interface MaxPool2dResult extends Result {
  indices: Int32Array
}

/** The place of the winner among the cells of one window that lie inside the plane starting at `offset`. */
function winner(input: Ref, offset: number, top: number, left: number, [kh, kw]: Pair): number {
  const [h, w] = [input.shape[2]!, input.shape[3]!]
  let best = -1
  for (let y = Math.max(0, top); y < Math.min(h, top + kh); y++) {
    for (let x = Math.max(0, left); x < Math.min(w, left + kw); x++) {
      const value = input.data[offset + y * w + x]!
      // A NaN beats everything, also the NaN before it: the last NaN of a window wins, as in PyTorch.
      if (best < 0 || value > input.data[offset + best]! || Number.isNaN(value)) best = y * w + x
    }
  }
  if (best < 0) throw new Error(`maxPool2d: the window at row ${top}, column ${left} holds no cell`)
  return best
}

/** Maxima of windows: [N, C, H, W] → [N, C, OH, OW]. Padding never wins; of equal maxima the first in row-major order does. */
export function maxPool2d(input: Ref, { kernelSize, stride, padding }: MaxPool2dOptions): MaxPool2dResult {
  if (input.shape.length !== 4) throw new Error('maxPool2d: NCHW is needed')
  const [n, c, h, w] = input.shape as [number, number, number, number]
  const oh = convOutputSize(h, kernelSize[0], stride[0], padding[0])
  const ow = convOutputSize(w, kernelSize[1], stride[1], padding[1])
  const out = ref([n, c, oh, ow])
  const indices = new Int32Array(out.data.length)
  for (let i = 0; i < indices.length; i++) {
    const ox = i % ow
    const oy = Math.floor(i / ow) % oh
    const offset = Math.floor(i / (oh * ow)) * h * w
    const best = winner(input, offset, oy * stride[0] - padding[0], ox * stride[1] - padding[1], kernelSize)
    indices[i] = best
    out.data[i] = input.data[offset + best]!
  }
  return { ...exact(out), indices }
}

/** Sends each gradient to the cell that won; a cell that won several windows gets the sum. */
export function maxPool2dBackward(gradOut: Ref, indices: Int32Array, inputShape: readonly number[]): Result {
  const [n, c, h, w] = inputShape as [number, number, number, number]
  requireShape('maxPool2dBackward: gradOut', gradOut.shape.slice(0, 2), [n, c])
  const grad = ref(inputShape)
  const magnitude = new Float64Array(grad.data.length)
  const terms = new Int32Array(grad.data.length)
  const planeSize = gradOut.shape[2]! * gradOut.shape[3]!
  gradOut.data.forEach((g, i) => {
    const place = Math.floor(i / planeSize) * h * w + indices[i]!
    grad.data[place]! += g
    magnitude[place]! += Math.abs(g)
    terms[place]!++
  })
  const mostTerms = terms.reduce((most, k) => Math.max(most, k), 1)
  return withBound(grad, magnitude, mostTerms - 1)
}
