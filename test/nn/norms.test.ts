// LayerNorm, RMSNorm, GroupNorm and InstanceNorm2d: what they compute, their state and their refusals.
import { beforeAll, describe, expect, it } from 'vitest'
import {
  capture,
  groupNorm,
  instanceNorm,
  layerNorm,
  nn,
  optim,
  rmsNorm,
  scope,
  square,
  sum,
} from '../../src/node/index.ts'
import { fill } from '../support/arbitraries.ts'
import { bitsOf } from '../support/check.ts'
import { messageOf, tensor, testGpu, values } from '../support/gpu.ts'

beforeAll(testGpu)

const input = (...shape: number[]) =>
  tensor(
    fill(
      shape.reduce((a, b) => a * b, 1),
      3,
      'normal',
    ),
    shape,
  )

/** Gives a layer other weights than its first ones, and those as tensors. */
function moved(layer: nn.Module): Map<string, ReturnType<typeof tensor>> {
  const state = new Map(
    [...layer.stateDict()].map(([name, t], i) => [name, tensor(fill(t.size, 10 + i, 'normal'), t.shape)]),
  )
  layer.loadStateDict(state)
  return state
}

describe('layers compute what their operations do:', () => {
  it('LayerNorm', async () => {
    const [x, layer] = [input(4, 2, 3), new nn.LayerNorm([2, 3], { eps: 0.1 })]
    const state = moved(layer)
    const expected = layerNorm(x, [2, 3], state.get('weight')!, state.get('bias')!, 0.1)
    expect(await values(layer.forward(x))).toEqual(await values(expected))
    expect(await values(new nn.LayerNorm(3).forward(x))).toEqual(await values(layerNorm(x, 3)))
  })

  it('RMSNorm', async () => {
    const [x, layer] = [input(4, 6), new nn.RMSNorm(6, { eps: 0.1 })]
    const state = moved(layer)
    expect(await values(layer.forward(x))).toEqual(await values(rmsNorm(x, 6, state.get('weight')!, 0.1)))
    expect(await values(new nn.RMSNorm([6]).forward(x))).toEqual(await values(rmsNorm(x, [6])))
  })

  it('GroupNorm', async () => {
    const [x, layer] = [input(3, 4, 5), new nn.GroupNorm(2, 4, { eps: 0.1 })]
    const state = moved(layer)
    const expected = groupNorm(x, 2, state.get('weight')!, state.get('bias')!, 0.1)
    expect(await values(layer.forward(x))).toEqual(await values(expected))
  })

  it('InstanceNorm2d', async () => {
    const [x, layer] = [input(2, 3, 4, 5), new nn.InstanceNorm2d(3, { affine: true, eps: 0.1 })]
    const state = moved(layer)
    const expected = instanceNorm(x, { weight: state.get('weight')!, bias: state.get('bias')!, eps: 0.1 })
    expect(await values(layer.forward(x))).toEqual(await values(expected))
    expect(await values(new nn.InstanceNorm2d(3).forward(x))).toEqual(await values(instanceNorm(x)))
  })
})

describe('state', () => {
  it.each<[string, () => nn.Module, Record<string, number[]>]>([
    ['LayerNorm', () => new nn.LayerNorm([2, 1]), { weight: [1, 1], bias: [0, 0] }],
    ['LayerNorm without a bias', () => new nn.LayerNorm(2, { bias: false }), { weight: [1, 1] }],
    ['LayerNorm without either', () => new nn.LayerNorm(2, { elementwiseAffine: false }), {}],
    ['RMSNorm', () => new nn.RMSNorm(2), { weight: [1, 1] }],
    ['RMSNorm without a weight', () => new nn.RMSNorm(2, { elementwiseAffine: false }), {}],
    ['GroupNorm', () => new nn.GroupNorm(1, 2), { weight: [1, 1], bias: [0, 0] }],
    ['GroupNorm without either', () => new nn.GroupNorm(1, 2, { affine: false }), {}],
    ['InstanceNorm2d', () => new nn.InstanceNorm2d(2), {}],
    ['InstanceNorm2d with both', () => new nn.InstanceNorm2d(2, { affine: true }), { weight: [1, 1], bias: [0, 0] }],
  ])('of %s has PyTorch’s names and first values', async (_, make, expected) => {
    const layer = make()
    const found = [...layer.stateDict()].map(async ([name, t]) => [name, [...(await t.data())]] as const)
    expect(Object.fromEntries(await Promise.all(found))).toEqual(expected)
    expect(layer.parameters().length).toBe(Object.keys(expected).length)
    expect(layer.stateDict().get('weight')?.shape ?? []).toEqual(
      _ === 'LayerNorm' ? [2, 1] : expected.weight ? [2] : [],
    )
  })
})

