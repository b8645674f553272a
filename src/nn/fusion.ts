// Which neighbouring layers of a Sequential are computed by one operation.
import { conv2dReluMaxPool2d } from '../kernels/conv2d_relu_max_pool2d.ts'
import { linearLink } from '../kernels/linear.ts'
import { pair } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { ReLU } from './activations.ts'
import { Conv2d } from './conv.ts'
import { Linear, MaxPool2d } from './layers.ts'
import type { Module } from './module.ts'
import { runAs } from './running.ts'

/** What takes the place of `length` neighbours. */
export interface Fusion {
  readonly length: number
  forward(x: Tensor): Tensor
}

/** Looks at the first of these modules and those after it. */
type Rule = (modules: readonly Module[]) => Fusion | null

/** Whether a module is of this very class and computes what the class does. */
function isExactly<T extends Module>(
  module: Module | undefined,
  Class: abstract new (...args: never[]) => T,
): module is T {
  return module !== undefined && Object.getPrototypeOf(module) === Class.prototype && !Object.hasOwn(module, 'forward')
}

const isBoth = (given: number | readonly number[], value: number) => pair('', '', given, 0).every((n) => n === value)

/** With other strides and dilations the plain operations are as fast; the fused one has no groups. */
const convReluPool: Rule = ([conv, activation, pool]) => {
  if (!isExactly(conv, Conv2d) || !isExactly(activation, ReLU) || !isExactly(pool, MaxPool2d)) return null
  const { kernelSize, stride, padding } = pool.options
  if (!isBoth(kernelSize, 2) || !isBoth(stride, 2) || !isBoth(padding, 0)) return null
  const { groups, ...options } = conv.options
  if (!isBoth(options.stride, 1) || !isBoth(options.dilation, 1) || groups !== 1) return null
  return {
    length: 3,
    // Whatever is found wrong in it is said of the convolution, whose parameters it has.
    forward: (x) => runAs(conv, () => conv2dReluMaxPool2d(x, conv.weight, conv.bias, options)),
  }
}

/** Linear layers with a ReLU between each two, and one after the last or not; one ReLU at least. */
const linearsAndRelus: Rule = (modules) => {
  const layers: Linear[] = []
  let relus = 0
  for (let i = 0; relus === layers.length; i += 2) {
    const [layer, activation] = modules.slice(i, i + 2)
    if (!isExactly(layer, Linear)) break
    layers.push(layer)
    if (isExactly(activation, ReLU)) relus++
  }
  if (relus === 0) return null
  const forward = (x: Tensor, layer: Linear, i: number) => {
    const link = { masksInput: i > 0, masked: i + 1 < layers.length }
    return runAs(layer, () => linearLink(i < relus, x, layer.weight, layer.bias, link))
  }
  return { length: layers.length + relus, forward: (x) => layers.reduce(forward, x) }
}

/** What takes the place of the modules from place i on, by the first rule that has something; or null. */
export function fusionAt(modules: readonly Module[], i: number): Fusion | null {
  const rest = modules.slice(i)
  return convReluPool(rest) ?? linearsAndRelus(rest)
}
