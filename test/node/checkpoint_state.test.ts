import { beforeAll, expect, it } from 'vitest'
import { restoreValues, valuesOf } from '../../src/node/checkpoint_state.ts'
import { DataError, manualSeed, nn, optim, scope, tensor } from '../../src/node/index.ts'
import { DivergedError } from '../../src/train/index.ts'
import { messageOf, testGpu } from '../support/gpu.ts'

beforeAll(testGpu)

/** A small network and its optimiser, some steps on. */
function trained(seed: number, steps: number) {
  manualSeed(seed)
  const net = new nn.Sequential(new nn.Linear(2, 3), new nn.ReLU(), new nn.Linear(3, 2))
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 })
  const step = () =>
    scope(() => {
      optimizer.zeroGrad()
      net.forward(tensor([1, 2], [1, 2])).backward(tensor([1, -1], [1, 2]))
      optimizer.step()
    })
  for (let i = 0; i < steps; i++) step()
  const dispose = () => {
    optimizer.dispose()
    net.dispose()
  }
  return { net, optimizer, step, dispose }
}

it('parameters and momentum come back, and the next step has the same bits; no tensor is left', async () => {
  const a = trained(1, 3)
  const values = await valuesOf(a.net, a.optimizer, 3)
  expect([...values.momentum.keys()]).toEqual(['0.weight', '0.bias', '2.weight', '2.bias'])
  const b = trained(2, 1)
  b.optimizer.stateDict() // makes the views of the momentum, which the optimiser keeps
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

it('where no step has been taken there is no momentum, before and after', async () => {
  const fresh = trained(1, 0)
  const values = await valuesOf(fresh.net, fresh.optimizer, 0)
  expect(values.momentum.size).toBe(0)
  const other = trained(2, 1)
  restoreValues(other.net, other.optimizer, values, 'x')
  expect(other.optimizer.stateDict().state.momentum!).toEqual([null, null, null, null])
  for (const one of [fresh, other]) one.dispose()
})

it.each([Number.NaN, Number.NEGATIVE_INFINITY])('%d is named instead of saved', async (value) => {
  const { net, optimizer, dispose } = trained(1, 2)
  const bias = tensor([1, value])
  net.loadStateDict(new Map([...net.stateDict(), ['2.bias', bias]]))
  const error = await valuesOf(net, optimizer, 2).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(DivergedError)
  expect((error as DivergedError).message).toBe(
    'the parameter 2.bias is no longer finite after step 2: a smaller --lr, or a warm-up, keeps it finite',
  )
  bias.dispose()
  dispose()
})

it('what is of another network is refused, and nothing is changed', async () => {
  const { net, optimizer, dispose } = trained(1, 1)
  const values = await valuesOf(net, optimizer, 1)
  const [bias, weight] = [values.parameters.get('0.bias')!, values.parameters.get('0.weight')!]
  const refused = (parameters: object, momentum: object = {}) =>
    messageOf(() =>
      restoreValues(
        net,
        optimizer,
        {
          parameters: new Map([...values.parameters, ...Object.entries(parameters)]),
          momentum: new Map(Object.entries(momentum)),
        },
        'x',
      ),
    )
  expect(refused({ '../up': bias })).toBe('x: it has the parameter "../up", which the network has not')
  expect(refused({ '0.bias': weight })).toBe("x: its parameter 0.bias is float32 [3, 2], the network's is float32 [3]")
  expect(refused({ '0.bias': { dtype: 'int32', shape: [3], data: new Int32Array(3) } })).toBe(
    "x: its parameter 0.bias is int32 [3], the network's is float32 [3]",
  )
  expect(refused({}, { '0.bias': weight })).toBe(
    "x: its momentum 0.bias is float32 [3, 2], the network's is float32 [3]",
  )
  const { '0.bias': _, ...rest } = Object.fromEntries(values.parameters)
  const lacking = { parameters: new Map(Object.entries(rest)), momentum: new Map() }
  expect(messageOf(() => restoreValues(net, optimizer, lacking, 'x'))).toBe('x: it has no parameter 0.bias')
  expect(() => restoreValues(net, optimizer, lacking, 'x')).toThrow(DataError)
  expect(await valuesOf(net, optimizer, 1)).toEqual(values)
  dispose()
})
