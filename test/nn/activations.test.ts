// Layers of functions: each computes what its function does, and refuses what no function takes when it is made.
import { beforeAll, describe, expect, it } from 'vitest'
import * as library from '../../src/node/index.ts'
import { nn, type Tensor, tensor } from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { fill } from '../support/fill.ts'
import { messageOf, testGpu } from '../support/gpu.ts'

beforeAll(testGpu)

const layers: readonly (readonly [name: string, layer: () => nn.Module, expected: (x: Tensor) => Tensor])[] = [
  ['ReLU', () => new nn.ReLU(), library.relu],
  ['LeakyReLU', () => new nn.LeakyReLU(), library.leakyRelu],
  ['LeakyReLU of a slope', () => new nn.LeakyReLU(0.25), (x) => library.leakyRelu(x, 0.25)],
  ['ELU', () => new nn.ELU(), library.elu],
  ['ELU of an alpha', () => new nn.ELU(0.5), (x) => library.elu(x, 0.5)],
  ['GELU', () => new nn.GELU(), library.gelu],
  ['GELU approximated', () => new nn.GELU({ approximate: 'tanh' }), (x) => library.gelu(x, { approximate: 'tanh' })],
  ['SiLU', () => new nn.SiLU(), library.silu],
  ['Sigmoid', () => new nn.Sigmoid(), library.sigmoid],
  ['Tanh', () => new nn.Tanh(), library.tanh],
  ['Softplus', () => new nn.Softplus(), library.softplus],
  ['Softmax', () => new nn.Softmax(), library.softmax],
  ['Softmax along another dimension', () => new nn.Softmax(1), (x) => library.softmax(x, 1)],
  ['Identity', () => new nn.Identity(), (x) => x],
]

describe('layers compute what their functions do:', () => {
  it.each(layers)('%s', async (_, layer, expected) => {
    const x = tensor(fill(24, 1, 'normal'), [2, 3, 4])
    expect(await bitsOf(layer().forward(x))).toEqual(await bitsOf(expected(x)))
    expect(layer().stateDict().size).toBe(0)
  })

  it('in a Sequential, beside others', async () => {
    const x = tensor(fill(12, 1, 'normal'), [3, 4])
    const net = new nn.Sequential(new nn.Identity(), new nn.Tanh(), new nn.Identity(), new nn.Softmax())
    expect(await bitsOf(net.forward(x))).toEqual(await bitsOf(library.softmax(library.tanh(x))))
  })
})

it('a slope or an alpha that is changed is that of the next forward', async () => {
  const x = tensor([-1, 2])
  const [leaky, elu] = [new nn.LeakyReLU(), new nn.ELU()]
  leaky.negativeSlope = 0.25
  elu.alpha = 0.5
  expect(await bitsOf(leaky.forward(x))).toEqual(await bitsOf(library.leakyRelu(x, 0.25)))
  expect(await bitsOf(elu.forward(x))).toEqual(await bitsOf(library.elu(x, 0.5)))
})

it.each<[string, () => unknown, string]>([
  ['LeakyReLU', () => new nn.LeakyReLU('0.1' as never), 'nn.LeakyReLU: negativeSlope must be a number, not a string'],
  ['ELU', () => new nn.ELU(Number.NaN), 'nn.ELU: alpha must be a number, not NaN'],
  [
    'GELU',
    () => new nn.GELU({ approximate: 'erf' as 'none' }),
    "nn.GELU: approximate must be 'none' or 'tanh', not 'erf'",
  ],
  [
    'GELU',
    () => new nn.GELU('tanh' as never),
    "nn.GELU: options must be an object with any of approximate, not 'tanh'",
  ],
  ['Softmax', () => new nn.Softmax(0.5), 'nn.Softmax: dim must be a whole number, not 0.5'],
])('%s refuses what it cannot compute with when it is made', (_, run, message) => {
  expect(messageOf(run)).toBe(message)
})
