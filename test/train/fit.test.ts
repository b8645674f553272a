// biome-ignore-all lint/suspicious/noFocusedTests: fit is what is tested
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { full } from '../../src/kernels/fill.ts'
import {
  apply,
  crossEntropy,
  DivergedError,
  earlyStopping,
  evaluate,
  type FitBatch,
  type FitCallback,
  type FitOptions,
  fit,
  ImageBatches,
  type ImageDataset,
  manualSeed,
  maxPool2d,
  nn,
  type Op,
  optim,
  permutation,
  scope,
  type Tensor,
  tensor,
} from '../../src/node/index.ts'
import { mulberry32 } from '../support/arbitraries.ts'
import { bitsOf } from '../support/check.ts'
import { collected } from '../support/collect.ts'
import { type Gpu, testGpu } from '../support/gpu.ts'

/** Eleven images: batches of 4, 4 and 3. */
function dataset(count: number, seed: number): ImageDataset {
  const next = mulberry32(seed)
  const images = Uint8Array.from({ length: count * 784 }, () => next() % 256)
  const labels = Uint8Array.from({ length: count }, () => next() % 10)
  return { images, labels, count, channels: 1, height: 28, width: 28, classes: [] }
}

/** 170 parameters. */
class Small extends nn.Module {
  readonly classify = new nn.Linear(16, 10)

  override forward(x: Tensor): Tensor {
    return this.classify.forward(maxPool2d(x, { kernelSize: 7 }).flatten())
  }
}

let gpu: Gpu
let data: Record<'train' | 'test', ImageBatches>
beforeAll(async () => {
  gpu = await testGpu()
  data = {
    train: new ImageBatches(dataset(11, 1), { batchSize: 4 }),
    test: new ImageBatches(dataset(6, 2), { batchSize: 4 }),
  }
})
afterAll(() => {
  for (const batches of Object.values(data)) batches.dispose()
})

function start(options: Partial<optim.SGDOptions> = {}) {
  manualSeed(3)
  const net = new Small()
  return { net, optimizer: new optim.SGD(net.parameters(), { lr: 0.5, momentum: 0.5, ...options }) }
}

const stateOf = async (net: nn.Module) => await Promise.all(net.parameters().map(bitsOf))
const last = <T>(list: readonly T[]) => list[list.length - 1]!

