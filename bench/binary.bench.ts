// Benchmark of functions of two tensors: the same shape, a value for each column, a column beside a row.
import { add, div, mul, type Operand, type Tensor } from '../src/index.ts'
import { type Shape, sizeOf } from '../src/tensor/shape.ts'
import { type Case, operation, randomInput, Sum, text, within } from './support.ts'

interface Function {
  readonly name: string
  readonly run: (a: Operand, b: Operand) => Tensor
  readonly value: (a: number, b: number) => number
  readonly da: (a: number, b: number) => number
  readonly db: (a: number, b: number) => number
}

const ADD: Function = { name: 'add', run: add, value: (a, b) => a + b, da: () => 1, db: () => 1 }
const MUL: Function = { name: 'mul', run: mul, value: (a, b) => a * b, da: (_, b) => b, db: (a) => a }
const DIV: Function = {
  name: 'div',
  run: div,
  value: (a, b) => a / b,
  da: (_, b) => 1 / b,
  db: (a, b) => -a / (b * b),
}
/** Of one element; of a division most. */
const ROUNDINGS = 12

/** `columns`: b has one value for each column; otherwise a's shape. */
function bench(set: Case['set'], shape: Shape, fn: Function, columns = false): Case[] {
  const size = sizeOf(shape)
  const own = columns ? [shape.at(-1)!] : shape
  const width = sizeOf(own)
  return operation(fn.name, `${text(shape)} ${columns ? text(own) : 'same'}`, set, (gpu) => {
    const a = randomInput(gpu, shape, 1)
    const b = randomInput(gpu, own, 2)
    const at = (i: number): [number, number] => [a.data[i]!, b.data[i % width]!]
    return {
      inputs: [a.tensor, b.tensor],
      apply: () => fn.run(a.tensor, b.tensor),
      forward: {
        flops: size,
        bytes: 4 * (2 * size + width),
        out: { cost: 1, at: (i) => within(fn.value(...at(i)), ROUNDINGS) },
      },
      backward: (dy) => ({
        flops: 2 * size,
        bytes: 4 * (4 * size + width),
        gradients: [
          ['da', { cost: 1, at: (i) => within(dy[i]! * fn.da(...at(i)), ROUNDINGS) }],
          [
            'db',
            {
              cost: size / width,
              at: (j) => {
                const sum = new Sum()
                for (let i = j; i < size; i += width) sum.add(dy[i]! * fn.db(...at(i)))
                return sum.expected()
              },
            },
          ],
        ],
      }),
    }
  })
}

export const cases: readonly Case[] = [
  ...bench('lenet', [256, 120], ADD),
  ...bench('lenet', [256, 120], ADD, true),
  ...bench('large', [2 ** 20], ADD),
  ...bench('large', [2 ** 22], ADD),
  ...bench('large', [2 ** 22], MUL),
  ...bench('large', [2 ** 22], DIV),
  ...bench('large', [2048, 1024], ADD, true),
  ...bench('large', [2048, 1024], MUL, true),
]
