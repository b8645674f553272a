import type { Case } from '../case.ts'
import { given, uniform } from '../given.ts'
import { QNetwork, train } from '../programs/dqn.ts'

export default {
  losses: async () => {
    const draws = uniform(2000, 100).values()
    const { losses, returns } = await train(given(new QNetwork()), new QNetwork(), {
      ...{ totalTimesteps: 90, learningStarts: 30, trainFrequency: 10, targetNetworkFrequency: 20, tau: 0.75 },
      ...{ bufferSize: 50, batchSize: 16, random: () => draws.next().value! },
    })
    return [...losses, ...returns]
  },
} satisfies Case
