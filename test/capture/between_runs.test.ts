// What is done between the runs of a plan: it has the effect that it has between calls of the function.
import { beforeAll, expect, it } from 'vitest'
import { capture, crossEntropy, linear, optim, relu, scope, type Tensor } from '../../src/node/index.ts'
import { fill } from '../support/fill.ts'
import { messageOf, parameter, tensor, testGpu, values } from '../support/gpu.ts'

beforeAll(async () => {
  await testGpu()
})

/** w is used twice, so that its gradient is a sum that lies in the plan's memory; that of b lies at its optimizer's. */
function training() {
  const [w, b] = [parameter(fill(9, 1, 'normal'), [3, 3]), parameter(fill(3, 2, 'normal'), [3])]
  const [x, labels] = [tensor(fill(12, 5, 'normal'), [4, 3]), tensor(Int32Array.of(0, 2, 1, 1))]
  const optimizer = new optim.SGD([w, b], { lr: 0.25, momentum: 0.5 })
  const gradients = () => {
    optimizer.zeroGrad()
    crossEntropy(linear(linear(x, w), w, b), labels).backward()
  }
  const functions = {
    gradients,
    step: () => {
      gradients()
      optimizer.step()
    },
    'step and zeroGrad': () => {
      gradients()
      optimizer.step()
      optimizer.zeroGrad()
    },
  }
  return { w, b, optimizer, functions }
}
type Made = ReturnType<typeof training>
type Kind = keyof Made['functions']

const own = (p: Tensor) => Object.assign(p, { grad: tensor(fill(p.size, 7, 'normal'), p.shape) })
const steps: readonly [string, Kind, (made: Made, run: () => void) => unknown][] = [
  [
    'gradients are forgotten before',
    'gradients',
    ({ optimizer }, run) => [optimizer.zeroGrad(), run(), optimizer.step()],
  ],
  [
    'gradients are forgotten after',
    'gradients',
    ({ optimizer }, run) => [run(), optimizer.step(), optimizer.zeroGrad()],
  ],
  [
    'gradients are clipped',
    'gradients',
    ({ w, b, optimizer }, run) => [run(), optim.clipGradNorm([w, b], 0.125), optimizer.step()],
  ],
  ['gradients are set by hand', 'gradients', ({ w, b, optimizer }, run) => [run(), optimizer.step(), own(w), own(b)]],
  [
    'gradients are set to null',
    'gradients',
    ({ w, optimizer }, run) => [run(), optimizer.step(), Object.assign(w, { grad: null })],
  ],
  [
    'gradients are forgotten, then used',
    'step',
    ({ optimizer }, run) => [optimizer.zeroGrad(), run(), optimizer.step()],
  ],
  [
    'the function is called',
    'step',
    ({ functions, optimizer }, run) => [run(), functions.step(), run(), optimizer.step()],
  ],
  [
    'gradients that the function forgets are set',
    'step and zeroGrad',
    ({ w, b, optimizer }, run) => [own(w), own(b), run(), optimizer.step()],
  ],
  [
    'groups are replaced by others with the same parameters',
    'step',
    ({ optimizer: { paramGroups } }, run) => [
      run(),
      paramGroups.splice(0, 1, { ...paramGroups[0]!, lr: 0.0625 }),
      run(),
    ],
  ],
]

it.each(steps)('%s', async (_, kind, between) => {
  const states = []
  for (const captured of [true, false]) {
    const made = training()
    const plan = captured ? capture(made.functions[kind]) : null
    const run = () => (plan ? plan.run() : void scope(made.functions[kind]))
    for (let i = 0; i < 3; i++) scope(() => void between(made, run))
    const { w, b } = made
    states.push([
      await values(w),
      await values(b),
      w.grad && [...(await w.grad.data())],
      b.grad && [...(await b.grad.data())],
    ])
    plan?.dispose()
    expect([w.grad, b.grad].some((grad) => grad?.released)).toBe(false)
  }
  expect(states[0]).toEqual(states[1])
})

it('an optimizer that was disposed had the place of the gradients: they are left there all the same', async () => {
  const [captured, eager] = [training(), training()]
  const plan = capture(captured.functions.gradients)
  captured.optimizer.dispose()
  captured.b.grad = null
  plan.run()
  eager.functions.gradients()
  expect([...(await captured.b.grad!.data())]).toEqual([...(await values(eager.b.grad))])
  plan.dispose()
})

it('a rate of a group that was replaced is that of the noise too', async () => {
  const states = []
  for (const captured of [true, false]) {
    const w = parameter(fill(9, 1, 'normal'), [3, 3])
    const [x, labels] = [tensor(fill(12, 5, 'normal'), [4, 3]), tensor(Int32Array.of(0, 2, 1, 1))]
    const optimizer = new optim.SGLD([w], { lr: 0.25, temperature: 0.5, seed: 3 })
    const step = () => {
      optimizer.zeroGrad()
      crossEntropy(linear(x, w), labels).backward()
      optimizer.step()
    }
    const plan = captured ? capture(step) : null
    optimizer.paramGroups[0] = { ...optimizer.paramGroups[0]!, lr: 0.0625 }
    if (plan) plan.run()
    else scope(step)
    states.push(await values(w))
    plan?.dispose()
  }
  expect(states[0]).toEqual(states[1])
})

it('a plan of the update alone is refused where gradients lie elsewhere', async () => {
  const { w, optimizer, functions } = training()
  scope(functions.gradients)
  const plan = capture(() => optimizer.step())
  plan.run()
  const before = await values(w)
  scope(functions.gradients)
  const text =
    'plan.run: the gradient of tensor [3, 3] is not where it was when the plan was captured; capture again, or put it back'
  expect(messageOf(() => plan.run())).toBe(text)
  optimizer.zeroGrad()
  expect(messageOf(() => plan.run())).toBe(text)
  expect(await values(w)).toEqual(before)
  plan.dispose()
})

it('a plan gives back the memory that it held, also where an optimizer has moved a parameter since', async () => {
  const x = parameter([1, 2, 3, 4], [4])
  const plan = capture(() => relu(x))
  const optimizer = new optim.SGD([x], { lr: 1 })
  plan.dispose()
  optimizer.dispose()
  for (let i = 0; i < 4; i++) tensor([9, 9, 9, 9]) // one of them would lie where x lies
  expect([...(await x.data())]).toEqual([1, 2, 3, 4])
})
