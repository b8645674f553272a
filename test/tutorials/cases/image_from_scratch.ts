import { Batches, tensor } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, images, uniform, whole } from '../given.ts'
import { evaluate, predict, train, Xception } from '../programs/image_from_scratch.ts'

function pictures(count: number, seed: number) {
  const data = images([count, 3, 12, 12], 2, seed).images
  const labels = Float32Array.from(whole(count, seed + 1, 2))
  return new Batches(
    { images: { data, shape: [count, 3, 12, 12], scale: 1 / 255 }, labels },
    { batchSize: 6, shuffle: false },
  )
}

async function losses() {
  const net = given(new Xception({ entry: [4, 6], sizes: [6, 8], last: 8, dropout: 0 }))
  const data = { train: pictures(6, 100), val: pictures(4, 110) }
  const { loss, accuracy } = await evaluate(net, data.val)
  const score = await predict(net, tensor(uniform(432, 120), [3, 12, 12]))
  // Later losses of the validation depend on rounding, as in unet.ts.
  const history = await train(net, data, { epochs: 4 })
  return [loss, accuracy, score, ...history.map(({ loss }) => loss)]
}

export default { losses } satisfies Case
