import type { Case } from '../case.ts'
import { given } from '../given.ts'
import { datasets, evaluate, generate, MLP, train } from '../programs/makemore_mlp.ts'

export const WORDS = 'abel ada bea carl cleo dora ed fay gus hana ida jo kai lena mo nils ona pia ruth sven'.split(' ')

async function losses() {
  const words = datasets(WORDS, { batchSize: 6, shuffle: false })
  const net = given(new MLP({ vocabSize: words.chars.length + 1, blockSize: words.blockSize, nEmbd: 8, nEmbd2: 16 }))
  const found = [...(await train(net, words.train, { steps: 6, lr: 0.02 })), await evaluate(net, words.test)]
  const made = await generate(net, words, { num: 3 })
  if (made.length !== 3 || /[^a-z]/.test(made.join(''))) throw new Error(`these are not words: ${made.join(', ')}`)
  return found
}

export default { losses } satisfies Case
