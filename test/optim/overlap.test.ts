// Two optimizers over some of the same parameters: both update the same memory, wherever their gradients lie.
import { beforeAll, describe, expect, it } from 'vitest'
import { capture, linear, optim, scope } from '../../src/node/index.ts'
import { forgetGradients } from '../../src/tensor/tensor.ts'
import { type Gpu, messageOf, parameter, type Tensor, tensor, testGpu } from '../support/gpu.ts'

let gpu: Gpu
let one: Tensor
beforeAll(async () => {
  gpu = await testGpu()
  one = tensor([[1]])
})

const START = [[1, -2, 3], [4, 5], [-6]]
const OPTIONS = [
  { lr: 0.5, momentum: 0.5 },
  { lr: 0.25, momentum: 0 },
]

type Step = 'first' | 'second' | 'both'

/** The loss is Σ p² / 2 for every parameter: its gradient is p. */
function gradients(parameters: readonly Tensor[]): void {
  for (const p of parameters) linear(p, one).backward(p.detach())
}

const make = (parameters: readonly Tensor[], options: optim.SGDOptions) => new optim.SGD(parameters, options)
const start = () => START.map((data) => parameter(data, [data.length, 1]))
const numbers = async (parameters: readonly Tensor[]) =>
  await Promise.all(parameters.map(async (p) => Array.from(await p.data())))

/** What becomes of the parameters in float64: so few steps are exact in float32 too. `lists` are the optimizers'. */
function expected(lists: readonly (readonly number[])[], steps: readonly Step[]): number[][] {
  const values = START.map((data) => [...data])
  const buffers = lists.map(() => START.map((): number[] | null => null))
  for (const step of steps) {
    const gradients = values.map((data) => [...data])
    for (const [o, list] of lists.entries()) {
      if (step !== 'both' && step !== (['first', 'second'] as const)[o]) continue
      const { lr, momentum } = OPTIONS[o]!
      for (const i of list) {
        const before = buffers[o]![i] ?? null
        const buffer = gradients[i]!.map((g, k) => (before && momentum !== 0 ? momentum * before[k]! + g : g))
        buffers[o]![i] = buffer
        values[i] = values[i]!.map((p, k) => p - lr * buffer[k]!)
      }
    }
  }
  return values
}

/** One step of an optimizer, or of both upon the same gradients. */
function stepOf(optimizers: readonly optim.SGD[], parameters: readonly Tensor[], step: Step): void {
  const taking = step === 'both' ? optimizers : [optimizers[step === 'first' ? 0 : 1]!]
  forgetGradients(parameters, 'a new step')
  gradients(parameters)
  for (const optimizer of taking) optimizer.step()
}

const STEPS: Step[] = ['first', 'second', 'both', 'both']

describe('two optimizers over', () => {
  it.each<[string, number[], number[]]>([
    ['the same parameters', [0, 1, 2], [0, 1, 2]],
    ['a part of what the first one has', [0, 1, 2], [1]],
    ['some of the first one, and one that is new', [0, 1], [1, 2]],
    ['more than the first one', [1], [2, 1, 0]],
  ])('%s both update them', async (_, ...lists) => {
    const parameters = start()
    const optimizers = lists.map((list, o) =>
      make(
        list.map((i) => parameters[i]!),
        OPTIONS[o]!,
      ),
    )
    for (const step of STEPS) scope(() => stepOf(optimizers, parameters, step))
    expect(await numbers(parameters)).toEqual(expected(lists, STEPS))
  })

  it('the same: the second one made after steps of the first, and the first disposed of then', async () => {
    const parameters = start()
    const first = make(parameters.slice(0, 2), OPTIONS[0]!)
    scope(() => stepOf([first], parameters, 'first'))
    const second = make(parameters.slice(1), OPTIONS[1]!)
    scope(() => stepOf([first, second], parameters, 'both'))
    first.dispose()
    scope(() => stepOf([first, second], parameters, 'second'))
    const steps: Step[] = ['first', 'both', 'second']
    const lists = [
      [0, 1],
      [1, 2],
    ]
    expect(await numbers(parameters)).toEqual(expected(lists, steps))
    second.dispose()
  })

  it('the same in one captured function', async () => {
    const lists = [
      [0, 1],
      [1, 2],
    ]
    const parameters = start()
    const optimizers = lists.map((list, o) =>
      make(
        list.map((i) => parameters[i]!),
        OPTIONS[o]!,
      ),
    )
    const plan = capture(() => stepOf(optimizers, parameters, 'both'))
    plan.run()
    plan.run(2)
    expect(await numbers(parameters)).toEqual(expected(lists, ['both', 'both', 'both']))
    plan.dispose()
  })

  it('the same give all memory back', () => {
    const parameters = start()
    const { tensors } = gpu.memory()
    const first = make(parameters.slice(0, 2), OPTIONS[0]!)
    const second = make(parameters.slice(1), { lr: 1, momentum: 0.5 })
    scope(() => stepOf([first, second], parameters, 'both'))
    forgetGradients(parameters, 'a new step')
    first.dispose()
    second.dispose()
    expect(gpu.memory().tensors).toBe(tensors)
    expect(parameters.map((p) => p.gradientHome)).toEqual([null, null, null])
  })
})

describe('a plan of the first optimizer, captured before the second one was made,', () => {
  it('still runs where the second one moved nothing in it', async () => {
    const parameters = start()
    const first = make(parameters.slice(0, 2), OPTIONS[0]!)
    const plan = capture(() => stepOf([first], parameters.slice(0, 2), 'first'))
    plan.run()
    const second = make(parameters.slice(1), OPTIONS[1]!)
    plan.run()
    second.step() // upon the gradient that the plan has left; the third parameter has none
    scope(() => stepOf([first, second], parameters, 'second'))
    plan.run()
    const lists = [
      [0, 1],
      [1, 2],
    ]
    const steps: Step[] = ['first', 'both', 'second', 'first']
    expect((await numbers(parameters)).slice(0, 2)).toEqual(expected(lists, steps).slice(0, 2))
    expect(await numbers(parameters.slice(2))).toEqual(expected(lists, ['second']).slice(2))
    first.dispose()
    second.dispose()
    plan.dispose()
  })

  it('is refused where the second one moved a parameter that it computes with', async () => {
    const parameters = start()
    const first = make(parameters.slice(0, 2), OPTIONS[0]!)
    const plan = capture(() => stepOf([first], parameters, 'first'))
    plan.run()
    make(parameters.slice(1), OPTIONS[1]!)
    expect(messageOf(() => plan.run())).toContain('made after the capture has moved parameters')
    expect(await numbers(parameters)).toEqual(expected([[0, 1]], ['first']))
    plan.dispose()
  })
})
