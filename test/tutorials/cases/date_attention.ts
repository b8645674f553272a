import type { Case } from '../case.ts'
import { given, whole } from '../given.ts'
import { convert, dateBatches, INPUT_FORMATS, Model, OUTPUT_VOCAB, train } from '../programs/date_attention.ts'

const days = (n: number, seed: number) => {
  const [years, months, dates] = [100, 12, 28].map((below, i) => whole(n, seed + i, below)) as Int32Array[]
  return Array.from(years!, (year, i) => [1950 + year, 1 + months![i]!, 1 + dates![i]!] as const)
}

export default {
  losses: async () => {
    const options = { batchSize: 8, shuffle: false, formats: [0, 8, 11].map((i) => INPUT_FORMATS[i]!) }
    const net = given(new Model({ embeddingDims: 16, lstmUnits: 16 }))
    const { losses, heldLosses } = await train(
      net,
      dateBatches(days(6, 100), options),
      dateBatches(days(2, 110), options),
    )
    const { date, attention } = await convert(net, 'JAN 05, 2019')
    return [
      ...losses,
      ...heldLosses,
      ...[...date].map((char) => OUTPUT_VOCAB.indexOf(char)),
      ...(await attention.data()),
    ]
  },
} satisfies Case
