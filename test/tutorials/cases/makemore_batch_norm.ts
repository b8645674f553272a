import type { Case } from '../case.ts'
import { given } from '../given.ts'
import { buildDatasets, network, sample, splitLoss, train } from '../programs/makemore_batch_norm.ts'
import { WORDS } from './makemore_mlp.ts'

async function losses() {
  const { chars, train: rows, test } = buildDatasets(WORDS, 3, { batchSize: 16, shuffle: false })
  const net = given(network({ vocabSize: chars.length, nEmbd: 4, nHidden: 12, depth: 2 }))
  const found = [...(await train(net, rows, { steps: 4 })), await splitLoss(net, test)]
  await sample(net, chars)
  return found
}

export default { losses } satisfies Case
