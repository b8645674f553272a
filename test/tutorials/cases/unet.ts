import { Batches } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, images, whole } from '../given.ts'
import { network, score, train } from '../programs/unet.ts'

function masked(count: number, seed: number) {
  const pictures = { data: images([count, 3, 16, 16], 3, seed).images, shape: [count, 3, 16, 16], scale: 1 / 255 }
  const masks = { data: Uint8Array.from(whole(count * 256, seed + 1, 3)), shape: [count, 16, 16] }
  return new Batches({ images: pictures, masks }, { batchSize: 4, shuffle: false })
}

async function losses() {
  const net = given(network({ first: 4, down: [6, 8], up: [8, 6, 4] }))
  const data = { train: masked(4, 100), test: masked(3, 110) }
  const before = await score(net, data.test)
  // Later losses of the validation depend on rounding: the gradient of a bias before batch norm is 0, and RMSprop takes steps of
  // the same length along whatever float32 leaves of it.
  const { history } = await train(net, data, { epochs: 4 })
  return [before.loss, ...history.map(({ trainLoss }) => trainLoss)]
}

export default { losses } satisfies Case
