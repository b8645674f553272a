import fc from 'fast-check'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { full } from '../../src/kernels/fill.ts'
import {
  AnomalyError,
  add,
  apply,
  crossEntropy,
  detectAnomaly,
  isAnomalyEnabled,
  nn,
  type Op,
  open,
  optim,
  relu,
  scope,
  setDetectAnomaly,
  type Tensor,
  tensor,
} from '../../src/node/index.ts'
import { setDefaultGpu } from '../../src/tensor/default.ts'
import { bitsOf } from '../support/check.ts'
import { fill } from '../support/fill.ts'
import { type Gpu, messageOf, parameter, testGpu } from '../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})
afterEach(() => setDetectAnomaly(false))

const { NaN: nan, POSITIVE_INFINITY: inf } = Number

async function anomalyOf(fn: () => unknown): Promise<AnomalyError> {
  const error: unknown = await detectAnomaly(fn).then(
    () => expect.fail('no anomaly was found'),
    (e) => e,
  )
  if (!(error instanceof AnomalyError)) throw error
  return error
}

/** Hands its input on, or where told to spoils the value or the gradient. */
class Spoil extends nn.Module {
  readonly #forward: number | null
  readonly #backward: number | null
  constructor(forward: number | null, backward: number | null) {
    super()
    this.#forward = forward
    this.#backward = backward
  }
  override forward(x: Tensor): Tensor {
    const copy = (t: Tensor, value: number | null) =>
      value === null ? add(t, full(gpu, t.shape, 0)) : full(gpu, t.shape, value)
    const op: Op<readonly [Tensor], null> = {
      name: 'spoil',
      shape: ([t]) => t.shape,
      forward: (_, [t]) => ({ out: copy(t.detach(), this.#forward), saved: [] }),
      backward: (_, dy) => [copy(dy, this.#backward)],
    }
    return apply(op, [x], null)
  }
}

describe('the first operation, in the order of recording,', () => {
  it('is the one named, among any number of others', async () => {
    const value = fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, fc.constantFrom(nan, inf, -inf))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 6 }), async (faults) => {
        const net = new nn.Sequential(...faults.map(([forward, backward]) => new Spoil(forward, backward)))
        const x = parameter([1, 2, 3], [3])
        const found = await detectAnomaly(() => scope(() => net.forward(x).backward(tensor([1, 1, 1])))).catch(
          (error: unknown) => error,
        )
        const forward = faults.findIndex(([value]) => value !== null)
        const backward = faults.findLastIndex(([, value]) => value !== null)
        x.dispose()
        if (forward < 0 && backward < 0) expect(found).toBe(undefined)
        else
          expect(found).toMatchObject({
            name: 'AnomalyError',
            operation: 'spoil',
            direction: forward >= 0 ? 'forward' : 'backward',
            layer: `layer ${forward >= 0 ? forward : backward} (Spoil)`,
          })
      }),
      { seed: 1, numRuns: 40 },
    )
  })

  it('is named by operation, layer, direction and tensor', async () => {
    const net = nn.lenet()
    const [weight] = net.parameters()
    gpu.write(weight!.storage, new Float32Array(weight!.size).fill(1))
    const images = tensor(new Float32Array(2 * 784).fill(3e38), [2, 1, 28, 28], { name: 'images' })
    const error = await anomalyOf(() => net.forward(images))
    expect(error).toMatchObject({ operation: 'conv2dReluMaxPool2d', direction: 'forward', layer: 'layer 0 (Conv2d)' })
    expect(error.message).toBe(
      'conv2dReluMaxPool2d of layer 0 (Conv2d), forward: its result [2, 6, 14, 14] is the first tensor with a NaN or infinite value',
    )
    net.dispose()
  })

  it('in a module of modules is named by its path', async () => {
    class Encoder extends nn.Module {
      readonly body = new nn.Sequential(new nn.ReLU(), new nn.Linear(2, 2), new Spoil(null, null))
      forward(x: Tensor): Tensor {
        return this.body.forward(x)
      }
    }
    class Net extends nn.Module {
      readonly encoder = new Encoder()
      forward(x: Tensor): Tensor {
        return relu(this.encoder.forward(x))
      }
    }
    class Child extends Net {
      override forward(x: Tensor): Tensor {
        return add(super.forward(x), tensor([[0, inf]]))
      }
    }
    const x = tensor([[1, 2]])
    const net = new Net()
    gpu.write(net.encoder.body.parameters()[0]!.storage, Float32Array.of(3e38, 3e38))
    expect(await anomalyOf(() => net.forward(x))).toMatchObject({
      operation: 'linear',
      layer: 'layer encoder.body.1 (Linear)',
    })
    // What a module does itself is its own, by its superclass too; without a parent it has no path.
    const error = await anomalyOf(() => new Child().forward(x))
    expect(error.message).toBe(
      'add of Child, forward: its input 1, tensor [1, 2], is the first tensor with a NaN or infinite value',
    )
  })

  it('is told from data that was not finite to begin with', async () => {
    const images = tensor([[nan, 1]], undefined, { name: 'images' })
    const error = await anomalyOf(() => new nn.Sequential(new nn.Linear(2, 2)).forward(images))
    expect(error.message).toBe(
      'linear of layer 0 (Linear), forward: its input 0, images [1, 2], is the first tensor with a NaN or infinite value',
    )
  })

  it('of backward is named by the layer that ran it forward', async () => {
    const net = new nn.Sequential(new nn.Linear(2, 2, { bias: false }), new nn.Linear(2, 2))
    gpu.write(net.parameters()[1]!.storage, Float32Array.of(3e38, -3e38, 3e38, -3e38))
    const x = tensor([[0, 0]])
    const error = await anomalyOf(() => scope(() => net.forward(x).backward(tensor([[3e38, 3e38]]))))
    expect(error.message).toBe(
      'linear of layer 1 (Linear), backward: the gradient of its input 0, [1, 2], is the first tensor with a NaN or infinite value',
    )
  })

  it('may be the starting gradient, or a sum of gradients', async () => {
    const x = parameter([1], [1])
    const start = await anomalyOf(() => relu(x).backward(tensor([inf])))
    expect(start.message).toBe(
      'backward, backward: the starting gradient is the first tensor with a NaN or infinite value',
    )
    const sum = await anomalyOf(() => add(relu(x), relu(x)).backward(tensor([3e38])))
    expect(sum).toMatchObject({ operation: 'add', direction: 'backward', layer: null })
  })

  it('may be an update, of the parameter or of its momentum', async () => {
    const net = new nn.Sequential(new nn.Linear(1, 1, { bias: false }))
    const x = tensor([[1]])
    const update = (momentum: number, lr: number, scale: number) => () => {
      const optimizer = new optim.SGD(net.parameters(), { lr, momentum })
      for (let i = 0; i < 2; i++) {
        optimizer.zeroGrad()
        scope(() => net.forward(x).backward(tensor([[scale]])))
        optimizer.step()
      }
    }
    const plain = await anomalyOf(update(0, 1e10, 3e30))
    expect(plain).toMatchObject({ operation: 'SGD', direction: 'update', layer: 'layer 0 (Linear)' })
    expect(plain.message).toBe(
      'SGD of layer 0 (Linear), update: the parameter weight [1, 1] is the first tensor with a NaN or infinite value',
    )
    gpu.write(net.parameters()[0]!.storage, Float32Array.of(0))
    net.parameters()[0]!.storage.version++
    const momentum = await anomalyOf(update(10, 1e-30, 1e38))
    expect(momentum.message).toBe(
      'SGD of layer 0 (Linear), update: the momentum of weight [1, 1] is the first tensor with a NaN or infinite value',
    )
  })
})

