import { Batches } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, uniform, whole } from '../given.ts'
import { Net, predict, retrain } from '../programs/mnist_transfer.ts'

const digits = (n: number, seed: number) =>
  new Batches(
    { images: { data: uniform(n * 144, seed), shape: [n, 1, 12, 12] }, labels: whole(n, seed + 1, 5) },
    { batchSize: 6, shuffle: false },
  )

export default {
  losses: async () => {
    const net = given(new Net({ size: 12, dropouts: [0, 0] }))
    const { losses, tests } = await retrain(net, digits(18, 100), digits(8, 102), 'freeze-feature-layers', {
      epochs: 2,
    })
    const { digit, probabilities } = await predict(net, [...whole(144, 104, 256)].join(' '), 12)
    return [...losses, ...tests.flatMap(({ loss, accuracy }) => [loss, accuracy]), digit, ...probabilities]
  },
} satisfies Case
