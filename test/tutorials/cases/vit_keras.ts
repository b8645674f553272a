import type { Case } from '../case.ts'
import { given, images } from '../given.ts'
import { datasets } from '../programs/mlp_mixer.ts'
import { train, ViTClassifier } from '../programs/vit_keras.ts'

async function losses() {
  const sizes = { imageSize: 8, patchSize: 4, hiddenDim: 8, heads: 2, layers: 2, headUnits: [12, 6], classes: 5 }
  const net = given(new ViTClassifier({ ...sizes, dropout: [0, 0] }))
  const data = datasets(images([6, 3, 6, 6], 5), images([4, 3, 6, 6], 5, 110), { augment: {} })
  const { history, testLoss } = await train(net, data, { epochs: 4 })
  return [...history.map(({ trainLoss }) => trainLoss), testLoss]
}

export default { losses } satisfies Case
