import { beforeAll, describe, expect, it } from 'vitest'
import { DataError, manualSeed, nn, optim, scope, type Tensor, tensor } from '../../src/node/index.ts'
import { DivergedError, restoreValues, valuesOf } from '../../src/train/index.ts'
import { messageOf, testGpu } from '../support/gpu.ts'

beforeAll(testGpu)

type Maker = (net: nn.Module) => optim.Optimizer

const sgd: Maker = (net) => new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 })
const reversed = (net: nn.Module) => net.parameters().reverse()
const halves = (net: nn.Module) => [{ params: reversed(net).slice(0, 2) }, { params: reversed(net).slice(2), lr: 0.3 }]

/** A small network and its optimizer, some steps on; with `later` its last layer takes part in the later steps alone. */
function trained(seed: number, steps: number, make = sgd, later = 0) {
  manualSeed(seed)
  const first = new nn.Linear(2, 3)
  const net = new nn.Sequential(first, new nn.ReLU(), new nn.Linear(3, 2))
  const optimizer = make(net)
  let taken = 0
  const step = () =>
    scope(() => {
      optimizer.zeroGrad()
      const x = tensor([1, 2], [1, 2])
      const isLater = taken++ >= later
      const y = isLater ? net.forward(x) : first.forward(x)
      y.backward(tensor(isLater ? [1, -1] : [1, -1, 1], y.shape))
      optimizer.step()
    })
  for (let i = 0; i < steps; i++) step()
  const dispose = () => {
    optimizer.dispose()
    net.dispose()
  }
  return { net, optimizer, step, dispose }
}

describe('values taken and put back', () => {
  it.each<[string, Maker, string[], number?]>([
    ['SGD with momentum', sgd, ['momentum']],
    ['AdamW', (net) => new optim.AdamW(net.parameters(), { lr: 0.1 }), ['expAvg', 'expAvgSq']],
    [
      'AdamW, where parameters have had fewer steps',
      (net) => new optim.AdamW(net.parameters()),
      ['expAvg', 'expAvgSq'],
      2,
    ],
    [
      'AdamW with amsgrad, in groups and in another order',
      (net) => new optim.AdamW(halves(net), { amsgrad: true }),
      ['expAvg', 'expAvgSq', 'maxExpAvgSq'],
    ],
    [
      'SGD in groups and in another order',
      (net) => new optim.SGD(halves(net), { lr: 0.1, momentum: 0.5 }),
      ['momentum'],
    ],
    ['SGLD', (net) => new optim.SGLD(net.parameters(), { lr: 0.1, temperature: 0.01, seed: 4 }), []],
  ])('by %s: the next step has the same bits; no tensor is left', async (_, make, states, later = 0) => {
    const a = trained(1, 3, make, later)
    const values = await valuesOf(a.net, a.optimizer, 3)
    expect([...values.optimizer.state.keys()]).toEqual(states)
    for (const of of values.optimizer.state.values()) {
      expect(new Set(of.keys())).toEqual(new Set(['0.weight', '0.bias', '2.weight', '2.bias']))
    }
    const b = trained(2, 1, make)
    b.optimizer.stateDict() // makes the views of the state, which the optimizer keeps
    const { tensors } = (await testGpu()).memory()
    restoreValues(b.net, b.optimizer, values, 'x')
    // Fewer where the garbage of other tests was collected meanwhile.
    expect((await testGpu()).memory().tensors).toBeLessThanOrEqual(tensors)
    expect(await valuesOf(b.net, b.optimizer, 3)).toEqual(values)
    a.step()
    b.step()
    expect(await valuesOf(b.net, b.optimizer, 4)).toEqual(await valuesOf(a.net, a.optimizer, 4))
    for (const one of [a, b]) one.dispose()
  })

  it('fit an optimizer whose parameters are in another order', async () => {
    const a = trained(1, 3)
    const b = trained(2, 1, (net) => new optim.SGD(reversed(net), { lr: 0.1, momentum: 0.9 }))
    restoreValues(b.net, b.optimizer, await valuesOf(a.net, a.optimizer, 3), 'x')
    a.step()
    b.step()
    const [after, other] = [await valuesOf(a.net, a.optimizer, 4), await valuesOf(b.net, b.optimizer, 4)]
    expect(other).toEqual(after)
    for (const one of [a, b]) one.dispose()
  })

  it('where no step has been taken there is no state, before and after', async () => {
    const fresh = trained(1, 0)
    const values = await valuesOf(fresh.net, fresh.optimizer, 0)
    expect(values.optimizer.state.size).toBe(0)
    const other = trained(2, 1)
    restoreValues(other.net, other.optimizer, values, 'x')
    expect(other.optimizer.stateDict()).toMatchObject({ step: 0, state: { momentum: [null, null, null, null] } })
    for (const one of [fresh, other]) one.dispose()
  })

  it('without options of groups those in force stay', async () => {
    const { net, optimizer, dispose } = trained(1, 1)
    const { network, optimizer: saved } = await valuesOf(net, optimizer, 1)
    optimizer.paramGroups[0]!.lr = 0.5
    const { paramGroups: _, ...without } = saved
    restoreValues(net, optimizer, { network, optimizer: without }, 'x')
    expect(optimizer.paramGroups[0]!.lr).toBe(0.5)
    restoreValues(net, optimizer, { network, optimizer: saved }, 'x')
    expect(optimizer.paramGroups[0]!.lr).toBe(0.1)
    dispose()
  })
})

