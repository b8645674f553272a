import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  crossEntropy,
  ImageBatches,
  type ImageDataset,
  manualSeed,
  maxPool2d,
  nn,
  optim,
  scope,
  type Tensor,
} from '../../src/node/index.ts'
import { defaultGenerator } from '../../src/tensor/random.ts'
import { averager, type LrPoint, lrFind, suggest, sweepOf } from '../../src/train/lr_find.ts'
import { mulberry32 } from '../support/arbitraries.ts'
import { collected } from '../support/collect.ts'
import { testGpu } from '../support/gpu.ts'

const next = mulberry32(1)
const images = Uint8Array.from({ length: 11 * 784 }, () => next() % 256)
const labels = Uint8Array.from({ length: 11 }, () => next() % 10)
const set: ImageDataset = { images, labels, count: 11, channels: 1, height: 28, width: 28, classes: [] }

/** 170 parameters. */
class Small extends nn.Module {
  readonly classify = new nn.Linear(16, 10)

  override forward(x: Tensor): Tensor {
    return this.classify.forward(maxPool2d(x, { kernelSize: 7 }).flatten())
  }
}

let train: ImageBatches
beforeAll(async () => {
  await testGpu()
  train = new ImageBatches(set, { batchSize: 4 })
})
afterAll(() => train.dispose())

function start(momentum = 0) {
  manualSeed(3)
  const net = new Small()
  return { net, train, optimizer: new optim.SGD(net.parameters(), { lr: 0.25, momentum }) }
}

