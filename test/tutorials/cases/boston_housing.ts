import { Batches, tensor } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, normal } from '../given.ts'
import { baseline, determineMeanAndStd, normalize, regression, train } from '../programs/boston_housing.ts'

const rows = (n: number, seed: number) =>
  tensor(normal(12 * n, seed), [n, 12])
    .mul(3)
    .add(2)
const prices = (n: number, seed: number) => normal(n, seed).map((v) => 20 + v)

export default {
  losses: async () => {
    const x = rows(20, 100)
    const statistics = determineMeanAndStd(x)
    const houses = async (raw: ReturnType<typeof rows>, seed: number) => {
      const n = raw.shape[0]!
      const data = (await normalize(raw, statistics).data()) as Float32Array
      const y = { data: prices(n, seed), shape: [n, 1] }
      return new Batches({ x: { data, shape: [n, 12] }, y }, { batchSize: 10, shuffle: false })
    }
    const data = [await houses(x, 101), await houses(rows(7, 102), 103)] as const
    const linear = await train(given(regression(12)), ...data, { epochs: 2 })
    const deep = await train(given(regression(12, [50, 50])), ...data, { epochs: 2 })
    const base = await baseline(tensor(prices(20, 101)), tensor(prices(7, 103)))
    return [...linear.losses, ...linear.heldLosses, ...deep.losses, ...deep.heldLosses, base]
  },
} satisfies Case
