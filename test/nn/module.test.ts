import { beforeAll, describe, expect, it } from 'vitest'
import { contentsOf } from '../../src/nn/state.ts'
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

/** A module with state that is not trained: two buffers, one of them named as PyTorch would, and a tensor that is neither. */
class Counting extends nn.Module {
  readonly weight = parameter([1, 2], [2])
  readonly runningMean = nn.buffer(tensor([3, 4]), 'running_mean')
  readonly steps = nn.buffer(tensor(new Int32Array([5]), []))
  readonly constant = tensor([6])

  override forward(x: Tensor): Tensor {
    return x
  }
}

describe('buffers', () => {
  it('are what nn.buffer has marked, by their names in a state', () => {
    const inner = new Counting()
    const net = new nn.Sequential(new nn.Linear(2, 2), inner)
    expect([...net.namedBuffers().keys()]).toEqual(['1.running_mean', '1.steps'])
    expect(net.buffers()).toEqual([inner.runningMean, inner.steps])
    expect([...net.namedParameters().keys()]).toEqual(['0.weight', '0.bias', '1.weight'])
  })

  it('outlive the scope that they are made in', async () => {
    let kept: Tensor | null = null
    scope(() => {
      kept = nn.buffer(tensor([7]))
    })
    expect(await kept!.item()).toBe(7)
  })

  it('are listed once where they are shared', () => {
    const shared = nn.buffer(tensor([1]), 'mask')
    class One extends nn.Module {
      readonly mask = shared
      override forward(x: Tensor): Tensor {
        return x
      }
    }
    const net = new nn.Sequential(new One(), new One())
    expect([...net.namedBuffers().keys()]).toEqual(['0.mask'])
    expect([...net.stateDict().keys()]).toEqual(['0.mask', '1.mask'])
  })

  it('refuse what is not a tensor, a parameter, and a name with dots', () => {
    expect(messageOf(() => nn.buffer([1] as never))).toBe('nn.buffer: a tensor is needed')
    expect(messageOf(() => nn.buffer(parameter([1], [1])))).toBe(
      'nn.buffer: tensor [1] is a parameter: a buffer never requires a gradient',
    )
    for (const name of ['', 'a.b']) {
      expect(messageOf(() => nn.buffer(tensor([1]), name))).toBe(
        `nn.buffer: the name must be a text without dots, such as 'running_mean', not '${name}'`,
      )
    }
  })

  it('refuse two of one name in a module', () => {
    class Twice extends nn.Module {
      readonly first = nn.buffer(tensor([1]), 'mean')
      readonly second = nn.buffer(tensor([2]), 'mean')
      override forward(x: Tensor): Tensor {
        return x
      }
    }
    expect(messageOf(() => new Twice().stateDict())).toBe(
      'nn.Module: two tensors of Twice are called mean in its state',
    )
  })
})

describe('stateDict', () => {
  it('holds the tensors themselves', () => {
    const net = small()
    expect(net.stateDict()).toEqual(net.namedParameters())
    expect(net.stateDict().get('0.weight')).toBe(net.parameters()[0])
  })

  it('holds parameters, then buffers, module by module', () => {
    const net = new nn.Sequential(new Counting(), new nn.Linear(1, 1, { bias: false }))
    expect([...net.stateDict().keys()]).toEqual(['0.weight', '0.running_mean', '0.steps', '1.weight'])
  })

  it('has a shared tensor under all its names, as in PyTorch', () => {
    const tied = new Tied()
    expect([...tied.stateDict().keys()]).toEqual(['own', 'a.weight', 'b.weight'])
    tied.loadStateDict(tied.stateDict())
  })
})

describe('children', () => {
  class Blocks extends nn.Module {
    readonly blocks = new nn.ModuleList([new nn.Linear(1, 2), new nn.Linear(2, 1, { bias: false })])
    readonly heads = [[new nn.Linear(1, 1)], new nn.ReLU(), 'a text']
    readonly scales = [parameter([1], [1]), nn.buffer(tensor([2])), nn.buffer(tensor([3]), 'last')]

    override forward(x: Tensor): Tensor {
      return [...this.blocks].reduce((y, block) => block.forward(y), x)
    }
  }

  it('are found in lists and arrays, and so are parameters and buffers', () => {
    const net = new Blocks()
    expect(net.namedChildren().map(([name]) => name)).toEqual(['blocks', 'heads.0.0', 'heads.1'])
    expect([...net.namedParameters().keys()]).toEqual([
      'scales.0',
      'blocks.0.weight',
      'blocks.0.bias',
      'blocks.1.weight',
      'heads.0.0.weight',
      'heads.0.0.bias',
    ])
    expect([...net.namedBuffers().keys()]).toEqual(['scales.1', 'scales.last'])
  })

  it('are listed by namedModules, each once, after the module itself', () => {
    const net = new Blocks()
    expect([...net.namedModules()].map(([path, module]) => `${path}: ${module.constructor.name}`)).toEqual([
      ': Blocks',
      'blocks: ModuleList',
      'blocks.0: Linear',
      'blocks.1: Linear',
      'heads.0.0: Linear',
      'heads.1: ReLU',
    ])
    const tied = new Tied()
    expect([...tied.namedModules().keys()]).toEqual(['', 'a'])
  })

  it('are visited by apply before the module that they are in', () => {
    const names: string[] = []
    const net = new nn.Sequential(new nn.Sequential(new nn.ReLU()), new nn.Flatten())
    expect(net.apply((module) => void names.push(module.constructor.name))).toBe(net)
    expect(names).toEqual(['ReLU', 'Sequential', 'Flatten', 'Sequential'])
  })

  it('refuse a module that lies in itself', () => {
    class Parent extends nn.Module {
      readonly child = new Child(this)
      override forward(x: Tensor): Tensor {
        return x
      }
    }
    class Child extends nn.Module {
      readonly parent: Parent
      constructor(parent: Parent) {
        super()
        this.parent = parent
      }
      override forward(x: Tensor): Tensor {
        return x
      }
    }
    expect(messageOf(() => new Parent().parameters())).toBe(
      'nn.Module: child.parent is a module that contains it; keep that one in a private property (#name)',
    )
  })
})

