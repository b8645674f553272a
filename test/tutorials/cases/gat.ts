import type { Case } from '../case.ts'
import { given } from '../given.ts'
import { GAT, run } from '../programs/gat.ts'
import { graph } from './gcn.ts'

export default {
  losses: async () => {
    const all = []
    for (const concat of [false, true]) {
      const net = given(new GAT(12, 3, { hidden: 8, heads: 2, concat, dropoutP: 0 }))
      const history = await run(net, graph(false), { epochs: 5 })
      all.push(...history.flatMap(({ train, held }) => [train.loss, train.accuracy, held.loss, held.accuracy]))
    }
    return all
  },
} satisfies Case
