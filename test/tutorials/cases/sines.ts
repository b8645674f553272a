import { tensor } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, uniform } from '../given.ts'
import { Sequence, train, waves } from '../programs/sines.ts'

export default {
  losses: async () => {
    const drawn = uniform(8, 100).values()
    const data = tensor(
      waves(8, 9, () => drawn.next().value!),
      [8, 9],
    )
    const { losses, tests, predicted } = await train(given(new Sequence(6)), data, { steps: 2, future: 4, maxIter: 5 })
    return [...losses, ...tests, await predicted!.square().mean().item()]
  },
} satisfies Case
