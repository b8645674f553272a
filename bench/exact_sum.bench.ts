// Benchmark of exact_sum: numbers added to sums that nothing rounds.
import type { Gpu } from '../src/gpu/gpu.ts'
import { addExactly, newSums, sumsIn } from '../src/kernels/exact_sum.ts'
import { tensor } from '../src/tensor/create.ts'
import { type Case, disposeAll, type Prepared, randomInput } from './support.ts'

/** `size` numbers, each with a sum of its own. */
function prepare(gpu: Gpu, size: number): Prepared {
  const x = randomInput(gpu, [size], 1, false)
  const sums = tensor(newSums(size), [11 * size], { gpu })
  const run = () => addExactly(sums, x.tensor, 256)
  return {
    flops: size,
    bytes: 92 * size,
    run,
    async verify() {
      gpu.write(sums.storage, newSums(size))
      run()
      const got = sumsIn((await sums.data()) as Int32Array)
      const wrong = got.findIndex((sum, i) => sum !== 256 * x.data[i]!)
      if (wrong >= 0) throw new Error(`sum ${wrong} is ${got[wrong]}, it must be ${256 * x.data[wrong]!}`)
    },
    dispose: () => disposeAll([x.tensor, sums]),
  }
}

function bench(set: Case['set'], size: number): Case {
  return { name: 'exact_sum', direction: 'forward', shape: `[${size}]`, set, prepare: (gpu) => prepare(gpu, size) }
}

// The loss of a batch, and a confusion matrix of ten classes.
export const cases: readonly Case[] = [
  bench('lenet', 1),
  bench('lenet', 100),
  bench('large', 2 ** 16),
  bench('large', 2 ** 18),
]
