// The chapter's toy problem: LeNet and SGD at a constant rate of 0.3 for one epoch. Prints the chapter's last line.
// Run: node --import tsx examples/chapter_toy_problem.ts
// It prints
//   train loss 2.303, train acc 0.09, test acc 0.10
import { fit, ImageBatches, loadFashionMnist, manualSeed, nn, open, optim, take } from 'dawngrad'

await open()
manualSeed(0)
// After 8 updates the loss of LeNet is still near its start, ln 10 = 2.303. `npm run train` makes 235 updates an epoch.
const { train, test } = await loadFashionMnist({ dir: new URL('sample/', import.meta.url), verify: false })
const data = { train: new ImageBatches(take(train, 256), { batchSize: 32 }), test: new ImageBatches(take(test, 128)) }
const net = nn.lenet()
const optimizer = new optim.SGD(net.parameters(), { lr: 0.3 })
const { trainLoss, trainAcc, testAcc } = await fit(net, { data, optimizer, epochs: 1 })
console.log(`train loss ${trainLoss.toFixed(3)}, train acc ${trainAcc.toFixed(2)}, test acc ${testAcc.toFixed(2)}`)