describe('fit', () => {
  const clipped = { accumulate: 2, clipGradNorm: 0.5, clipGradValue: 0.125 } as const
  it.each([
    ['plainly', {}],
    ['two batches an update, clipped by norm and by value', clipped],
    ['more batches an update than there are', { accumulate: 5 }],
  ] as const)('%s is the loop written out, captured or not: the same bits', async (_, options: Partial<FitOptions>) => {
    const { accumulate = 1, clipGradNorm, clipGradValue } = options
    const schedule = (t: number) => 0.5 / (t + 1)
    const hand = start()
    const parameters = hand.net.parameters()
    let step = 0
    for (let epoch = 0; epoch < 2; epoch++) {
      data.train.setOrder(permutation(7, epoch, 11))
      while (data.train.position < 3) {
        const at = data.train.position
        const sizes = [4, 4, 3].slice(at, at + accumulate)
        const all = sizes.reduce((sum, size) => sum + size, 0)
        hand.optimizer.paramGroups[0]!.lr = schedule(step++)
        hand.optimizer.zeroGrad()
        for (const size of sizes) {
          scope(() => {
            const { images, labels } = data.train.next()
            const loss = crossEntropy(hand.net.forward(images), labels)
            loss.backward(tensor(size / all, []))
          })
        }
        scope(() => {
          if (clipGradNorm !== undefined) optim.clipGradNorm(parameters, clipGradNorm)
          if (clipGradValue !== undefined) optim.clipGradValue(parameters, clipGradValue)
        })
        hand.optimizer.step()
      }
    }
    const want = await stateOf(hand.net)
    for (const capture of [true, false]) {
      const { net, optimizer } = start()
      const rates = { schedule, schedulePer: 'step' } as const
      const result = await fit(net, { data, optimizer, epochs: 2, seed: 7, ...rates, ...options, capture })
      expect(await stateOf(net)).toEqual(want)
      expect(result).toMatchObject({ steps: step, epochs: 2, stopped: false })
    }
  })

  it('returns its history and figures, those that evaluate gives', async () => {
    const { net, optimizer } = start()
    const { history, ...result } = await fit(net, { data, optimizer, epochs: 3 })
    expect(history.map(({ kind, epoch, step }) => [kind, epoch, step])).toEqual([
      ['epoch', 0, 3],
      ['epoch', 1, 6],
      ['epoch', 2, 9],
    ])
    const { trainLoss, trainAcc, testLoss, testAcc } = result
    expect(last(history)).toMatchObject({ lr: 0.5, trainLoss, trainAcc, testAcc })
    expect(await evaluate(net, data.test)).toEqual({ loss: testLoss, accuracy: testAcc, count: 6 })
  })

  it('without a test set evaluates nothing, to the same bits', async () => {
    const [all, alone] = [start(), start()]
    await fit(all.net, { data, optimizer: all.optimizer, epochs: 2 })
    const result = await fit(alone.net, { data: data.train, optimizer: alone.optimizer, epochs: 2 })
    expect(result).toMatchObject({ testAcc: Number.NaN, testLoss: Number.NaN, epochs: 2 })
    expect(await stateOf(alone.net)).toEqual(await stateOf(all.net))
  })

  it('of no epochs does nothing', async () => {
    const { net, optimizer } = start()
    const before = await stateOf(net)
    expect(await fit(net, { data, optimizer, epochs: 0 })).toMatchObject({ steps: 0, epochs: 0, history: [] })
    expect(await stateOf(net)).toEqual(before)
  })

  it.each([true, false])(
    'without a schedule has each group’s own rate, which a callback may set: %s',
    async (capture) => {
      const make = () => {
        manualSeed(3)
        const net = new Small()
        const [weight, bias] = net.parameters() as [Tensor, Tensor]
        return {
          net,
          optimizer: new optim.SGD([
            { params: [weight], lr: 0.5 },
            { params: [bias], lr: 0.125 },
          ]),
        }
      }
      const hand = make()
      data.train.setOrder(permutation(0, 0, 11))
      for (let step = 1; step <= 3; step++) {
        scope(() => {
          const { images, labels } = data.train.next()
          hand.optimizer.zeroGrad()
          crossEntropy(hand.net.forward(images), labels).backward()
          hand.optimizer.step()
        })
        if (step === 1) hand.optimizer.paramGroups[1]!.lr = 2
      }
      const { net, optimizer } = make()
      const seen: FitBatch[] = []
      const callback: FitCallback = {
        onBatch: async (batch, run) => {
          await Promise.resolve()
          seen.push(batch)
          if (batch.step === 1) run.optimizer.paramGroups[1]!.lr = 2
        },
      }
      await fit(net, { data, optimizer, epochs: 1, callbacks: [callback], capture })
      expect(await stateOf(net)).toEqual(await stateOf(hand.net))
      expect(seen.map(({ epoch, step, images, lr }) => [epoch, step, images, lr])).toEqual([
        [0, 1, 4, 0.5],
        [0, 2, 4, 0.5],
        [0, 3, 3, 0.5],
      ])
    },
  )

  it.each([{}, clipped])('trains a part of a network, and leaves the rest alone: %o', async (options) => {
    const trained = async (capture: boolean) => {
      manualSeed(3)
      const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 4), new nn.ReLU(), new nn.Linear(4, 10))
      const before = await stateOf(net)
      const optimizer = new optim.SGD(net.parameters().slice(2), { lr: 0.5 })
      const { trainLoss, testLoss } = await fit(net, { data, optimizer, epochs: 2, ...options, capture })
      for (const p of net.parameters()) await p.grad?.data() // none lies in memory that was given back
      const after = await stateOf(net)
      expect(after.map((bits, i) => String(bits) === String(before[i]))).toEqual([true, true, false, false])
      return { trainLoss, testLoss, after }
    }
    expect(await trained(true)).toEqual(await trained(false))
  })

  it.each([{}, { accumulate: 2 }])('takes momentum on and off between epochs: %o', async (options) => {
    const trained = async (capture: boolean) => {
      const { net, optimizer } = start({ momentum: 0 })
      const onEpoch: FitCallback['onEpoch'] = ({ epoch }) => {
        optimizer.paramGroups[0]!.momentum = [0.9, 0.5, 0, 0.9][epoch]!
      }
      await fit(net, { data, optimizer, epochs: 5, ...options, callbacks: [{ onEpoch }], capture })
      return await Promise.all(
        [...net.parameters(), ...optimizer.stateDict().state.momentum!.map((m) => m!)].map(bitsOf),
      )
    }
    expect(await trained(true)).toEqual(await trained(false))
  })

  it('leaves nothing behind', async () => {
    const { net, optimizer } = start()
    const once = async () => {
      await fit(net, { data, optimizer, epochs: 1, ...clipped })
      optimizer.zeroGrad()
    }
    await once()
    const before = await collected(gpu)
    await once()
    const { tensors, bytes } = gpu.memory()
    expect({ tensors, bytes }).toEqual(before)
  })
})

