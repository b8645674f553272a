import { Batches, tensor } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, normal, uniform } from '../given.ts'
import { discriminator, generate, generator, train } from '../programs/dcgan.ts'

export default {
  losses: async () => {
    const sizes = { nc: 1, nz: 6, ngf: 2, ndf: 2 }
    const [netG, netD] = [given(generator(sizes)), given(discriminator(sizes))]
    const data = uniform(8 * 4096, 100).map((v) => 2 * v - 1)
    const pictures = new Batches({ images: { data, shape: [8, 1, 64, 64] } }, { batchSize: 4, shuffle: false })
    const fixed = tensor(normal(24, 101), [4, 6, 1, 1])
    const history = await train(netG, netD, pictures, { epochs: 2, nz: 6, noise: () => fixed })
    const picture = generate(netG, fixed)
    return [...history.flat(), await picture.square().mean().item()]
  },
} satisfies Case
