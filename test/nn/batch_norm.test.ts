// BatchNorm1d and BatchNorm2d: PyTorch's values, modes, state, and what must leave the statistics alone.
import { beforeAll, describe, expect, it } from 'vitest'
import {
  capture,
  crossEntropy,
  decodeSafetensors,
  earlyStopping,
  encodeSafetensors,
  evaluate,
  type FitEpoch,
  type FitRun,
  type HostTensor,
  ImageBatches,
  lrFind,
  manualSeed,
  nn,
  optim,
  scope,
  type Tensor,
  updateBatchNorm,
} from '../../src/node/index.ts'
import { parameterHash } from '../../src/train/index.ts'
import {
  batchNormBackward,
  batchNorm as batchNormReference,
  batchNormRunning,
} from '../kernels/batch_norm/reference.ts'
import { fill } from '../support/arbitraries.ts'
import { bitsOf, tensorOf } from '../support/check.ts'
import { expectClose, SMALLEST_NORMAL, UNIT_ROUNDOFF } from '../support/close.ts'
import { messageOf, tensor, testGpu, values } from '../support/gpu.ts'
import { type Ref, type Result, ref } from '../support/ref.ts'
import { float32Of, readSafetensors } from '../support/safetensors.ts'

beforeAll(testGpu)

const file = readSafetensors(new URL('../reference/batch_norm.safetensors', import.meta.url))

interface Options {
  readonly momentum?: number | null
  readonly affine?: boolean
  readonly track_running_stats?: boolean
  readonly eps?: number
}
interface Case {
  readonly name: string
  readonly channels: number
  readonly options: Options
  readonly num_batches_tracked: readonly number[]
}

const all = JSON.parse(file.metadata.cases!) as Case[]
const cases = all.filter(({ name }) => name !== 'refused')

const stored = (name: string): Ref => {
  const { shape, data } = float32Of(file, name)
  return ref(shape, data)
}
const float64Of = (name: string): Float64Array => {
  const found = file.tensors.get(name)
  if (found?.dtype !== 'F64') throw new Error(`the file has no float64 tensor ${name}`)
  return found.data
}

/** Our layer with a case's options. */
function layerOf({ channels, options }: Case): nn.BatchNorm2d {
  const { momentum, affine, track_running_stats: trackRunningStats, eps } = options
  return new nn.BatchNorm2d(channels, {
    ...(momentum !== undefined && { momentum }),
    ...(affine !== undefined && { affine }),
    ...(trackRunningStats !== undefined && { trackRunningStats }),
    ...(eps !== undefined && { eps }),
  })
}

