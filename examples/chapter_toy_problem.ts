// The chapter's toy problem: LeNet and SGD at a constant rate of 0.3, here on 512 images; `npm run train` takes all 60,000.
// Run: node --import tsx examples/chapter_toy_problem.ts
// It prints
//   epoch 0  train loss 2.29, train acc 0.13, test acc 0.11
//   epoch 1  train loss 2.20, train acc 0.22, test acc 0.28
//   epoch 2  train loss 1.72, train acc 0.36, test acc 0.42
import { fit, ImageBatches, loadFashionMnist, manualSeed, nn, open, optim } from 'dawngrad'

await open()
manualSeed(0)
const { train, test } = await loadFashionMnist({ dir: new URL('sample/', import.meta.url), verify: false })
const data = { train: new ImageBatches(train, { batchSize: 16 }), test: new ImageBatches(test) }
const net = nn.lenet()
const optimizer = new optim.SGD(net.parameters(), { lr: 0.3 })
const { history } = await fit(net, { data, optimizer, epochs: 3 })
for (const record of history) {
  if (record.kind !== 'epoch') continue
  const [loss, trainAcc, testAcc] = [record.trainLoss, record.trainAcc, record.testAcc].map((x) => x.toFixed(2))
  console.log(`epoch ${record.epoch}  train loss ${loss}, train acc ${trainAcc}, test acc ${testAcc}`)
}
