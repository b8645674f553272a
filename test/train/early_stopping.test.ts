// biome-ignore-all lint/suspicious/noFocusedTests: fit is what is tested
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type EarlyStoppingOptions,
  earlyStopping,
  type FitCallback,
  type FitEpoch,
  type FitRun,
  fit,
  ImageBatches,
  manualSeed,
  nn,
  optim,
  type Tensor,
  tensor,
} from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { collected } from '../support/collect.ts'
import { type Gpu, testGpu } from '../support/gpu.ts'

let gpu: Gpu
let data: ImageBatches
beforeAll(async () => {
  gpu = await testGpu()
  const images = Uint8Array.from({ length: 6 * 784 }, (_, i) => (i * 41) % 256)
  const labels = Uint8Array.from({ length: 6 }, (_, i) => i % 3)
  data = new ImageBatches(
    { images, labels, count: 6, channels: 1, height: 28, width: 28, classes: [] },
    { batchSize: 4 },
  )
})
afterAll(() => data.dispose())

/** After which of these epochs it would stop, and the epoch that it takes for the best. */
function stops(options: EarlyStoppingOptions, values: readonly number[]): [number | null, number | null] {
  const stopping = earlyStopping({ ...options, restoreBest: false })
  const run = { test: {} } as FitRun
  stopping.onBegin!(run, null)
  const metric = options.metric ?? 'testAcc'
  const at = values.findIndex(
    (value, epoch) => stopping.onEpoch!({ epoch, [metric]: value } as unknown as FitEpoch, run) === 'stop',
  )
  return [at < 0 ? null : at, stopping.bestEpoch]
}

describe('earlyStopping', () => {
  it('stops after so many epochs in a row without an improvement', () => {
    expect(stops({ patience: 2 }, [0.1, 0.2, 0.2, 0.3, 0.3, 0.1, 0.9])).toEqual([5, 3])
    expect(stops({ patience: 1 }, [0.5, 0.5])).toEqual([1, 0])
    expect(stops({}, [0.5, 0.4, 0.4, 0.4, 0.4])).toEqual([3, 0])
    expect(stops({ patience: 2 }, [0.1, 0.1, 0.2, 0.2, 0.3])).toEqual([null, 4])
  })

  it('counts as an improvement what is more than minDelta, up for accuracies, down for losses', () => {
    expect(stops({ patience: 1, minDelta: 0.25 }, [0.25, 0.5, 0.75])).toEqual([1, 0])
    expect(stops({ patience: 1, minDelta: 0.125 }, [0.25, 0.5, 0.75, 0.8])).toEqual([3, 2])
    for (const metric of ['trainLoss', 'testLoss'] as const) {
      expect(stops({ metric, patience: 1 }, [3, 2, 2])).toEqual([2, 1])
      expect(stops({ metric, patience: 1, minDelta: 0.5 }, [3, 2.5, 1])).toEqual([1, 0])
    }
    expect(stops({ metric: 'trainAcc', patience: 1 }, [0.1, 0.2, 0.1])).toEqual([2, 1])
  })
})

describe('in a fit', () => {
  /** Climbs: from epoch to epoch the loss gets worse. Gives the parameters after each. */
  async function climb(options: EarlyStoppingOptions, epochs: number, ...others: FitCallback[]) {
    manualSeed(1)
    const { tensors } = await collected(gpu)
    const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 3))
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.01, maximize: true })
    const state = async () => await Promise.all(net.parameters().map(bitsOf))
    const after: unknown[] = []
    const stopping = earlyStopping({ metric: 'trainLoss', ...options })
    const callbacks = [stopping, { onEpoch: async () => void after.push(await state()) }, ...others]
    const result = await fit(net, { data, optimizer, epochs, callbacks })
    const end = await state()
    for (const part of [optimizer, net]) part.dispose()
    return { result, stopping, after, end, left: gpu.memory().tensors - tensors }
  }

  it('ends with the parameters of the best epoch', async () => {
    const { result, stopping, after, end } = await climb({ patience: 2 }, 9)
    expect(result).toMatchObject({ epochs: 3, stopped: true })
    expect([stopping.bestEpoch, stopping.best]).toEqual([0, result.history[0]!.trainLoss])
    expect(end).toEqual(after[0])
    expect(after[2]).not.toEqual(after[0])
  })

  it('stopped early or not', async () => {
    const { result, after, end } = await climb({ patience: 5 }, 3)
    expect(result).toMatchObject({ epochs: 3, stopped: false })
    expect(end).toEqual(after[0])
  })

  it('or stopped by another callback in the midst of the next epoch', async () => {
    const other: FitCallback = { onBatch: ({ step }) => (step === 3 ? 'stop' : undefined) }
    const { result, stopping, after, end } = await climb({}, 9, other)
    expect(result).toMatchObject({ steps: 3, epochs: 1, stopped: true })
    expect(stopping.bestEpoch).toBe(0)
    expect(end).toEqual(after[0])
  })

  it('or of the last where that is asked for, and holds no copies when it is over', async () => {
    const [kept, left] = [await climb({ patience: 1 }, 5), await climb({ patience: 1, restoreBest: false }, 5)]
    expect(left.end).toEqual(left.after[1])
    expect(kept.left).toBeLessThanOrEqual(0)
    expect(kept.end).toEqual(kept.after[0])
  })

  it('refuses a metric of the test where there is none, before anything is trained', async () => {
    for (const metric of ['testLoss', 'testAcc'] as const) {
      manualSeed(3)
      const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 3))
      const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.5 })
      const before = await Promise.all(net.parameters().map(bitsOf))
      const calls: string[] = []
      const note: FitCallback = {
        onProgress: () => void calls.push('update'),
        dispose: () => void calls.push('dispose'),
      }
      await expect(
        fit(net, { data, optimizer, epochs: 2, callbacks: [note, earlyStopping({ metric })] }),
      ).rejects.toThrow(new Error(`earlyStopping: there is no ${metric}: fit was given no data.test`))
      expect(calls).toEqual(['dispose'])
      expect(await Promise.all(net.parameters().map(bitsOf))).toEqual(before)
      expect(optimizer.stateDict().step).toBe(0)
    }
  })

  it('continues what a version before saved, which did not name the metric', () => {
    const stopping = earlyStopping({ metric: 'trainLoss' })
    stopping.onBegin?.({} as FitRun, { values: { best: 0.5, bestEpoch: 2, bad: 1 } })
    expect([stopping.best, stopping.bestEpoch]).toEqual([0.5, 2])
  })

  it('of a network that has grown since the best epoch before', async () => {
    manualSeed(3)
    const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 3))
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.01 })
    const onEpoch: FitCallback['onEpoch'] = ({ epoch }) => {
      if (epoch === 0) Object.assign(net, { scale: nn.buffer(tensor([1, 2])) })
    }
    const stopping = earlyStopping({ metric: 'trainLoss' })
    await fit(net, { data, optimizer, epochs: 3, callbacks: [stopping, { onEpoch }] })
    expect(stopping.bestEpoch).toBe(2)
    expect(await (net as unknown as { scale: Tensor }).scale.data()).toEqual(Float32Array.of(1, 2))
  })
})
