import type { Case } from '../case.ts'
import { given, uniform } from '../given.ts'
import { Adder, Demo, generateData } from '../programs/addition_rnn.ts'

export default {
  losses: async () => {
    const draws = uniform(400, 100).values()
    const pairs = generateData(2, 20, () => draws.next().value!)
    const demo = new Demo(pairs, { batchSize: 6, shuffle: false })
    const net = given(new Adder(2, 'GRU', 32))
    const { losses, testLosses } = await demo.train(net, { iterations: 2 })
    const right = (await demo.answers(net)).filter(([, , right]) => right).length
    return [...losses, ...testLosses, right]
  },
} satisfies Case
