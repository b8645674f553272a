// The chapter's warm-up: the rate rises linearly, then follows any schedule. This network does not need it; deep ones may.
// Run: node --import tsx examples/chapter_warmup.ts
// It prints
//   5 epochs, then a cosine    0.000 0.060 0.120 0.300 0.227 0.010
//   cosine with warmupSteps 5  0.000 0.060 0.120 0.300 0.227 0.010
//   5 epochs, then steps       0.000 0.060 0.120 0.300 0.150 0.037
//   0 updates of warm-up  loss 1.874 1.196 0.887 0.806
//   16 updates of warm-up  loss 2.100 1.458 0.925 0.787
import { fit, ImageBatches, loadFashionMnist, manualSeed, nn, open, optim, sched } from 'dawngrad'

const show = (s: sched.Schedule) => [0, 1, 2, 5, 10, 20].map((t) => s(t).toFixed(3)).join(' ')
const cosine = sched.cosine({ maxUpdate: 15, baseLr: 0.3, finalLr: 0.01 })
console.log(`5 epochs, then a cosine    ${show(sched.warmup(cosine, { steps: 5 }))}`)
// The cosine also has a warm-up built in, which counts towards its maxUpdate.
console.log(
  `cosine with warmupSteps 5  ${show(sched.cosine({ maxUpdate: 20, baseLr: 0.3, finalLr: 0.01, warmupSteps: 5 }))}`,
)
console.log(
  `5 epochs, then steps       ${show(sched.warmup(sched.stepLR({ lr: 0.3, stepSize: 5, gamma: 0.5 }), { steps: 5 }))}`,
)

await open()
const { train } = await loadFashionMnist({ dir: new URL('sample/', import.meta.url), verify: false })
const data = new ImageBatches(train, { batchSize: 32 })
for (const steps of [0, 16]) {
  manualSeed(0)
  const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 64), new nn.ReLU(), new nn.Linear(64, 10))
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.3 })
  const schedule = sched.warmup(sched.cosine({ maxUpdate: 64 - steps, baseLr: 0.3 }), { steps }) // 64 updates in all
  const { history } = await fit(net, { data, optimizer, schedule, schedulePer: 'step', epochs: 4 })
  console.log(`${steps} updates of warm-up  loss ${history.map(({ trainLoss }) => trainLoss.toFixed(3)).join(' ')}`)
}