it('steps have the same bits captured and eager, and leave nothing behind', async () => {
  const x = input(3, 4, 2, 2)
  const run = async (captured: boolean) => {
    const net = new nn.Sequential(
      new nn.GroupNorm(2, 4),
      new nn.InstanceNorm2d(4, { affine: true }),
      new nn.LayerNorm([4, 2, 2]),
      new nn.RMSNorm(2),
    )
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
    const step = () => {
      const loss = sum(square(net.forward(x)))
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss.detach()
    }
    const plan = captured ? capture(step) : null
    const tensors: number[] = []
    for (let i = 0; i < 3; i++) {
      if (plan) plan.run()
      else scope(() => step().dispose())
      tensors.push(x.gpu.tensors)
    }
    const bits = await Promise.all(net.parameters().map((p) => bitsOf(p)))
    for (const part of [...(plan ? [plan] : []), optimizer, net]) part.dispose()
    return { bits, tensors }
  }
  const [eager, captured] = [await run(false), await run(true)]
  expect(captured.bits).toEqual(eager.bits)
  expect(new Set(eager.tensors.slice(1)).size).toBe(1)
})

describe('layers refuse', () => {
  const loose = (value: unknown) => value as never
  it.each<[string, () => unknown, string]>([
    [
      'an unknown option of LayerNorm',
      () => new nn.LayerNorm(2, loose({ affine: true })),
      'nn.LayerNorm: unknown option affine; known: eps, elementwiseAffine, bias',
    ],
    [
      'a normalizedShape that is not one',
      () => new nn.RMSNorm([2, -1]),
      'nn.RMSNorm: normalizedShape must be a size or a list of one or more sizes, not [2, -1]',
    ],
    [
      'running statistics of InstanceNorm2d',
      () => new nn.InstanceNorm2d(2, loose({ trackRunningStats: true })),
      'nn.InstanceNorm2d: unknown option trackRunningStats; known: eps, affine',
    ],
    [
      'a choice that is neither',
      () => new nn.GroupNorm(1, 2, { affine: loose(1) }),
      'nn.GroupNorm: affine must be true or false, not 1',
    ],
    [
      'groups that do not divide the channels',
      () => new nn.GroupNorm(3, 4),
      'nn.GroupNorm: the number of groups must be whole and divide the 4 channels, not 3',
    ],
    ['a negative eps', () => new nn.RMSNorm(2, { eps: -1 }), 'nn.RMSNorm: eps must be a number, 0 or more, not -1'],
    [
      'an input of other channels',
      () => new nn.GroupNorm(2, 4).forward(input(2, 6)),
      'nn.GroupNorm: the layer is for 4 channels, the input has 6\n  input [2, 6]',
    ],
    [
      'an input that is not images',
      () => new nn.InstanceNorm2d(4).forward(input(2, 4, 3)),
      'nn.InstanceNorm2d: input has 3 dimensions, it must have 4 (N C H W)\n  input [2, 4, 3]',
    ],
    [
      'images of other channels',
      () => new nn.InstanceNorm2d(4).forward(input(2, 3, 2, 2)),
      'nn.InstanceNorm2d: the layer is for 4 channels, the input has 3\n  input [2, 3, 2, 2]  N C H W',
    ],
  ])('%s', (_, run, message) => {
    expect(messageOf(run)).toBe(message)
  })
})
