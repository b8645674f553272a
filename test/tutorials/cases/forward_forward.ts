import { tensor } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, uniform, whole } from '../given.ts'
import { errorRate, Net, overlay, wrongDigits } from '../programs/forward_forward.ts'

export default {
  losses: async () => {
    const net = given(new Net([30, 12, 12]))
    const x = tensor(uniform(16 * 30, 100), [16, 30])
    const digits = whole(16, 101, 10)
    const random = [...uniform(16, 102)].values()
    const wrong = wrongDigits(digits, () => random.next().value!)
    const losses = await net.learn(overlay(x, tensor(digits)), overlay(x, tensor(wrong)), { epochs: 5 })
    return [...losses, await errorRate(net, x, tensor(digits))]
  },
} satisfies Case
