// RNN, LSTM, GRU and their cells: PyTorch's values and gradients, names, first values, dropout, plans.
import { beforeAll, describe, expect, it } from 'vitest'
import {
  capture,
  crossEntropy,
  ImageBatches,
  manualSeed,
  nn,
  optim,
  scope,
  type Tensor,
  tensor,
} from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { expectClose, UNIT_ROUNDOFF } from '../support/close.ts'
import { fill } from '../support/fill.ts'
import { type Gpu, messageOf, parameter, testGpu, values } from '../support/gpu.ts'
import { float32Of, readSafetensors } from '../support/safetensors.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const file = readSafetensors(new URL('../reference/recurrent.safetensors', import.meta.url))
const LAYERS = { RNN: nn.RNN, LSTM: nn.LSTM, GRU: nn.GRU } as const
const CELLS = { RNNCell: nn.RNNCell, LSTMCell: nn.LSTMCell, GRUCell: nn.GRUCell } as const

interface RecurrentCase {
  readonly kind: keyof typeof LAYERS | keyof typeof CELLS
  readonly name: string
  readonly args: {
    readonly sizes: readonly [input: number, hidden: number]
    readonly options: Readonly<Record<string, unknown>>
  }
  readonly inputs: readonly string[]
  /** The largest distance of PyTorch's float32 values, by tensor. */
  readonly float32_deviation: Readonly<Record<string, number>>
}

/**
 * How much further than PyTorch's float32 we may be from float64: our sums have another order, and WGSL's exp and quotients
 * are off by several ULP, PyTorch's by one.
 */
const FURTHER = 16

const cases = JSON.parse(file.metadata.cases!) as RecurrentCase[]
const camelCase = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
const stored = (name: string) => float32Of(file, name)
type Loose = new (...args: unknown[]) => nn.Module<unknown>
type Out = { forward(x: Tensor, state?: unknown): unknown }
const flat = (out: unknown): Tensor[] => (Array.isArray(out) ? out.flatMap(flat) : [out as Tensor])
const isLstm = (kind: string) => kind.startsWith('LSTM')

describe('PyTorch’s values and gradients:', () => {
  it.each(cases.map((one) => [one.name, JSON.stringify(one.args), one] as const))('%s %s', async (_, __, one) => {
    const { kind, name, args, inputs, float32_deviation } = one
    const options = Object.fromEntries(Object.entries(args.options).map(([key, value]) => [camelCase(key), value]))
    const module = new ({ ...LAYERS, ...CELLS }[kind] as Loose)(...args.sizes, options)
    const names = [...module.namedParameters().keys()]
    module.loadStateDict(
      Object.fromEntries(
        names.map((key) => {
          const { data, shape } = stored(`${name}.${key}`)
          return [key, tensor(data, shape)]
        }),
      ),
    )
    const given = inputs.map((key) => {
      const { data, shape } = stored(`${name}.${key}`)
      return parameter(data, shape)
    })
    const [x, ...states] = given
    const state = states.length === 0 ? [] : [isLstm(kind) ? states : states[0]]
    const out = flat((module as Out).forward(x!, ...state))
    // All results have gradients at once.
    scope(() => {
      const sums = out.map((part, i) => {
        const { data, shape } = stored(`${name}.grad_out${i}`)
        return part.mul(tensor(data, shape)).sum()
      })
      sums.reduce((all, sum) => all.add(sum)).backward()
    })
    const found = new Map<string, Tensor>([
      ...out.map((part, i) => [`out${i}`, part] as const),
      ...inputs.map((key, i) => [`grad_${key}`, given[i]!.grad!] as const),
      ...[...module.namedParameters()].map(([key, p]) => [`grad_${key}`, p.grad!] as const),
    ])
    expect([...found.keys()].sort()).toEqual(Object.keys(float32_deviation).sort())
    for (const [key, far] of Object.entries(float32_deviation)) {
      const expected = stored(`${name}.${key}`)
      expect(found.get(key)!.shape, key).toEqual(expected.shape)
      const bound = FURTHER * far + 4 * UNIT_ROUNDOFF * Math.max(...expected.data.map(Math.abs))
      expectClose(await values(found.get(key)!), Float64Array.from(expected.data), () => bound, `${name}.${key}`)
    }
    module.dispose()
  })
})

