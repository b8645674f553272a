// Benchmark of linear, with ReLU and without, forward and backward.
import type { Gpu } from '../src/gpu/gpu.ts'
import { linear, linearRelu } from '../src/index.ts'
import { type Case, type Expected, type Operation, operation, randomInput, Sum } from './support.ts'

/** The sum of `count` terms. */
function sumOf(count: number, term: (k: number) => number): Expected {
  const sum = new Sum()
  for (let k = 0; k < count; k++) sum.add(term(k))
  return sum.expected()
}

/** x [N, I] times the transpose of w [O, I], plus b [O]. */
function bench(set: Case['set'], N: number, I: number, O: number): Case[] {
  return operation('linear', `[${N},${I}]→${O}`, set, (gpu) => layer(gpu, N, I, O, false))
}

/** The same with ReLU. Values whose sign float32 cannot tell are too rare to be met. */
function benchRelu(set: Case['set'], N: number, I: number, O: number): Case[] {
  return operation('linear_relu', `[${N},${I}]→${O}`, set, (gpu) => layer(gpu, N, I, O, true))
}

function layer(gpu: Gpu, N: number, I: number, O: number, relu: boolean): Operation {
  const x = randomInput(gpu, [N, I], 1)
  const w = randomInput(gpu, [O, I], 2)
  const b = randomInput(gpu, [O], 3)
  const flops = 2 * N * I * O
  const before = (i: number) => {
    const [n, o] = [Math.floor(i / O), i % O]
    return sumOf(I + 1, (k) => (k < I ? x.data[n * I + k]! * w.data[o * I + k]! : b.data[o]!))
  }
  const after = (i: number) => {
    const { value, bound } = before(i)
    return { value: Math.max(0, value), bound }
  }
  return {
    inputs: [x.tensor, w.tensor, b.tensor],
    apply: () => (relu ? linearRelu : linear)(x.tensor, w.tensor, b.tensor),
    forward: {
      flops: flops + N * O,
      bytes: 4 * (N * I + O * I + O + N * O),
      out: { cost: I + 1, at: relu ? after : before },
    },
    backward: (gradient) => {
      const dy = relu ? gradient.map((g, i) => (before(i).value > 0 ? g : 0)) : gradient
      return {
        flops: 2 * flops + N * O,
        bytes: 4 * (N * O + 2 * (N * I + O * I) + O),
        gradients: [
          ['dx', { cost: O, at: (i) => sumOf(O, (o) => dy[Math.floor(i / I) * O + o]! * w.data[o * I + (i % I)]!) }],
          ['dw', { cost: N, at: (i) => sumOf(N, (n) => dy[n * O + Math.floor(i / I)]! * x.data[n * I + (i % I)]!) }],
          ['db', { cost: N, at: (o) => sumOf(N, (n) => dy[n * O + o]!) }],
        ],
      }
    },
  }
}

export const cases: readonly Case[] = [
  ...benchRelu('lenet', 256, 400, 120),
  ...benchRelu('lenet', 256, 120, 84),
  ...bench('lenet', 256, 400, 120),
  ...bench('lenet', 256, 120, 84),
  ...bench('lenet', 256, 84, 10),
  ...bench('large', 256, 1024, 1024),
  ...bench('large', 64, 4096, 1000),
  ...benchRelu('large', 256, 512, 512),
]
