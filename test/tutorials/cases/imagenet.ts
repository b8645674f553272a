import type { Case } from '../case.ts'
import { given, images, whole } from '../given.ts'
import { datasets, resnet18, train } from '../programs/imagenet.ts'

function pictures(count: number, seed: number) {
  const { images: data } = images([count, 3, 16, 16], 7, seed)
  return { images: { data, shape: [count, 3, 16, 16] }, labels: whole(count, seed + 1, 7) }
}

async function losses() {
  const net = given(resnet18({ width: 3, blocks: [1, 1], classes: 7 }))
  const data = datasets(pictures(12, 100), pictures(10, 120), { batchSize: 6, augment: {}, shuffle: false })
  const { losses, figures } = await train(net, data, { lr: 0.01, epochs: 2 })
  const { loss, acc1, acc5 } = figures[1]!
  return [...losses, figures[0]!.loss, loss, acc1, acc5]
}

export default { losses } satisfies Case