describe('a schedule that gives no rate', () => {
  const broken = (t: number) => (t < 2 ? 0.25 : Number.NaN)
  const spoilt = Object.assign((t: number) => 0.25 + 0 * t, {
    momentum: (t: number) => (t < 2 ? 0.5 : -1),
    spec: 'mine',
  })
  it.each([
    [broken, 'schedule: the rate at t = 2 must be a finite number ≥ 0, got NaN'],
    [spoilt, 'mine: the momentum at t = 2 must be a finite number ≥ 0, got -1'],
  ])('is named with its t before anything is trained: %#', async (schedule, message) => {
    for (const capture of [true, false]) {
      const { net, optimizer } = start()
      const options = { data, optimizer, epochs: 2, schedule, schedulePer: 'step', capture } as const
      await expect(fit(net, options)).rejects.toThrow(new RangeError(message))
      expect(optimizer.stateDict().step).toBe(0)
    }
  })
})

describe('evaluate', () => {
  it('refuses what it cannot evaluate, and leaves it as it is', async () => {
    const { net } = start()
    const refused = (...given: unknown[]) => evaluate(...(given as Parameters<typeof evaluate>)).catch(String)
    const noNet = 'TypeError: evaluate: the network must be a module, such as nn.Sequential'
    expect(await refused()).toBe(noNet)
    expect(await refused(null, data.test)).toBe(noNet)
    expect(await refused(new nn.Flatten(), data.test)).toBe('TypeError: evaluate: the network has no parameters')
    for (const other of [{ ...data }, dataset(2, 1), undefined]) {
      const before = Object.keys(other ?? {})
      expect(await refused(net, other)).toBe(
        'TypeError: evaluate: data must be Batches or ImageBatches, such as new ImageBatches(set)',
      )
      expect(Object.keys(other ?? {})).toEqual(before)
    }
  })
})

