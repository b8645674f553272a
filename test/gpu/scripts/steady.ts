// Takes 1,000 training steps of a small network, of which many throw somewhere, and prints what memory is in use as
// they go by. The arguments: 'scoped', or 'forgetting' for steps outside of any scope that dispose of nothing; and the
// share of the steps that throw, in percent. Run with --expose-gc.
import { setTimeout as sleep } from 'node:timers/promises'
import { apply, nn, type Op, open, optim, scope, type Tensor, tensor } from '../../../src/node/index.ts'
import { Meter } from '../../../src/train/index.ts'
import { mulberry32 } from '../../support/fill.ts'

const [way, percent] = process.argv.slice(2)
const gpu = await open()
const next = mulberry32(1)
/** Where this step throws; '' for nowhere. */
let place = ''
const failAt = (here: string) => {
  if (place === here) throw new Error(here)
}

const op: Op<readonly [Tensor], null> = {
  name: 'fault',
  shape: ([t]) => t.shape,
  forward: (_, [t]) => {
    const out = t.detach()
    failAt('forward')
    return { out, saved: [t] }
  },
  backward: (_, dy) => {
    failAt('backward')
    return [dy]
  },
}
class Fault extends nn.Module {
  forward(x: Tensor): Tensor {
    failAt('layer')
    return apply(op, [x], null)
  }
}

const net = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new Fault(), new nn.Linear(8, 3))
const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 })
const meter = new Meter(gpu)
const data = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i))
const labels = Int32Array.from({ length: 16 }, (_, i) => i % 3)

function step(): void {
  const x = tensor(data, [16, 4])
  const target = tensor(labels)
  failAt('data')
  const logits = net.forward(x)
  const loss = meter.loss(logits, target)
  failAt('loss')
  optimizer.zeroGrad()
  loss.backward()
  failAt('update')
  optimizer.paramGroups[0]!.lr = place === 'optimizer' ? Number.NaN : 0.1
  optimizer.step(meter.watch)
  failAt('end')
}

const places = ['data', 'layer', 'forward', 'loss', 'backward', 'update', 'optimizer', 'end']
const failed = new Map<string, number>()
const samples: Record<string, number>[] = []
let most = 0
for (let i = 1; i <= 1000; i++) {
  place = next() % 100 < Number(percent) ? places[next() % places.length]! : ''
  try {
    if (way === 'scoped') scope(step)
    else step()
  } catch (error) {
    if (place === '') throw error
    failed.set(place, (failed.get(place) ?? 0) + 1)
  }
  if (i % 10 === 0) {
    await meter.read()
    globalThis.gc!() // so that the binding's own objects, which garbage holds, do not pile up by chance
  }
  if (way === 'scoped') most = Math.max(most, i <= 20 ? 0 : gpu.memory().tensors)
  else if (i % 100 === 0) {
    // Later than disposing would, but it comes back.
    for (let tries = 0; gpu.memory().tensors > 14 && tries < 100; tries++) {
      globalThis.gc!()
      await sleep(2)
    }
  }
  if (i % 100 !== 0) continue
  const { live } = gpu.pool.stats()
  const { rss, heapUsed } = process.memoryUsage()
  samples.push({ step: i, ...gpu.memory(), live, rss, heapUsed })
}
console.log(JSON.stringify({ samples, most, failed: Object.fromEntries(failed) }))
await gpu.close()