describe.each(cases.map((c) => [c.name, c] as const))('PyTorch’s values: %s', (name, c) => {
  it('are those of three batches in training and one in evaluation', async () => {
    const layer = layerOf(c)
    const has = layer.weight !== null
    const [weight, bias] = has ? [stored(`${name}.weight`), stored(`${name}.bias`)] : [null, null]
    if (weight && bias) {
      const given = { weight: tensorOf(weight), bias: tensorOf(bias) }
      layer.loadStateDict(new Map([...layer.stateDict(), ...Object.entries(given)]))
    }
    const eps = Math.fround(c.options.eps ?? 1e-5)
    // PyTorch's float64 within our bounds, for each result its own: those of the reference from float32's own statistics.
    const compare = async (t: Tensor | null, expected: Result, key: string) => {
      const theirs = float64Of(`${name}.float64.${key}`)
      expectClose(
        await values(t),
        theirs,
        theirs.map((v, i) => expected.bound[i]! + 4 * UNIT_ROUNDOFF * Math.abs(v) + SMALLEST_NORMAL),
        `${name} ${key}`,
      )
      return theirs
    }
    for (const [i, part] of ['batch0', 'batch1', 'batch2', 'eval'].entries()) {
      layer.train(part !== 'eval')
      const [x, dy] = [stored(`${name}.${part}.input`), stored(`${name}.${part}.grad_out`)]
      const tracked = layer.runningMean !== null
      const running = tracked && {
        mean: ref([c.channels], await values(layer.runningMean)),
        variance: ref([c.channels], await values(layer.runningVar)),
      }
      const options = { eps, ...(running && part === 'eval' && { running }) }
      const expected = batchNormReference(x, weight, bias, options)
      const gradients = batchNormBackward(dy, x, weight, options)
      const input = tensor(Float32Array.from(x.data), x.shape, { requiresGrad: true })
      const out = layer.forward(input)
      out.backward(tensorOf(dy))
      // Evaluation starts from running statistics in float32.
      const loose = part === 'eval' && tracked ? 1e-5 : 0
      const wider = (result: Result): Result => ({
        ...result,
        bound: result.bound.map((b, j) => b + loose * (1 + result.magnitude[j]!)),
      })
      await compare(out, wider(expected), `${part}.out`)
      await compare(input.grad, wider(gradients.input), `${part}.grad_input`)
      if (has) {
        await compare(layer.weight!.grad, wider(gradients.weight), `${part}.grad_weight`)
        await compare(layer.bias!.grad, gradients.bias, `${part}.grad_bias`)
      }
      if (running && part !== 'eval') {
        const momentum = c.options.momentum === null ? 1 / (i + 1) : Math.fround(c.options.momentum ?? 0.1)
        const moved = batchNormRunning(x, running.mean, running.variance, momentum)
        // Rounded once more in every batch before.
        const compared = (result: Result) => ({ ...result, bound: result.bound.map((b) => (i + 1) * b + 3e-8) })
        await compare(layer.runningMean, compared(moved.mean), `${part}.running_mean`)
        await compare(layer.runningVar, compared(moved.variance), `${part}.running_var`)
        expect([...(await layer.numBatchesTracked!.data())]).toEqual([c.num_batches_tracked[i]])
      }
      for (const p of layer.parameters()) p.grad = null
      input.dispose()
      out.dispose()
    }
    layer.dispose()
  })
})

describe('LeNet with batch norm', () => {
  const lenet = readSafetensors(new URL('../reference/lenet.safetensors', import.meta.url))
  const withBn = readSafetensors(new URL('../reference/lenet_bn.safetensors', import.meta.url))
  const doubles = (name: string): Float64Array => {
    const found = withBn.tensors.get(name)
    if (found?.dtype !== 'F64') throw new Error(`the file has no float64 tensor ${name}`)
    return found.data
  }

  function network(): nn.Sequential {
    const net = new nn.Sequential(
      new nn.Conv2d(1, 6, 5, { padding: 2 }),
      new nn.BatchNorm2d(6),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Conv2d(6, 16, 5),
      new nn.BatchNorm2d(16),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Flatten(),
      new nn.Linear(400, 120),
      new nn.ReLU(),
      new nn.Linear(120, 84),
      new nn.ReLU(),
      new nn.Linear(84, 10),
    )
    scope(() => {
      const state = net.stateDict()
      for (const name of net.namedParameters().keys()) {
        const { shape, data } = float32Of(withBn, `init.${name}`)
        state.set(name, tensor(data, shape))
      }
      net.loadStateDict(state)
    })
    return net
  }

  it('trains as PyTorch’s, captured, and evaluates as it', async () => {
    const images = Float32Array.from(lenet.tensors.get('images')!.data as Uint8Array, (byte) => byte / 255)
    const x = tensor(images, [256, 1, 28, 28])
    const labels = tensor(lenet.tensors.get('labels')!.data as Uint8Array)
    const net = network()
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
    const plan = capture(() => {
      optimizer.zeroGrad()
      const loss = crossEntropy(net.forward(x), labels)
      loss.backward()
      optimizer.step()
      return loss.detach()
    })
    const losses = doubles('batch.float64.losses')
    for (let step = 1; step <= 10; step++) {
      plan.run()
      // Float32 and float64 agree to 4e-7 over the first steps, and part slowly.
      const found = await plan.result.item()
      expect(Math.abs(found - losses[step - 1]!), `loss ${step}`).toBeLessThan(step <= 8 ? 2e-6 : 2e-4)
      if (step !== 1 && step !== 5) continue
      const statistics = [...net.namedBuffers()].filter(([name]) => !name.endsWith('num_batches_tracked'))
      expect(statistics.map(([name]) => name)).toEqual(
        ['1', '5'].flatMap((layer) => [`${layer}.running_mean`, `${layer}.running_var`]),
      )
      for (const [name, buffer] of statistics) {
        const theirs = doubles(`batch.float64.step${step}.${name}`)
        const bound = theirs.map((v) => (step === 1 ? 2e-6 : 2e-5) * (1 + Math.abs(v)))
        expectClose(await values(buffer), theirs, bound, `${name} after step ${step}`)
      }
    }
    net.eval()
    const logits = scope(() => net.forward(x).detach())
    const theirs = doubles('batch.float64.eval.logits')
    expectClose(
      await values(logits),
      theirs,
      theirs.map(() => 2e-3),
      'logits in evaluation',
    )
    for (const part of [plan, optimizer, net, x, labels, logits]) part.dispose()
  })
})

