import type { Case } from '../case.ts'
import { given, uniform } from '../given.ts'
import { encode, GPT, generate, train } from '../programs/nanogpt.ts'

const TEXT =
  'the quick brown fox jumps over the lazy dog; pack my box with five dozen jugs. how vexingly quick daft zebras jump! '

async function losses() {
  const text = encode(TEXT.repeat(2))
  const vocabSize = text.chars.length
  const net = given(new GPT({ vocabSize, blockSize: 8, nLayer: 2, nHead: 2, nEmbd: 16, dropout: 0 }))
  const numbers = uniform(100, 100).values()
  const random = () => numbers.next().value!
  const options = { batchSize: 4, maxIters: 4, warmupIters: 2, lr: 0.02, minLr: 0.002, evalInterval: 1, evalIters: 1 }
  const found = await train(net, text, { ...options, random })
  await generate(net, text, 'the quick', { count: 2 })
  return found.flat()
}

export default { losses } satisfies Case
