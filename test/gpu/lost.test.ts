import { beforeAll, describe, expect, it } from 'vitest'
import { add, nn, open, optim, relu, scope, type Tensor, tensor } from '../../src/node/index.ts'
import { setDefaultGpu } from '../../src/tensor/default.ts'
import { Meter, parameterHash } from '../../src/train/index.ts'
import { type Gpu, testGpu } from '../support/gpu.ts'

let shared: Gpu
beforeAll(async () => {
  shared = await testGpu()
})

interface World {
  readonly gpu: Gpu
  readonly x: Tensor
  readonly net: nn.Module
  readonly optimizer: optim.SGD
  readonly meter: Meter
}

function trainingStep({ x, net, optimizer, meter }: World): void {
  scope(() => {
    const labels = tensor(Int32Array.of(1), [1], { gpu: x.gpu })
    const logits = net.forward(x)
    const loss = meter.loss(logits, labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step(meter.watch)
  })
}

const uses: Readonly<Record<string, (world: World) => unknown>> = {
  'item()': ({ x }) => relu(x).reshape([2]).data(),
  'data()': ({ x }) => x.data(),
  'an operation': ({ x }) => relu(x),
  'backward()': ({ net, x }) => net.forward(x).backward(tensor([[1, 1]], undefined, { gpu: x.gpu })),
  'optimizer.step()': ({ optimizer }) => optimizer.step(),
  'a training step': trainingStep,
  'meter.read()': ({ meter }) => meter.read(),
  'parameterHash()': ({ net }) => parameterHash(net),
  'tensor()': ({ gpu }) => tensor([1], [1], { gpu }),
  'write()': ({ gpu, x }) => gpu.write(x.storage, new Float32Array(2)),
  'flush()': ({ gpu }) => gpu.flush(),
  'loadStateDict()': ({ net }) => net.loadStateDict(net.stateDict()),
}

/** A device of its own with work under way, lost. */
async function lose(): Promise<World> {
  const gpu = await open()
  try {
    const net = new nn.Sequential(new nn.Linear(2, 2))
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 })
    for (const p of net.parameters()) p.grad = tensor(new Float32Array(p.size), p.shape)
    const world = { gpu, x: tensor([[1, 2]]), net, optimizer, meter: new Meter(gpu) }
    const large = tensor(new Float32Array(1 << 20))
    for (let i = 0; i < 20; i++) scope(() => void add(large, large))
    gpu.flush()
    gpu.device.destroy()
    return world
  } finally {
    setDefaultGpu(shared)
  }
}

describe.each(Object.entries(uses))('on a device lost in the middle, %s', (name, use) => {
  // Before the loss is reported calls are recorded in vain: the next reading throws then, within a second.
  it('fails as lost, at once or at the next reading', async () => {
    const world = await lose()
    const start = performance.now()
    const failed = (async () => {
      await use(world)
      await world.x.data()
    })()
    await expect(failed).rejects.toMatchObject({ name: 'GpuError', kind: 'lost' })
    expect(performance.now() - start).toBeLessThan(1000)
    // Once it is reported, the call itself throws.
    const again = (async () => {
      await use(world)
    })()
    // A state loaded into itself copies nothing.
    if (name !== 'loadStateDict()') await expect(again).rejects.toMatchObject({ name: 'GpuError', kind: 'lost' })
    expect(performance.now() - start).toBeLessThan(1000)
    await Promise.all([world.gpu.close(), again.catch(() => undefined)])
  })
})

it('a lost device closes at once, before the loss is reported and after, and everything can be disposed', async () => {
  for (const wait of [0, 20]) {
    const { gpu, net, optimizer, meter, x } = await lose()
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    const start = performance.now()
    await gpu.close()
    expect(performance.now() - start).toBeLessThan(1000)
    optimizer.dispose()
    net.dispose()
    meter.dispose()
    x.dispose()
    expect(gpu.memory().tensors).toBe(1) // `large`
  }
})
