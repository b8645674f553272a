import { Batches } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, uniform, whole } from '../given.ts'
import { evaluate, KINDS, network, predictSample, train } from '../programs/baseball.ts'

const [values, kinds] = [uniform(24 * 8, 100), whole(24, 101, 7)]
const rows = Array.from({ length: 24 }, (_, i) => Array.from(values.subarray(8 * i, 8 * i + 8)))

export default {
  losses: async () => {
    const net = given(network())
    const pitches = new Batches({ x: { data: values, shape: [24, 8] }, y: kinds }, { batchSize: 8, shuffle: false })
    const losses = await train(net, pitches, { epochs: 2 })
    const means = (await evaluate(net, rows, [...kinds])).map(({ mean }) => mean)
    return [...losses, ...means, KINDS.indexOf(await predictSample(net, rows[0]!))]
  },
} satisfies Case
