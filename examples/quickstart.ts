import { crossEntropy, manualSeed, nn, open, optim, sched, scope, tensor } from 'dawngrad'

const gpu = await open()
manualSeed(0)
const radii = Array.from({ length: 256 }, (_, i) => i / 128) // points on a spiral: is the point inside the circle?
const points = tensor(radii.map((r, i) => [r * Math.cos(i), r * Math.sin(i)]))
const labels = tensor(Int32Array.from(radii, (r) => (r < 1 ? 1 : 0)))
const net = new nn.Sequential(new nn.Linear(2, 32), new nn.ReLU(), new nn.Linear(32, 2))
const optimizer = new optim.SGD(net.parameters(), { lr: 0.3, momentum: 0.9 })
const scheduler = new sched.Scheduler(optimizer, sched.cosine({ maxUpdate: 200, baseLr: 0.3, finalLr: 0.01 }))
for (let t = 0; t <= 200; t++) {
  const loss = scope(() => {
    const loss = crossEntropy(net.forward(points), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  })
  if (t % 50 === 0) console.log(`step ${t}  loss ${(await loss.item()).toFixed(4)}`)
  loss.dispose()
  scheduler.step()
}
await gpu.close()
