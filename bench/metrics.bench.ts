import type { Gpu } from '../src/gpu/gpu.ts'
import { newWatch } from '../src/kernels/finite.ts'
import { accumulateMetrics } from '../src/kernels/metrics.ts'
import { tensor } from '../src/tensor/create.ts'
import { type Case, disposeAll, type Prepared, randomInput, randomIntegers } from './support.ts'

const LOSS = 2.5

function prepare(gpu: Gpu, N: number, C: number): Prepared {
  const logits = randomInput(gpu, [N, C], 1, false)
  // Every other row is right, so that none can be left out unseen.
  const best = largest(logits.data, N, C)
  const labels = randomIntegers(N, C, 2).map((label, n) => (n % 2 === 0 ? label : best[n]!))
  const target = tensor(labels, [N], { gpu })
  const loss = tensor(LOSS, [], { gpu })
  const totals = tensor(newWatch(), [5], { gpu })
  const run = () => accumulateMetrics(totals, logits.tensor, target, loss)
  return {
    flops: N * C,
    bytes: 4 * (N * C + N + 1 + 2 * 3),
    run,
    async verify() {
      gpu.write(totals.storage, newWatch())
      run()
      const found = (await totals.data()) as Int32Array
      // The loss times the rows is a small number of binary digits: exact.
      const wanted = new Int32Array([labels.filter((label, n) => label === best[n]).length, N, 0])
      new Float32Array(wanted.buffer)[2] = LOSS * N
      const names = ['correct rows', 'rows', 'the bits of the loss times the rows']
      names.forEach((name, i) => {
        if (found[i] !== wanted[i]) throw new Error(`totals: ${name} are ${found[i]}, they must be ${wanted[i]}`)
      })
    },
    dispose: () => disposeAll([logits.tensor, target, loss, totals]),
  }
}

/** The place of the largest logit of each row, the first of equals. */
function largest(logits: Float32Array, N: number, C: number): Int32Array {
  return Int32Array.from({ length: N }, (_, n) => {
    let best = 0
    for (let c = 1; c < C; c++) if (logits[n * C + c]! > logits[n * C + best]!) best = c
    return best
  })
}

function bench(set: Case['set'], N: number, C: number): Case {
  return { name: 'metrics', direction: 'forward', shape: `[${N},${C}]`, set, prepare: (gpu) => prepare(gpu, N, C) }
}

export const cases: readonly Case[] = [bench('lenet', 256, 10), bench('large', 4096, 1000), bench('large', 65_536, 10)]
