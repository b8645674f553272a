import { Batches, tensor } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, normal, uniform } from '../given.ts'
import { sample, train, VAE } from '../programs/vae.ts'

const images = (n: number) =>
  new Batches({ images: { data: uniform(n * 64, 100), shape: [n, 1, 8, 8] } }, { batchSize: 6, shuffle: false })

export default {
  losses: async () => {
    const fixed = tensor(normal(24, 101), [6, 4])
    const net = given(new VAE({ pixels: 64, hidden: 32, latent: 4, noise: () => fixed }))
    const history = await train(net, images(12), images(6), { epochs: 3 })
    const made = await sample(net, 6).mean().item()
    return [...history.flatMap(({ trainLoss, testLoss }) => [trainLoss, testLoss]), made]
  },
} satisfies Case