it.each([Number.NaN, Number.NEGATIVE_INFINITY])('%d is named instead of saved', async (value) => {
  const { net, optimizer, dispose } = trained(1, 2)
  const bias = tensor([1, value])
  net.loadStateDict(new Map<string, Tensor>([...net.stateDict(), ['2.bias', bias]]))
  const error = await valuesOf(net, optimizer, 2).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(DivergedError)
  expect((error as DivergedError).message).toBe(
    'the parameter 2.bias is no longer finite after step 2: a smaller --lr, or a warm-up, keeps it finite',
  )
  bias.dispose()
  dispose()
})

it('what is of another network or optimizer is refused, and nothing is changed', async () => {
  const { net, optimizer, dispose } = trained(1, 1)
  const values = await valuesOf(net, optimizer, 1)
  const [bias, weight] = [values.network.get('0.bias')!, values.network.get('0.weight')!]
  const refused = (network: object, changes: object = {}) =>
    messageOf(() => {
      const changed = new Map([...values.network, ...Object.entries(network)])
      restoreValues(net, optimizer, { network: changed, optimizer: { ...values.optimizer, ...changes } }, 'x')
    })
  expect(refused({ '../up': bias })).toBe('x: it has the parameter "../up", which the network does not have')
  expect(refused({ '0.bias': weight })).toBe("x: its parameter 0.bias is float32 [3, 2], the network's is float32 [3]")
  expect(refused({ '0.bias': { dtype: 'int32', shape: [3], data: new Int32Array(3) } })).toBe(
    "x: its parameter 0.bias is int32 [3], the network's is float32 [3]",
  )
  expect(refused({}, { state: new Map([['momentum', new Map([['0.bias', weight]])]]) })).toBe(
    "x: its momentum 0.bias is float32 [3, 2], the network's is float32 [3]",
  )
  expect(refused({}, { name: 'AdamW' })).toBe('x: its optimizer is AdamW, not SGD; continue with AdamW')
  expect(refused({ '0.bias': { ...bias, data: new Float32Array(3) } }, { paramGroups: [] })).toBe(
    'x: optim.SGD: the state has 0 groups and 4 parameters, this optimizer 1 and 4',
  )
  expect(refused({}, { groups: [['0.bias', 'up']] })).toBe(
    'x: it has the parameter "up", which the network does not have',
  )
  // The groups were other ones already when its options were refused.
  const { state, paramGroups } = values.optimizer
  const regrouped = {
    groups: [['0.bias'], ['2.bias', '0.weight', '2.weight']],
    state,
    paramGroups: [...paramGroups!, { lr: 'x' }],
  }
  expect(refused({}, regrouped)).toBe("x: optim.SGD: lr must be a number, 0 or more, not 'x'")
  const lacking = new Map([...values.network].filter(([name]) => name !== '0.bias'))
  const restore = () => restoreValues(net, optimizer, { ...values, network: lacking }, 'x')
  expect(messageOf(restore)).toBe('x: it has no parameter 0.bias')
  expect(restore).toThrow(DataError)
  expect(await valuesOf(net, optimizer, 1)).toEqual(values)
  dispose()
})

it('an optimizer of parameters that are not in the network is refused', async () => {
  const { net, dispose } = trained(1, 0)
  const other = trained(2, 0)
  await expect(valuesOf(net, other.optimizer, 0)).rejects.toThrow(
    "parameter 0 of the optimizer's group 0, weight [3, 2], is not in the network; only parameters of the network can be saved with it",
  )
  dispose()
  other.dispose()
})
