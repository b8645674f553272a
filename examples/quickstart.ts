// Two layers learn whether points lie inside a circle: a training loop like PyTorch's, with a schedule.
// Run: node --import tsx examples/quickstart.ts
// It prints
//   step 0  loss 0.679
//   step 50  loss 0.044
//   step 100  loss 0.030
//   step 150  loss 0.027
//   step 200  loss 0.026
import { crossEntropy, manualSeed, nn, open, optim, sched, scope, tensor } from 'dawngrad'

await open()
manualSeed(0)
// 256 points on a spiral. The first half lies inside the circle: label 1.
const points = tensor(Array.from({ length: 256 }, (_, i) => [(i * Math.cos(i)) / 128, (i * Math.sin(i)) / 128]))
const labels = tensor(Int32Array.from({ length: 256 }, (_, i) => (i < 128 ? 1 : 0)))
const net = new nn.Sequential(new nn.Linear(2, 32), new nn.ReLU(), new nn.Linear(32, 2))
const optimizer = new optim.SGD(net.parameters(), { lr: 0.3, momentum: 0.9 })
const scheduler = new sched.Scheduler(optimizer, sched.cosine({ maxUpdate: 200, baseLr: 0.3, finalLr: 0.01 }))
for (let t = 0; t <= 200; t++, scheduler.step()) {
  const loss = scope(() => {
    const loss = crossEntropy(net.forward(points), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  })
  if (t % 50 === 0) console.log(`step ${t}  loss ${(await loss.item()).toFixed(3)}`)
  loss.dispose()
}
