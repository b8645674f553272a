// The update of AdamW: one dispatch over all parameters.
import { perStepWords } from '../src/capture/per_step.ts'
import type { Gpu } from '../src/gpu/gpu.ts'
import { emitUpdate, updateTable } from '../src/kernels/update.ts'
import { adamStep } from '../src/optim/adam.ts'
import { tensor } from '../src/tensor/create.ts'
import { type Case, check, disposeAll, type Prepared, randomInput, within } from './support.ts'

/** lr / (1 − β₁), 1 − lr · decay, 1 − β₁, β₂, 1 − β₂, eps, √(1 − β₂): the first step of AdamW's defaults. */
const SETTINGS = [0.01, 0.99999, 0.1, 0.999, 0.001, 1e-8, Math.sqrt(0.001), 0, 0].map(Math.fround)

function prepare(gpu: Gpu, size: number): Prepared {
  const p = randomInput(gpu, [size], 1)
  const dp = randomInput(gpu, [size], 2, false)
  const m = randomInput(gpu, [size], 3, false)
  const v = tensor(new Float32Array(size).fill(0.25), [size], { gpu })
  const { words, rows } = updateTable([{ at: 0, gradientAt: 0, size, gradientCode: 0, parameterCode: 0 }])
  const table = tensor(new Int32Array(words.buffer), [words.length], { gpu })
  const settings = tensor(Int32Array.from(perStepWords([Float32Array.from(SETTINGS)], SETTINGS.length)), undefined, {
    gpu,
  })
  const storages = {
    table: table.storage,
    settings: settings.storage,
    parameters: p.tensor.storage,
    gradients: dp.tensor.storage,
    states: { expAvg: m.tensor.storage, expAvgSq: v.storage },
    watch: null,
  }
  const run = () => emitUpdate(gpu, adamStep, storages, rows, 0)
  return {
    flops: 16 * size,
    bytes: 28 * size,
    run,
    async verify() {
      // In place: from the initial values again.
      gpu.write(p.tensor.storage, p.data)
      gpu.write(m.tensor.storage, m.data)
      gpu.write(v.storage, new Float32Array(size).fill(0.25))
      run()
      const [stepSize, keep, take1, beta2, take2, eps, root] = SETTINGS as [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
      ]
      const at = (i: number) => {
        const [g, before] = [dp.data[i]!, m.data[i]!]
        const mean = before + take1 * (g - before)
        const step = (stepSize * mean) / (Math.sqrt(beta2 * 0.25 + take2 * g * g) / root + eps)
        const size = Math.abs(p.data[i]!) + Math.abs(step) + stepSize * (Math.abs(before) + Math.abs(g))
        return within(p.data[i]! * keep - step, 24, size)
      }
      await check('p', p.tensor, { cost: 1, at })
    },
    dispose: () => disposeAll([p.tensor, dp.tensor, m.tensor, v, table, settings]),
  }
}

function bench(set: Case['set'], size: number): Case {
  return { name: 'adam', direction: 'forward', shape: `[${size}]`, set, prepare: (gpu) => prepare(gpu, size) }
}

// All of LeNet's parameters, and many.
export const cases: readonly Case[] = [bench('lenet', 61_706), bench('large', 2 ** 20), bench('large', 2 ** 22)]
