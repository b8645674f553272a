// Parameters as layers make them.
import { tensor } from '../tensor/create.ts'
import { defaultGenerator, type Stream } from '../tensor/random.ts'
import { type Shape, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { markParameter } from './state.ts'

/** A parameter whose elements `draw` gives, from the default generator's stream 'init'; it outlives every scope. */
export function drawnParameter(name: string, shape: Shape, draw: (stream: Stream, place: number) => number): Tensor {
  const stream = defaultGenerator().stream('init')
  const values = Float32Array.from({ length: sizeOf(shape) }, (_, i) => draw(stream, i))
  return markParameter(tensor(values, shape, { requiresGrad: true, name }).keep())
}

/**
 * A parameter drawn uniformly from ±1/√fanIn, the default of PyTorch's Conv2d and Linear for weights and biases alike
 * (kaiming_uniform with a = √5). Drawn from the default generator's stream 'init'; it outlives every scope.
 */
export function uniformParameter(name: string, shape: Shape, fanIn: number): Tensor {
  const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0
  return drawnParameter(name, shape, (stream) => stream.uniform(-bound, bound))
}

/** A parameter whose elements are all `value`; it outlives every scope. */
export function filledParameter(name: string, shape: Shape, value: number): Tensor {
  return markParameter(tensor(new Float32Array(sizeOf(shape)).fill(value), shape, { requiresGrad: true, name }).keep())
}
