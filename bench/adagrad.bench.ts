// The update of Adagrad: one dispatch over all parameters.
import { perStepWords } from '../src/capture/per_step.ts'
import type { Gpu } from '../src/gpu/gpu.ts'
import { emitUpdate, updateTable } from '../src/kernels/update.ts'
import { adagradStep } from '../src/optim/adagrad.ts'
import { tensor } from '../src/tensor/create.ts'
import { type Case, check, disposeAll, type Prepared, randomInput, within } from './support.ts'

/** The rate, no weight decay, nothing that the sum starts with, eps. */
const [RATE, EPS] = [0.0625, Math.fround(1e-10)]
const SUM = 0.25

function prepare(gpu: Gpu, size: number): Prepared {
  const p = randomInput(gpu, [size], 1)
  const dp = randomInput(gpu, [size], 2, false)
  const sum = tensor(new Float32Array(size).fill(SUM), [size], { gpu })
  const { words, rows } = updateTable([{ at: 0, gradientAt: 0, size, gradientCode: 0, parameterCode: 0 }])
  const table = tensor(new Int32Array(words.buffer), [words.length], { gpu })
  const row = Float32Array.of(RATE, 0, 0, EPS, 0)
  const settings = tensor(Int32Array.from(perStepWords([row], row.length)), undefined, { gpu })
  const storages = {
    table: table.storage,
    settings: settings.storage,
    parameters: p.tensor.storage,
    gradients: dp.tensor.storage,
    states: { sum: sum.storage },
    watch: null,
  }
  const run = () => emitUpdate(gpu, adagradStep, storages, rows, 0)
  return {
    flops: 7 * size,
    bytes: 20 * size,
    run,
    async verify() {
      // In place: from the initial values again.
      gpu.write(p.tensor.storage, p.data)
      gpu.write(sum.storage, new Float32Array(size).fill(SUM))
      run()
      const at = (i: number) => {
        const step = (RATE * dp.data[i]!) / (Math.sqrt(SUM + dp.data[i]! ** 2) + EPS)
        return within(p.data[i]! - step, 20, Math.abs(p.data[i]!) + Math.abs(step))
      }
      await check('p', p.tensor, { cost: 1, at })
    },
    dispose: () => disposeAll([p.tensor, dp.tensor, sum, table, settings]),
  }
}

function bench(set: Case['set'], size: number): Case {
  return { name: 'adagrad', direction: 'forward', shape: `[${size}]`, set, prepare: (gpu) => prepare(gpu, size) }
}

// All of LeNet's parameters, and many.
export const cases: readonly Case[] = [bench('lenet', 61_706), bench('large', 2 ** 20), bench('large', 2 ** 22)]
