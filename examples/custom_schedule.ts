// A schedule is any function of t. It can be used directly and inside warmup, sequence, chain and scale.
// Run: node --import tsx examples/custom_schedule.ts
// It prints
//   rates s(0) = 0.000, s(4) = 0.100, s(8) = 0.200, s(36) = 0.200, s(50) = 0.100, s(63) = 0.007
//   epoch 0  last rate 0.2000  train loss 2.044
//   epoch 1  last rate 0.2000  train loss 1.368
//   epoch 2  last rate 0.1214  train loss 0.983
//   epoch 3  last rate 0.0071  train loss 0.784
import { fit, ImageBatches, loadFashionMnist, manualSeed, nn, open, optim, sched } from 'dawngrad'

/** Holds `lr` for the first half of `steps`, then falls linearly to 0. */
function holdThenFall(lr: number, steps: number): sched.Schedule {
  return (t) => lr * Math.min(1, Math.max(0, 2 - (2 * t) / steps))
}

await open()
manualSeed(0)
const { train } = await loadFashionMnist({ dir: new URL('sample/', import.meta.url), verify: false })
const data = new ImageBatches(train, { batchSize: 32 }) // 16 updates an epoch
const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 64), new nn.ReLU(), new nn.Linear(64, 10))
const optimizer = new optim.SGD(net.parameters(), { lr: 0.2 })
// 8 updates of warm-up, then 56 of our function; t counts updates.
const schedule = sched.warmup(holdThenFall(0.2, 56), { steps: 8 })
console.log(`rates ${[0, 4, 8, 36, 50, 63].map((t) => `s(${t}) = ${schedule(t).toFixed(3)}`).join(', ')}`)
const { history } = await fit(net, { data, optimizer, schedule, schedulePer: 'step', epochs: 4 })
for (const { epoch, lr, trainLoss } of history) {
  console.log(`epoch ${epoch}  last rate ${lr.toFixed(4)}  train loss ${trainLoss.toFixed(3)}`)
}
