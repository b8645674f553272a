import { Batches } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, images, whole } from '../given.ts'
import { accuracy, distillationLoss, plainLoss, student, teacher, train } from '../programs/distillation.ts'

async function losses() {
  const x = { data: images([8, 1, 28, 28], 10).images, shape: [8, 1, 28, 28], scale: 1 / 255 }
  const batches = new Batches({ x, y: whole(8, 101, 10) }, { batchSize: 4, shuffle: false })
  const [large, small] = [given(teacher(4, 6)), given(student(2, 3))]
  const found = await train(large, plainLoss(large), batches, { epochs: 2 })
  found.push(...(await train(small, distillationLoss(small, large), batches, { epochs: 2 })))
  return [...found, await accuracy(large, batches)]
}

export default { losses } satisfies Case
