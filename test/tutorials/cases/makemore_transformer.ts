import type { Case } from '../case.ts'
import { given } from '../given.ts'
import { datasets, evaluate, generate, Transformer, train } from '../programs/makemore_transformer.ts'
import { WORDS } from './makemore_mlp.ts'

async function losses() {
  const words = datasets(WORDS, { batchSize: 6, shuffle: false })
  const vocabSize = words.chars.length + 1
  const net = given(new Transformer({ vocabSize, blockSize: words.blockSize, nLayer: 2, nEmbd: 8, nHead: 2 }))
  const found = [...(await train(net, words.train, { steps: 4, lr: 0.02 })), await evaluate(net, words.test)]
  await generate(net, words, { num: 2 })
  return found
}

export default { losses } satisfies Case
