// Benchmark of random numbers, and of dropout, forward and backward.

import { bernoulli, dropout, manualSeed, rand, randn, scope, type Tensor } from '../src/index.ts'
import { Stream } from '../src/tensor/random.ts'
import { type Shape, sizeOf } from '../src/tensor/shape.ts'
import { type Case, check, type Expected, exactly, operation, randomInput, text, within } from './support.ts'

/** Integer operations of a block of Philox, for four elements: ten rounds of two products by halves. */
const BLOCK = 300

/** The first `size` words of the first draw of seed 0. */
function wordsOf(size: number): Uint32Array {
  const stream = new Stream(0, 'draw')
  return Uint32Array.from({ length: size }, () => stream.nextUint32())
}

function normal(words: Uint32Array, i: number): Expected {
  const [first, second] = [words[i - (i % 2)]!, words[i - (i % 2) + 1]!]
  const r = Math.sqrt(-2 * Math.log(((first >>> 8) + 1) * 2 ** -24))
  const angle = 2 * Math.PI * (second >>> 8) * 2 ** -24
  return within(r * (i % 2 === 0 ? Math.cos(angle) : Math.sin(angle)), 24, r)
}

function bench(name: string, shape: Shape, run: () => Tensor, at: (words: Uint32Array, i: number) => Expected): Case {
  const size = sizeOf(shape)
  return {
    name,
    direction: 'forward',
    shape: text(shape),
    set: 'large',
    prepare: () => ({
      flops: (BLOCK / 4) * size,
      bytes: 4 * size,
      run: () => scope(() => void run()),
      async verify() {
        const words = wordsOf(size)
        manualSeed(0)
        const out = run()
        await check('out', out, { cost: 1, at: (i) => at(words, i) }).finally(() => out.dispose())
      },
      dispose: () => undefined,
    }),
  }
}

function dropoutCases(set: Case['set'], shape: Shape): Case[] {
  const size = sizeOf(shape)
  return operation('dropout', text(shape), set, (gpu) => {
    const x = randomInput(gpu, shape, 1)
    const words = wordsOf(size)
    const scaled = (v: number, i: number) => exactly(words[i]! < 2 ** 31 ? 2 * v : 0)
    return {
      inputs: [x.tensor],
      apply: () => {
        manualSeed(0)
        return dropout(x.tensor)
      },
      forward: { flops: (BLOCK / 4) * size, bytes: 8 * size, out: { cost: 1, at: (i) => scaled(x.data[i]!, i) } },
      backward: (dy) => ({
        flops: (BLOCK / 4) * size,
        bytes: 8 * size,
        gradients: [['dx', { cost: 1, at: (i) => scaled(dy[i]!, i) }]],
      }),
    }
  })
}

const SHAPES: readonly Shape[] = [[2 ** 20], [2 ** 22]]

const large = SHAPES.flatMap((shape) => [
  bench(
    'rand',
    shape,
    () => rand(shape),
    (words, i) => exactly((words[i]! >>> 8) * 2 ** -24),
  ),
  bench('randn', shape, () => randn(shape), normal),
  bench(
    'bernoulli',
    shape,
    () => bernoulli(0.25, shape),
    (words, i) => exactly(words[i]! < 2 ** 30 ? 1 : 0),
  ),
  ...dropoutCases('large', shape),
])

export const cases: readonly Case[] = [...dropoutCases('lenet', [256, 120]), ...large]
