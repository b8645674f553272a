// biome-ignore-all lint/suspicious/noFocusedTests: fit is what is tested
// Callbacks that keep and write down: modelCheckpoint, csvLogger, lrMonitor.
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  Batches,
  csvLogger,
  type FitCallback,
  type FitEpoch,
  type FitRun,
  fit,
  lrMonitor,
  manualSeed,
  metrics,
  modelCheckpoint,
  mseLoss,
  nn,
  optim,
  type SavedState,
  sched,
  type Tensor,
} from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { fill } from '../support/fill.ts'
import { testGpu } from '../support/gpu.ts'

beforeAll(testGpu)

function memory() {
  const kept = new Map<string, SavedState>()
  return {
    kept,
    save: async (name: string, state: SavedState) => void kept.set(name, state),
    load: async (name: string) => kept.get(name)!,
    list: async () => [...kept.keys()],
    remove: async (name: string) => void kept.delete(name),
  }
}

const make = () => {
  manualSeed(1)
  return new nn.Linear(2, 1)
}

async function run(callbacks: readonly FitCallback[], given: object = {}) {
  const net = make()
  const field = (seed: number, width: number) => ({ data: fill(6 * width, seed, 'normal'), shape: [6, width] })
  const data = () => new Batches({ x: field(1, 2), y: field(2, 1) }, { batchSize: 4 })
  const result = await fit(net, {
    data: { train: data(), test: data() },
    loss: (output: Tensor, { y }) => mseLoss(output, y),
    metrics: { 'mean, absolute': metrics.mae() },
    optimizer: new optim.SGD(net.parameters(), { lr: 0.1 }),
    schedule: sched.polynomial({ maxUpdate: 4, baseLr: 0.1, finalLr: 0.01 }),
    epochs: 4,
    callbacks,
    ...given,
  })
  const { trainSeconds: _, ...rest } = result
  return { net, result: rest, state: await Promise.all(net.parameters().map(bitsOf)) }
}

describe('modelCheckpoint', () => {
  it('keeps the best epochs and the last', async () => {
    const store = memory()
    const best = modelCheckpoint({ store, monitor: 'metrics.a', mode: 'max', saveTopK: 2, saveLast: true })
    const values = [0.5, 0.5, Number.NaN, 0.9, 0.7, 0.1]
    const about = {
      test: null,
      state: async () => ({ saved: values[0] }) as unknown as SavedState,
    } as unknown as FitRun
    best.onBegin!(about, null)
    const names: string[][] = []
    for (const [epoch, a] of values.entries()) {
      await best.onEpoch!({ epoch, metrics: { a } } as unknown as FitEpoch, about)
      names.push([...store.kept.keys()].map((name) => name.replace('metrics.a-epoch-00000', '')).sort())
    }
    expect(names).toEqual([
      ['0', 'last'],
      ['0', '1', 'last'],
      ['0', '1', 'last'],
      ['0', '3', 'last'],
      ['3', '4', 'last'],
      ['3', '4', 'last'],
    ])
    expect(best.kept.map(({ epoch, value }) => [epoch, value])).toEqual([
      [3, 0.9],
      [4, 0.7],
    ])
  })

  it('keeps states from which a run continues to the same bits, with the other callbacks', async () => {
    const store = memory()
    const callbacks = () => [lrMonitor(), modelCheckpoint({ store, monitor: 'trainLoss', saveTopK: 4 })] as const
    const first = callbacks()
    const whole = await run(first)
    expect(store.kept.size).toBe(4)
    for (const from of [...store.kept.values()]) {
      const again = callbacks()
      const { result, state } = await run(again, { from })
      expect([result, state, again[0].rates, again[1].kept]).toEqual([
        whole.result,
        whole.state,
        first[0].rates,
        first[1].kept,
      ])
    }
    const other = make()
    const { name } = first[1].kept[0]!
    await first[1].loadBest(other)
    const best = store.kept.get(name)!.network
    expect([...(await other.weight.data())]).toEqual([...best.get('weight')!.data])
  })
})

describe('lrMonitor', () => {
  it('notes the rates of all groups after every epoch or update', async () => {
    const [epochs, steps] = [lrMonitor(), lrMonitor({ per: 'step' })]
    await run([epochs, steps])
    expect(epochs.rates.map(({ epoch, step }) => [epoch, step])).toEqual(
      [0, 1, 2, 3].map((epoch) => [epoch, 2 * epoch + 2]),
    )
    expect(steps.rates.length).toBe(8)
    expect(steps.rates[7]!.lrs).toEqual(epochs.rates[3]!.lrs)
    expect(epochs.rates[0]!.lrs).toEqual([0.1])
    expect(epochs.rates[3]!.lrs[0]).toBeLessThan(0.1)
  })
})

describe('csvLogger', () => {
  it('writes a line an epoch, to a file under Node, and goes on where a run continues', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'dawngrad-csv-')), 'log.csv')
    const texts: string[] = []
    const store = memory()
    const keep = () => modelCheckpoint({ store, monitor: 'testMetrics.mean, absolute', saveTopK: 4 })
    const { result } = await run([csvLogger(path), csvLogger((csv) => texts.push(csv)), keep()])
    const text = await readFile(path, 'utf8')
    expect(texts.length).toBe(4)
    expect(texts[3]).toBe(text)
    const [head, ...lines] = text.trimEnd().split('\n')
    expect(head).toBe(
      'epoch,step,lr,trainLoss,trainAcc,testLoss,testAcc,"metrics.mean, absolute","testMetrics.mean, absolute"',
    )
    const last = lines[3]!.split(',')
    expect(last.slice(0, 2)).toEqual(['3', '8'])
    expect(Number(last[3])).toBe(result.trainLoss)
    expect(last[4]).toBe('')
    const from = [...store.kept.values()].find(({ position }) => position.epoch === 2)!
    await run([csvLogger(path), csvLogger(() => undefined), keep()], { from })
    expect(await readFile(path, 'utf8')).toBe(text)
  })
})
