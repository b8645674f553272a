// biome-ignore-all lint/suspicious/noFocusedTests: fit is what is tested
// fit and evaluate of any data, loss and metrics, and with a step that the user writes.
import { beforeAll, describe, expect, it } from 'vitest'
import {
  Batches,
  crossEntropy,
  evaluate,
  type FitCallback,
  fit,
  lrFind,
  type Metric,
  manualSeed,
  metrics,
  mseLoss,
  nn,
  optim,
  type SavedState,
  sched,
  scope,
  type Tensor,
} from '../../src/index.ts'
import { decodeSavedState, encodeCheckpoint } from '../../src/node/checkpoint.ts'
import { bitsOf } from '../support/check.ts'
import { fill } from '../support/fill.ts'
import { testGpu } from '../support/gpu.ts'

beforeAll(testGpu)

const N = 11
const points = { data: fill(N * 3, 1, 'normal'), shape: [N, 3] }
const wanted = { data: fill(N * 2, 2, 'normal'), shape: [N, 2] }

const batches = (count = N) =>
  new Batches(
    {
      x: { data: points.data.slice(0, 3 * count), shape: [count, 3] },
      y: { data: wanted.data.slice(0, 2 * count), shape: [count, 2] },
    },
    { batchSize: 3, seed: 4 },
  )

const make = (outputs = 2) => {
  manualSeed(3)
  return new nn.Sequential(new nn.Linear(3, 8), new nn.Tanh(), new nn.Dropout(0.25), new nn.Linear(8, outputs))
}

const stateOf = (net: nn.Module<unknown>) => Promise.all([...net.stateDict().values()].map(bitsOf))

/** Keeps every state that is saved, through the bytes of a file. */
function store() {
  const kept = new Map<string, SavedState>()
  return {
    kept,
    save: async (name: string, state: SavedState) =>
      void kept.set(name, decodeSavedState(encodeCheckpoint(state), name)),
    load: async (name: string) => kept.get(name)!,
    list: async () => [...kept.keys()],
    remove: async (name: string) => void kept.delete(name),
  }
}

const options = { epochs: 2, loss: (output: Tensor, { y }: { y: Tensor }) => mseLoss(output, y) } as const
const schedule = sched.polynomial({ maxUpdate: 2, baseLr: 0.1, finalLr: 0.01 })

describe('fit of any data', () => {
  it('has the bits and the mean loss of the loop written out, the last batch smaller', async () => {
    const [hand, own] = [make(), make()]
    const data = batches()
    const optimizer = new optim.Adam(hand.parameters(), { lr: 0.1 })
    const means: number[] = []
    manualSeed(5)
    for (let epoch = 0; epoch < 2; epoch++) {
      let total = 0
      for (let i = 0; i < data.length; i++) {
        const [loss, size] = scope(() => {
          const { x, y, size } = data.next()
          optimizer.zeroGrad()
          const loss = mseLoss(hand.forward(x), y)
          loss.backward()
          optimizer.step()
          return [loss, size] as const
        })
        total += size * (await loss.item())
      }
      means.push(total / N)
    }
    manualSeed(5)
    const { history } = await fit(own, {
      data: batches(),
      optimizer: new optim.Adam(own.parameters(), { lr: 0.1 }),
      ...options,
    })
    expect(await stateOf(own)).toEqual(await stateOf(hand))
    expect(history.map(({ trainLoss }) => trainLoss)).toEqual(means)
    expect(history.every(({ trainAcc }) => Number.isNaN(trainAcc))).toBe(true)
  })

  it.each([{}, { accumulate: 2, clipGradNorm: 0.5 }])(
    'is the same captured, called anew, and continued from any state: %o',
    async (more) => {
      const own = { mae: metrics.mae(), square: (output: Tensor, { y }: { y: Tensor }) => mseLoss(output, y) }
      const run = async (given: object) => {
        const net = make()
        const optimizer = new optim.AdamW(net.parameters(), { lr: 0.1 })
        manualSeed(6)
        const data = { train: batches(), test: batches(7) }
        const { trainSeconds: _, ...result } = await fit(net, {
          data,
          optimizer,
          schedule,
          metrics: own,
          ...options,
          ...more,
          ...given,
        })
        return { result, state: await stateOf(net), draws: undefined }
      }
      const kept = store()
      const whole = await run({ checkpoint: { store: kept, every: 1, keep: 99 } })
      expect(await run({ capture: false })).toEqual(whole)
      expect(kept.kept.size).toBeGreaterThan(3)
      for (const [, from] of kept.kept) expect(await run({ from })).toEqual(whole)
      const { history, metrics: last, testMetrics, trainLoss, testLoss } = whole.result
      expect(last).toEqual({ mae: expect.any(Number) as number, square: trainLoss })
      expect(testMetrics?.square).toBe(testLoss)
      expect(history.at(-1)).toMatchObject({ metrics: last, testMetrics })
    },
  )

  it('reports metrics to callbacks, and the same figures as evaluate', async () => {
    const net = make()
    const data = { train: batches(), test: batches(7) }
    const seen: unknown[] = []
    const callback: FitCallback = {
      onBatch: (batch) => void seen.push(batch.metrics?.mae),
      onEpoch: (epoch) => void seen.push(epoch.testMetrics),
    }
    const own = { mae: metrics.mae() }
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
    const { testLoss } = await fit(net, { data, optimizer, ...options, epochs: 1, metrics: own, callbacks: [callback] })
    const { loss, metrics: found, count } = await evaluate(net, data.test, { loss: options.loss, metrics: own })
    expect([loss, count, seen.at(-1)]).toEqual([testLoss, 7, found])
    expect(seen.slice(0, -1).every((value) => typeof value === 'number')).toBe(true)
  })

  it('gives forward what it is told, and finds the step of a loss that is not finite', async () => {
    const net = make()
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
    const spoilt = new Batches(
      { a: wanted, x: { ...points, data: points.data.map((v, i) => (i === 3 * 7 ? Number.NaN : v)) } },
      { batchSize: 3, shuffle: false },
    )
    const run = fit(net, {
      data: spoilt,
      optimizer,
      epochs: 1,
      forward: (own, { x }) => own.forward(x),
      loss: (output, { a }) => mseLoss(output, a),
    })
    await expect(run).rejects.toMatchObject({ name: 'DivergedError', what: 'loss', epoch: 0, step: 3 })
  })

  it('leaves lrFind as it was', async () => {
    const net = make()
    const before = await stateOf(net)
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
    const { points } = await lrFind({ net, optimizer, train: batches(), loss: options.loss, steps: 5, maxLr: 0.1 })
    expect(points.length).toBe(5)
    expect(await stateOf(net)).toEqual(before)
  })
})

