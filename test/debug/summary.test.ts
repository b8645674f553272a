import { beforeAll, describe, expect, it } from 'vitest'
import { conv2dReluMaxPool2d, linearRelu, matmul, nn, relu, type Tensor } from '../../src/node/index.ts'
import { observing } from '../../src/tensor/observe.ts'
import { type Gpu, messageOf, parameter, testGpu } from '../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

/** Written as a user would: children as properties, one in another, one that does not run, and sums of its own. */
class Net extends nn.Module {
  readonly body = new nn.Sequential(new nn.Linear(6, 4), new nn.ReLU())
  readonly head = new nn.Linear(4, 2, { bias: false })
  readonly idle = new nn.Linear(3, 3)
  readonly scale = parameter([1, 0, 0, 1], [2, 2])

  override forward(x: Tensor): Tensor {
    return matmul(this.head.forward(this.body.forward(x)), this.scale)
  }
}

/** Nothing but operations. */
class Bare extends nn.Module {
  readonly kernel = parameter(new Array(9).fill(0), [1, 1, 3, 3])
  readonly weight = parameter(new Array(12).fill(0), [3, 4])

  override forward(x: Tensor): Tensor {
    return linearRelu(relu(conv2dReluMaxPool2d(x, this.kernel, null, { padding: 1 })).flatten(), this.weight, null)
  }
}

/** Two layers that share a weight, one of them run twice, through a subclass's own forward. */
class Doubled extends nn.Linear {
  override forward(x: Tensor): Tensor {
    return super.forward(super.forward(x))
  }
}
class Tied extends nn.Module {
  readonly first = new nn.Linear(3, 3)
  readonly second = new Doubled(3, 3)
  readonly again = this.first

  override forward(x: Tensor): Tensor {
    return this.again.forward(this.second.forward(this.first.forward(x)))
  }
}

/** Layers in an array, one that no property has, and one that is called past the module around it. */
class Listed extends nn.Module {
  readonly layers = [new nn.Sequential(new nn.Linear(4, 4), new nn.ReLU()), new nn.Linear(4, 4)]
  readonly body = new nn.Sequential(new nn.Linear(4, 2))
  readonly #hidden = new nn.Linear(4, 4)
  /** Registered here as well as in the hidden layer. */
  readonly shared = this.#hidden.weight

