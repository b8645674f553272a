import type { Case } from '../case.ts'
import { given, images } from '../given.ts'
import { batchesOf, train, ViT } from '../programs/vit.ts'

async function losses() {
  const sizes = { imgSize: 8, patchSize: 4, latentSize: 8, numHeads: 2, numEncoders: 2, numClasses: 5 }
  const net = given(new ViT({ ...sizes, dropout: 0 }))
  const [trained, test] = [images([8, 3, 6, 6], 5), images([4, 3, 6, 6], 5, 110)]
  const data = { train: batchesOf(trained, { shuffle: false }), test: batchesOf(test, { shuffle: false }) }
  const { history, testLoss } = await train(net, data, { epochs: 3 })
  return [...history.map(({ trainLoss }) => trainLoss), testLoss]
}

export default { losses } satisfies Case
