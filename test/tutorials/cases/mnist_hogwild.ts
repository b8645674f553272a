import { Batches } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, uniform, whole } from '../given.ts'
import { Net, train } from '../programs/mnist_hogwild.ts'

const digits = (n: number) =>
  new Batches(
    { images: { data: uniform(n * 256, 100), shape: [n, 1, 16, 16] }, labels: whole(n, 101, 10) },
    { batchSize: 8, shuffle: false },
  )

export default {
  losses: async () => {
    const net = given(new Net({ side: 16, p: 0 }))
    const { losses, test } = await train(net, digits(24), digits(12), { epochs: 2 })
    return [...losses, test.loss, test.accuracy]
  },
} satisfies Case