describe('callbacks', () => {
  it('are called in order, one waiting for the other', async () => {
    const { net, optimizer } = start()
    const calls: string[] = []
    const named = (name: string, wait: number): FitCallback => {
      const note = async (what: string) => {
        await new Promise((resolve) => setTimeout(resolve, wait))
        calls.push(`${name} ${what}`)
      }
      return {
        onBegin: ({ epochs, stepsPerEpoch }) => note(`begin ${epochs} × ${stepsPerEpoch}`),
        onBatch: ({ step, images }) => note(`batch ${step} of ${images}`),
        onEpoch: ({ epoch, step }) => note(`epoch ${epoch} at ${step}`),
        onEnd: ({ steps }) => note(`end ${steps}`),
        dispose: () => void calls.push(`${name} dispose`),
      }
    }
    await fit(net, { data, optimizer, epochs: 1, accumulate: 2, callbacks: [named('a', 5), {}, named('b', 0)] })
    const events = ['begin 1 × 2', 'batch 1 of 8', 'batch 2 of 3', 'epoch 0 at 2', 'end 2', 'dispose']
    expect(calls).toEqual(events.flatMap((event) => [`a ${event}`, `b ${event}`]))
  })

  it('see the parameters of their own update, and none is on its way', async () => {
    const [watched, plain] = [start(), start()]
    const states: unknown[] = []
    const callbacks = [{ onBatch: async () => void states.push(await stateOf(watched.net)) }]
    await fit(watched.net, { data, optimizer: watched.optimizer, epochs: 2, callbacks })
    expect(new Set(states.map((state) => JSON.stringify(state))).size).toBe(6)
    expect(last(states)).toEqual(await stateOf(watched.net))
    await fit(plain.net, { data, optimizer: plain.optimizer, epochs: 2 })
    expect(await stateOf(plain.net)).toEqual(await stateOf(watched.net))
  })

  it('may evaluate the network on the batches that it is trained on', async () => {
    const [watched, plain] = [start(), start()]
    const seen: number[] = []
    const onBatch = async () => {
      const { position } = data.train
      await evaluate(watched.net, data.train)
      seen.push(position, data.train.position)
    }
    const more = { data, epochs: 2, accumulate: 2 }
    await fit(watched.net, { ...more, optimizer: watched.optimizer, callbacks: [{ onBatch }] })
    expect(seen).toEqual([2, 2, 3, 3, 2, 2, 3, 3])
    await fit(plain.net, { ...more, optimizer: plain.optimizer })
    expect(await stateOf(watched.net)).toEqual(await stateOf(plain.net))
  })

  it('end the run at once from onBatch, and after its epoch from onEpoch', async () => {
    const states: unknown[] = []
    const whole = start()
    const note = { onBatch: async () => void states.push(await stateOf(whole.net)) }
    await fit(whole.net, { data, optimizer: whole.optimizer, epochs: 2, callbacks: [note] })
    for (const at of [1, 3, 5]) {
      const { net, optimizer } = start()
      const callbacks = [{ onBatch: ({ step }: FitBatch) => (step === at ? 'stop' : undefined) }, { onBatch: () => 7 }]
      const result = await fit(net, { data, optimizer, epochs: 2, callbacks })
      expect(result).toMatchObject({ steps: at, epochs: Math.floor((at - 1) / 3), stopped: true })
      expect(result.history).toHaveLength(result.epochs)
      expect(await stateOf(net)).toEqual(states[at - 1])
    }
    const { net, optimizer } = start()
    const result = await fit(net, { data, optimizer, epochs: 9, callbacks: [{ onEpoch: async () => 'stop' }] })
    expect(result).toMatchObject({ steps: 3, epochs: 1, stopped: true })
    expect(result.history).toHaveLength(1)
    expect(await stateOf(net)).toEqual(states[2])
  })

  it.each(['onBegin', 'onBatch', 'onEpoch', 'onEnd'] as const)('an error in %s is thrown as it is', async (hook) => {
    const before = gpu.memory().tensors
    const { net, optimizer } = start()
    const error = new Error('mine')
    const calls: string[] = []
    const callback: FitCallback = {
      onEnd: () => void calls.push('end'),
      dispose: () => void calls.push('dispose'),
      [hook]: async () => {
        throw error
      },
    }
    await expect(fit(net, { data, optimizer, epochs: 1, callbacks: [callback] })).rejects.toBe(error)
    expect(calls).toEqual(['dispose'])
    for (const part of [optimizer, net]) part.dispose()
    expect(gpu.memory().tensors).toBeLessThanOrEqual(before)
  })
})

describe('what callbacks may be', () => {
  const refused = async (callback: unknown) => {
    const { net, optimizer } = start()
    return await fit(net, { data, optimizer, epochs: 1, callbacks: [{}, callback as FitCallback] }).catch(String)
  }
  it.each([() => 'stop', earlyStopping, null, [], 'onEpoch'])('%o is none', async (callback) => {
    expect(await refused(callback)).toBe(
      'TypeError: fit: callback 1 must be an object with any of onBegin, onBatch, onProgress, onRecord, onEpoch, onEnd, stateDict, dispose, such as earlyStopping()',
    )
  })

  it('names a hook that there is not, in objects and classes, and lets all else be', async () => {
    const known = 'fit knows onBegin, onBatch, onProgress, onRecord, onEpoch, onEnd, stateDict, dispose'
    class Mine {
      onEpochEnd() {}
    }
    expect(await refused({ onepoch() {} })).toBe(
      `TypeError: fit: callback 1 has onepoch, which is not a hook; ${known}`,
    )
    expect(await refused(new Mine())).toBe(`TypeError: fit: callback 1 has onEpochEnd, which is not a hook; ${known}`)
    expect(await refused({ onEpoch: 3 })).toBe('TypeError: fit: onEpoch of callback 1 must be a function, not number')
    expect(await refused({ once() {}, note: 3, onEnd: undefined })).toMatchObject({ epochs: 1 })
  })

  it('are all disposed, though one throws; an error of the run comes first', async () => {
    const calls: string[] = []
    const [own, late] = [new Error('of the run'), new Error('of dispose')]
    const bad = (): FitCallback => ({ dispose: () => Promise.reject(late) })
    const good = { dispose: () => void calls.push('disposed') }
    const { net, optimizer } = start()
    const fails = { onBegin: () => Promise.reject(own) }
    await expect(fit(net, { data, optimizer, epochs: 1, callbacks: [bad(), good] })).rejects.toBe(late)
    await expect(fit(net, { data, optimizer, epochs: 1, callbacks: [bad(), fails, good] })).rejects.toBe(own)
    expect(calls).toEqual(['disposed', 'disposed'])
  })
})