/** A layer that has seen a batch. */
function seen(channels = 2): nn.BatchNorm2d {
  const layer = new nn.BatchNorm2d(channels)
  scope(() => layer.forward(tensor(fill(4 * channels * 6, 1, 'normal'), [4, channels, 2, 3])))
  return layer
}

const stateOf = async (net: nn.Module) =>
  Object.fromEntries(
    await Promise.all([...net.stateDict()].map(async ([name, t]) => [name, [...(await t.data())]] as const)),
  )

describe('state', () => {
  it('has PyTorch’s names, initial values and order', async () => {
    const layer = new nn.BatchNorm2d(2)
    expect([...layer.stateDict().keys()]).toEqual([
      'weight',
      'bias',
      'running_mean',
      'running_var',
      'num_batches_tracked',
    ])
    expect(await stateOf(layer)).toEqual({
      weight: [1, 1],
      bias: [0, 0],
      running_mean: [0, 0],
      running_var: [1, 1],
      num_batches_tracked: [0],
    })
    expect([...new nn.BatchNorm1d(2, { affine: false }).stateDict().keys()]).toEqual([
      'running_mean',
      'running_var',
      'num_batches_tracked',
    ])
    expect([...new nn.BatchNorm1d(2, { trackRunningStats: false }).stateDict().keys()]).toEqual(['weight', 'bias'])
    layer.dispose()
  })

  it('goes through a file and back', async () => {
    const [from, to] = [new nn.Sequential(seen()), new nn.Sequential(new nn.BatchNorm2d(2))]
    const before = await stateOf(from)
    expect(before['0.num_batches_tracked']).toEqual([1])
    const state = new Map<string, HostTensor>()
    for (const [name, t] of from.stateDict()) state.set(name, { dtype: t.dtype, shape: t.shape, data: await t.data() })
    const { tensors } = decodeSafetensors(encodeSafetensors(state))
    scope(() => to.loadStateDict(new Map([...tensors].map(([name, t]) => [name, tensor(t.data, t.shape)]))))
    expect(await stateOf(to)).toEqual(before)
    for (const net of [from, to]) net.dispose()
  })

  it('counts in the parameters’ hash', async () => {
    manualSeed(1)
    const [layer, other] = [new nn.BatchNorm2d(2), seen()]
    expect(await parameterHash(layer)).not.toBe(await parameterHash(other))
    for (const part of [layer, other]) part.dispose()
  })
})

describe('modes', () => {
  it('evaluation takes the running statistics and leaves them; training takes the batch’s', async () => {
    const layer = seen().eval()
    const before = await stateOf(layer)
    const x = tensor(fill(24, 2, 'normal'), [2, 2, 3, 2])
    const evaluated = scope(() => layer.forward(x).detach())
    expect(await stateOf(layer)).toEqual(before)
    const trained = scope(() => layer.train().forward(x).detach())
    expect(await bitsOf(trained)).not.toEqual(await bitsOf(evaluated))
    expect((await stateOf(layer)).num_batches_tracked).toEqual([2])
    for (const part of [layer, x, evaluated, trained]) part.dispose()
  })

  it('without running statistics evaluation takes the batch’s too', async () => {
    const layer = new nn.BatchNorm1d(3, { trackRunningStats: false })
    const x = tensor(fill(30, 2, 'normal'), [10, 3])
    const [trained, evaluated] = [layer, layer.eval()].map(() => scope(() => layer.forward(x).detach()))
    expect(await bitsOf(trained!)).toEqual(await bitsOf(evaluated!))
    for (const part of [layer, x, trained!, evaluated!]) part.dispose()
  })

  it('a summary and an evaluation leave the statistics alone', async () => {
    const pixels = Uint8Array.from({ length: 5 * 4 }, (_, i) => i)
    const set = { images: pixels, labels: Uint8Array.of(0, 1, 0, 1, 1), count: 5, channels: 1, height: 2, width: 2 }
    const data = new ImageBatches({ ...set, classes: [] }, { batchSize: 2 })
    const net = new nn.Sequential(new nn.BatchNorm2d(1), new nn.Flatten(), new nn.Linear(4, 2))
    scope(() => net.forward(data.batch(0).images))
    const before = await stateOf(net)
    expect(String(nn.summary(net, [1, 1, 2, 2]))).toContain('0      BatchNorm2d  [1, 1, 2, 2]           2')
    await evaluate(net, data)
    expect([await stateOf(net), net.training]).toEqual([before, true])
    for (const part of [net, data]) part.dispose()
  })
})

