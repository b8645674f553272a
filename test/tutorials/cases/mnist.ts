import { Batches } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, uniform, whole } from '../given.ts'
import { Net, train } from '../programs/mnist.ts'

const digits = (n: number, seed: number) =>
  new Batches(
    { images: { data: uniform(n * 144, seed), shape: [n, 1, 12, 12] }, labels: whole(n, seed + 1, 10) },
    { batchSize: 8, shuffle: false },
  )

export default {
  losses: async () => {
    const net = given(new Net(12))
    net.dropout1.p = net.dropout2.p = 0
    const { losses, tests } = await train(net, digits(24, 100), digits(12, 100), { epochs: 2 })
    return [...losses, ...tests.flatMap(({ loss, accuracy }) => [loss, accuracy])]
  },
} satisfies Case
