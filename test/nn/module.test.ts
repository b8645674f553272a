import { beforeAll, describe, expect, it } from 'vitest'
import { linear, nn, relu, scope, type Tensor } from '../../src/node/index.ts'
import { fill } from '../support/fill.ts'
import { type Gpu, messageOf, parameter, tensor, testGpu, values } from '../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

/** A module written as a user would: parameters and children are attributes. */
class Block extends nn.Module {
  readonly first = new nn.Linear(2, 3)
  readonly scale = parameter([1, 1], [2])
  readonly constant = tensor([5])
  readonly label = 'block'
  readonly inner = new nn.Sequential(new nn.Linear(3, 2), new nn.ReLU(), new nn.Linear(2, 1, { bias: false }))
  readonly nothing = null

  override forward(x: Tensor): Tensor {
    return this.inner.forward(relu(this.first.forward(x)))
  }
}

/** Two layers that share one weight. */
class Tied extends nn.Module {
  readonly a = new nn.Linear(2, 2, { bias: false })
  readonly b = this.a
  readonly own = this.a.weight

  override forward(x: Tensor): Tensor {
    return linear(this.b.forward(this.a.forward(x)), this.own)
  }
}

const small = () => new nn.Sequential(new nn.Linear(2, 3), new nn.ReLU(), new nn.Linear(3, 1))

/** Values for every parameter, in float32. */
function someState(net: nn.Module, seed: number): [string, Tensor][] {
  return [...net.namedParameters()].map(([name, p], i) => [name, tensor(fill(p.size, seed + i, 'normal'), p.shape)])
}

const all = (net: nn.Module) => Promise.all(net.parameters().map(async (p) => [...(await values(p))]))

describe('namedParameters', () => {
  it("has PyTorch's names and order in a Sequential", () => {
    const net = new nn.Sequential(
      small(),
      new nn.Flatten(),
      new nn.Conv2d(1, 2, 3),
      new nn.Conv2d(2, 2, 1, { bias: false }),
    )
    expect([...net.namedParameters().keys()]).toEqual([
      '0.0.weight',
      '0.0.bias',
      '0.2.weight',
      '0.2.bias',
      '2.weight',
      '2.bias',
      '3.weight',
    ])
    expect(net.parameters()).toEqual([...net.namedParameters().values()])
  })

  it("finds a module's own parameters, then those of its children, by the attributes' names", () => {
    const block = new Block()
    expect([...block.namedParameters().keys()]).toEqual([
      'scale',
      'first.weight',
      'first.bias',
      'inner.0.weight',
      'inner.0.bias',
      'inner.2.weight',
    ])
    expect(block.namedParameters().get('scale')).toBe(block.scale)
    expect(block.namedChildren().map(([name]) => name)).toEqual(['first', 'inner'])
  })

  it('lists a shared parameter once', async () => {
    const tied = new Tied()
    expect([...tied.namedParameters().keys()]).toEqual(['own'])
    tied.loadStateDict({ own: tensor([1, 2, 3, 4], [2, 2]) })
    tied.forward(tensor([[1, 1]])).backward(tensor([[1, 0]]))
    expect(tied.parameters().length).toBe(1)
    expect(tied.a.weight.grad).toBe(tied.own.grad)
  })

  it('is empty for layers without parameters', () => {
    expect(new nn.Sequential(new nn.ReLU(), new nn.MaxPool2d(2)).parameters()).toEqual([])
    expect(new nn.Sequential().parameters()).toEqual([])
  })
})

describe('stateDict', () => {
  it('holds the tensors themselves', () => {
    const net = small()
    expect(net.stateDict()).toEqual(net.namedParameters())
    expect(net.stateDict().get('0.weight')).toBe(net.parameters()[0])
  })
})

