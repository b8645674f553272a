// Benchmark of gather: a batch of rows taken from bytes and scaled.
import type { Gpu } from '../src/gpu/gpu.ts'
import { gatherBatch } from '../src/kernels/gather.ts'
import { tensor } from '../src/tensor/create.ts'
import { permutation } from '../src/tensor/random.ts'
import { scope } from '../src/tensor/scope.ts'
import { type Case, check, disposeAll, exactly, type Prepared, randomIntegers, within } from './support.ts'

interface Sizes {
  /** Rows to take. */
  readonly N: number
  /** Bytes in a row. */
  readonly R: number
  /** Rows to choose from. */
  readonly rows: number
}

/** Entries of the list before those that are taken. */
const FIRST = 512
const SCALE = 1 / 255

/** Rows as float32 times 1/255, and their labels. */
function prepare(gpu: Gpu, { N, R, rows }: Sizes): Prepared {
  const words = randomIntegers(Math.ceil((rows * R) / 4), 2 ** 32 - 1, 1)
  const data = new Uint8Array(words.buffer, 0, rows * R)
  const labels = Uint8Array.from({ length: rows }, (_, i) => i % 10)
  const order = Int32Array.from(permutation(2, 0, rows))
  const source = {
    images: [tensor(data, [rows, R], { gpu })],
    labels: tensor(labels, [rows], { gpu }),
    index: tensor(order, [rows], { gpu }),
  }
  const gather = () => gatherBatch(source, { first: FIRST, count: N }, SCALE)
  const row = (n: number) => order[FIRST + n]!
  const pixel = (i: number) => within(data[row(Math.floor(i / R)) * R + (i % R)]! * SCALE, 3)
  return {
    flops: N * R,
    bytes: N * R * 5 + N * 9,
    run: () =>
      scope(() => {
        gather()
      }),
    async verify() {
      const out = gather()
      try {
        await check('images', out.images, { cost: 1, at: pixel })
        await check('labels', out.labels, { cost: 1, at: (n) => exactly(labels[row(n)]!) })
      } finally {
        disposeAll([out.images, out.labels])
      }
    },
    dispose: () => disposeAll(Object.values(source).flat()),
  }
}

function bench(set: Case['set'], sizes: Sizes): Case {
  const { N, R, rows } = sizes
  const shape = `${N} rows of [${rows},${R}]`
  return { name: 'gather', direction: 'forward', shape, set, prepare: (gpu) => prepare(gpu, sizes) }
}

export const cases: readonly Case[] = [
  bench('lenet', { N: 256, R: 784, rows: 60_000 }),
  bench('large', { N: 4096, R: 784, rows: 60_000 }),
  bench('large', { N: 4096, R: 3072, rows: 10_000 }),
]
