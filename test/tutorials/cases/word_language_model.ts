import type { Case } from '../case.ts'
import { given } from '../given.ts'
import { batchify, Corpus, type LanguageModel, RNNModel, train } from '../programs/word_language_model.ts'

const LINES = ['the cat sat on the mat', 'a dog sat on the cat', 'the mat is on a dog', 'a cat is the dog']
export const CORPUS = new Corpus([...LINES, ...LINES].join('\n'), LINES.toReversed().join('\n'), LINES.join('\n'))

export async function lossesOf(net: LanguageModel, options: { lr?: number } = {}) {
  const sources = {
    train: batchify(CORPUS.train, 4, 8),
    valid: batchify(CORPUS.valid, 2, 8),
    test: batchify(CORPUS.test, 2, 8),
  }
  const { losses, validLosses, testLoss } = await train(net, sources, { epochs: 4, ...options })
  return [...losses, ...validLosses, testLoss]
}

const SIZES = { emsize: 8, nhid: 8, nlayers: 2, dropout: 0, tied: true }

export default { losses: () => lossesOf(given(new RNNModel(CORPUS.words.length, SIZES))) } satisfies Case