  override forward(x: Tensor): Tensor {
    const out = [...this.layers, this.#hidden].reduce((value, layer) => layer.forward(value), x)
    return (this.body.namedChildren()[0]![1] as nn.Module).forward(out)
  }
}

describe('net.summary', () => {
  it('counts what parameters() has, and says which layers are not registered', () => {
    const net = new Listed()
    const summary = net.summary([1, 4])
    expect(summary.parameters).toBe(net.parameters().reduce((sum, { size }) => sum + size, 0))
    expect(String(summary)).toBe(`layer             kind    output shape  parameters  multiply-adds
input                     [1, 4]
layers.0.0        Linear  [1, 4]                20             16
layers.0.1        ReLU    [1, 4]                 0              0
layers.1          Linear  [1, 4]                20             16
(not registered)  Linear  [1, 4]                 0             16
body.0            Linear  [1, 2]                10              8
-                 Listed  [1, 2]                16              0
total                                           66             56`)
    expect(summary.rows[3]!.name).toBe(null)
  })

  it("shows LeNet's layers, though neighbours are computed together otherwise", () => {
    const summary = nn.lenet().summary([1, 1, 28, 28])
    expect({ parameters: summary.parameters, multiplyAdds: summary.multiplyAdds }).toEqual({
      parameters: 61_706,
      multiplyAdds: 416_520,
    })
    expect(String(summary)).toBe(`layer  kind       output shape     parameters  multiply-adds
input             [1, 1, 28, 28]
0      Conv2d     [1, 6, 28, 28]          156        117,600
1      ReLU       [1, 6, 28, 28]            0              0
2      MaxPool2d  [1, 6, 14, 14]            0              0
3      Conv2d     [1, 16, 10, 10]       2,416        240,000
4      ReLU       [1, 16, 10, 10]           0              0
5      MaxPool2d  [1, 16, 5, 5]             0              0
6      Flatten    [1, 400]                  0              0
7      Linear     [1, 120]             48,120         48,000
8      ReLU       [1, 120]                  0              0
9      Linear     [1, 84]              10,164         10,080
10     ReLU       [1, 84]                   0              0
11     Linear     [1, 10]                 850            840
total                                  61,706        416,520`)
  })

  it('counts a batch of three three times', () => {
    expect(nn.lenet().summary([3, 1, 28, 28]).multiplyAdds).toBe(3 * 416_520)
  })

  it("takes a user's own module: a row a layer, what it computes itself, and what did not run", () => {
    expect(String(new Net().summary([5, 6]))).toBe(`layer   kind    output shape  parameters  multiply-adds
input           [5, 6]
body.0  Linear  [5, 4]                28            120
body.1  ReLU    [5, 4]                 0              0
head    Linear  [5, 2]                 8             40
-       Net     [5, 2]                 4             20
idle    Linear  -                     12              0
total                                 52            180`)
  })

  it('takes a module of operations alone', () => {
    const { rows } = new Bare().summary([1, 1, 5, 5])
    // The last row and column of the convolution are in no window of the pool.
    expect(rows).toEqual([
      { name: '', kind: 'Bare', outputShape: [1, 3], parameters: 21, multiplyAdds: 4 * 4 * 9 + 12 },
    ])
  })

  it('counts a shared tensor once, and every run of a layer', () => {
    const { rows } = new Tied().summary([1, 3])
    expect(rows.map(({ name, parameters, multiplyAdds }) => [name, parameters, multiplyAdds])).toEqual([
      ['first', 12, 9],
      ['second', 12, 18],
      ['first', 0, 9],
    ])
  })

  it('is what console.log shows, and leaves nothing behind', async () => {
    const net = nn.lenet()
    net.summary([1, 1, 28, 28])
    const before = gpu.memory()
    const summary = net.summary([1, 1, 28, 28])
    expect(gpu.memory()).toEqual(before)
    const { inspect } = await import('node:util')
    expect(inspect(summary)).toBe(String(summary))
    expect(net.parameters().every((p) => p.requiresGrad && p.grad === null)).toBe(true)
  })

  it('runs in evaluation mode, and leaves every module in the mode that it had', () => {
    const modes: boolean[] = []
    class Watched extends nn.Linear {
      override forward(x: Tensor): Tensor {
        modes.push(this.training)
        return super.forward(x)
      }
    }
    const net = new nn.Sequential(new Watched(2, 2), new Watched(2, 2))
    const inner = net.namedModules().get('1')!.eval()
    expect(String(nn.summary(net, [1, 2]))).toBe(String(net.summary([1, 2])))
    expect(messageOf(() => nn.summary(net, [1, 3]))).toContain('linear: weight takes 2')
    expect(modes).toEqual([false, false, false, false, false])
    expect([net.training, inner.training, net.namedModules().get('0')!.training]).toEqual([true, false, true])
    expect(messageOf(() => nn.summary(relu as never, [1, 2]))).toBe(
      'summary: the network must be a module, such as nn.Sequential',
    )
  })

  it('looks on no longer after an input that does not fit', () => {
    const net = new nn.Sequential(new nn.Linear(2, 3), new nn.ReLU())
    expect(messageOf(() => net.summary([1, 3]))).toBe(`linear: weight takes 2 input features, input has 3
  input  [1, 3]  N I
  weight [3, 2]  O I`)
    expect(observing()).toEqual([])
  })

  it.each([
    [28, "summary: the input's shape is needed, such as [1, 1, 28, 28], not 28"],
    [undefined, "summary: the input's shape is needed, such as [1, 1, 28, 28], not undefined"],
    [[1, -1], 'summary: a size must be a whole number, 0 or more, not -1\n  shape [1, -1]'],
  ])('refuses %j', (shape, message) => {
    expect(messageOf(() => nn.lenet().summary(shape as never))).toBe(message)
  })
})