describe('loadStateDict', () => {
  it('copies from a map and from an object; the two nets stay apart', async () => {
    const [net, other] = [small(), small()]
    const state = someState(net, 7)
    const expected = await Promise.all(state.map(async ([, t]) => [...(await values(t))]))
    net.loadStateDict(new Map(state))
    other.loadStateDict(Object.fromEntries(state))
    expect(await all(net)).toEqual(expected)
    expect(await all(other)).toEqual(expected)
    other.loadStateDict(net.stateDict())
    net.loadStateDict(new Map(someState(net, 70)))
    expect(await all(other)).toEqual(expected)
    for (const [, t] of state) t.dispose()
    expect(await all(other)).toEqual(expected)
  })

  it('of its own state changes nothing', async () => {
    const net = small()
    const before = await all(net)
    net.loadStateDict(net.stateDict())
    expect(await all(net)).toEqual(before)
  })

  it('takes no memory', () => {
    const net = small()
    const state = new Map(someState(net, 7))
    const { tensors, bytes } = gpu.memory()
    net.loadStateDict(state)
    const after = gpu.memory()
    expect([after.tensors, after.bytes]).toEqual([tensors, bytes])
  })

  it('lists everything that does not fit, and changes nothing', async () => {
    const net = small()
    const before = await all(net)
    const state = new Map(someState(net, 7))
    state.delete('0.bias')
    state.delete('2.bias')
    state.set('2.weight', tensor([1, 2, 3], [3, 1]))
    state.set('1.weight', tensor([1]))
    state.set('weight', tensor([[1, 2]]))
    expect(messageOf(() => net.loadStateDict(state))).toBe(
      [
        'loadStateDict: the state does not fit this module',
        '  missing: 0.bias [3]',
        '  shape: 2.weight is [1, 3], given [3, 1]',
        '  missing: 2.bias [1]',
        '  unknown: 1.weight [1]',
        '  unknown: weight [1, 2]',
      ].join('\n'),
    )
    expect(await all(net)).toEqual(before)
  })

  it('refuses integers', () => {
    const layer = new nn.Linear(1, 2, { bias: false })
    const weight = tensor(new Int32Array(2), [2, 1])
    expect(messageOf(() => layer.loadStateDict({ weight }))).toBe(
      'loadStateDict: the state does not fit this module\n  type: weight is float32, given int32',
    )
  })

  it('refuses released values and released parameters, and changes nothing', async () => {
    const net = small()
    const before = await all(net)
    const state = new Map(someState(net, 7))
    state.get('2.bias')!.dispose()
    expect(messageOf(() => net.loadStateDict(state))).toBe(
      "loadStateDict: tensor [1] can't be used any more: dispose() was called on it",
    )
    expect(await all(net)).toEqual(before)
    net.dispose()
    expect(messageOf(() => net.loadStateDict(new Map(someState(net, 7))))).toBe(
      "loadStateDict: weight [3, 2] can't be used any more: dispose() was called on it",
    )
  })
})

describe('dispose', () => {
  it('releases parameters and gradients, and forward then names the weight', () => {
    const before = gpu.memory()
    const net = small()
    scope(() => net.forward(tensor([[1, 2]])).backward())
    expect(gpu.memory().tensors).toBe(before.tensors + 8)
    net.dispose()
    expect([gpu.memory().tensors, gpu.memory().bytes]).toEqual([before.tensors, before.bytes])
    expect(messageOf(() => scope(() => net.forward(tensor([[1, 2]]))))).toBe(
      "linearRelu: weight [3, 2] can't be used any more: dispose() was called on it",
    )
  })
})

it('keeps a frozen parameter among its own, as PyTorch does', () => {
  const layer = new nn.Linear(2, 1)
  layer.weight.requiresGrad = false
  expect([...layer.stateDict().keys()]).toEqual(['weight', 'bias'])
  scope(() => layer.forward(tensor([[1, 2]])).backward())
  expect([layer.weight.grad, layer.bias!.grad !== null]).toEqual([null, true])
  layer.dispose()
})

it('loads a state that exchanges its own parameters', async () => {
  const net = new nn.Sequential(new nn.Linear(2, 2, { bias: false }), new nn.Linear(2, 2, { bias: false }))
  const [p, q] = net.parameters() as [Tensor, Tensor]
  const [before, other] = [await values(p), await values(q)]
  net.loadStateDict({ '0.weight': q, '1.weight': p })
  expect([await values(p), await values(q)]).toEqual([other, before])
  net.dispose()
})

it('keeps what a module of its own, returned by scope, holds', async () => {
  class Scale extends nn.Module {
    readonly weight = parameter([2], [1])
    override forward(x: Tensor): Tensor {
      return linear(x, this.weight.reshape([1, 1]))
    }
  }
  const module = scope(() => new Scale())
  expect(await scope(() => module.forward(tensor([[3]]))).item()).toBe(6)
})

it('refuses options that are no object', () => {
  const loose = nn as unknown as Record<string, new (...args: unknown[]) => unknown>
  expect(messageOf(() => new loose.Conv2d!(1, 2, 3, 2))).toBe(
    'nn.Conv2d: options must be an object with any of stride, padding, dilation, bias, not 2',
  )
  expect(messageOf(() => new loose.MaxPool2d!(3, 1))).toBe(
    'nn.MaxPool2d: options must be an object with any of stride, padding, not 1',
  )
  expect(messageOf(() => new loose.Linear!(1, 2, false))).toBe(
    'nn.Linear: options must be an object with any of bias, not false',
  )
})
