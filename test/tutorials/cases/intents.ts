import { Batches } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, normal, whole } from '../given.ts'
import { network, train } from '../programs/intents.ts'

const sentences = (n: number, seed: number) =>
  new Batches(
    { x: { data: normal(512 * n, seed), shape: [n, 512] }, y: whole(n, seed + 1, 3) },
    { batchSize: 8, shuffle: false },
  )

export default {
  losses: async () => {
    const { losses, validation } = await train(given(network(3)), sentences(20, 100), sentences(12, 102), { epochs: 2 })
    return [...losses, ...validation.flatMap(({ loss, accuracy }) => [loss, accuracy])]
  },
} satisfies Case
