import { conv2d } from '../../src/node/index.ts'
import { type ConvCase, type ConvConfig, type FillKind, fill } from '../support/arbitraries.ts'
import { parameter } from '../support/gpu.ts'
import { conv2dBackward, conv2d as conv2dReference, convOutputSize, type Ref, ref } from '../support/reference.ts'
import { dispose, expectTensor, type Hold, tensorOf } from './check.ts'

export const UNIT: ConvConfig = { kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1] }

export interface Values {
  x: Ref
  w: Ref
  b: Ref | null
  dy: Ref
}

/** A case of these sizes with the kernel, stride, padding and dilation of a configuration. */
export function sized(sizes: { n: number; c: number; f: number; h: number; w: number }, config: ConvConfig): ConvCase {
  const { kernel, ...options } = config
  return { ...sizes, kh: kernel[0], kw: kernel[1], ...options, bias: true, seed: 7 }
}

export function valuesOf(given: ConvCase, kind: FillKind = 'normal'): Values {
  const { n, c, f, h, w, kh, kw, stride, padding, dilation, seed } = given
  const oh = convOutputSize(h, kh, stride[0], padding[0], dilation[0])
  const ow = convOutputSize(w, kw, stride[1], padding[1], dilation[1])
  const make = (shape: number[], k: number) => ref(shape, fill(ref(shape).data.length, seed + k, kind))
  const b = given.bias ? make([f], 2) : null
  return { x: make([n, c, h, w], 0), w: make([f, c, kh, kw], 1), b, dy: make([n, f, oh, ow], 3) }
}

/** Holds output and all gradients to the oracle. */
export async function check(given: ConvCase, data: Values = valuesOf(given), hold: Hold = expectTensor): Promise<void> {
  const options = optionsOf(given)
  const input = parameter(data.x.data, data.x.shape)
  const weight = parameter(data.w.data, data.w.shape)
  const bias = data.b && parameter(data.b.data, data.b.shape)
  const out = conv2d(input, weight, bias, options)
  const dy = tensorOf(data.dy)
  out.backward(dy)
  const gradients = conv2dBackward(data.dy, data.x, data.w, options)
  await hold(out, conv2dReference(data.x, data.w, data.b, options), 'out')
  await hold(input.grad, gradients.input, 'dx')
  await hold(weight.grad, gradients.weight, 'dw')
  if (bias) await hold(bias.grad, gradients.bias, 'db')
  dispose(input, weight, bias, out, dy)
}

/** The options of a case, as conv2d takes them. */
export function optionsOf({ stride, padding, dilation }: ConvCase) {
  return { stride, padding, dilation }
}
