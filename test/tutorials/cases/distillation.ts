import { Batches } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, images, whole } from '../given.ts'
import { distillationLoss, plainLoss, score, student, teacher, train } from '../programs/distillation.ts'

async function losses() {
  const x = { data: images([8, 1, 28, 28], 10).images, shape: [8, 1, 28, 28], scale: 1 / 255 }
  const batches = new Batches({ x, y: whole(8, 101, 10) }, { batchSize: 4, shuffle: false })
  const [large, small] = [given(teacher(4, 6)), given(student(2, 3))]
  const first = await train(large, plainLoss, batches, { epochs: 2 })
  const second = await train(small, distillationLoss(large), batches, { epochs: 2 })
  const { metrics } = await score(large, batches)
  return [...[...first.history, ...second.history].map(({ trainLoss }) => trainLoss), metrics!.accuracy as number]
}

export default { losses } satisfies Case
