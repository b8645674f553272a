import type { Case } from '../case.ts'
import { given, images } from '../given.ts'
import { network, score, train } from '../programs/mnist_convnet.ts'

async function losses() {
  const net = given(network({ filters: [4, 8], dropout: 0 }))
  // All images to train on are one batch.
  const { history, testLoss } = await train(net, images([20, 1, 28, 28], 10), { epochs: 4 })
  const { loss } = await score(net, images([8, 1, 28, 28], 10, 110))
  return [...history.map(({ trainLoss }) => trainLoss), testLoss, loss]
}

export default { losses } satisfies Case
