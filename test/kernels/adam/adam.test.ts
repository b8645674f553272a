// The kernels of AdamW's update, held to float64 for one step at a time.
import { describe, expect, it } from 'vitest'
import { perStepWords } from '../../../src/capture/per_step.ts'
import { newWatch } from '../../../src/kernels/finite.ts'
import { emitUpdate, updateTable } from '../../../src/kernels/update.ts'
import { adamStep, adamStepAmsgrad } from '../../../src/optim/adam.ts'
import { fill } from '../../support/arbitraries.ts'
import { expectClose, gamma, SMALLEST_NORMAL } from '../../support/close.ts'
import { tensor, testGpu, values } from '../../support/gpu.ts'

/** lr / (1 − β₁ᵗ), 1 − lr · decay, 1 − β₁, β₂, 1 − β₂, eps, √(1 − β₂ᵗ), maximize, decay. */
const SETTINGS = [0.05, 0.9995, 0.1, 0.999, 0.001, 1e-8, 0.25, 0, 0].map(Math.fround)

async function check(size: number, amsgrad: boolean): Promise<void> {
  const gpu = await testGpu()
  const [p, dp, m] = [1, 2, 3].map((seed) => fill(size, seed, 'normal')) as [Float32Array, Float32Array, Float32Array]
  const [v, most] = [4, 5].map((seed) => fill(size, seed, 'normal').map(Math.abs)) as [Float32Array, Float32Array]
  const tensors = [p, dp, m, v, most].map((data) => tensor(data, [size]))
  const [tp, tdp, tm, tv, tmost] = tensors as [
    (typeof tensors)[0],
    ...typeof tensors,
  ] as unknown as (typeof tensors)[0][]
  const { words, rows } = updateTable([{ at: 0, gradientAt: 0, size, gradientCode: 4, parameterCode: 6 }])
  const table = tensor(new Int32Array(words.buffer))
  const settings = tensor(Int32Array.from(perStepWords([Float32Array.from(SETTINGS)], SETTINGS.length)))
  const watch = tensor(newWatch())
  const states = { expAvg: tm!.storage, expAvgSq: tv!.storage, ...(amsgrad && { maxExpAvgSq: tmost!.storage }) }
  const storages = {
    table: table.storage,
    settings: settings.storage,
    parameters: tp!.storage,
    gradients: tdp!.storage,
  }
  emitUpdate(gpu, amsgrad ? adamStepAmsgrad : adamStep, { ...storages, states, watch: watch.storage }, rows, 0)
  const [stepSize, keep, take1, beta2, take2, eps, root] = SETTINGS as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const mean = Float64Array.from(m, (x, i) => x + take1 * (dp[i]! - x))
  const square = Float64Array.from(v, (x, i) => beta2 * x + take2 * dp[i]! ** 2)
  const largest = Float64Array.from(square, (x, i) => (amsgrad ? Math.max(x, most[i]!) : x))
  const step = Float64Array.from(mean, (x, i) => (stepSize * x) / (Math.sqrt(largest[i]!) / root + eps))
  const expected = Float64Array.from(p, (x, i) => x * keep - step[i]!)
  // The mean: a difference, a product and a sum; the square: three products and a sum.
  const ofMean = (i: number) => gamma(3) * (Math.abs(m[i]!) + Math.abs(dp[i]!))
  expectClose(await values(tm!), mean, (i) => ofMean(i) + SMALLEST_NORMAL, 'the first average')
  expectClose(await values(tv!), square, (i) => gamma(4) * square[i]! + SMALLEST_NORMAL, 'the second average')
  // The root 4.5 ULP or 9 u and half of its argument's, two divisions of 2.5 ULP or 5 u each, a sum, two products.
  const ofStep = (i: number) =>
    gamma(9 + 2 + 10 + 3) * Math.abs(step[i]!) + (ofMean(i) * Math.abs(step[i]!)) / Math.max(Math.abs(mean[i]!), 1e-30)
  const bound = (i: number) => 2 * ofStep(i) + gamma(2) * Math.abs(p[i]!) + SMALLEST_NORMAL
  expectClose(await values(tp!), expected, bound, 'p')
  expect([...(await watch.data())]).toEqual([0, 0, 0, -1, -1])
}

describe('adam', () => {
  it.each([0, 1, 63, 1024, 1025, 2500])('equals float64 over one step of %s elements', (size) => check(size, false))
  it.each([1, 1025])('with amsgrad too, of %s elements', (size) => check(size, true))
})
