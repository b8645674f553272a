// biome-ignore-all lint/suspicious/noFocusedTests: fit is what is tested
// Layers wherever a module may keep them: they are trained, or an error names them.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  add,
  evaluate,
  fit,
  ImageBatches,
  lrFind,
  manualSeed,
  nn,
  optim,
  relu,
  type Tensor,
} from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { parameter, testGpu } from '../support/gpu.ts'

let train: ImageBatches
beforeAll(async () => {
  await testGpu()
  const images = Uint8Array.from({ length: 6 * 16 }, (_, i) => (i * 37) % 256)
  const labels = Uint8Array.from({ length: 6 }, (_, i) => i % 3)
  const set = { images, labels, count: 6, channels: 1, height: 4, width: 4, classes: [] }
  train = new ImageBatches(set, { batchSize: 3 })
})
afterAll(() => train.dispose())

/** Two layers, one after the other; where the first is kept is what the cases are about. */
abstract class Net extends nn.Module {
  abstract first(): nn.Module
  abstract last: nn.Linear

  override forward(x: Tensor): Tensor {
    return this.last.forward(relu(this.first().forward(x.flatten())))
  }
}

const linear = () => new nn.Linear(16, 4)

class InArray extends Net {
  readonly layers = [[linear()]]
  readonly last = new nn.Linear(4, 3)
  first = () => this.layers[0]![0]!
}
class InObject extends Net {
  readonly layers = { inner: { hidden: linear() } }
  readonly last = new nn.Linear(4, 3)
  first = () => this.layers.inner.hidden
}
class InMap extends Net {
  readonly layers = new Map([['hidden', linear()]])
  readonly last = new nn.Linear(4, 3)
  first = () => this.layers.get('hidden')!
}
class InSet extends Net {
  readonly layers = new Set([linear()])
  readonly last = new nn.Linear(4, 3)
  first = () => [...this.layers][0]!
}
class Further extends nn.Sequential {
  readonly hidden = linear()
  override forward(x: Tensor): Tensor {
    return super.forward(relu(this.hidden.forward(x.flatten())))
  }
}