describe('what keeps a network’s parameters keeps its statistics', () => {
  it('earlyStopping', async () => {
    const net = new nn.Sequential(seen())
    const run = { net } as unknown as FitRun
    const stopping = earlyStopping({ metric: 'trainLoss' })
    await stopping.onBegin!(run, null)
    await stopping.onEpoch!({ epoch: 0, trainLoss: 1 } as FitEpoch, run)
    const best = await stateOf(net)
    scope(() => net.forward(tensor(fill(8, 7, 'normal'), [1, 2, 2, 2])))
    expect(await stateOf(net)).not.toEqual(best)
    await stopping.onEpoch!({ epoch: 1, trainLoss: 2 } as FitEpoch, run)
    await stopping.onEnd!({} as never, run)
    expect(await stateOf(net)).toEqual(best)
    await stopping.dispose!()
    net.dispose()
  })

  it('lrFind, which trains on the last batch as it is', async () => {
    const pixels = Uint8Array.from({ length: 5 * 4 }, (_, i) => 10 * i)
    const set = { images: pixels, labels: Uint8Array.of(0, 1, 0, 1, 1), count: 5, channels: 1, height: 2, width: 2 }
    const train = new ImageBatches({ ...set, classes: [] }, { batchSize: 3 })
    const net = new nn.Sequential(new nn.BatchNorm2d(1), new nn.Flatten(), new nn.Linear(4, 2)).eval()
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
    const before = await stateOf(net)
    const { points } = await lrFind({ net, optimizer, train, steps: 6, minLr: 1e-3, maxLr: 1e-2 })
    expect(points.length).toBe(6)
    expect([await stateOf(net), net.training]).toEqual([before, false])
    for (const part of [optimizer, net, train]) part.dispose()
  })
})

