import { Batches, tensor } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, normal, uniform } from '../given.ts'
import { train } from '../programs/fashion_vae.ts'
import { VAE } from '../programs/vae.ts'

const images = () =>
  new Batches({ images: { data: uniform(768, 100), shape: [12, 1, 8, 8] } }, { batchSize: 6, shuffle: false })

export default {
  losses: async () => {
    const fixed = tensor(normal(12, 101), [6, 2])
    const net = given(new VAE({ pixels: 64, hidden: 32, latent: 2, noise: () => fixed }))
    const { losses, image } = await train(net, images(), { epochs: 3 })
    return [...losses, await image.mean().item()]
  },
} satisfies Case
