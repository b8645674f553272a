// Benchmark of finite: the search for NaN and infinities in a tensor.
import type { Gpu } from '../src/gpu/gpu.ts'
import { newWatch, noteNotFinite } from '../src/kernels/finite.ts'
import { tensor } from '../src/tensor/create.ts'
import { type Case, disposeAll, type Prepared, randomInput } from './support.ts'

/** A look at `size` finite values, as in training. */
function prepare(gpu: Gpu, size: number): Prepared {
  const x = randomInput(gpu, [size], 1, false)
  const watch = tensor(newWatch(), [5], { gpu })
  const run = () => noteNotFinite(watch, x.tensor, 7)
  const expectCode = async (what: string, code: number) => {
    gpu.write(watch.storage, newWatch())
    run()
    const found = (await watch.data())[4]
    if (found !== code) throw new Error(`watch: the code for ${what} is ${found}, it must be ${code}`)
  }
  return {
    flops: size,
    bytes: 4 * size,
    run,
    async verify() {
      // One bad value at either end is found, and nothing where there is none.
      for (const at of [0, size - 1]) {
        const data = x.data.slice()
        data[at] = Number.NaN
        gpu.write(x.tensor.storage, data)
        await expectCode(`NaN at ${at}`, 7).finally(() => gpu.write(x.tensor.storage, x.data))
      }
      await expectCode('finite values', -1)
    },
    dispose: () => disposeAll([x.tensor, watch]),
  }
}

function bench(set: Case['set'], size: number): Case {
  return { name: 'finite', direction: 'forward', shape: `[${size}]`, set, prepare: (gpu) => prepare(gpu, size) }
}

// LeNet's logits at batch 256.
export const cases: readonly Case[] = [bench('lenet', 2560), bench('large', 2 ** 20), bench('large', 2 ** 22)]
