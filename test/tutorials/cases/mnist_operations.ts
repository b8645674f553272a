import { Batches, tensor } from '../../../src/node/index.ts'
import type { Case } from '../case.ts'
import { normal, uniform, whole } from '../given.ts'
import { train } from '../programs/mnist_operations.ts'

const weights = (shape: number[], seed: number, scale: number) => {
  const values = normal(
    shape.reduce((a, b) => a * b),
    seed,
  ).map((v) => v * scale)
  return tensor(values, shape, { requiresGrad: true })
}

export default {
  losses: () => {
    const images = { data: uniform(16 * 784, 100), shape: [16, 1, 28, 28] }
    const digits = new Batches({ images, labels: whole(16, 101, 10) }, { batchSize: 8, shuffle: false })
    const [conv1, conv2] = [weights([8, 1, 5, 5], 102, 0.1), weights([16, 8, 5, 5], 103, 0.1)]
    const [product, bias] = [weights([784, 10], 104, 1 / 28), weights([10], 105, 0)]
    return train({ conv1, conv2, product, bias }, digits, { steps: 4 })
  },
} satisfies Case
