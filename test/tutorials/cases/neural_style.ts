import { Batches, tensor } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, uniform } from '../given.ts'
import { stylize, train, transformerNet, Vgg16 } from '../programs/neural_style.ts'

const pixels = (n: number, seed: number) => uniform(n * 3 * 256, seed).map((v) => 255 * v)

export default {
  losses: async () => {
    const [transformer, vgg] = [given(transformerNet(4)), given(new Vgg16(4))]
    const pictures = new Batches(
      { images: { data: pixels(4, 100), shape: [4, 3, 16, 16] } },
      { batchSize: 2, shuffle: false },
    )
    const style = tensor(pixels(1, 101), [1, 3, 16, 16])
    const history = await train(transformer, vgg, style, pictures, { epochs: 2 })
    const made = await stylize(transformer, style).mean().item()
    // All of one size, so that one bound fits them.
    return [...history.flatMap(({ content, style }) => [content / 1e5, style / 1e8]), made / 255]
  },
} satisfies Case