describe('parameters', () => {
  it('have PyTorch’s names, shapes and order', () => {
    const of = (module: nn.Module<unknown>) =>
      [...module.stateDict()].map(([name, { shape }]) => `${name} ${shape.join('×')}`)
    expect(of(new nn.LSTM(3, 2, { numLayers: 2, bidirectional: true }))).toEqual([
      ...['weight_ih_l0 8×3', 'weight_hh_l0 8×2', 'bias_ih_l0 8', 'bias_hh_l0 8'],
      ...['weight_ih_l0_reverse 8×3', 'weight_hh_l0_reverse 8×2', 'bias_ih_l0_reverse 8', 'bias_hh_l0_reverse 8'],
      ...['weight_ih_l1 8×4', 'weight_hh_l1 8×2', 'bias_ih_l1 8', 'bias_hh_l1 8'],
      ...['weight_ih_l1_reverse 8×4', 'weight_hh_l1_reverse 8×2', 'bias_ih_l1_reverse 8', 'bias_hh_l1_reverse 8'],
    ])
    expect(of(new nn.GRU(3, 2, { bias: false }))).toEqual(['weight_ih_l0 6×3', 'weight_hh_l0 6×2'])
    expect(of(new nn.RNNCell(3, 2))).toEqual(['weight_ih 2×3', 'weight_hh 2×2', 'bias_ih 2', 'bias_hh 2'])
    expect(of(new nn.LSTMCell(3, 2, { bias: false }))).toEqual(['weight_ih 8×3', 'weight_hh 8×2'])
  })

  it('are uniform in ±1/√hiddenSize, drawn in their order', async () => {
    manualSeed(3)
    const all = await Promise.all(new nn.GRU(2, 5).parameters().map(values))
    const stream = manualSeed(3).stream('init')
    const bound = 1 / Math.sqrt(5)
    expect(all.flatMap((list) => [...list])).toEqual(
      Array.from({ length: 15 * 9 }, () => stream.uniform(-bound, bound)),
    )
  })

  it('may be set, as to share them', async () => {
    const [one, other] = [new nn.RNNCell(2, 2), new nn.RNNCell(2, 2)]
    Object.assign(other, Object.fromEntries(one.namedParameters()))
    const x = tensor(fill(4, 1, 'normal'), [2, 2])
    expect(await bitsOf(other.forward(x))).toEqual(await bitsOf(one.forward(x)))
  })
})

describe('dropout', () => {
  const make = (options: nn.RecurrentOptions) => {
    manualSeed(1)
    return new nn.LSTM(2, 3, options)
  }
  const x = () => tensor(fill(2 * 2 * 2, 1, 'normal'), [2, 2, 2])
  const out = async (lstm: nn.LSTM) => bitsOf(lstm.forward(x())[0])

  it('drops between layers, in training alone', async () => {
    const [plain, dropping] = [make({ numLayers: 2 }), make({ numLayers: 2, dropout: 0.5 })]
    expect(await out(dropping)).not.toEqual(await out(plain))
    expect(await out(dropping.eval())).toEqual(await out(plain))
    const all = make({ numLayers: 2, dropout: 1 })
    // What the first layer gets is not dropped.
    const first = async (lstm: nn.LSTM) => bitsOf(lstm.forward(x())[1][0].select(0, 0))
    expect(await first(all)).toEqual(await first(plain))
    // All that the second layer gets is 0, as if its weights for inputs were.
    nn.init.zeros(plain.stateDict().get('weight_ih_l1')!)
    expect(await out(all)).toEqual(await out(plain))
  })

  it('does nothing with one layer', async () => {
    expect(await out(make({ dropout: 0.9 }))).toEqual(await out(make({})))
  })
})

describe('a captured step', () => {
  it.each([
    ['LSTM', () => new nn.LSTM(3, 4, { numLayers: 2, batchFirst: true, dropout: 0.3, bidirectional: true })],
    ['GRU', () => new nn.GRU(3, 4, { batchFirst: true })],
    ['RNN', () => new nn.RNN(3, 4, { batchFirst: true, nonlinearity: 'relu' })],
  ] as const)('of an %s has the bits of the loop, whose memory is flat', async (_, make) => {
    const run = async (captured: boolean) => {
      manualSeed(9)
      const layer = make()
      const x = tensor(fill(2 * 3 * 3, 2, 'normal'), [2, 3, 3])
      const optimizer = new optim.SGD(layer.parameters(), { lr: 0.1 })
      const step = () => {
        const results = flat(layer.forward(x)).map((part) => part.square().sum())
        optimizer.zeroGrad()
        results.reduce((all, sum) => all.add(sum)).backward()
        optimizer.step()
      }
      if (captured) {
        const plan = capture(step)
        plan.run(3)
        plan.dispose()
      } else {
        scope(step)
        const { tensors } = gpu.memory()
        scope(step)
        scope(step)
        expect(gpu.memory().tensors).toBe(tensors)
      }
      return Promise.all(layer.parameters().map(bitsOf))
    }
    expect(await run(true)).toEqual(await run(false))
  })
})

