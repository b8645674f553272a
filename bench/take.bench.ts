// Benchmark of take: embedding forward and backward, and gather.
import type { Gpu } from '../src/gpu/gpu.ts'
import { embedding, gather } from '../src/index.ts'
import { tensor } from '../src/tensor/create.ts'
import { type Case, exactly, operation, randomInput, randomIntegers, Sum } from './support.ts'

/** Rows of a table of [R, D], J of them. */
function embeddings(set: Case['set'], [R, D]: readonly [number, number], J: number): Case[] {
  return operation('take', `${J} of [${R},${D}]`, set, (gpu: Gpu) => {
    const weight = randomInput(gpu, [R, D], 1)
    const index = randomIntegers(J, R, 2)
    const places = tensor(index, [J], { gpu })
    const placesOf = new Map<number, number[]>()
    for (const [j, r] of index.entries()) placesOf.set(r, [...(placesOf.get(r) ?? []), j])
    return {
      inputs: [weight.tensor, places],
      apply: () => embedding(weight.tensor, places),
      forward: {
        flops: 0,
        bytes: 4 * J * (2 * D + 1),
        out: { cost: 1, at: (e) => exactly(weight.data[index[Math.floor(e / D)]! * D + (e % D)]!) },
      },
      backward: (dy) => ({
        flops: J * D,
        bytes: 4 * (J * (D + 1) + R * D),
        gradients: [
          [
            'dweight',
            {
              cost: J / R + 1,
              at: (e) => {
                const sum = new Sum()
                for (const j of placesOf.get(Math.floor(e / D)) ?? []) sum.add(dy[j * D + (e % D)]!)
                return sum.expected()
              },
            },
          ],
        ],
      }),
    }
  })
}

/** One of C numbers in each of N rows, as a label names it. */
function labels(set: Case['set'], N: number, C: number): Case[] {
  return operation('take', `gather [${N},1] of [${N},${C}]`, set, (gpu) => {
    const x = randomInput(gpu, [N, C], 1)
    const index = randomIntegers(N, C, 2)
    const places = tensor(index, [N, 1], { gpu })
    return {
      inputs: [x.tensor, places],
      apply: () => gather(x.tensor, 1, places),
      forward: { flops: 0, bytes: 12 * N, out: { cost: 1, at: (n) => exactly(x.data[n * C + index[n]!]!) } },
      backward: (dy) => ({
        flops: 0,
        bytes: 4 * N * (C + 2),
        gradients: [
          ['dx', { cost: 1, at: (e) => exactly(index[Math.floor(e / C)] === e % C ? dy[Math.floor(e / C)]! : 0) }],
        ],
      }),
    }
  })
}

export const cases: readonly Case[] = [
  ...embeddings('lenet', [65, 128], 1024),
  ...embeddings('large', [50_000, 128], 16_384),
  ...embeddings('large', [2, 768], 4096),
  ...labels('large', 2048, 1000),
  ...labels('large', 4096, 1024),
]