describe('a step that the user writes', () => {
  const nets = () => {
    manualSeed(3)
    return {
      g: new nn.Linear(3, 2),
      d: new nn.Sequential(new nn.Linear(2, 4), new nn.Dropout(0.5), new nn.Linear(4, 1)),
    }
  }
  type Nets = ReturnType<typeof nets>

  const made = ({ g, d }: Nets) => {
    const optimizer = {
      d: new optim.Adam(d.parameters(), { lr: 0.05 }),
      g: new optim.SGD(g.parameters(), { lr: 0.1, momentum: 0.5 }),
    }
    const step = ({ x, y }: { x: Tensor; y: Tensor }) => {
      const fake = g.forward(x)
      const lossD = d.forward(y).square().mean().add(d.forward(fake.detach()).sub(1).square().mean())
      lossD.backward()
      optimizer.d.step()
      for (const p of d.parameters()) p.grad = null
      const lossG = d.forward(fake).square().mean()
      lossG.backward()
      optimizer.g.step()
      return { lossD, lossG }
    }
    return { optimizer, step }
  }

  const run = async (given: object = {}) => {
    const both = nets()
    const { optimizer, step } = made(both)
    manualSeed(6)
    const { trainSeconds: _, ...result } = await fit(both, { data: batches(), optimizer, step, epochs: 2, ...given })
    const moments = Object.values(optimizer).flatMap((o) => Object.values(o.stateDict().state).flat())
    return {
      result,
      state: [await stateOf(both.g), await stateOf(both.d)],
      moments: await Promise.all(moments.map((t) => t && bitsOf(t))),
    }
  }

  it('trains several networks by several optimizers, to the bits of the loop written out', async () => {
    const hand = nets()
    const { step } = made(hand)
    const data = batches()
    manualSeed(6)
    const sums = [0, 0]
    for (let i = 0; i < 2 * data.length; i++) {
      const { lossD, lossG, size } = scope(() => {
        for (const p of [...hand.g.parameters(), ...hand.d.parameters()]) p.grad = null
        const batch = data.next()
        return { ...step(batch), size: batch.size }
      })
      if (i < data.length) continue
      sums[0]! += size * (await lossD.item())
      sums[1]! += size * (await lossG.item())
    }
    const { result, state } = await run()
    expect(state).toEqual([await stateOf(hand.g), await stateOf(hand.d)])
    expect(result.metrics).toEqual({ lossD: sums[0]! / N, lossG: sums[1]! / N })
    expect(result.trainLoss).toBe(sums[0]! / N)
  })

  it('is the same captured, called anew, and continued from any state', async () => {
    const kept = store()
    const whole = await run({ checkpoint: { store: kept, every: 1, keep: 99 } })
    expect(await run({ capture: false })).toEqual(whole)
    expect(kept.kept.size).toBe(9)
    for (const [, from] of kept.kept) expect(await run({ from })).toEqual(whole)
  })

  it('stops at the step in which a parameter is not finite, and names it', async () => {
    const both = nets()
    const { optimizer, step } = made(both)
    const grow: FitCallback = {
      onBatch: ({ step }) => {
        if (step === 3) Object.assign(optimizer.g.paramGroups[0]!, { lr: 100, weightDecay: 3e38 })
      },
    }
    const running = fit(both, { data: batches(), optimizer, step, epochs: 1, callbacks: [grow] })
    const error = (await running.catch((reason: unknown) => reason)) as { what: string; step: number }
    expect(error.step).toBe(4)
    expect(error.what).toMatch(/^parameter g\./)
  })

  it('evaluates what loss and forward say', async () => {
    const both = nets()
    const { optimizer, step } = made(both)
    const data = { train: batches(), test: batches(7) }
    const evaluation = {
      forward: ({ g }: Nets, { x }: { x: Tensor }) => g.forward(x),
      loss: (output: Tensor, { y }: { y: Tensor }) => mseLoss(output, y),
      metrics: { mae: metrics.mae() },
    }
    const result = await fit(both, { data, optimizer, step, epochs: 1, ...evaluation })
    const { loss, metrics: found } = await evaluate(both, data.test, evaluation)
    expect([result.testLoss, result.testMetrics]).toEqual([loss, found])
    expect(Object.keys(result.metrics!)).toEqual(['lossD', 'lossG'])
  })
})

