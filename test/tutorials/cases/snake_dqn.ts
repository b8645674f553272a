import type { Case } from '../case.ts'
import { given, uniform } from '../given.ts'
import { deepQNetwork, SnakeGame, SnakeGameAgent, train } from '../programs/snake_dqn.ts'

export default {
  losses: async () => {
    const draws = uniform(4000, 111).values()
    const game = new SnakeGame({ height: 9, width: 9, initLen: 2, random: () => draws.next().value! })
    const nets = [0, 1].map(() => given(deepQNetwork(9, 9, { filters: [8, 16, 16], dropout: 0 })))
    const agent = new SnakeGameAgent(game, [nets[0]!, nets[1]!], {
      ...{ replayBufferSize: 30, epsilonInit: 0.9, epsilonFinal: 0.7, epsilonDecayFrames: 50, batchSize: 12 },
      ...{ maxNumFrames: 36, syncEveryFrames: 33 },
    })
    const { losses, games } = await train(agent)
    return [...losses, ...games.flatMap(({ reward, fruits }) => [reward, fruits])]
  },
} satisfies Case