describe('updateBatchNorm', () => {
  const pixels = Uint8Array.from({ length: 5 * 4 }, (_, i) => (i * 37) % 256)
  const set = { images: pixels, labels: Uint8Array.of(0, 1, 0, 1, 1), count: 5, channels: 1, height: 2, width: 2 }

  it('averages the batches’ statistics anew, and leaves modes, momentums and position', async () => {
    const data = new ImageBatches({ ...set, classes: [] }, { batchSize: 3 })
    const layer = new nn.BatchNorm2d(1, { momentum: 0.3 })
    const net = new nn.Sequential(layer, new nn.Flatten(), new nn.Linear(4, 2)).eval()
    scope(() => layer.train().forward(data.batch(0).images)) // to be forgotten
    layer.eval()
    data.position = 1
    updateBatchNorm(net, data)
    const batches = [pixels.slice(0, 12), pixels.slice(12)].map((part) =>
      ref(
        [part.length / 4, 1, 2, 2],
        Float32Array.from(part, (byte) => Math.fround(byte * Math.fround(1 / 255))),
      ),
    )
    const [first, second] = batches.map((x) => batchNormRunning(x, ref([1]), ref([1]), 1))
    const mean = (first!.mean.data[0]! + second!.mean.data[0]!) / 2
    const variance = (first!.variance.data[0]! + second!.variance.data[0]!) / 2
    const found = await stateOf(layer)
    expect(found.running_mean![0]).toBeCloseTo(mean, 6)
    expect(found.running_var![0]).toBeCloseTo(variance, 6)
    expect(found.num_batches_tracked).toEqual([2])
    expect([layer.momentum, layer.training, net.training, data.position]).toEqual([0.3, false, false, 1])
    for (const part of [net, data]) part.dispose()
  })

  it('gives averaged weights their statistics, which withAverages leaves as they are', async () => {
    const data = new ImageBatches({ ...set, classes: [] }, { batchSize: 5 })
    const net = new nn.Sequential(new nn.Conv2d(1, 1, 1), new nn.BatchNorm2d(1), new nn.Flatten(), new nn.Linear(4, 2))
    const average = new optim.SWA(net.parameters())
    average.update()
    scope(() => net.forward(data.batch(0).images))
    const before = (await stateOf(net))['1.running_mean']
    await average.withAverages(async () => {
      expect((await stateOf(net))['1.running_mean']).toEqual(before)
      updateBatchNorm(net, data)
      await evaluate(net, data)
    })
    expect((await stateOf(net))['1.num_batches_tracked']).toEqual([1])
    for (const part of [average, net, data]) part.dispose()
  })

  it('refuses what is not a network or batches', () => {
    expect(messageOf(() => updateBatchNorm({} as never, {} as never))).toBe(
      'updateBatchNorm: the network must be a module, such as nn.Sequential',
    )
    const net = new nn.Linear(1, 1)
    expect(messageOf(() => updateBatchNorm(net, [] as never))).toBe(
      'updateBatchNorm: data must be Batches or ImageBatches, such as new ImageBatches(set)',
    )
    net.dispose()
  })
})

describe('refusals', () => {
  const refused = all.find(({ name }) => name === 'refused') as unknown as {
    inputs: { shape: number[]; options: Options; training: boolean }[]
  }

  it.each(refused.inputs)('what PyTorch refuses: $shape, training $training', ({ shape, options, training }) => {
    const layer = layerOf({ name: '', channels: 3, options, num_batches_tracked: [] }).train(training)
    const message = messageOf(() =>
      scope(() => layer.forward(tensor(new Float32Array(shape.reduce((a, b) => a * b)), shape))),
    )
    expect(message).toBe(
      shape.length === 4
        ? 'batchNorm: in training every channel needs more than one value; the input has one\n  input [1, 3, 1, 1]  N C H W\n' +
            'Take larger batches, or net.eval() to use the running ones.'
        : 'nn.BatchNorm2d: the layer is for inputs N C H W, this one has 3 dimensions\n  input [4, 3, 5]',
    )
    layer.dispose()
  })

  it('other channels, other ranks, and options that do not fit', () => {
    const x = (...shape: number[]) => tensor(new Float32Array(shape.reduce((a, b) => a * b)), shape)
    expect(messageOf(() => scope(() => new nn.BatchNorm2d(3).forward(x(2, 4, 5, 6))))).toBe(
      'nn.BatchNorm2d: the layer is for 3 channels, the input has 4\n  input [2, 4, 5, 6]  N C H W',
    )
    expect(messageOf(() => scope(() => new nn.BatchNorm1d(3).forward(x(2, 3, 5, 6))))).toBe(
      'nn.BatchNorm1d: the layer is for inputs N C or N C L, this one has 4 dimensions\n  input [2, 3, 5, 6]',
    )
    const make = (options: object) => messageOf(() => new nn.BatchNorm2d(3, options))
    expect(make({ bias: false })).toBe(
      'nn.BatchNorm2d: unknown option bias; known: eps, momentum, affine, trackRunningStats',
    )
    expect(make({ affine: 1 })).toBe('nn.BatchNorm2d: affine must be true or false, not 1')
    expect(make({ eps: -1 })).toBe('nn.BatchNorm2d: eps must be a number, 0 or more, not -1')
    expect(make({ momentum: 'all' })).toBe(
      "nn.BatchNorm2d: momentum must be a number, or null for the average of all batches, not 'all'",
    )
    expect(messageOf(() => new nn.BatchNorm2d(0))).toBe(
      'nn.BatchNorm2d: numFeatures must be a whole number, 1 or more, not 0',
    )
  })
})