describe('metrics', () => {
  const C = 4
  const logits = fill(N * C, 9, 'normal')
  const labels = Int32Array.of(0, 3, 2, 1, -100, 3, 0, 2, 2, 1, 0)
  const rows = Array.from({ length: N }, (_, n) => [...logits.subarray(C * n, C * (n + 1))])
  const found = rows.map((row) => row.indexOf(Math.max(...row)))
  const counted = [...labels.keys()].filter((n) => labels[n] !== -100)
  const same = new nn.Identity()
  /** A network that gives its input back; a parameter is needed. */
  class Back extends nn.Module {
    readonly scale = new nn.Linear(1, 1)
    override forward(x: Tensor) {
      return same.forward(x)
    }
  }

  const evaluated = async (own: Record<string, Metric>, cut: number, target = labels) => {
    const data = new Batches({ x: { data: logits, shape: [N, C] }, labels: target }, { batchSize: cut, shuffle: false })
    const loss = (output: Tensor, batch: { labels: Tensor }) => crossEntropy(output, batch.labels)
    return (await evaluate(new Back(), data, { loss, metrics: own })).metrics!
  }

  it('are those of a reference, however the rows are cut', async () => {
    const own = {
      accuracy: metrics.accuracy(),
      top2: metrics.topK(2),
      top4: metrics.topK(4),
      ppl: metrics.perplexity(),
    }
    const right = (k: number) =>
      counted.filter((n) => rows[n]!.filter((v) => v > rows[n]![labels[n]!]!).length < k).length
    const nll = (n: number) => Math.log(rows[n]!.reduce((sum, v) => sum + Math.exp(v), 0)) - rows[n]![labels[n]!]!
    const mean = counted.reduce((sum, n) => sum + nll(n), 0) / 10
    for (const cut of [11, 4, 3]) {
      const { ppl, ...shares } = await evaluated(own, cut)
      expect(shares).toEqual({ accuracy: right(1) / 10, top2: right(2) / 10, top4: 1 })
      // Some ten roundings of sums of terms below 4, and exp's error.
      expect(Math.abs((ppl as number) / Math.exp(mean) - 1)).toBeLessThan(64 * 2 ** -24)
    }
  })

  it('count a matrix of labels and what was found, and what follows from it', async () => {
    const target = labels.map((label) => (label === -100 ? 3 : label))
    const matrix = Array.from({ length: C }, (_, t) =>
      Array.from({ length: C }, (_, p) => [...target.keys()].filter((n) => target[n] === t && found[n] === p).length),
    )
    const of = (c: number) => ({
      right: matrix[c]![c]!,
      wanted: matrix[c]!.reduce((a, b) => a + b, 0),
      found: matrix.reduce((sum, row) => sum + row[c]!, 0),
    })
    const each = [0, 1, 2, 3].map(of)
    const own = {
      matrix: metrics.confusionMatrix(C),
      precision: metrics.precision(C, { average: 'none' }),
      recall: metrics.recall(C),
      f1: metrics.f1(C, { average: 'micro' }),
    }
    const got = await evaluated(own, 4, target)
    const total = each.reduce((sum, { right }) => sum + right, 0)
    expect(got).toEqual({
      matrix,
      precision: each.map(({ right, found }) => (found === 0 ? 0 : right / found)),
      recall: each.reduce((sum, { right, wanted }) => sum + right / wanted, 0) / C,
      f1: total / N,
    })
    expect(await evaluated(own, 3, target)).toEqual(got)
  })
})
