// Benchmark of losses: the mean over all elements, and the gradients of input and target.
import { bceWithLogitsLoss, mseLoss } from '../src/index.ts'
import type { Tensor } from '../src/tensor/tensor.ts'
import { type Case, operation, randomInput, Sum, text, within } from './support.ts'

/** Roundings of an exponential, a logarithm and a division of numbers up to 1, by WGSL's table of accuracies: below 40. */
const FUNCTIONS = 40

interface Formula {
  readonly name: string
  readonly loss: (input: Tensor, target: Tensor) => Tensor
  /** Flops of an element. */
  readonly work: number
  value(x: number, t: number): number
  dx(x: number, t: number): number
  dt(x: number, t: number): number
}

const softplus = (x: number) => Math.log1p(Math.exp(x))

const mse: Formula = {
  name: 'mse',
  loss: mseLoss,
  work: 3,
  value: (x, t) => (x - t) ** 2,
  dx: (x, t) => 2 * (x - t),
  dt: (x, t) => 2 * (t - x),
}

const logits: Formula = {
  name: 'bceWithLogits',
  loss: bceWithLogitsLoss,
  work: 10,
  value: (x, t) => (1 - t) * softplus(x) + t * softplus(-x),
  dx: (x, t) => 1 / (1 + Math.exp(-x)) - t,
  dt: (x) => -x,
}

function bench(set: Case['set'], { name, loss, work, value, dx, dt }: Formula, size: number): Case[] {
  return operation('losses', `${name} ${text([size])}`, set, (gpu) => {
    const [x, t] = [randomInput(gpu, [size], 1), randomInput(gpu, [size], 2)]
    const mean = () => {
      const sum = new Sum()
      for (let i = 0; i < size; i++) sum.add(value(x.data[i]!, t.data[i]!))
      const { value: total, bound } = sum.expected()
      return { value: total / size, bound: (bound + FUNCTIONS * 2 ** -24 * Math.sqrt(size)) / size + 8 * 2 ** -24 }
    }
    return {
      inputs: [x.tensor, t.tensor],
      apply: () => loss(x.tensor, t.tensor),
      forward: { flops: work * size, bytes: 8 * size, out: { cost: size, at: mean } },
      backward: (dy) => {
        const at = (of: Formula['dx']) => (i: number) =>
          within((dy[0]! / size) * of(x.data[i]!, t.data[i]!), FUNCTIONS, (4 * Math.abs(dy[0]!)) / size)
        const gradients = [
          ['dx', { cost: 1, at: at(dx) }],
          ['dt', { cost: 1, at: at(dt) }],
        ] as const
        return { flops: 2 * work * size, bytes: 16 * size, gradients }
      },
    }
  })
}

export const cases: readonly Case[] = [
  ...bench('lenet', mse, 2560),
  ...bench('large', mse, 2 ** 22),
  ...bench('large', logits, 2 ** 22),
]
