import type { Case } from '../case.ts'
import { given } from '../given.ts'
import { TransformerModel } from '../programs/word_language_transformer.ts'
import { CORPUS, lossesOf } from './word_language_model.ts'

const SIZES = { emsize: 8, nhid: 8, dropout: 0, layerDropout: 0, maxLen: 10 }

export default {
  losses: () => lossesOf(given(new TransformerModel(CORPUS.words.length, SIZES)), { lr: 2 }),
} satisfies Case
