import { Batches } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, normal, whole } from '../given.ts'
import { evaluate, network, normalize, statisticsOf, train } from '../programs/phishing.ts'

const rows = (n: number, seed: number) => {
  const values = normal(30 * n, seed)
  return Array.from({ length: n }, (_, i) => Array.from(values.subarray(30 * i, 30 * i + 30)))
}

export default {
  losses: async () => {
    const statistics = statisticsOf(rows(16, 100))
    const data = Float32Array.from(normalize(rows(16, 100), statistics).flat())
    const y = { data: Float32Array.from(whole(16, 101, 2)), shape: [16, 1] }
    const net = given(network(30))
    const sites = new Batches({ x: { data, shape: [16, 30] }, y }, { batchSize: 6, shuffle: false })
    const losses = await train(net, sites, { epochs: 2 })
    const tested = await evaluate(net, normalize(rows(20, 102), statistics), [...whole(20, 103, 2)])
    return [...losses, ...Object.values(tested)]
  },
} satisfies Case
