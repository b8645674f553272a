import { Batches, tensor } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { given, normal, uniform } from '../given.ts'
import { addNoise, autoencoder, train } from '../programs/denoising_autoencoder.ts'

async function pairs(count: number, seed: number) {
  const shape = [count, 1, 8, 8]
  const data = uniform(count * 64, seed)
  const noisy = addNoise(tensor(data, shape), tensor(normal(data.length, seed + 1), shape))
  const fields = { noisy: { data: Float32Array.from(await noisy.data()), shape }, clean: { data, shape } }
  return new Batches(fields, { batchSize: 4, shuffle: false })
}

async function losses() {
  const data = { train: await pairs(8, 100), test: await pairs(4, 110) }
  const { history, testLoss } = await train(given(autoencoder({ filters: 4 })), data, { epochs: 3 })
  return [...history.map(({ trainLoss }) => trainLoss), testLoss]
}

export default { losses } satisfies Case
