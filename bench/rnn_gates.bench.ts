// Benchmark of recurrences, forward and backward: LSTM and GRU over whole sequences, behind the product of their input.
import { recurrence } from '../src/kernels/rnn_gates.ts'
import { tensor } from '../src/tensor/create.ts'
import { type Case, type Input, operation, randomInput, randomValues, text, within } from './support.ts'

/** Roundings of a step: two exponentials by WGSL's table of accuracies, quotients, and a sum of terms that add up to some units. */
const ROUNDINGS = 400

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))

interface Sizes {
  readonly L: number
  readonly N: number
  readonly H: number
}

/** What float64 finds: the outputs and, given their gradient, that of the gates' input. */
function inFloat64(kind: 'lstm' | 'gru', { L, N, H }: Sizes, [x, weight, bias]: readonly Float32Array[]) {
  const [G, S] = kind === 'lstm' ? [4, 2] : [3, 1]
  const out = new Float64Array(L * N * S * H)
  const gates = new Float64Array(L * N * 5 * H) // the gates and what else backward needs
  const sums = new Float64Array(G * H)
  for (let n = 0; n < N; n++) {
    const [h, c] = [new Float64Array(H), new Float64Array(H)]
    for (let t = 0; t < L; t++) {
      const row = t * N + n
      for (let g = 0; g < G * H; g++) {
        let sum = bias![g]!
        for (let k = 0; k < H; k++) sum += weight![g * H + k]! * h[k]!
        sums[g] = sum
      }
      for (let k = 0; k < H; k++) {
        const input = (gate: number) => x![(row * G + gate) * H + k]!
        const state = (gate: number) => sums[gate * H + k]!
        const keep = (...values: number[]) => {
          for (const [i, value] of values.entries()) gates[(row * 5 + i) * H + k] = value
        }
        if (kind === 'lstm') {
          const [a, f, o] = [0, 1, 3].map((gate) => sigmoid(input(gate) + state(gate))) as [number, number, number]
          const g = Math.tanh(input(2) + state(2))
          keep(a, f, g, o, c[k]!)
          c[k] = f * c[k]! + a * g
          h[k] = o * Math.tanh(c[k]!)
          out[row * 2 * H + H + k] = c[k]!
        } else {
          const [r, z] = [sigmoid(input(0) + state(0)), sigmoid(input(1) + state(1))]
          const m = Math.tanh(input(2) + r * state(2))
          keep(r, z, m, state(2), h[k]!)
          h[k] = m + z * (h[k]! - m)
        }
        out[row * S * H + k] = h[k]!
      }
    }
  }
  const gradient = (dy: Float32Array) => {
    const dx = new Float64Array(L * N * G * H)
    for (let n = 0; n < N; n++) {
      const [dh, carry, ofState] = [new Float64Array(H), new Float64Array(H), new Float64Array(G * H)]
      for (let t = L - 1; t >= 0; t--) {
        const row = t * N + n
        for (let k = 0; k < H; k++) {
          const [a, b, m, o, before] = [0, 1, 2, 3, 4].map((i) => gates[(row * 5 + i) * H + k]!) as [
            number,
            number,
            number,
            number,
            number,
          ]
          const given = (state: number) => dy[(row * S + state) * H + k]!
          const give = (gate: number, d: number, s = d) => {
            dx[(row * G + gate) * H + k] = d
            ofState[gate * H + k] = s
          }
          if (kind === 'lstm') {
            const end = Math.tanh(b * before + a * m)
            const d = given(0) + dh[k]!
            const dc = given(1) + carry[k]! + d * o * (1 - end ** 2)
            carry[k] = dc * b
            give(0, dc * m * a * (1 - a))
            give(1, dc * before * b * (1 - b))
            give(2, dc * a * (1 - m ** 2))
            give(3, d * end * o * (1 - o))
          } else {
            const d = given(0) + dh[k]! + carry[k]!
            carry[k] = d * b
            const dm = d * (1 - b) * (1 - m ** 2)
            give(0, dm * o * a * (1 - a))
            give(1, d * (before - m) * b * (1 - b))
            give(2, dm, dm * a)
          }
        }
        dh.fill(0)
        for (let g = 0; g < G * H; g++) for (let k = 0; k < H; k++) dh[k]! += ofState[g]! * weight![g * H + k]!
      }
    }
    return dx
  }
  return { out, gradient }
}

function bench(set: Case['set'], kind: 'lstm' | 'gru', sizes: Sizes): Case[] {
  const { L, N, H } = sizes
  const [G, S] = kind === 'lstm' ? [4, 2] : [3, 1]
  return operation(kind, text([L, N, G * H]), set, (gpu) => {
    const x = randomInput(gpu, [L, N, G * H], 1)
    // Sums of order 1, as layers have them.
    const scaled = (size: number, shape: readonly number[], seed: number): Input => {
      const data = randomValues(size, seed).map((v) => v / Math.sqrt(H))
      return { tensor: tensor(data, shape, { gpu }), data }
    }
    const [weight, bias] = [scaled(G * H * H, [G * H, H], 2), scaled(G * H, [G * H], 3)]
    const states = Array.from({ length: S }, () => tensor(new Float32Array(N * H), [N, H], { gpu }))
    const options = { kind, time: 0, backwards: false } as const
    const products = L * N * G * H * H
    const moved = 4 * (L * N * (G + S) * H + G * H * H)
    const wanted = inFloat64(kind, sizes, [x.data, weight.data, bias.data])
    return {
      inputs: [x.tensor, weight.tensor, bias.tensor, ...states],
      apply: () => recurrence(x.tensor, weight.tensor, bias.tensor, states, options),
      forward: {
        flops: 2 * products,
        bytes: moved,
        out: { cost: 1, at: (i) => within(wanted.out[i]!, ROUNDINGS * L, 1) },
      },
      backward: (dy) => {
        const dx = wanted.gradient(dy)
        return {
          flops: 2 * products,
          bytes: 2 * moved,
          gradients: [['d of the input’s sums', { cost: 1, at: (i) => within(dx[i]!, ROUNDINGS * L, 1) }]],
        }
      },
    }
  })
}

export const cases: readonly Case[] = [
  ...bench('lenet', 'lstm', { L: 4, N: 8, H: 16 }),
  ...bench('lenet', 'gru', { L: 4, N: 8, H: 16 }),
  ...bench('large', 'lstm', { L: 32, N: 32, H: 128 }),
  ...bench('large', 'gru', { L: 32, N: 32, H: 128 }),
  ...bench('large', 'lstm', { L: 64, N: 64, H: 64 }),
]
