import { Batches } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, uniform, whole } from '../given.ts'
import { Net, run } from '../programs/mnist_rnn.ts'

const digits = (n: number) =>
  new Batches(
    { images: { data: uniform(n * 64, 100), shape: [n, 1, 8, 8] }, labels: whole(n, 101, 10) },
    { batchSize: 8, shuffle: false },
  )

export default {
  losses: async () => {
    const net = given(new Net(8))
    net.dropout1.p = net.dropout2.p = 0
    const { losses, tests } = await run(net, digits(24), digits(12), { epochs: 2 })
    return [...losses, ...tests.flatMap(({ loss, accuracy }) => [loss, accuracy])]
  },
} satisfies Case