it('a sequence of 32 steps takes few dispatches: a product, of two dispatches at most, and its gates for each, forward and backward', () => {
  const lstm = new nn.LSTM(3, 4)
  const x = tensor(fill(32 * 2 * 3, 2, 'normal'), [32, 2, 3])
  const dispatches = () =>
    scope(() => {
      const before = gpu.dispatches
      lstm.forward(x)[0].sum().backward()
      return gpu.dispatches - before
    })
  dispatches() // sum's one is filled once
  expect(dispatches()).toBeLessThanOrEqual(2 * 3 * 32 + 30)
})

it('the layers give what their cells give, step by step', async () => {
  for (const [layer, cell] of [
    [new nn.LSTM(3, 4), new nn.LSTMCell(3, 4)],
    [new nn.GRU(3, 4), new nn.GRUCell(3, 4)],
    [new nn.RNN(3, 4), new nn.RNNCell(3, 4)],
  ] as const) {
    const named = [...layer.namedParameters()].map(([name, p]) => [name.replace('_l0', ''), p])
    Object.assign(cell, Object.fromEntries(named))
    const x = tensor(fill(3 * 2 * 3, 4, 'normal'), [3, 2, 3])
    const [out] = (layer as Out).forward(x) as [Tensor]
    let state: unknown = null
    for (let t = 0; t < 3; t++) {
      state = (cell as Out).forward(x.select(0, t), state)
      const [h] = flat(state)
      const expected = Float64Array.from(await values(h!))
      // Of numbers up to 1, each off by some dozens of roundings after every step.
      expectClose(await values(out.select(0, t)), expected, () => 200 * (t + 1) * UNIT_ROUNDOFF, `step ${t}`)
    }
  }
})

describe('a plan over a last batch that is filled up', () => {
  const run = (batchFirst: boolean) => {
    const [lstm, head] = [new nn.LSTM(1, 2, { batchFirst }), new nn.Linear(2, 3)]
    const bytes = Uint8Array.from({ length: 5 * 4 }, (_, i) => i)
    const set = { images: bytes, labels: new Uint8Array(5), count: 5, channels: 1, height: 2, width: 2, classes: [] }
    const batches = new ImageBatches(set, { batchSize: 3 })
    const plan = capture(() => {
      const { images, labels } = batches.next()
      const [out] = lstm.forward(images.reshape([3, 4, 1]))
      return crossEntropy(head.forward(out.select(1, -1)), labels)
    })
    try {
      plan.run(2)
    } finally {
      plan.dispose()
      batches.dispose()
    }
  }

  it.each([
    [true, 'ImageBatches: the state of nn.LSTM looks across the batch'],
    [false, 'ImageBatches: nn.LSTM looks across the batch'],
  ])('is refused by the name of the layer: batchFirst %s', (batchFirst, message) => {
    expect(messageOf(() => run(batchFirst))).toContain(message)
  })
})

it('a network with one is trained, summed up and found by its names', () => {
  class Reader extends nn.Module {
    readonly lstm = new nn.LSTM(3, 4, { batchFirst: true })
    readonly head = new nn.Linear(4, 2)

    override forward(x: Tensor): Tensor {
      const [, [h]] = this.lstm.forward(x)
      return this.head.forward(h.select(0, -1))
    }
  }
  const net = new Reader()
  expect([...net.namedParameters().keys()].slice(0, 2)).toEqual(['lstm.weight_ih_l0', 'lstm.weight_hh_l0'])
  const { rows, multiplyAdds } = net.summary([2, 5, 3])
  expect(rows.map(({ name, kind, parameters }) => [name, kind, parameters])).toEqual([
    ['lstm', 'LSTM', 16 * (3 + 4 + 2)],
    ['head', 'Linear', 10],
  ])
  expect(multiplyAdds).toBe(2 * 5 * 16 * (3 + 4) + 2 * 4 * 2)
})

it('a list of cells is a list of modules', () => {
  const cells = new nn.ModuleList([new nn.GRUCell(2, 3), new nn.GRUCell(3, 3)])
  let x: Tensor = tensor([[1, 2]])
  for (const cell of cells) x = cell.forward(x)
  expect(x.shape).toEqual([1, 3])
})

it('refuses a state of another shape, naming it and the input', () => {
  const lstm = new nn.LSTM(2, 3, { batchFirst: true })
  const x = tensor(new Float32Array(8), [2, 2, 2])
  const state = (...shape: number[]) => tensor(new Float32Array(shape.reduce((n, k) => n * k, 1)), shape)
  expect(messageOf(() => lstm.forward(x, [state(1, 2, 3), state(1, 1, 3)]))).toBe(
    'nn.LSTM: c must have the shape [1, 2, 3] for this input\n  input [2, 2, 2]\n  c     [1, 1, 3]',
  )
})
