// Benchmark of cross_entropy: the mean loss of a batch and its gradient.
import { crossEntropy } from '../src/index.ts'
import { tensor } from '../src/tensor/create.ts'
import { type Case, operation, randomInput, randomIntegers, within } from './support.ts'

/** Roundings of an exponential, a logarithm and a division of such numbers, by WGSL's table of accuracies: below 40. */
const FUNCTIONS = 40

function bench(set: Case['set'], N: number, C: number): Case[] {
  return operation('cross_entropy', `[${N},${C}]`, set, (gpu) => {
    const x = randomInput(gpu, [N, C], 1)
    const labels = randomIntegers(N, C, 2)
    const target = tensor(labels, [N], { gpu })
    const sumOfExponentials = (n: number) => {
      let z = 0
      for (let c = 0; c < C; c++) z += Math.exp(x.data[n * C + c]!)
      return z
    }
    const loss = () => {
      let sum = 0
      for (let n = 0; n < N; n++) sum += Math.log(sumOfExponentials(n)) - x.data[n * C + labels[n]!]!
      // A row's sum of C positive terms is off by C roundings at most; the rows' errors have either sign.
      return within(sum / N, FUNCTIONS + C + 8 * Math.sqrt(N))
    }
    return {
      inputs: [x.tensor, target],
      apply: () => crossEntropy(x.tensor, target),
      // A row's maximum and its sum of exponentials are saved for backward.
      forward: { flops: 4 * N * C, bytes: 4 * (N * C + 3 * N + 1), out: { cost: N * C, at: loss } },
      backward: (dy) => ({
        flops: 4 * N * C,
        bytes: 4 * (2 * N * C + 3 * N + 1),
        gradients: [
          [
            'dx',
            {
              cost: C,
              at(i) {
                const n = Math.floor(i / C)
                const p = Math.exp(x.data[i]!) / sumOfExponentials(n)
                const value = ((p - (labels[n] === i % C ? 1 : 0)) * dy[0]!) / N
                // p is off by C roundings and those of the functions, the rest by four of the result.
                return within(value, 1, ((FUNCTIONS + C) * p * Math.abs(dy[0]!)) / N + 4 * Math.abs(value))
              },
            },
          ],
        ],
      }),
    }
  })
}

export const cases: readonly Case[] = [
  ...bench('lenet', 256, 10),
  ...bench('large', 4096, 1000),
  ...bench('large', 65_536, 10),
]
