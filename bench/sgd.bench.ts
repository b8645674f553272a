// Benchmark of sgd: one update of a parameter, with momentum and without.
import { perStepWords } from '../src/capture/per_step.ts'
import type { Gpu } from '../src/gpu/gpu.ts'
import type { Storage } from '../src/gpu/pool.ts'
import { emitUpdate, updateTable } from '../src/kernels/update.ts'
import { sgdStep, sgdStepMomentum } from '../src/optim/sgd.ts'
import { tensor } from '../src/tensor/create.ts'
import { type Case, check, disposeAll, type Expected, type Prepared, randomInput, within } from './support.ts'

const UPDATE = { lr: 0.01 }

/** p -= lr · dp, or with momentum b = momentum · b + dp and p -= lr · b. */
function prepare(gpu: Gpu, size: number, momentum: number): Prepared {
  const p = randomInput(gpu, [size], 1)
  const dp = randomInput(gpu, [size], 2, false)
  const b = momentum === 0 ? null : randomInput(gpu, [size], 3, false)
  const { words, rows } = updateTable([{ at: 0, gradientAt: 0, size, gradientCode: 0, parameterCode: 0 }])
  const table = tensor(new Int32Array(words.buffer), [words.length], { gpu })
  const row = Float32Array.of(UPDATE.lr, momentum, 0, 0, 0, 0)
  const settings = tensor(Int32Array.from(perStepWords([row], row.length)), undefined, { gpu })
  const states: Record<string, Storage> = b ? { momentum: b.tensor.storage } : {}
  const storages = {
    table: table.storage,
    settings: settings.storage,
    parameters: p.tensor.storage,
    gradients: dp.tensor.storage,
    states,
    watch: null,
  }
  const run = () => emitUpdate(gpu, b ? sgdStepMomentum : sgdStep, storages, rows, 0)
  const slope = (i: number): Expected => {
    if (!b) return within(dp.data[i]!, 0)
    const [decayed, added] = [momentum * b.data[i]!, dp.data[i]!]
    return within(decayed + added, 4, Math.abs(decayed) + Math.abs(added))
  }
  return {
    flops: (b ? 4 : 2) * size,
    bytes: (b ? 20 : 12) * size,
    run,
    async verify() {
      // In place: from the initial values again.
      gpu.write(p.tensor.storage, p.data)
      if (b) gpu.write(b.tensor.storage, b.data)
      run()
      if (b) await check('b', b.tensor, { cost: 1, at: slope })
      const at = (i: number) => {
        const { value, bound } = slope(i)
        const result = within(p.data[i]! - UPDATE.lr * value, 4, Math.abs(p.data[i]!) + UPDATE.lr * Math.abs(value))
        return { ...result, bound: result.bound + UPDATE.lr * bound }
      }
      await check('p', p.tensor, { cost: 1, at })
    },
    dispose: () => disposeAll([p.tensor, dp.tensor, table, settings, ...(b ? [b.tensor] : [])]),
  }
}

function bench(set: Case['set'], size: number, momentum = 0): Case {
  const shape = `[${size}]${momentum === 0 ? '' : ' momentum'}`
  return { name: 'sgd', direction: 'forward', shape, set, prepare: (gpu) => prepare(gpu, size, momentum) }
}

// The largest of LeNet's parameters, and all of them.
export const cases: readonly Case[] = [
  bench('lenet', 48_000),
  bench('lenet', 48_000, 0.9),
  bench('lenet', 61_706),
  bench('lenet', 61_706, 0.9),
  bench('large', 2 ** 20, 0.9),
  bench('large', 2 ** 22),
  bench('large', 2 ** 22, 0.9),
]
