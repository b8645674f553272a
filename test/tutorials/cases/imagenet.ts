import { Batches } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, images, whole } from '../given.ts'
import { ResNet18, train } from '../programs/imagenet.ts'

function batches(count: number, seed: number) {
  const { images: data } = images([count, 3, 16, 16], 7, seed)
  const fields = { images: { data, shape: [count, 3, 16, 16], scale: 1 / 255 }, labels: whole(count, seed + 1, 7) }
  return new Batches(fields, { batchSize: 6, shuffle: false })
}

async function losses() {
  const net = given(new ResNet18({ width: 3, blocks: [1, 1], classes: 7 }))
  const { losses, figures } = await train(
    net,
    { train: batches(12, 100), val: batches(10, 120) },
    { lr: 0.01, epochs: 2 },
  )
  const { loss, acc1, acc5 } = figures[1]!
  return [...losses, figures[0]!.loss, loss, acc1, acc5]
}

export default { losses } satisfies Case
