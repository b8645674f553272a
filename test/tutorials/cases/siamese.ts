import { Batches, tensor } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, uniform, whole } from '../given.ts'
import { pairs, SiameseNetwork, train } from '../programs/siamese.ts'

/** Eight pairs that PyTorch's side makes too, in place of drawn ones. */
function eight(seed: number) {
  const first = whole(8, seed, 6)
  const second = whole(8, seed + 1, 6)
  const target = Float32Array.from({ length: 8 }, (_, i) => 1 - (i % 2))
  return new Batches({ first, second, target }, { batchSize: 4, shuffle: false })
}

export default {
  losses: async () => {
    const net = given(new SiameseNetwork({ width: 4, blocks: [1, 1] }))
    const images = tensor(
      uniform(6 * 400, 100).map((v) => 255 * v),
      [6, 1, 20, 20],
    )
    const drawn = await drawnRight()
    const { losses, tests } = await train(net, images, () => eight(101), { images, pairs: eight(103) }, { epochs: 2 })
    return [...losses, ...tests.flatMap(({ loss, accuracy }) => [loss, accuracy]), drawn]
  },
} satisfies Case

/** The part of drawn pairs whose target is right: 1. */
async function drawnRight(): Promise<number> {
  const labels = [0, 1, 0, 3, 3, 1, 3, 7]
  const random = uniform(100, 105).values()
  const { first, second, target } = pairs(labels, { random: () => random.next().value! }).next()
  const [a, b, t] = await Promise.all([first.data(), second.data(), target.data()])
  const right = Array.from(a, (i, k) => (labels[i] === labels[b[k]!] ? 1 : 0) === t[k] && i !== b[k])
  return right.filter(Boolean).length / 8
}