describe('ModuleList', () => {
  it('is iterable, knows its length and grows', () => {
    const [first, second] = [new nn.Linear(1, 1), new nn.ReLU()]
    const list = new nn.ModuleList<nn.Module>([first]).append(second)
    expect([...list]).toEqual([first, second])
    expect([list.length, list.at(0), list.at(-1)]).toEqual([2, first, second])
  })

  it('refuses what is not a module, a place that it does not have, and to be called', () => {
    const list = new nn.ModuleList([new nn.ReLU()])
    expect(messageOf(() => new nn.ModuleList([new nn.ReLU(), relu as never]))).toBe(
      'nn.ModuleList: element 1 is not a module',
    )
    expect(messageOf(() => new nn.ModuleList(new nn.ReLU() as never))).toBe(
      'nn.ModuleList: the modules must be in an array, such as [new nn.Linear(2, 3)]',
    )
    expect(messageOf(() => list.at(1))).toBe('nn.ModuleList: there is no module 1; the list has 1')
    expect(messageOf(() => list.at(0.5))).toBe('nn.ModuleList: there is no module 0.5; the list has 1')
    expect(messageOf(() => list.forward(tensor([1])))).toBe(
      'nn.ModuleList: a list has no forward; call its modules one by one, or use nn.Sequential',
    )
  })
})

describe('train and eval', () => {
  it('set the mode of a module and all inside', () => {
    const net = new nn.Sequential(new nn.Sequential(new nn.ReLU()), new nn.Flatten())
    const modes = () => [...net.namedModules().values()].map(({ training }) => training)
    expect(modes()).toEqual([true, true, true, true])
    expect(net.eval()).toBe(net)
    expect(modes()).toEqual([false, false, false, false])
    net.namedModules().get('0')!.train()
    expect(modes()).toEqual([false, true, true, false])
    expect(net.train(true)).toBe(net)
    expect(modes()).toEqual([true, true, true, true])
  })

  it('go by way of what a module makes of train', () => {
    class Frozen extends nn.Sequential {
      override train(mode = true): this {
        super.train(mode)
        for (const [, child] of this.namedChildren()) child.eval()
        return this
      }
    }
    const net = new nn.Sequential(new Frozen(new nn.ReLU())).train()
    expect([...net.namedModules().values()].map(({ training }) => training)).toEqual([true, true, false])
  })

  it('refuse a mode that is neither', () => {
    expect(messageOf(() => new nn.ReLU().train(1 as never))).toBe('train: mode must be true or false, not 1')
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

  it('copies into buffers, integers too', async () => {
    const module = new Counting()
    const weight = tensor([10, 20])
    module.loadStateDict({ weight, running_mean: tensor([30, 40]), steps: tensor(new Int32Array([50]), []) })
    expect(await Promise.all([...module.stateDict().values()].map(async (t) => [...(await t.data())]))).toEqual([
      [10, 20],
      [30, 40],
      [50],
    ])
    expect(messageOf(() => module.loadStateDict({ weight, steps: tensor(1, []) }))).toBe(
      [
        'loadStateDict: the state does not fit this module',
        '  missing: running_mean [2]',
        '  type: steps is int32, given float32',
      ].join('\n'),
    )
  })

  it('takes one name of a shared tensor, or all, and then the last one counts', async () => {
    const tied = new Tied()
    const [one, two] = [tensor([1, 2, 3, 4], [2, 2]), tensor([5, 6, 7, 8], [2, 2])]
    tied.loadStateDict({ 'b.weight': one })
    expect([...(await values(tied.own))]).toEqual([1, 2, 3, 4])
    tied.loadStateDict({ own: one, 'a.weight': two, 'b.weight': two })
    expect([...(await values(tied.own))]).toEqual([5, 6, 7, 8])
    expect(messageOf(() => tied.loadStateDict({}))).toBe(
      'loadStateDict: the state does not fit this module\n  missing: own [2, 2]',
    )
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
  it('releases buffers', () => {
    const before = gpu.memory().tensors
    const module = new Counting()
    module.dispose()
    expect([module.runningMean.released, module.steps.released, gpu.memory().tensors]).toEqual([true, true, before + 1])
  })

  it('releases parameters and gradients, and forward then names the weight', () => {
    scope(() => parameter([1], []).backward()) // the gradient 1 that the device keeps is there from now on
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
    'nn.Conv2d: options must be an object with any of stride, padding, dilation, groups, bias, not 2',
  )
  expect(messageOf(() => new loose.MaxPool2d!(3, 1))).toBe(
    'nn.MaxPool2d: options must be an object with any of stride, padding, not 1',
  )
  expect(messageOf(() => new loose.Linear!(1, 2, false))).toBe(
    'nn.Linear: options must be an object with any of bias, not false',
  )
})

it('what is compared between steps ends at tensors: their device is not part of a module', () => {
  const net = new nn.Linear(1, 1)
  expect(contentsOf(net)).toContain(net.weight)
  expect(contentsOf(net)).not.toContain(gpu)
})
