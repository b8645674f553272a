import type { Case } from '../case.ts'
import { given, images } from '../given.ts'
import { datasets, network, train } from '../programs/conv_mixer.ts'

async function losses() {
  const net = given(network({ filters: 6, depth: 2, kernelSize: 3, classes: 5 }))
  const data = datasets(images([8, 3, 8, 8], 5), images([4, 3, 8, 8], 5, 110), {})
  const { history, testLoss } = await train(net, data, { epochs: 4 })
  return [...history.map(({ trainLoss }) => trainLoss), testLoss]
}

export default { losses } satisfies Case
