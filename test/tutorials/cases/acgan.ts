import { Batches, tensor } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, uniform, whole } from '../given.ts'
import { Discriminator, type Draw, Generator, train } from '../programs/acgan.ts'

export default {
  losses: async () => {
    const images = { data: uniform(8 * 784, 100).map((v) => 2 * v - 1), shape: [8, 1, 28, 28] }
    const digits = new Batches({ images, labels: whole(8, 101, 10) }, { batchSize: 4, shuffle: false })
    let seed = 200
    const draw: Draw = (rows, latentSize) => {
      const noise = uniform(rows * latentSize, seed++).map((v) => 2 * v - 1)
      return [tensor(noise, [rows, latentSize]), tensor(whole(rows, seed++, 10))]
    }
    const generator = given(new Generator({ latentSize: 20, widths: [24, 16, 8] }))
    const discriminator = given(new Discriminator({ widths: [8, 8, 16, 16], dropout: 0 }))
    const found = await train(generator, discriminator, digits, { epochs: 2, draw })
    return found.flatMap(({ dLoss, gLoss }) => [dLoss, gLoss])
  },
} satisfies Case
