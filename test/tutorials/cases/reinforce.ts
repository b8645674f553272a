import type { Case } from '../case.ts'
import { given, uniform } from '../given.ts'
import { Policy, train } from '../programs/reinforce.ts'

export default {
  losses: async () => {
    const policy = given(new Policy())
    policy.dropout.p = 0
    const drawn = uniform(500, 100).values()
    const history = await train(policy, { episodes: 4, random: () => drawn.next().value! })
    return history.flatMap(({ loss, steps }) => [loss, steps])
  },
} satisfies Case
