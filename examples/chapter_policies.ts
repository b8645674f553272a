// The chapter's policies (factor, multi-factor, cosine): their rates, and the loss of the same network under each.
// Run: node --import tsx examples/chapter_policies.ts
// It prints
//   factor     rates 0.360 0.324 0.292 0.262
//              loss  2.016 1.495 1.152 0.897
//   multiStep  rates 0.400 0.200 0.200 0.100
//              loss  2.051 1.371 1.169 0.944
//   cosine     rates 0.400 0.343 0.205 0.067
//              loss  2.051 1.449 1.314 0.942
import { fit, ImageBatches, loadFashionMnist, manualSeed, nn, open, optim, sched } from 'dawngrad'

const EPOCHS = 4
const policies = {
  factor: sched.factor({ factor: 0.9, stopFactorLr: 0.01, baseLr: 0.4 }), // max(0.01, 0.4 · 0.9^(t + 1))
  multiStep: sched.multiStep({ lr: 0.4, milestones: [1, 3], gamma: 0.5 }), // halved at epochs 1 and 3
  cosine: sched.cosine({ maxUpdate: EPOCHS, baseLr: 0.4, finalLr: 0.01 }), // half a cosine wave from 0.4 to 0.01
}

await open()
const { train } = await loadFashionMnist({ dir: new URL('sample/', import.meta.url), verify: false })
const data = new ImageBatches(train, { batchSize: 64 })
for (const [name, schedule] of Object.entries(policies)) {
  manualSeed(0) // every policy starts from the same parameters
  const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 64), new nn.ReLU(), new nn.Linear(64, 10))
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.4 })
  const { history } = await fit(net, { data, optimizer, schedule, epochs: EPOCHS })
  console.log(`${name.padEnd(9)}  rates ${history.map(({ lr }) => lr.toFixed(3)).join(' ')}`)
  console.log(`${''.padEnd(9)}  loss  ${history.map(({ trainLoss }) => trainLoss.toFixed(3)).join(' ')}`)
  net.dispose()
}
