// Losses as objects: each gives what its function gives, with all options, and refuses what the function refuses.
import { beforeAll, describe, expect, it } from 'vitest'
import * as library from '../../src/node/index.ts'
import { nn, type Tensor, tensor } from '../../src/node/index.ts'
import { fill } from '../support/arbitraries.ts'
import { bitsOf } from '../support/check.ts'
import { messageOf, testGpu } from '../support/gpu.ts'

beforeAll(testGpu)

const { crossEntropy, nllLoss } = library
const input = () => tensor(fill(12, 1, 'normal'), [4, 3])
const target = () => tensor(fill(12, 2, 'normal'), [4, 3])
const shares = (seed: number) =>
  tensor(
    fill(12, seed, 'normal').map((v) => 0.5 + v / 8),
    [4, 3],
  )
const weight = () => tensor([0.5, 1, 2])
const labels = Uint8Array.from([0, 2, 1, 1])

/** A loss with options, and the same of its function. */
const cases: readonly (readonly [name: string, layer: () => Tensor, expected: () => Tensor])[] = [
  ['MSELoss', () => new nn.MSELoss().forward(input(), target()), () => library.mseLoss(input(), target())],
  [
    'L1Loss',
    () => new nn.L1Loss({ reduction: 'sum' }).forward(input(), target()),
    () => library.l1Loss(input(), target(), { reduction: 'sum' }),
  ],
  [
    'SmoothL1Loss',
    () => new nn.SmoothL1Loss({ beta: 0.5, reduction: 'none' }).forward(input(), target()),
    () => library.smoothL1Loss(input(), target(), { beta: 0.5, reduction: 'none' }),
  ],
  [
    'HuberLoss',
    () => new nn.HuberLoss({ delta: 0.5 }).forward(input(), target()),
    () => library.huberLoss(input(), target(), { delta: 0.5 }),
  ],
  [
    'BCELoss',
    () => new nn.BCELoss({ weight: weight() }).forward(shares(1), shares(2)),
    () => library.bceLoss(shares(1), shares(2), { weight: weight() }),
  ],
  [
    'BCEWithLogitsLoss',
    () => new nn.BCEWithLogitsLoss({ posWeight: weight() }).forward(input(), shares(2)),
    () => library.bceWithLogitsLoss(input(), shares(2), { posWeight: weight() }),
  ],
  [
    'KLDivLoss',
    () => new nn.KLDivLoss({ logTarget: true, reduction: 'batchmean' }).forward(input(), target()),
    () => library.klDivLoss(input(), target(), { logTarget: true, reduction: 'batchmean' }),
  ],
  [
    'NLLLoss',
    () => new nn.NLLLoss({ weight: weight(), ignoreIndex: 2 }).forward(input(), labels),
    () => nllLoss(input(), labels, { weight: weight(), ignoreIndex: 2 }),
  ],
  [
    'CrossEntropyLoss',
    () => new nn.CrossEntropyLoss({ labelSmoothing: 0.1, ignoreIndex: 2 }).forward(input(), tensor(labels)),
    () => crossEntropy(input(), labels, { labelSmoothing: 0.1, ignoreIndex: 2 }),
  ],
  [
    'CrossEntropyLoss of probabilities',
    () => new nn.CrossEntropyLoss({ weight: weight() }).forward(input(), shares(2)),
    () => crossEntropy(input(), shares(2), { weight: weight() }),
  ],
]

describe('nn', () => {
  it.each(cases)('%s gives what its function gives', async (_, layer, expected) => {
    const bits = await bitsOf(expected())
    expect(await bitsOf(layer())).toEqual(bits)
    expect(bits).not.toContain(0x7fc00000)
  })

  it('CrossEntropyLoss takes labels as arrays or tensors, with every reduction', async () => {
    for (const reduction of ['mean', 'sum', 'none'] as const) {
      const loss = new nn.CrossEntropyLoss({ reduction })
      const expected = await bitsOf(crossEntropy(input(), labels, { reduction }))
      for (const given of [labels, tensor(labels), Int32Array.from(labels)]) {
        expect(await bitsOf(loss.forward(input(), given))).toEqual(expected)
      }
    }
  })

  it('losses keep the options that they were made with', async () => {
    const options = { delta: 0.5 }
    const loss = new nn.HuberLoss(options)
    options.delta = 2
    expect(await bitsOf(loss.forward(input(), target()))).toEqual(
      await bitsOf(library.huberLoss(input(), target(), { delta: 0.5 })),
    )
  })

  const loose = (options: object) => options as never
  it.each<[string, () => unknown, string]>([
    ['MSELoss', () => new nn.MSELoss(loose({ beta: 1 })), 'nn.MSELoss: unknown option beta; known: reduction'],
    [
      'L1Loss',
      () => new nn.L1Loss(loose({ reduction: 'avg' })),
      "nn.L1Loss: reduction must be 'mean', 'sum' or 'none', not 'avg'",
    ],
    [
      'SmoothL1Loss',
      () => new nn.SmoothL1Loss({ beta: -1 }),
      'nn.SmoothL1Loss: beta must be a number, 0 or more, not -1',
    ],
    ['HuberLoss', () => new nn.HuberLoss({ delta: 0 }), 'nn.HuberLoss: delta must be a positive number, not 0'],
    ['BCELoss', () => new nn.BCELoss(loose({ weight: 2 })), 'nn.BCELoss: weight must be a tensor, not a number'],
    [
      'BCEWithLogitsLoss',
      () => new nn.BCEWithLogitsLoss(loose({ posWeight: [1] })),
      'nn.BCEWithLogitsLoss: posWeight must be a tensor, not an array',
    ],
    [
      'KLDivLoss',
      () => new nn.KLDivLoss(loose({ reduction: 'avg' })),
      "nn.KLDivLoss: reduction must be 'mean', 'batchmean', 'sum' or 'none', not 'avg'",
    ],
    [
      'NLLLoss',
      () => new nn.NLLLoss({ ignoreIndex: 0.5 }),
      'nn.NLLLoss: ignoreIndex must be a 32-bit whole number, not 0.5',
    ],
    [
      'CrossEntropyLoss',
      () => new nn.CrossEntropyLoss({ labelSmoothing: 2 }),
      'nn.CrossEntropyLoss: labelSmoothing must be a number from 0 to 1, not 2',
    ],
  ])('%s refuses options when it is made', (_, run, message) => {
    expect(messageOf(run)).toBe(message)
  })
})
