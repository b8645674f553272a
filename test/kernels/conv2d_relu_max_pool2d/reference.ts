// conv2dReluMaxPool2d in float64, with the error that float32 may make.

import { type Ref, type Result, ref } from '../../support/ref.ts'
import { type Conv2dOptions, conv2d, conv2dBackward } from '../conv2d/reference.ts'
import { maxPool2d, maxPool2dBackward } from '../max_pool2d/reference.ts'
import { relu } from '../unary/reference.ts'

const WINDOW = { kernelSize: [2, 2], stride: [2, 2], padding: [0, 0] } as const

/**
 * maxPool2d(relu(conv2d(…)), 2). A maximum is off by no more than the worst of the cells it is taken of; beside a finite
 * one there are infinite cells only below 0, which have no error.
 */
export function conv2dReluMaxPool2d(input: Ref, weight: Ref, bias: Ref | null, options: Conv2dOptions): Result {
  const z = conv2d(input, weight, bias, options)
  const pooled = maxPool2d(relu(z), WINDOW)
  const bounds = ref(
    z.shape,
    z.bound.map((b, i) => (Number.isFinite(z.data[i]) ? b : 0)),
  )
  return { ...pooled, roundings: z.roundings, bound: maxPool2d(bounds, WINDOW).data }
}

/** Gradients through the winners alone: a cell that did not win is no term of any sum, whatever it would meet. */
export function conv2dReluMaxPool2dBackward(
  gradOut: Ref,
  input: Ref,
  weight: Ref,
  bias: Ref | null,
  options: Conv2dOptions,
): { input: Result; weight: Result; bias: Result } {
  const z = conv2d(input, weight, bias, options)
  const { indices } = maxPool2d(relu(z), WINDOW)
  const winners = maxPool2dBackward(ref(gradOut.shape, new Float64Array(gradOut.data.length).fill(1)), indices, z.shape)
  const isTerm = (i: number) => winners.data[i] === 1 && !(z.data[i]! <= 0)
  const gradZ = maxPool2dBackward(gradOut, indices, z.shape)
  const g = ref(
    z.shape,
    gradZ.data.map((v, i) => (isTerm(i) ? v : 0)),
  )
  return conv2dBackward(g, input, weight, options, isTerm)
}
