// Benchmark of scaledDotProductAttention, forward and backward, causal or not.
import { scaledDotProductAttention } from '../src/index.ts'
import { type Case, type Elements, type Input, operation, randomInput, text, within } from './support.ts'

/** Roundings of a product, two exponentials, a division and sums of few large terms, by WGSL's table of accuracies. */
const ROUNDINGS = 400

/** `heads` heads of L queries and as many keys and values, of E numbers each. */
function bench(heads: number, L: number, E: number, isCausal: boolean): Case[] {
  const shape = [heads, L, E]
  const title = `${text(shape)}${isCausal ? ' causal' : ''}`
  return operation('attention', title, 'large', (gpu) => {
    const [q, k, v] = [1, 2, 3].map((seed) => randomInput(gpu, shape, seed)) as [Input, Input, Input]
    const scale = 1 / Math.sqrt(E)
    /** Row i of head h; places are those of all rows. */
    const row = (data: Float32Array, i: number) => data.subarray(i * E, (i + 1) * E)
    const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, e) => sum + x * b[e]!, 0)
    const weights = (i: number) => {
      const first = Math.floor(i / L) * L
      const seen = isCausal ? (i % L) + 1 : L
      const terms = Array.from({ length: seen }, (_, j) =>
        Math.exp(scale * dot(row(q.data, i), row(k.data, first + j))),
      )
      const total = terms.reduce((a, b) => a + b, 0)
      return terms.map((t) => t / total)
    }
    const flops = 4 * heads * L * L * E
    const out: Elements = {
      cost: 2 * L * E,
      at(i) {
        const [place, e] = [Math.floor(i / E), i % E]
        const first = Math.floor(place / L) * L
        return within(
          weights(place).reduce((sum, w, j) => sum + w * row(v.data, first + j)[e]!, 0),
          ROUNDINGS,
          1,
        )
      },
    }
    return {
      inputs: [q.tensor, k.tensor, v.tensor],
      apply: () => scaledDotProductAttention(q.tensor, k.tensor, v.tensor, { isCausal }),
      forward: { flops, bytes: 16 * heads * L * E, out },
      backward(dy) {
        /** The gradient of a query's scores. */
        const scores = (i: number) => {
          const w = weights(i)
          const first = Math.floor(i / L) * L
          const g = w.map((_, j) => dot(row(dy, i), row(v.data, first + j)))
          const total = g.reduce((sum, x, j) => sum + x * w[j]!, 0)
          return w.map((x, j) => x * (g[j]! - total))
        }
        /** What the queries that see key j give to element i of its gradient. */
        const overQueries = (i: number, of: (query: number, key: number, e: number) => number) => {
          const [place, e] = [Math.floor(i / E), i % E]
          const first = Math.floor(place / L) * L
          let sum = 0
          for (let query = isCausal ? place : first; query < first + L; query++) sum += of(query, place - first, e)
          return within(sum, ROUNDINGS, Math.sqrt(L))
        }
        const dq: Elements = {
          cost: 4 * L * E,
          at(i) {
            const [place, e] = [Math.floor(i / E), i % E]
            const first = Math.floor(place / L) * L
            const sum = scores(place).reduce((total, s, j) => total + s * row(k.data, first + j)[e]!, 0)
            return within(scale * sum, ROUNDINGS, 1)
          },
        }
        const dk: Elements = {
          cost: 4 * L * L * E,
          at: (i) => overQueries(i, (query, key, e) => scale * scores(query)[key]! * row(q.data, query)[e]!),
        }
        const dv: Elements = {
          cost: 2 * L * L * E,
          at: (i) => overQueries(i, (query, key, e) => weights(query)[key]! * row(dy, query)[e]!),
        }
        return {
          flops: 2 * flops,
          bytes: 28 * heads * L * E,
          gradients: [
            ['dq', dq],
            ['dk', dk],
            ['dv', dv],
          ],
        }
      },
    }
  })
}

export const cases: readonly Case[] = [
  ...bench(32, 128, 64, false),
  ...bench(32, 128, 64, true),
  ...bench(8, 256, 32, true),
]
