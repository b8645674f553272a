// Records a training step once and replays it: one submit an epoch, at a rate that changes from epoch to epoch.
// Run: node --import tsx examples/captured.ts
// It prints
//   rate 0.1  loss of the last batch 2.364
//   rate 0.1  loss of the last batch 1.069
//   rate 0.05  loss of the last batch 0.894
//   rate 0.01  loss of the last batch 0.683
import { capture, crossEntropy, ImageBatches, loadFashionMnist, manualSeed, nn, open, optim } from 'dawngrad'

await open()
manualSeed(0)
const sample = new URL('sample/', import.meta.url) // without `dir`: the whole data set, where `npm run setup` put it
const { train } = await loadFashionMnist({ dir: sample, verify: false })
const batches = new ImageBatches(train, { batchSize: 32 })
const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 64), new nn.ReLU(), new nn.Linear(64, 10))
const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 })
const plan = capture(() => {
  const { images, labels } = batches.next()
  const loss = crossEntropy(net.forward(images), labels)
  optimizer.zeroGrad()
  loss.backward()
  optimizer.step()
  return loss
})
for (const lr of [0.1, 0.1, 0.05, 0.01]) {
  batches.position = 0 // another epoch
  plan.run(batches.length, { lr })
  console.log(`rate ${lr}  loss of the last batch ${(await plan.result.item()).toFixed(3)}`)
}