describe('a fit that diverges', () => {
  it('names the update, not the batch', async () => {
    const { net, optimizer } = start()
    const schedule = (t: number) => (t === 3 ? 1e300 : 0.1)
    const found = fit(net, { data, optimizer, epochs: 3, schedule, schedulePer: 'step', accumulate: 2 })
    await expect(found).rejects.toMatchObject({ name: 'DivergedError', epoch: 1, step: 4, lr: 1e300 })
  })

  /** Two layers; the gradient that comes to the first is spoiled. */
  class Spoiled extends nn.Module {
    readonly first = new nn.Linear(16, 4)
    readonly last = new nn.Linear(4, 10)
    readonly #value: number

    constructor(value: number) {
      super()
      this.#value = value
    }

    override forward(x: Tensor): Tensor {
      const op: Op<readonly [Tensor], null> = {
        name: 'spoil',
        shape: ([t]) => t.shape,
        forward: (_, [t]) => ({ out: t.detach(), saved: [] }),
        backward: (device, dy) => [full(device, dy.shape, this.#value)],
      }
      const hidden = this.first.forward(maxPool2d(x, { kernelSize: 7 }).flatten())
      return this.last.forward(apply(op, [hidden], null))
    }
  }

  it.each([
    [{ clipGradNorm: 1 }, Number.NaN],
    [{ clipGradNorm: 1 }, Number.POSITIVE_INFINITY],
    [{ clipGradValue: 1 }, Number.NaN],
    [{ clipGradValue: 1 }, Number.NEGATIVE_INFINITY],
    [{ clipGradNorm: 1, clipGradValue: 1 }, Number.POSITIVE_INFINITY],
  ])('names the gradient where it began, though %o meets %d', async (clip, value) => {
    const net = new Spoiled(value)
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
    const error = await fit(net, { data, optimizer, epochs: 1, ...clip }).catch((e: unknown) => e)
    expect(error).toBeInstanceOf(DivergedError)
    expect(error).toMatchObject({ what: 'gradient of first.bias', step: 1 })
  })
})

/** A network with batch norm, for what a callback may change in it. */
class Normed extends nn.Module {
  readonly norm = new nn.BatchNorm1d(16)
  readonly classify = new nn.Linear(16, 10)

  override forward(x: Tensor): Tensor {
    return this.classify.forward(this.norm.forward(maxPool2d(x, { kernelSize: 7 }).flatten()))
  }
}

describe('what a callback changes in the middle of a run is in force from the next step, captured or not:', () => {
  type Change = (net: Normed, optimizer: optim.SGD) => void
  it.each<[string, Change]>([
    ['a layer in evaluation mode', (net) => void net.norm.eval()],
    ['a parameter put into a group', ({ norm }, { paramGroups: [group] }) => void group!.params.push(norm.weight!)],
    ['a parameter taken out of a group', (_, { paramGroups: [group] }) => void group!.params.pop()],
    ['a parameter frozen', ({ classify }) => void Object.assign(classify.weight, { requiresGrad: false })],
  ])('%s', async (_, change) => {
    const trained = async (capture: boolean, changes: Change) => {
      manualSeed(3)
      const net = new Normed()
      const optimizer = new optim.SGD(net.classify.parameters(), { lr: 0.1 })
      const onEpoch = ({ epoch }: { epoch: number }) => (epoch === 0 ? changes(net, optimizer) : undefined)
      await fit(net, { data: data.train, optimizer, epochs: 3, callbacks: [{ onEpoch }], capture })
      return await Promise.all([...net.stateDict().values()].map(bitsOf))
    }
    const eager = await trained(false, change)
    expect(await trained(true, change)).toEqual(eager)
    expect(await trained(true, () => undefined)).not.toEqual(eager)
  })
})
