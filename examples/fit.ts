// Trains in one call, with a schedule, clipped gradients and early stopping.
// Run: node --import tsx examples/fit.ts
// It prints
//   epoch 0  rate 0.1000  train loss 1.901
//   epoch 1  rate 0.0868  train loss 1.108
//   epoch 2  rate 0.0550  train loss 0.811
//   epoch 3  rate 0.0232  train loss 0.663
import { earlyStopping, fit, ImageBatches, loadFashionMnist, manualSeed, nn, open, optim, sched } from 'dawngrad'

await open()
manualSeed(0)
const { train, test } = await loadFashionMnist({ dir: new URL('sample/', import.meta.url), verify: false })
const data = { train: new ImageBatches(train, { batchSize: 32 }), test: new ImageBatches(test) }
const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 64), new nn.ReLU(), new nn.Linear(64, 10))
const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 })
const schedule = sched.cosine({ maxUpdate: 4, baseLr: 0.1, finalLr: 0.01 })
const callbacks = [earlyStopping({ metric: 'testLoss', patience: 2 })]
const { history } = await fit(net, { data, optimizer, schedule, epochs: 4, clipGradNorm: 1, callbacks })
for (const { epoch, lr, trainLoss } of history) {
  console.log(`epoch ${epoch}  rate ${lr.toFixed(4)}  train loss ${trainLoss.toFixed(3)}`)
}
