import type { Case } from '../case.ts'
import { given, uniform } from '../given.ts'
import { Agent, train } from '../programs/ppo.ts'

export default {
  losses: async () => {
    const draws = uniform(1000, 100).values()
    const small = {
      totalTimesteps: 64,
      numEnvs: 2,
      numSteps: 16,
      numMinibatches: 2,
      updateEpochs: 2,
      learningRate: 0.01,
      clipCoef: 0.05,
    }
    const found = await train(given(new Agent()), { ...small, random: () => draws.next().value! })
    // The loss of the policy, which is near 0 at first, is a part of the first.
    return found.flatMap(([loss, , ofValues, entropy]) => [loss!, ofValues!, entropy!])
  },
} satisfies Case
