import { tensor } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, images, uniform, whole } from '../given.ts'
import { datasets, predict, score, train, Xception } from '../programs/image_from_scratch.ts'

function pictures(count: number, seed: number) {
  const data = images([count, 3, 12, 12], 2, seed).images
  const labels = Float32Array.from(whole(count, seed + 1, 2))
  return { images: { data, shape: [count, 3, 12, 12], scale: 1 / 255 }, labels }
}

async function losses() {
  const net = given(new Xception({ entry: [4, 6], sizes: [6, 8], last: 8, dropout: 0 }))
  const data = datasets(pictures(6, 100), pictures(4, 110), { augment: {} })
  const { loss, metrics } = await score(net, data.test)
  const probability = await predict(net, tensor(uniform(432, 120), [3, 12, 12]))
  // Later losses of the validation depend on rounding, as in unet.ts.
  const { history } = await train(net, data, { epochs: 4 })
  return [loss, metrics!.accuracy as number, probability, ...history.map(({ trainLoss }) => trainLoss)]
}

export default { losses } satisfies Case
