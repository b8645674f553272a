import { nn, tensor } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, normal } from '../given.ts'
import { described, train } from '../programs/regression.ts'

const wanted = () => ({ weight: tensor([[3, -2, 1, 5]]), bias: tensor([-4]) })

export default {
  losses: async () => {
    const fc = given(new nn.Linear(4, 1))
    let seed = 100
    const draw = (shape: readonly number[]) => tensor(normal(shape[0]!, seed++))
    const losses = await train(fc, wanted(), { steps: 8, draw })
    const isDescribed = (await described(wanted())) === 'y = 3.00 x^1 + -2.00 x^2 + 1.00 x^3 + 5.00 x^4 + -4.00'
    return [...losses, Number(isDescribed)]
  },
} satisfies Case
