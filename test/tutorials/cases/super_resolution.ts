import { avgPool2d, Batches, tensor } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, uniform } from '../given.ts'
import { Net, train } from '../programs/super_resolution.ts'

/** Pictures of 12 x 12, and the same made half as large. */
async function pairs(n: number) {
  const target = { data: uniform(n * 144, 100), shape: [n, 1, 12, 12] }
  const small = await avgPool2d(tensor(target.data, target.shape), { kernelSize: 2 }).data()
  const input = { data: Float32Array.from(small), shape: [n, 1, 6, 6] }
  return new Batches({ input, target }, { batchSize: 4, shuffle: false })
}

export default {
  losses: async () => {
    const { losses, ratios } = await train(given(new Net(2, 8)), await pairs(12), await pairs(6), { epochs: 2 })
    return [...losses, ...ratios]
  },
} satisfies Case
