import type { Case } from '../case.ts'
import { given, uniform, whole } from '../given.ts'
import { network, predict, train } from '../programs/abalone.ts'

function csv(): string {
  const [sexes, sizes, rings] = [whole(30, 100, 3), uniform(210, 101), whole(30, 102, 20)]
  const rows = Array.from(sexes, (sex, i) => ['FMI'[sex], ...sizes.subarray(7 * i, 7 * i + 7), rings[i]].join())
  return ['sex,length,diameter,height,whole,shucked,viscera,shell,rings', ...rows].join('\n')
}

export default {
  losses: async () => {
    const net = given(network(8))
    const options = { epochs: 2, batchSize: 8, trained: 24, shuffle: false }
    const { losses, heldLosses } = await train(net, csv(), options)
    return [...losses, ...heldLosses, await predict(net, [0, 0.625, 0.5, 0.125, 1.25, 0.5, 0.25, 0.375])]
  },
} satisfies Case
