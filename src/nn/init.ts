import { tensor } from '../tensor/create.ts'
import { defaultGenerator } from '../tensor/random.ts'
import { type Shape, sizeOf } from '../tensor/shape.ts'
import { Tensor } from '../tensor/tensor.ts'

/** Tensors that have been parameters: one that is frozen by `requiresGrad = false` stays one. */
const parameters = new WeakSet<Tensor>()

/** Whether a property of a module is one of its parameters. */
export function isParameter(value: unknown): value is Tensor {
  if (!(value instanceof Tensor)) return false
  if (value.requiresGrad) parameters.add(value)
  return parameters.has(value)
}

/**
 * A parameter drawn uniformly from ±1/√fanIn, the default of PyTorch's Conv2d and Linear for weights and biases alike
 * (kaiming_uniform with a = √5). Drawn from the default generator's stream 'init'; it outlives every scope.
 */
export function uniformParameter(name: string, shape: Shape, fanIn: number): Tensor {
  const stream = defaultGenerator().stream('init')
  const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0
  const values = Float32Array.from({ length: sizeOf(shape) }, () => stream.uniform(-bound, bound))
  const parameter = tensor(values, shape, { requiresGrad: true, name }).keep()
  parameters.add(parameter)
  return parameter
}
