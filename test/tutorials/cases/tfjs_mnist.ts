import { Batches, type nn } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, uniform, whole } from '../given.ts'
import { convNet, nodeNet, train } from '../programs/tfjs_mnist.ts'

const digits = (n: number, seed: number) => {
  const images = { data: uniform(n * 784, seed), shape: [n, 1, 28, 28] }
  return new Batches({ images, labels: whole(n, seed + 1, 10) }, { batchSize: 4, shuffle: false })
}

const first = async (net: nn.Sequential) => {
  const { losses, held } = await train(given(net), digits(8, 100), digits(4, 102), { epochs: 1 })
  return [...losses, ...held.flatMap(({ loss, accuracy }) => [loss, accuracy])]
}

export default {
  losses: async () => [...(await first(convNet())), ...(await first(nodeNet({ dropouts: [0, 0], hidden: 64 })))],
} satisfies Case
