// Parameters as layers make them.
import { tensor } from '../tensor/create.ts'
import { defaultGenerator } from '../tensor/random.ts'
import { type Shape, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { markParameter } from './state.ts'

/** What first values are drawn from. */
export const initialStream = () => defaultGenerator().stream('init')

/** A parameter whose elements `draw` gives, in their order; it outlives every scope. */
export function drawnParameter(name: string, shape: Shape, draw: (place: number) => number): Tensor {
  const values = Float32Array.from({ length: sizeOf(shape) }, (_, i) => draw(i))
  return markParameter(tensor(values, shape, { requiresGrad: true, name }).keep())
}

/** A parameter drawn uniformly from ±bound, from the default generator's stream 'init'. */
function boundedParameter(name: string, shape: Shape, bound: number): Tensor {
  const stream = initialStream()
  return drawnParameter(name, shape, () => stream.uniform(-bound, bound))
}

/**
 * A parameter drawn uniformly from ±1/√fanIn, the default of PyTorch's Conv2d and Linear for weights and biases alike
 * (kaiming_uniform with a = √5). Drawn from the default generator's stream 'init'; it outlives every scope.
 */
export function uniformParameter(name: string, shape: Shape, fanIn: number): Tensor {
  return boundedParameter(name, shape, fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0)
}

/** A weight [out, in] drawn uniformly from ±√(6 / (in + out)): Xavier's, as `nn.init.xavierUniform`. */
export function xavierParameter(name: string, shape: readonly [out: number, inputs: number]): Tensor {
  return boundedParameter(name, shape, Math.sqrt(6 / (shape[0] + shape[1])))
}

/** A parameter whose elements are all `value`; it outlives every scope. */
export function filledParameter(name: string, shape: Shape, value: number): Tensor {
  return markParameter(tensor(new Float32Array(sizeOf(shape)).fill(value), shape, { requiresGrad: true, name }).keep())
}

/** Gives a parameter other first values: normal ones of this deviation, from the default generator's stream 'init'; 0: zeros. */
export function redraw(parameter: Tensor, deviation: number): void {
  const stream = initialStream()
  const draw = deviation === 0 ? () => 0 : () => deviation * stream.normal()
  parameter.gpu.write(parameter.storage, Float32Array.from({ length: parameter.size }, draw))
}