describe('a sync point', () => {
  it('throws what was recorded before it, once, and the search goes on', async () => {
    setDetectAnomaly(true)
    const bad = relu(tensor([inf]))
    const good = relu(tensor([1]))
    await expect(good.item()).rejects.toThrow('relu, forward: its input 0, tensor [1], is the first tensor')
    expect(await good.item()).toBe(1)
    expect(await bad.item()).toBe(inf)
    add(good, tensor([nan]))
    await expect(good.data()).rejects.toThrow('add, forward: its input 1')
    expect(await good.item()).toBe(1)
  })

  it('throws at all of several that wait at once', async () => {
    setDetectAnomaly(true)
    const x = relu(tensor([3]))
    relu(tensor([nan]))
    const results = await Promise.allSettled([x.item(), x.data(), x.item()])
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(await x.item()).toBe(3)
  })

  it('in detectAnomaly is its end, if not before', async () => {
    const order: string[] = []
    await anomalyOf(async () => {
      relu(tensor([nan]))
      order.push('before')
      await tensor([1]).data()
      order.push('after')
    })
    expect(order).toEqual(['before'])
    await anomalyOf(() => relu(tensor([nan])))
  })
})

describe('switching', () => {
  it('on and off, and off again after detectAnomaly, whatever it runs', async () => {
    const before = gpu.memory().tensors
    expect(isAnomalyEnabled()).toBe(false)
    expect(await detectAnomaly(() => [isAnomalyEnabled(), 7])).toEqual([true, 7])
    expect(await detectAnomaly(async () => 'value')).toBe('value')
    await expect(
      detectAnomaly(() => {
        throw new RangeError('mine')
      }),
    ).rejects.toThrow(new RangeError('mine'))
    await anomalyOf(() => scope(() => void relu(tensor([nan]))))
    expect(isAnomalyEnabled()).toBe(false)
    setDetectAnomaly(true)
    setDetectAnomaly(true)
    expect(await detectAnomaly(() => detectAnomaly(() => 1))).toBe(1)
    expect(isAnomalyEnabled()).toBe(true)
    setDetectAnomaly(false)
    expect(isAnomalyEnabled()).toBe(false)
    // Fewer where the garbage of other tests was collected meanwhile.
    expect(gpu.memory().tensors).toBeLessThanOrEqual(before)
  })

  it('off forgets what was found; off, nothing is looked at and nothing is dispatched', async () => {
    setDetectAnomaly(true)
    relu(tensor([nan]))
    setDetectAnomaly(false)
    const before = gpu.dispatches
    expect(await relu(tensor([nan])).item()).toBe(nan)
    expect(gpu.dispatches - before).toBe(1)
  })

  it('refuses the one for the other', async () => {
    expect(messageOf(() => setDetectAnomaly((() => 1) as unknown as boolean))).toBe(
      'setDetectAnomaly: mode must be true or false, not a function; detectAnomaly takes a function',
    )
    await expect(detectAnomaly(true as unknown as () => number)).rejects.toThrow(
      new TypeError('detectAnomaly: fn must be a function, not true; setDetectAnomaly takes true or false'),
    )
  })

  it('looks at every device, and lets one be closed inside', async () => {
    const error = await anomalyOf(async () => {
      const other = await open()
      setDefaultGpu(gpu)
      relu(tensor([nan], [1], { gpu: other }))
      relu(tensor([1]))
      await other.close()
      relu(tensor([inf]))
    })
    expect(error.operation).toBe('relu')
  })
})

it('changes no bit of a training step', async () => {
  const train = async (search: boolean) => {
    setDetectAnomaly(search)
    const net = new nn.Sequential(new nn.Linear(7, 5), new nn.ReLU(), new nn.Linear(5, 3))
    for (const [i, p] of net.parameters().entries()) gpu.write(p.storage, Float32Array.from(fill(p.size, i, 'normal')))
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 })
    const [x, labels] = [tensor(fill(28, 9, 'normal'), [4, 7]), tensor(Int32Array.of(0, 1, 2, 0))]
    for (let i = 0; i < 3; i++) {
      scope(() => {
        const loss = crossEntropy(net.forward(x), labels)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
      })
    }
    return Promise.all(net.parameters().map(bitsOf))
  }
  expect(await train(true)).toEqual(await train(false))
})
