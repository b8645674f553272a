import type { Case } from '../case.ts'
import { given, whole } from '../given.ts'
import {
  buildModel,
  type ModelType,
  multihot,
  padSequences,
  readReviews,
  reviewBatches,
  train,
} from '../programs/sentiment.ts'

/** 16 reviews of 5 to 14 words. */
const words = () => {
  const [drawn, lengths] = [whole(16 * 14, 100, 60), whole(16, 101, 10)]
  return Array.from(lengths, (length, i) => [
    1,
    ...drawn.subarray(14 * i, 14 * i + 5 + length).map((w) => w + 3),
  ]).flat()
}

const first = async (type: ModelType) => {
  const net = given(buildModel(type, { maxLen: 10, numWords: 50, embeddingSize: 16, dropout: 0, units: 8 }))
  const reviews = readReviews(words(), 50)
  const y = whole(16, 102, 2)
  const part = (start: number, end: number) => {
    const rows = reviews.slice(start, end)
    const x = type === 'multihot' ? multihot(rows, 50) : padSequences(rows, 10)
    return reviewBatches(x, y.subarray(start, end), { batchSize: 6, shuffle: false })
  }
  const { losses, validation } = await train(net, part(0, 12), part(12, 16), { epochs: 1 })
  return [...losses, ...validation.flatMap(({ loss, accuracy }) => [loss, accuracy])]
}

export default {
  losses: async () => [...(await first('multihot')), ...(await first('cnn')), ...(await first('bidirectionalLSTM'))],
} satisfies Case
