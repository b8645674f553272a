// A captured training loop written by hand: a rate for every step, clipping, and an evaluated average of the weights.
// Run: node --import tsx examples/custom_loop.ts
// It prints
//   epoch 0  last norm 2.0  test loss 1.43, averaged 1.74
//   epoch 1  last norm 2.9  test loss 0.96, averaged 0.89
//   epoch 2  last norm 2.5  test loss 1.09, averaged 0.82
//   epoch 3  last norm 3.6  test loss 0.87, averaged 0.79
//   epoch 4  last norm 1.7  test loss 0.82, averaged 0.77
//   epoch 5  last norm 1.7  test loss 0.88, averaged 0.77
//   epoch 6  last norm 0.8  test loss 0.75, averaged 0.70
import {
  capture,
  crossEntropy,
  evaluate,
  ImageBatches,
  loadFashionMnist,
  nn,
  open,
  optim,
  permutation,
  sched,
} from 'dawngrad'

await open() // the seed is 0 unless you call manualSeed
const { train, test } = await loadFashionMnist({ dir: new URL('sample/', import.meta.url), verify: false })
const batches = new ImageBatches(train, { batchSize: 64 })
const held = new ImageBatches(test)
const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 64), new nn.ReLU(), new nn.Linear(64, 10))
const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 })
const average = new optim.EMA(net.parameters(), { decay: 0.8 })
const schedule = sched.warmup(sched.squareRoot({ lr: 0.3 }), { steps: 8 })

// Recorded once. What changes from step to step, here the batch and the rate, is stored on the GPU.
const step = capture(() => {
  const { images, labels } = batches.next()
  const loss = crossEntropy(net.forward(images), labels)
  optimizer.zeroGrad()
  loss.backward()
  const norm = optim.clipGradNorm(net.parameters(), 1)
  optimizer.step()
  average.update()
  return { loss, norm }
})

let t = 0
for (let epoch = 0; epoch < 8; epoch++) {
  batches.setOrder(permutation(0, epoch, batches.size))
  const lr = Array.from({ length: batches.length }, () => schedule(t++))
  step.run(batches.length, { lr }) // the whole epoch in one submit
  const norm = (await step.result.norm.item()).toFixed(1)
  const own = await evaluate(net, held)
  const averaged = await average.withAverages(() => evaluate(net, held))
  console.log(
    `epoch ${epoch}  last norm ${norm}  test loss ${own.loss.toFixed(2)}, averaged ${averaged.loss.toFixed(2)}`,
  )
  if (averaged.loss < 0.75) break
}
step.dispose()
