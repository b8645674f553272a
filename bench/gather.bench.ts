import type { Gpu } from '../src/gpu/gpu.ts'
import { gatherIntegers, gatherRows } from '../src/kernels/gather.ts'
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

/** Rows as float32 times 1/255; a single byte a row as int32, as labels are. */
function prepare(gpu: Gpu, { N, R, rows }: Sizes): Prepared {
  const words = randomIntegers(Math.ceil((rows * R) / 4), 2 ** 32 - 1, 1)
  const data = new Uint8Array(words.buffer, 0, rows * R)
  const order = Int32Array.from(permutation(2, 0, rows))
  const bytes = tensor(data, [rows, R], { gpu })
  const index = tensor(order, [rows], { gpu })
  const selection = { index, first: FIRST, count: N }
  const gather = () => (R === 1 ? gatherIntegers(bytes, selection) : gatherRows(bytes, selection, SCALE))
  const at = (i: number) => {
    const byte = data[order[FIRST + Math.floor(i / R)]! * R + (i % R)]!
    return R === 1 ? exactly(byte) : within(byte * SCALE, 3)
  }
  return {
    flops: R === 1 ? 0 : N * R,
    bytes: N * R * 5 + 4 * N,
    run: () =>
      scope(() => {
        gather()
      }),
    async verify() {
      const out = gather()
      await check('out', out, { cost: 1, at }).finally(() => out.dispose())
    },
    dispose: () => disposeAll([bytes, index]),
  }
}

function bench(set: Case['set'], sizes: Sizes): Case {
  const { N, R, rows } = sizes
  const shape = R === 1 ? `${N} labels of ${rows}` : `${N} rows of [${rows},${R}]`
  return { name: 'gather', direction: 'forward', shape, set, prepare: (gpu) => prepare(gpu, sizes) }
}

export const cases: readonly Case[] = [
  bench('lenet', { N: 256, R: 784, rows: 60_000 }),
  bench('lenet', { N: 256, R: 1, rows: 60_000 }),
  bench('large', { N: 4096, R: 784, rows: 60_000 }),
  bench('large', { N: 4096, R: 3072, rows: 10_000 }),
]
