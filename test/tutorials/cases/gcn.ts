import { tensor } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, uniform, whole } from '../given.ts'
import { adjacencyOf, GCN, type Graph, train } from '../programs/gcn.ts'

/** 24 nodes with 60 edges in three classes. */
export function graph(normalized: boolean): Graph {
  const [from, to, labels] = [whole(60, 100, 24), whole(60, 101, 24), whole(24, 102, 3)]
  const part = (first: number, last: number) => ({
    index: tensor(Int32Array.from({ length: last - first }, (_, i) => first + i)),
    labels: tensor(labels.slice(first, last)),
  })
  const edges = Array.from(from, (node, i) => [node, to[i]!] as const)
  return {
    features: tensor(uniform(24 * 12, 103), [24, 12]),
    adjacency: adjacencyOf(edges, 24, { normalized }),
    train: part(0, 16),
    held: part(16, 24),
  }
}

export default {
  losses: async () => {
    const net = given(new GCN(12, 3, { hidden: 8, useBias: true, dropoutP: 0 }))
    const history = await train(net, graph(true), { epochs: 5 })
    return history.flatMap(({ train, held }) => [train.loss, train.accuracy, held.loss, held.accuracy])
  },
} satisfies Case
