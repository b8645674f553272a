import type { Case } from '../case.ts'
import { given, uniform } from '../given.ts'
import { Policy, train } from '../programs/actor_critic.ts'

export default {
  losses: async () => {
    const drawn = uniform(500, 100).values()
    const history = await train(given(new Policy()), { episodes: 4, random: () => drawn.next().value! })
    return history.flatMap(({ loss, steps }) => [loss, steps])
  },
} satisfies Case
