// The chapter's three ways to set a rate: by hand, as a function of the epoch, and with a scheduler that is stepped.
// Run: node --import tsx examples/chapter_schedulers.ts
// It prints
//   learning rate is now 0.10
//   epoch 0  rate 0.1000  train loss 2.032
//   epoch 1  rate 0.0707  train loss 1.457
//   epoch 2  rate 0.0577  train loss 1.175
//   epoch 3  rate 0.0500  train loss 1.042
//   epoch 0  lastLr 0.1000
//   epoch 1  lastLr 0.0707
import { fit, ImageBatches, loadFashionMnist, manualSeed, nn, open, optim, sched } from 'dawngrad'

await open()
manualSeed(0)
const { train } = await loadFashionMnist({ dir: new URL('sample/', import.meta.url), verify: false })
const data = new ImageBatches(train, { batchSize: 32 })
const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 64), new nn.ReLU(), new nn.Linear(64, 10))
const optimizer = new optim.SGD(net.parameters(), { lr: 0.3 })

// By hand. It applies from the next step on.
optimizer.paramGroups[0]!.lr = 0.1
console.log(`learning rate is now ${optimizer.paramGroups[0]!.lr.toFixed(2)}`)

// By a schedule s, a pure function of t: epoch t runs at the rate s(t).
const schedule = sched.squareRoot({ lr: 0.1 }) // 0.1 (t + 1)^−½
const { history } = await fit(net, { data, optimizer, schedule, epochs: 4 })
for (const { epoch, lr, trainLoss } of history) {
  console.log(`epoch ${epoch}  rate ${lr.toFixed(4)}  train loss ${trainLoss.toFixed(3)}`)
}

// By a scheduler, in loops written as in PyTorch. Each parameter group may have a schedule.
const scheduler = new sched.Scheduler(optimizer, schedule)
for (let epoch = 0; epoch < 2; epoch++, scheduler.step()) {
  console.log(`epoch ${epoch}  lastLr ${scheduler.lastLr.map((lr) => lr.toFixed(4))}`)
}
