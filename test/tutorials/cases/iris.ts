import { Batches } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, normal, whole } from '../given.ts'
import { network, train } from '../programs/iris.ts'

const flowers = () =>
  new Batches({ x: { data: normal(160, 100), shape: [40, 4] }, y: whole(40, 101, 3) }, { shuffle: false })

export default { losses: () => train(given(network()), flowers(), { epochs: 3 }) } satisfies Case
