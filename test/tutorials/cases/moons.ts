import { tensor } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, normal, whole } from '../given.ts'
import { network, train } from '../programs/moons.ts'

const x = () => tensor(normal(80, 100), [40, 2])
const y = () => tensor(Float32Array.from(whole(40, 101, 2), (one) => 2 * one - 1))

export default { losses: () => train(given(network()), x(), y(), { steps: 8 }) } satisfies Case
