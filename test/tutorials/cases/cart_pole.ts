import type { Case } from '../case.ts'
import { given, uniform } from '../given.ts'
import { CartPole, optimizerOf, policyNetwork, train } from '../programs/cart_pole.ts'

export default {
  losses: async () => {
    const draws = uniform(1000, 100).values()
    const system = new CartPole(() => draws.next().value!)
    const net = given(policyNetwork([4]))
    const optimizer = optimizerOf(net)
    const found = []
    for (let i = 0; i < 3; i++) {
      const { loss, lengths } = await train(net, optimizer, system, { games: 3, maxStepsPerGame: 20 })
      found.push(loss, ...lengths)
    }
    return found
  },
} satisfies Case
