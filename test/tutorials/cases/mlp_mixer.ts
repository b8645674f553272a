import type { Case } from '../case.ts'
import { given, images } from '../given.ts'
import { Classifier, datasets, GMLPLayer, MLPMixerLayer, train } from '../programs/mlp_mixer.ts'

const CONFIG = { imageSize: 8, patchSize: 4, hiddenUnits: 6, numBlocks: 2, dropout: 0, classes: 5 }

async function losses() {
  const found: number[] = []
  const data = datasets(images([6, 3, 6, 6], 5), images([4, 3, 6, 6], 5, 110), { augment: {} })
  for (const Layer of [MLPMixerLayer, GMLPLayer]) {
    const { history, testLoss } = await train(given(new Classifier(Layer, CONFIG)), data, { epochs: 3 })
    found.push(...history.map(({ trainLoss }) => trainLoss), testLoss)
  }
  return found
}

export default { losses } satisfies Case
