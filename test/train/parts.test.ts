// Checkpoints of loops that are written by hand.
import { beforeAll, describe, expect, it } from 'vitest'
import {
  Batches,
  checkpoint,
  crossEntropy,
  encodeSafetensors,
  manualSeed,
  nn,
  optim,
  sched,
  scope,
  type Tensor,
  tensor,
} from '../../src/index.ts'
import { bitsOf } from '../support/check.ts'
import { fill } from '../support/fill.ts'
import { messageOf, testGpu } from '../support/gpu.ts'

beforeAll(testGpu)

const fields = {
  x: { data: fill(30, 1, 'normal'), shape: [10, 3] },
  y: Uint8Array.from({ length: 10 }, (_, i) => i % 2),
}

type Make = (params: Tensor[]) => optim.Optimizer

/** A loop with dropout, batch norm, an average and a scheduler; `cut`: it is saved before this step and goes on in other objects. */
async function loop(make: Make, cut: number | null) {
  const parts = (seed: number) => {
    manualSeed(seed)
    const net = new nn.Sequential(
      new nn.Linear(3, 4),
      new nn.BatchNorm1d(4),
      new nn.ReLU(),
      new nn.Dropout(0.5),
      new nn.Linear(4, 2),
    )
    const optimizer = make(net.parameters())
    const average = new optim.EMA(net.parameters(), { decay: 0.5 })
    const scheduler = new sched.Scheduler(optimizer, sched.cosine({ maxUpdate: 9, baseLr: 0.1, finalLr: 0.01 }))
    return { net, optimizer, average, scheduler, data: new Batches(fields, { batchSize: 4, seed: 3 }) }
  }
  let now = parts(5)
  now.net.parameters()[0]!.requiresGrad = false
  now.data.setOrder([9, 9, 1, 0, 2, 3, 4, 5, 6, 7])
  for (let step = 0; step < 7; step++) {
    if (step === cut) {
      const bytes = await checkpoint.save({
        ...now,
        step,
        best: Number.NEGATIVE_INFINITY,
        note: { list: [1, -0, null, 'a'] },
      })
      now = parts(99)
      const { net, optimizer, average, scheduler, data } = now
      const values = checkpoint.restore(bytes, { net, optimizer, average, scheduler, data })
      expect(values).toEqual({ step, best: Number.NEGATIVE_INFINITY, note: { list: [1, -0, null, 'a'] } })
    }
    const { net, optimizer, average, scheduler, data } = now
    scope(() => {
      const { x, y } = data.next()
      optimizer.zeroGrad()
      crossEntropy(net.forward(x), y).backward()
      optimizer.step()
      average.update()
    })
    scheduler.step()
  }
  const { net, optimizer, average } = now
  const state = Object.values(optimizer.stateDict().state).flat()
  return Promise.all(
    [...net.stateDict().values(), ...state, ...average.stateDict().averages].map((t) => t && bitsOf(t)),
  )
}

describe('checkpoint.save and restore', () => {
  it.each<[string, Make]>([
    ['SGD', (params) => new optim.SGD(params, { lr: 0.1, momentum: 0.9 })],
    [
      'AdamW in groups',
      ([a, ...others]) => new optim.AdamW([{ params: [a!], weightDecay: 0.5 }, { params: others }], { lr: 0.1 }),
    ],
    ['ScheduleFreeAdamW', (params) => new optim.ScheduleFreeAdamW(params, { lr: 0.1 })],
    ['SGLD', (params) => new optim.SGLD(params, { lr: 0.1, temperature: 0.01, seed: 3 })],
  ])('continue a loop with %s to the same bits, wherever it was saved', async (_, make) => {
    const whole = await loop(make, null)
    for (const cut of [0, 2, 3, 5]) expect(await loop(make, cut)).toEqual(whole)
  })

  it('keep modes, and refuse parts that do not fit before anything is changed', async () => {
    const net = new nn.Linear(1, 1)
    net.eval()
    const data = new Batches({ x: new Float32Array(3) }, { batchSize: 2 })
    const bytes = await checkpoint.save({ net, data, n: 1 })
    net.train()
    await bitsOf(net.weight)
    const before = await bitsOf(net.weight)
    net.loadStateDict({ weight: tensor([[7]]), bias: tensor([7]) })
    const other = new Batches({ x: new Float32Array(3) }, { batchSize: 3 })
    expect(messageOf(() => checkpoint.restore(bytes, { net, data: other }))).toBe(
      'checkpoint.restore: the batchSize of data was 2, and is 3; make batches like the saved ones',
    )
    expect([...(await net.weight.data())]).toEqual([7])
    const images = { data: new Float32Array(3), shape: [3, 1, 1, 1] }
    const batchesOf = (flip: boolean) =>
      new Batches({ x: images }, { batchSize: 2, ...(flip && { augment: { flip } }) })
    const ofFlipped = await checkpoint.save({ net, data: batchesOf(true) })
    const unchanged = batchesOf(false)
    expect(messageOf(() => checkpoint.restore(ofFlipped, { net, data: unchanged }))).toBe(
      'checkpoint.restore: the augment and normalize of data was {"augment":{"flip":true}}, and is none; make batches like the saved ones',
    )
    for (const parts of ['5', 'null', '{}', '{"random":{"seed":0,"draws":0},"parts":{"net":null}}']) {
      const file = encodeSafetensors(new Map(), new Map(Object.entries({ format: 'dawngrad parts 1', parts })))
      expect(messageOf(() => checkpoint.restore(file, { net }))).toBe(
        'checkpoint.restore: the bytes are not a file that checkpoint.save has made',
      )
    }
    expect(checkpoint.restore(bytes, { net, data })).toEqual({ n: 1 })
    expect([net.training, await bitsOf(net.weight)]).toEqual([false, before])
  })
})
