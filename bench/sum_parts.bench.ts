// Benchmark of sum_parts: the parts of a long sum, added in groups.
import { PARTS_A_GROUP, planParts, sumOfParts } from '../src/kernels/sum_parts.ts'
import { empty } from '../src/tensor/create.ts'
import { type Case, check, exactly, text } from './support.ts'

const VALUE = 0.5

function bench(set: Case['set'], parts: number, size: number): Case {
  return {
    name: 'sum_parts',
    direction: 'forward',
    shape: text([parts, size]),
    set,
    prepare(gpu) {
      const ones = new Float32Array(parts * size).fill(VALUE)
      const out = empty(gpu, [size], 'float32', 'sum_parts')
      const plan = planParts(parts, [size])
      const run = (written: boolean, rest: number[]) =>
        sumOfParts(
          gpu,
          'sum_parts',
          plan,
          ([to]) => {
            if (written) gpu.write(to!, ones)
          },
          ([sums], rows) => {
            rest.push(rows)
            gpu.copy(sums!, out.storage, 4 * size)
          },
        )
      return {
        flops: parts * size,
        bytes: 4 * (parts + Math.ceil(parts / PARTS_A_GROUP)) * size,
        run: () => run(false, []),
        async verify() {
          const rest: number[] = []
          run(true, rest)
          // The first group: all of its parts, if groups were made.
          const expected =
            rest[0] === parts
              ? VALUE
              : VALUE * PARTS_A_GROUP ** Math.ceil(Math.log(parts / rest[0]!) / Math.log(PARTS_A_GROUP))
          await check('out', out, { cost: 1, at: () => exactly(expected) })
        },
        dispose: () => out.dispose(),
      }
    },
  }
}

// LeNet's parts are added by the kernels that need them; of larger batches they are groups.
export const cases: readonly Case[] = [
  bench('lenet', 1024, 156),
  bench('large', 2 ** 14, 256),
  bench('large', 2 ** 16, 64),
]
