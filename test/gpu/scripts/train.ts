// Three steps of LeNet on the sample; prints the hash of the parameters. The argument is the seed.
import {
  crossEntropy,
  ImageBatches,
  loadFashionMnist,
  manualSeed,
  nn,
  open,
  optim,
  permutation,
  scope,
} from '../../../src/node/index.ts'
import { parameterHash } from '../../../src/train/index.ts'

const seed = Number(process.argv[2])
await open()
manualSeed(seed)
const { train } = await loadFashionMnist({ dir: new URL('../../../examples/sample', import.meta.url), verify: false })
const batches = new ImageBatches(train, { batchSize: 32 })
batches.setOrder(permutation(seed, 0, train.count))
const net = nn.lenet()
const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 })
for (let i = 0; i < 3; i++) {
  scope(() => {
    const { images, labels } = batches.batch(i)
    const loss = crossEntropy(net.forward(images), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
  })
}
console.log(await parameterHash(net))
