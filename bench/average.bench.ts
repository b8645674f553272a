// Benchmark of average: one update of a running average of parameters.
import { perStepWords } from '../src/capture/per_step.ts'
import type { Gpu } from '../src/gpu/gpu.ts'
import { averageUpdate } from '../src/kernels/average.ts'
import { rowsOf } from '../src/kernels/rows.ts'
import { tensor } from '../src/tensor/create.ts'
import { type Case, check, disposeAll, type Prepared, randomInput, within } from './support.ts'

const WEIGHT = 0.001

/** a += weight · (p − a) */
function prepare(gpu: Gpu, size: number): Prepared {
  const p = randomInput(gpu, [size], 1, false)
  const a = randomInput(gpu, [size], 2, false)
  const { words, rows } = rowsOf([{ at: 0, other: 0, size }])
  const table = tensor(new Int32Array(words.buffer), undefined, { gpu })
  const weights = tensor(Int32Array.from(perStepWords([Float32Array.of(WEIGHT)], 1)), undefined, { gpu })
  const storages = {
    table: table.storage,
    weights: weights.storage,
    parameters: p.tensor.storage,
    averages: a.tensor.storage,
  }
  const run = () => averageUpdate(gpu, storages, rows)
  return {
    flops: 3 * size,
    bytes: 12 * size,
    run,
    async verify() {
      // In place: from the initial values again.
      gpu.write(a.tensor.storage, a.data)
      run()
      const at = (i: number) => {
        const change = WEIGHT * (p.data[i]! - a.data[i]!)
        return within(a.data[i]! + change, 4, Math.abs(a.data[i]!) + Math.abs(change))
      }
      await check('a', a.tensor, { cost: 1, at })
    },
    dispose: () => disposeAll([p.tensor, a.tensor, table, weights]),
  }
}

function bench(set: Case['set'], size: number): Case {
  return { name: 'average', direction: 'forward', shape: `[${size}]`, set, prepare: (gpu) => prepare(gpu, size) }
}

// All of LeNet's parameters.
export const cases: readonly Case[] = [bench('lenet', 61_706), bench('large', 2 ** 20), bench('large', 2 ** 22)]