class Private extends Net {
  readonly #hidden = linear()
  readonly last = new nn.Linear(4, 3)
  first() {
    return this.#hidden
  }
}
class Holder {
  readonly layer = linear()
}
class InAnotherObject extends Net {
  readonly holder = new Holder()
  readonly last = new nn.Linear(4, 3)
  first = () => this.holder.layer
}
class InVariable extends Net {
  readonly last = new nn.Linear(4, 3)
  readonly first: () => nn.Module
  constructor() {
    super()
    const hidden = new nn.Sequential(linear(), new nn.ReLU())
    this.first = () => hidden
  }
}
class ItsOwnTensor extends Net {
  readonly #shift = parameter([1, 2, 3], [3])
  readonly hidden = linear()
  readonly last = new nn.Linear(4, 3)
  first = () => this.hidden
  override forward(x: Tensor): Tensor {
    return add(super.forward(x), this.#shift)
  }
}

const made = (Kind: new () => nn.Module) => {
  manualSeed(5)
  const net = new Kind()
  return { net, optimizer: new optim.SGD(net.parameters(), { lr: 0.5 }) }
}
class Flat extends Further {
  constructor() {
    super(new nn.Linear(4, 3))
  }
}

describe('layers in containers', () => {
  it.each<[string, new () => nn.Module, string[]]>([
    ['an array in an array', InArray, ['layers.0.0.weight', 'layers.0.0.bias', 'last.weight', 'last.bias']],
    ['objects', InObject, ['layers.inner.hidden.weight', 'layers.inner.hidden.bias', 'last.weight', 'last.bias']],
    ['a Map', InMap, ['layers.hidden.weight', 'layers.hidden.bias', 'last.weight', 'last.bias']],
    ['a Set', InSet, ['layers.0.weight', 'layers.0.bias', 'last.weight', 'last.bias']],
    ['properties of a Sequential', Flat, ['0.weight', '0.bias', 'hidden.weight', 'hidden.bias']],
  ])('%s are trained, saved and summed up', async (_, Kind, names) => {
    const states = []
    for (const capture of [true, false]) {
      const { net, optimizer } = made(Kind)
      expect([...net.stateDict().keys()]).toEqual(names)
      expect(net.summary([1, 1, 4, 4])).toMatchObject({ parameters: 16 * 4 + 4 + 4 * 3 + 3 })
      expect(String(net.summary([1, 1, 4, 4]))).not.toContain('not registered')
      const before = await Promise.all(net.parameters().map(bitsOf))
      await lrFind({ net, optimizer, train, minLr: 0.1, maxLr: 1 })
      expect(await Promise.all(net.parameters().map(bitsOf))).toEqual(before)
      await fit(net, { data: train, optimizer, epochs: 1, capture })
      const after = await Promise.all(net.parameters().map(bitsOf))
      for (const [i, bits] of after.entries()) expect(bits, names[i]).not.toEqual(before[i])
      states.push(after)
    }
    expect(states[0]).toEqual(states[1])
  })
})

const CURE =
  'is not a parameter of the network, so it would not be trained: a module must be in a property of the module that uses it, or in ' +
  'an array, a plain object, a Map or a Set that is one, not in a private field (#name) or a variable'

describe('a layer that the network does not have', () => {
  class Around extends nn.Module {
    readonly inner = new Private()
    override forward(x: Tensor): Tensor {
      return this.inner.forward(x)
    }
  }
  it.each<[string, new () => nn.Module, string]>([
    ['in a private field', Private, 'weight [4, 16] in a Linear in the network (Private)'],
    ['in a private field of a layer', Around, 'weight [4, 16] in a Linear in layer inner (Private)'],
    ['in an object of another class', InAnotherObject, 'weight [4, 16] in a Linear in the network (InAnotherObject)'],
    ['in a variable', InVariable, 'weight [4, 16] in a Linear in a Sequential in the network (InVariable)'],
    ['and a tensor', ItsOwnTensor, 'tensor [3] in the network (ItsOwnTensor)'],
  ])('%s, is named before anything is trained', async (_, Kind, what) => {
    for (const capture of [true, false]) {
      const { net, optimizer } = made(Kind)
      const before = await Promise.all(net.parameters().map(bitsOf))
      const found = await fit(net, { data: train, optimizer, epochs: 1, capture }).catch(String)
      expect(String(found)).toBe(`Error: fit: ${what} ${CURE}`)
      expect(await Promise.all(net.parameters().map(bitsOf))).toEqual(before)
      expect(optimizer.stateDict().step).toBe(0)
    }
    const { net, optimizer } = made(Kind)
    const found = await lrFind({ net, optimizer, train }).catch(String)
    expect(String(found)).toBe(`Error: lrFind: ${what} ${CURE}`)
  })

  it('may be frozen: then it is not trained on purpose', async () => {
    class Frozen extends Net {
      readonly #hidden = linear()
      readonly last = new nn.Linear(4, 3)
      first() {
        for (const p of this.#hidden.parameters()) p.requiresGrad = false
        return this.#hidden
      }
    }
    const states = []
    for (const capture of [true, false]) {
      const { net, optimizer } = made(Frozen)
      await fit(net, { data: train, optimizer, epochs: 1, capture })
      states.push(await Promise.all(net.parameters().map(bitsOf)))
    }
    expect(states[0]).toEqual(states[1])
  })

  it('is refused in the optimizer too: it would be neither saved nor restored', async () => {
    const hidden = linear()
    class Outside extends Net {
      readonly last = new nn.Linear(4, 3)
      first = () => hidden
    }
    const net = new Outside()
    // The function is a property, and what it knows is not seen.
    const optimizer = new optim.SGD([...net.parameters(), ...hidden.parameters()], { lr: 0.1 })
    await expect(fit(net, { data: train, optimizer, epochs: 1 })).rejects.toThrow(
      'fit: the optimizer has weight [4, 16], which is not a parameter of the network',
    )
    await expect(lrFind({ net, optimizer, train })).rejects.toThrow('lrFind: the optimizer has weight [4, 16]')
  })
})

describe('a module that depends on its mode and is not part of the network', () => {
  class Dropping extends nn.Module {
    readonly last = new nn.Linear(16, 3)
    readonly #drop = new nn.Dropout(0.5)
    override forward(x: Tensor): Tensor {
      return this.last.forward(this.#drop.forward(x.flatten()))
    }
  }
  const symbol = Symbol('norm')
  class Normalising extends nn.Module {
    readonly last = new nn.Linear(16, 3)
    readonly [symbol] = new nn.BatchNorm1d(16, { affine: false })
    override forward(x: Tensor): Tensor {
      return this.last.forward(this[symbol].forward(x.flatten()))
    }
  }
  class Activating extends nn.Module {
    readonly last = new nn.Linear(16, 3)
    readonly #act = new nn.Sequential(new nn.ReLU(), new nn.Tanh())
    override forward(x: Tensor): Tensor {
      return this.last.forward(this.#act.forward(x.flatten()))
    }
  }
  const text = (operation: string, kind: string) =>
    `${operation}: a ${kind} that it computes with is not part of the network, so its mode would not be set, nor its buffers be ` +
    'saved: a module must be in a property'

  it.each<[string, new () => nn.Module]>([
    ['Dropout', Dropping],
    ['BatchNorm1d', Normalising],
  ])('%s is refused before anything is updated', async (kind, Kind) => {
    const { net, optimizer } = made(Kind)
    const before = await Promise.all(net.parameters().map(bitsOf))
    for (const capture of [true, false]) {
      await expect(fit(net, { data: train, optimizer, epochs: 1, capture })).rejects.toThrow(text('fit', kind))
    }
    await expect(lrFind({ net, optimizer, train })).rejects.toThrow(text('lrFind', kind))
    await expect(evaluate(net, train)).rejects.toThrow(text('evaluate', kind))
    expect(await Promise.all(net.parameters().map(bitsOf))).toEqual(before)
  })

  it('others may be anywhere', async () => {
    const { net, optimizer } = made(Activating)
    await fit(net, { data: train, optimizer, epochs: 1 })
    expect((await evaluate(net, train)).count).toBe(6)
  })
})