/** One update by hand, and its loss. */
async function stepBy({ net, optimizer }: { net: Small; optimizer: optim.Optimizer }, lr: number): Promise<number> {
  const loss = scope(() => {
    const batch = train.next()
    const loss = crossEntropy(net.forward(batch.images), batch.labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.paramGroups[0]!.lr = lr
    optimizer.step()
    return loss
  })
  return await loss.item()
}

const bits = async (t: Tensor | null) => (t ? [...new Uint32Array((await t.data()).buffer as ArrayBuffer)] : null)

async function stateOf({ net, optimizer }: { net: Small; optimizer: optim.Optimizer }) {
  const { paramGroups, state } = optimizer.stateDict()
  return {
    parameters: await Promise.all(net.parameters().map(bits)),
    momentum: await Promise.all((state.momentum ?? []).map(bits)),
    paramGroups,
    random: (['init', 'shuffle', 'noise'] as const).map((name) => defaultGenerator().stream(name).position),
    position: train.position,
  }
}

describe('sweepOf', () => {
  it('goes from the first rate to the last by equal factors', () => {
    const rates = sweepOf(1e-4, 10, 6)
    expect(rates.map((rate) => Number(rate.toPrecision(12)))).toEqual([1e-4, 1e-3, 0.01, 0.1, 1, 10])
    expect(rates.at(-1)).toBe(10)
    expect(sweepOf(0.5, 2, 2)).toEqual([0.5, 2])
  })
})

describe('averager', () => {
  it('gives the bias-corrected exponential average', () => {
    const average = averager(0.9)
    expect(average(2)).toBeCloseTo(2, 14)
    expect(average(4)).toBeCloseTo((0.09 * 2 + 0.1 * 4) / 0.19, 14)
    expect(average(0)).toBeCloseTo((0.081 * 2 + 0.09 * 4) / 0.271, 14)
  })

  it('without smoothing gives each number back', () => {
    expect([3, 1, 2].map(averager(0))).toEqual([3, 1, 2])
  })
})

describe('suggest', () => {
  const points = (...smoothed: number[]): LrPoint[] =>
    smoothed.map((value, i) => ({ lr: 10 ** (i - 10), loss: 9, smoothed: value }))

  it('names the rate before the steepest descent, that of the minimum, and a tenth of it', () => {
    const found = suggest(points(5, 4.9, 4, 3.5, 3, 8), 6)
    expect(found).toEqual({ steepest: 1e-9, lowest: 1e-6, tenth: 1e-6 / 10 })
  })

  it('takes no fall for the steepest that comes after the lowest loss: the way back from a jump', () => {
    expect(suggest(points(5, 4.9, 4.5, 4.4, 9, 6, 5), 7)).toMatchObject({ steepest: 1e-9, lowest: 10 ** -7 })
    expect(suggest(points(1, 5, 2), 3)).toMatchObject({ steepest: null, lowest: 1e-10 })
    // a jump and the way back before the lowest loss
    expect(suggest(points(5, 9, 6, 4, 4.5), 5)).toMatchObject({ steepest: 1e-9, lowest: 10 ** -7 })
    const next = mulberry32(7)
    for (let i = 0; i < 200; i++) {
      const { steepest, lowest } = suggest(points(...Array.from({ length: 12 }, () => next() % 100)), 12)
      if (steepest !== null) expect(steepest).toBeLessThan(lowest!)
    }
  })

  it('leaves the first tenth of the planned steps out', () => {
    const found = suggest(points(5, 1, 4, 3.9, 3.5, 3.4), 20)
    expect(found).toMatchObject({ steepest: 10 ** -7, lowest: 10 ** -5 })
    // of two points, both
    expect(suggest(points(5, 1), 20)).toMatchObject({ steepest: 1e-10, lowest: 1e-9 })
  })

  it('has no steepest descent where nothing falls, and nothing at all without points', () => {
    expect(suggest(points(1, 1, 2), 3)).toMatchObject({ steepest: null, lowest: 1e-10 })
    expect(suggest([], 3)).toEqual({ steepest: null, lowest: null, tenth: null })
  })
})

describe('lrFind', () => {
  it.each([0, 0.9])(
    'has the losses of updates by hand, with momentum %d, over more than one pass',
    async (momentum) => {
      const found = await lrFind({ ...start(momentum), minLr: 0.01, maxLr: 1, steps: 5, smoothing: 0.5 })
      const hand = start(momentum)
      const average = averager(0.5)
      for (const [i, { lr, loss, smoothed }] of found.points.entries()) {
        if (i % 3 === 0) train.position = 0
        expect(loss).toBe(await stepBy(hand, lr))
        expect(smoothed).toBe(average(loss))
      }
      expect(found.points.map(({ lr }) => lr)).toEqual(sweepOf(0.01, 1, 5))
      expect(found.stopped).toBeNull()
    },
  )

  it.each([
    ['before the first step with momentum', 0],
    ['after one', 1],
  ])('leaves parameters, momentum, rates, random streams and position as they were, %s', async (_, steps) => {
    const all = start(0.9)
    train.position = 0
    for (let i = 0; i < steps; i++) await stepBy(all, 0.25)
    train.position = 1
    defaultGenerator().stream('noise').position = 7
    const before = await stateOf(all)
    const found = await lrFind({ ...all, minLr: 0.01, maxLr: 5 })
    expect(found.points).toHaveLength(3)
    expect(await stateOf(all)).toEqual(before)
    expect(all.net.parameters().map((p) => p.grad)).toEqual([null, null])
    // and training goes on to the same bits
    const loss = await stepBy(all, 0.5)
    const after = await stateOf(all)
    const other = start(0.9)
    train.position = 0
    for (let i = 0; i < steps; i++) await stepBy(other, 0.25)
    train.position = 1
    expect(await stepBy(other, 0.5)).toBe(loss)
    const { random, ...rest } = await stateOf(other)
    expect(random[0]).toBe(after.random[0])
    expect(after).toMatchObject(rest)
  })

  it('leaves the noise of an SGLD as it was too', async () => {
    const langevin = () => {
      const all = start()
      return { ...all, optimizer: new optim.SGLD(all.net.parameters(), { lr: 0.25, temperature: 0.5, seed: 7 }) }
    }
    const [all, other] = [langevin(), langevin()]
    for (const one of [all, other]) {
      train.position = 0
      await stepBy(one, 0.25)
    }
    const before = { ...(await stateOf(all)), noise: all.optimizer.stateDict() }
    const found = await lrFind({ ...all, minLr: 0.01, maxLr: 0.02 })
    expect(found.points).toHaveLength(3)
    expect({ ...(await stateOf(all)), noise: all.optimizer.stateDict() }).toEqual(before)
    // and training goes on to the same bits
    for (const one of [all, other]) {
      train.position = 1
      await stepBy(one, 0.5)
    }
    expect(await stateOf(all)).toEqual(await stateOf(other))
    expect(all.optimizer.stateDict()).toEqual(other.optimizer.stateDict())
  })

  it('restores as well where a step in the midst throws', async () => {
    const all = start()
    let passes = 0
    class Broken extends ImageBatches {
      override get position() {
        return super.position
      }

      override set position(batch: number) {
        if (batch === 0 && ++passes === 2) throw new Error('no second pass')
        super.position = batch
      }
    }
    const broken = new Broken(set, { batchSize: 4 })
    const before = await stateOf(all)
    await expect(lrFind({ ...all, train: broken, steps: 4 })).rejects.toThrow('no second pass')
    expect(await stateOf(all)).toEqual(before)
    broken.dispose()
  })

  it('stops where the smoothed loss is 4 times its lowest, or a loss is not finite', async () => {
    const hopeless = await lrFind({ ...start(), minLr: 0.01, maxLr: 1e4, steps: 30, smoothing: 0 })
    const { points } = hopeless
    expect(hopeless.stopped).toBe('hopeless')
    expect(points.length).toBeLessThan(30)
    const best = Math.min(...points.map(({ smoothed }) => smoothed))
    expect(points.map(({ smoothed }) => smoothed > 4 * best)).toEqual(points.map((_, i) => i === points.length - 1))
    const lost = await lrFind({ ...start(), minLr: 1, maxLr: 1e38, steps: 3, smoothing: 0.99 })
    expect(['not finite', 'hopeless']).toContain(lost.stopped)
  })

  it('refuses what it cannot take, in its own words', async () => {
    const refused = (given: object) => lrFind(given as Parameters<typeof lrFind>[0]).catch(String)
    const right = start()
    expect(await refused({})).toBe('TypeError: lrFind: the network must be a module, such as nn.Sequential')
    expect(await refused({ net: right.net })).toBe(
      'TypeError: lrFind: optimizer must be an optimizer, such as optim.SGD(net.parameters(), { lr: 0.1 })',
    )
    for (const wrong of [set, { train, test: train }, undefined]) {
      expect(await refused({ ...right, train: wrong })).toBe(
        'TypeError: lrFind: train must be Batches or ImageBatches, such as new ImageBatches(set)',
      )
    }
    for (const name of ['minLr', 'maxLr', 'steps', 'smoothing']) {
      expect(await refused({ ...right, [name]: '0.5' })).toBe(`TypeError: lrFind: ${name} must be a number, not string`)
    }
    expect(await refused({ ...right, minLr: 1e-320, maxLr: 1e300 })).toBe(
      'RangeError: lrFind: the rates are too far apart: maxLr / minLr must be finite, got 1e+300 / 1e-320',
    )
  })

  it('sweeps a part of a network', async () => {
    const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 4), new nn.Linear(4, 10))
    const optimizer = new optim.SGD(net.parameters().slice(2), { lr: 0.1 })
    expect((await lrFind({ net, optimizer, train, minLr: 1e-4, maxLr: 1e-3 })).points).toHaveLength(3)
    expect(net.parameters().map(({ grad }) => grad)).toEqual([null, null, null, null])
  })

  it('gives its memory back', async () => {
    const all = start(0.9)
    await lrFind({ ...all, steps: 3 })
    const { gpu } = all.net.parameters()[0]!
    const before = await collected(gpu)
    await lrFind({ ...all, steps: 3 })
    const { tensors, bytes } = gpu.memory()
    expect({ tensors, bytes }).toEqual(before)
  })
})
