// Benchmark of functions of one element, forward and backward: the cheapest, those of networks, and the dearest.
import { exp, gelu, relu, sigmoid, silu, sin, type Tensor, tanh } from '../src/index.ts'
import { type Shape, sizeOf } from '../src/tensor/shape.ts'
import { type Case, operation, randomInput, text, within } from './support.ts'

interface Function {
  readonly name: string
  readonly run: (x: Tensor) => Tensor
  readonly value: (x: number) => number
  readonly slope: (x: number) => number
}

const sigmoidOf = (x: number) => 1 / (1 + Math.exp(-x))
/** gelu's distribution function by tanh, which is within 5e-4 of it: enough to see that the kernel did its work. */
const normal = (x: number) => sigmoidOf(1.5957691216 * (x + 0.044715 * x ** 3))
const density = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)

const FUNCTIONS: readonly Function[] = [
  { name: 'relu', run: relu, value: (x) => Math.max(x, 0), slope: (x) => (x > 0 ? 1 : 0) },
  { name: 'exp', run: exp, value: Math.exp, slope: Math.exp },
  { name: 'sigmoid', run: sigmoid, value: sigmoidOf, slope: (x) => sigmoidOf(x) * sigmoidOf(-x) },
  { name: 'tanh', run: tanh, value: Math.tanh, slope: (x) => Math.cosh(x) ** -2 },
  {
    name: 'silu',
    run: silu,
    value: (x) => x * sigmoidOf(x),
    slope: (x) => sigmoidOf(x) * (1 + x * (1 - sigmoidOf(x))),
  },
  { name: 'gelu', run: gelu, value: (x) => x * normal(x), slope: (x) => normal(x) + x * density(x) },
  { name: 'sin', run: sin, value: Math.sin, slope: Math.cos },
]

/** Of values of about 1, by WGSL's table of accuracies; gelu's for what the stand-in leaves out. */
const ROUNDINGS = 400
const GELU_ROUNDINGS = 2 ** 15

function bench(set: Case['set'], shape: Shape, { name, run, value, slope }: Function): Case[] {
  const size = sizeOf(shape)
  const roundings = name === 'gelu' ? GELU_ROUNDINGS : ROUNDINGS
  return operation(name, text(shape), set, (gpu) => {
    const x = randomInput(gpu, shape, 1)
    return {
      inputs: [x.tensor],
      apply: () => run(x.tensor),
      forward: { flops: size, bytes: 8 * size, out: { cost: 1, at: (i) => within(value(x.data[i]!), roundings) } },
      backward: (dy) => ({
        flops: size,
        bytes: 12 * size,
        gradients: [['dx', { cost: 1, at: (i) => within(dy[i]! * slope(x.data[i]!), roundings) }]],
      }),
    }
  })
}

export const cases: readonly Case[] = [
  ...bench('lenet', [256, 6, 28, 28], FUNCTIONS[0]!),
  ...bench('lenet', [256, 16, 10, 10], FUNCTIONS[0]!),
  ...bench('lenet', [256, 120], FUNCTIONS[0]!),
  ...bench('lenet', [256, 84], FUNCTIONS[0]!),
  ...bench('large', [2 ** 20], FUNCTIONS[0]!),
  ...FUNCTIONS.flatMap((fn) => bench('large', [2 ** 22], fn)),
]
