import { ImageBatches } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, images } from '../given.ts'
import { train, ViTClassifier } from '../programs/vit_keras.ts'

async function losses() {
  const sizes = { imageSize: 8, patchSize: 4, hiddenDim: 8, heads: 2, layers: 2, headUnits: [12, 6], classes: 5 }
  const net = given(new ViTClassifier({ ...sizes, dropout: [0, 0] }))
  const data = {
    train: new ImageBatches(images([6, 3, 6, 6], 5)),
    test: new ImageBatches(images([4, 3, 6, 6], 5, 110)),
  }
  const { history, testLoss } = await train(net, data, { epochs: 4 })
  return [...history.map(({ trainLoss }) => trainLoss), testLoss]
}

export default { losses } satisfies Case
