// The kernel of Adagrad's update, held to float64 for one step at a time.
import { expect, it } from 'vitest'
import { perStepWords } from '../../../src/capture/per_step.ts'
import { newWatch } from '../../../src/kernels/finite.ts'
import { emitUpdate, updateTable } from '../../../src/kernels/update.ts'
import { adagradStep } from '../../../src/optim/adagrad.ts'
import { expectClose } from '../../support/close.ts'
import { fill } from '../../support/fill.ts'
import { tensor, testGpu, values } from '../../support/gpu.ts'
import { type Approx, exactly, minus, over, plus, root, times } from '../../support/running_error.ts'

/** The rate, weight decay, what the sum starts with, eps, maximize: numbers that float32 has. */
const SETTINGS = [0.125, 0.25, 0.5, 0.0625, 0] as const

it.each([0, 1, 63, 1024, 1025, 2500])('adagrad equals float64 over one step of %s elements', async (size) => {
  const gpu = await testGpu()
  const [p, dp] = [fill(size, 1, 'normal'), fill(size, 2, 'normal')]
  const sum = fill(size, 3, 'normal').map(Math.abs)
  const [tp, tdp, tsum] = [tensor(p, [size]), tensor(dp, [size]), tensor(sum, [size])]
  const { words, rows } = updateTable([{ at: 0, gradientAt: 0, size, gradientCode: 4, parameterCode: 6 }])
  const table = tensor(new Int32Array(words.buffer))
  const settings = tensor(Int32Array.from(perStepWords([Float32Array.from(SETTINGS)], SETTINGS.length)))
  const watch = tensor(newWatch())
  const storages = {
    table: table.storage,
    settings: settings.storage,
    parameters: tp.storage,
    gradients: tdp.storage,
    states: { sum: tsum.storage },
    watch: watch.storage,
  }
  emitUpdate(gpu, adagradStep, storages, rows, 0)
  const [rate, decay, first, eps] = SETTINGS.map(exactly) as [Approx, Approx, Approx, Approx]
  const expected = [...p].map((value, i) => {
    const [before, given, squares] = [exactly(value), exactly(dp[i]!), exactly(sum[i]!)]
    const g = plus(given, times(decay, before))
    const after = plus(plus(squares, first), times(g, g))
    return { after, p: minus(before, times(rate, over(g, plus(root(after), eps)))) }
  })
  const sums = Float64Array.from(expected, ({ after }) => after.value)
  expectClose(await values(tsum), sums, (i) => expected[i]!.after.error, 'sum')
  const parameters = Float64Array.from(expected, (each) => each.p.value)
  expectClose(await values(tp), parameters, (i) => expected[i]!.p.error, 'p')
  expect([...(await watch.data())]).toEqual([0, 0, 0, -1, -1])
})
