// Benchmarks of optimizers' updates: one parameter, one step from states that are the same everywhere.
import { perStepWords } from '../src/capture/per_step.ts'
import type { Gpu } from '../src/gpu/gpu.ts'
import type { Kernel } from '../src/gpu/kernel.ts'
import { type EmitUpdate, emitUpdate, updateTable } from '../src/kernels/update.ts'
import { tensor } from '../src/tensor/create.ts'
import { type Shape, sizeOf } from '../src/tensor/shape.ts'
import { type Case, check, disposeAll, type Expected, type Prepared, randomInput } from './support.ts'

export interface UpdateBench {
  readonly name: string
  readonly emit: EmitUpdate
  /** The kernel's settings. */
  readonly settings: readonly number[]
  /** What every element of a state holds before the step, by name. */
  readonly states: Readonly<Record<string, number>>
  /** Arithmetic of the whole update, and bytes of an element. */
  flops(size: number): number
  readonly bytes: number
  /** The new parameter by element. */
  updated(p: Float32Array, dp: Float32Array, shape: Shape): (index: number) => Expected
}

/** The update by one kernel. */
export function byKernel(kernel: Kernel): EmitUpdate {
  return (gpu, storages, rows, use) => emitUpdate(gpu, kernel, storages, rows, use)
}

function prepare(gpu: Gpu, bench: UpdateBench, shape: Shape): Prepared {
  const [p, dp] = [randomInput(gpu, shape, 1), randomInput(gpu, shape, 2, false)]
  const size = sizeOf(shape)
  const start = Object.entries(bench.states).map(([name, value]) => [name, new Float32Array(size).fill(value)] as const)
  const states = start.map(([name, data]) => [name, tensor(data, shape, { gpu })] as const)
  const entry = { at: 0, gradientAt: 0, size, gradientCode: 0, parameterCode: 0 }
  const { words, rows } = updateTable([entry])
  const table = tensor(new Int32Array(words.buffer), [words.length], { gpu })
  const row = Float32Array.from(bench.settings)
  const settings = tensor(Int32Array.from(perStepWords([row], row.length)), undefined, { gpu })
  const storages = {
    table: table.storage,
    settings: settings.storage,
    parameters: p.tensor.storage,
    gradients: dp.tensor.storage,
    states: Object.fromEntries(states.map(([name, state]) => [name, state.storage])),
    watch: null,
  }
  const run = () => bench.emit(gpu, storages, rows, 0, [p.tensor])
  return {
    flops: bench.flops(size),
    bytes: bench.bytes * size,
    run,
    async verify() {
      // In place: from the initial values again.
      gpu.write(p.tensor.storage, p.data)
      for (const [i, [, state]] of states.entries()) gpu.write(state.storage, start[i]![1])
      run()
      await check('p', p.tensor, { cost: 1, at: bench.updated(p.data, dp.data, shape) })
    },
    dispose: () => disposeAll([p.tensor, dp.tensor, table, settings, ...states.map(([, state]) => state)]),
  }
}

/** All of LeNet's parameters, or those of a shape, and many. */
export function updateCases(
  bench: UpdateBench,
  [lenet, ...large]: readonly Shape[] = [[61_706], [2 ** 20], [2 ** 22]],
) {
  const one = (set: Case['set'], shape: Shape): Case => {
    return {
      name: bench.name,
      direction: 'forward',
      shape: `[${shape.join(', ')}]`,
      set,
      prepare: (gpu) => prepare(gpu, bench, shape),
    }
  }
  return [one('lenet', lenet!), ...large.map((shape) => one('large', shape))]
}
