// Benchmark of reduce: sums along the last dimensions, the first ones, and all.
import type { Gpu } from '../src/gpu/gpu.ts'
import { sumTo } from '../src/kernels/reduce.ts'
import { scope } from '../src/tensor/scope.ts'
import { type Shape, sizeOf } from '../src/tensor/shape.ts'
import { type Case, check, disposeAll, type Prepared, randomInput, Sum, text } from './support.ts'

/** The sum of [outer, R, inner] over R. */
function prepare(gpu: Gpu, shape: Shape, [outer, R, inner]: Shape, to: Shape): Prepared {
  const x = randomInput(gpu, shape, 1, false)
  const at = (i: number) => {
    const sum = new Sum()
    const first = Math.floor(i / inner!) * R! * inner! + (i % inner!)
    for (let r = 0; r < R!; r++) sum.add(x.data[first + r * inner!]!)
    return sum.expected()
  }
  return {
    flops: sizeOf(shape),
    bytes: 4 * (sizeOf(shape) + outer! * inner!),
    run: () =>
      scope(() => {
        sumTo(x.tensor, to)
      }),
    async verify() {
      const out = scope(() => sumTo(x.tensor, to))
      await check('out', out, { cost: R!, at }).finally(() => out.dispose())
    },
    dispose: () => disposeAll([x.tensor]),
  }
}

function bench(set: Case['set'], shape: Shape, runs: Shape, to: Shape): Case {
  return {
    name: 'reduce',
    direction: 'forward',
    shape: `${text(shape)} to ${text(to)}`,
    set,
    prepare: (gpu) => prepare(gpu, shape, runs, to),
  }
}

export const cases: readonly Case[] = [
  bench('lenet', [256, 120], [1, 256, 120], [120]),
  bench('large', [4096, 1024], [4096, 1024, 1], [4096, 1]),
  bench('large', [4096, 1024], [1, 4096, 1024], [1024]),
  bench('large', [2 ** 22], [1, 2 ** 22, 1], []),
]
