import { tensor } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { normal, uniform } from '../given.ts'
import { sample, train, variables } from '../programs/polynomial.ts'

export default {
  losses: () => {
    const x = tensor(uniform(100, 100)).mul(2).sub(1)
    const y = sample(x, tensor(normal(100, 101)).mul(0.04), { a: -0.8, b: -0.2, c: 0.9, d: 0.5 })
    const start = uniform(4, 102).values()
    return train(
      x,
      y,
      variables(() => start.next().value!),
      { steps: 8 },
    )
  },
} satisfies Case
