import { beforeAll, describe, expect, it } from 'vitest'
import { capture, optim, scope } from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { messageOf, parameter, testGpu } from '../support/gpu.ts'
import { columns, quadratic } from '../support/quadratic.ts'
import { constant, minus, negate, over, plus, root, times } from '../support/running_error.ts'
import { type ElementRule, elementwise, expectTorch, torchCases } from './torch_cases.ts'

beforeAll(async () => {
  await testGpu()
})

const DEFAULTS: Required<optim.AdagradOptions> = {
  lr: 0.01,
  lrDecay: 0,
  weightDecay: 0,
  initialAccumulatorValue: 0,
  eps: 1e-10,
  maximize: false,
}

/** The update as torch.optim.Adagrad defines it, with the roundings that the shader may make. */
const adagrad: ElementRule = (element, gradient, options, t) => {
  const { lr, lrDecay, weightDecay, initialAccumulatorValue, eps, maximize } = options as unknown as typeof DEFAULTS
  let g = maximize ? negate(gradient) : gradient
  if (weightDecay !== 0) g = plus(g, times(constant(weightDecay), element.p))
  const sum = plus(element.state.sum ?? constant(initialAccumulatorValue), times(g, g))
  const step = times(constant(lr / (1 + (t - 1) * lrDecay)), over(g, plus(root(sum), constant(eps))))
  element.p = minus(element.p, step)
  element.state = { sum }
}

describe('PyTorch', () => {
  it.each(torchCases('Adagrad'))('is followed for twelve steps: %s', async (_, torch) => {
    await expectTorch(torch, (groups, options) => new optim.Adagrad(groups, options), elementwise(adagrad), {
      ...DEFAULTS,
    })
  })
})

it('has the same bits captured, from its first step on, and resumed', async () => {
  const options = { lr: 0.1, lrDecay: 0.5, initialAccumulatorValue: 0.25 }
  const make = (captured: boolean) => {
    const parameters = columns([3, 5])
    const optimizer = new optim.Adagrad(parameters, options)
    const step = quadratic(parameters, optimizer)
    const plan = captured ? capture(step) : null
    const run = (steps: number) => {
      if (plan) plan.run(steps)
      else for (let i = 0; i < steps; i++) scope(step)
    }
    const bits = () => Promise.all([...parameters, ...optimizer.stateDict().state.sum!].map(bitsOf))
    return { parameters, optimizer, run, bits }
  }
  const [eager, captured, resumed] = [make(false), make(true), make(true)]
  for (const steps of [1, 3, 2]) for (const { run } of [eager, captured]) run(steps)
  expect(await captured.bits()).toEqual(await eager.bits())
  for (const [i, p] of resumed.parameters.entries()) p.gpu.copy(eager.parameters[i]!.storage, p.storage, 4 * p.size)
  resumed.optimizer.loadStateDict(eager.optimizer.stateDict())
  for (const { run } of [eager, resumed]) run(3)
  expect(await resumed.bits()).toEqual(await eager.bits())
})

it("has torch.optim.Adagrad's defaults, and refuses what it refuses", () => {
  const make = (options: optim.AdagradOptions) => new optim.Adagrad([parameter([1], [1])], options)
  const { params: _, ...options } = make({}).paramGroups[0]!
  expect(options).toEqual(DEFAULTS)
  for (const name of ['lr', 'lrDecay', 'weightDecay', 'initialAccumulatorValue', 'eps']) {
    expect(messageOf(() => make({ [name]: -1 }))).toBe(`optim.Adagrad: ${name} must be a number, 0 or more, not -1`)
  }
})
