import { beforeAll, describe, expect, it } from 'vitest'
import { newWatch } from '../../src/kernels/finite.ts'
import { capture, crossEntropy, detectAnomaly, linear, nn, optim, relu, scope } from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { fill } from '../support/fill.ts'
import { type Gpu, messageOf, parameter, type Tensor, tensor, testGpu, values } from '../support/gpu.ts'
import { constant, exactly, larger, minus, negate, over, plus, root, times } from '../support/running_error.ts'
import { type ElementRule, elementwise, expectTorch, torchCases } from './torch_cases.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const DEFAULTS: Required<optim.AdamWOptions> = {
  lr: 1e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weightDecay: 0.01,
  amsgrad: false,
  maximize: false,
}

/** The update as torch.optim.AdamW defines it, with the roundings that the shader may make. */
const adamw: ElementRule = (element, gradient, options, t) => {
  const { lr, betas, eps, weightDecay, amsgrad, maximize } = options as unknown as typeof DEFAULTS
  const [beta1, beta2] = betas
  const { exp_avg = exactly(0), exp_avg_sq = exactly(0), max_exp_avg_sq = exactly(0) } = element.state
  const g = maximize ? negate(gradient) : gradient
  const mean = plus(exp_avg, times(constant(1 - beta1), minus(g, exp_avg)))
  const square = plus(times(constant(beta2), exp_avg_sq), times(times(constant(1 - beta2), g), g))
  const largest = amsgrad ? larger(max_exp_avg_sq, square) : square
  const divisor = plus(over(root(largest), constant(Math.sqrt(1 - beta2 ** t))), constant(eps))
  const step = times(constant(lr / (1 - beta1 ** t)), over(mean, divisor))
  element.p = minus(times(element.p, constant(1 - lr * weightDecay)), step)
  element.state = { exp_avg: mean, exp_avg_sq: square, ...(amsgrad && { max_exp_avg_sq: largest }) }
}

describe('PyTorch', () => {
  it.each(torchCases('AdamW'))('is followed for twelve steps: %s', async (_, torch) => {
    await expectTorch(torch, (groups, options) => new optim.AdamW(groups, options), elementwise(adamw), { ...DEFAULTS })
  })
})

type Options = optim.AdamWOptions & { readonly bias?: Partial<optim.AdamWOptions> }

/** A small classifier whose numbers are the same every time, what a step of its training does, and all that it leaves. */
function training({ bias, ...options }: Options = {}) {
  const [w1, w2] = [parameter(fill(15, 1, 'normal'), [5, 3]), parameter(fill(15, 3, 'normal'), [3, 5])]
  const b1 = parameter(fill(5, 2, 'normal'), [5])
  const [images, classes] = [tensor(fill(12, 5, 'normal'), [4, 3]), tensor(Int32Array.of(0, 2, 1, 1))]
  const groups = bias ? [{ params: [w1, w2] }, { params: [b1], ...bias }] : [{ params: [w1, w2, b1] }]
  const optimizer = new optim.AdamW(groups, { lr: 0.05, ...options })
  const backward = () => {
    optimizer.zeroGrad()
    crossEntropy(linear(relu(linear(images, w1, b1)), w2), classes).backward()
  }
  const step = () => {
    backward()
    optimizer.step()
  }
  /** A step in which the bias has no gradient. */
  const partial = () => {
    backward()
    b1.grad = null
    optimizer.step()
  }
  const eagerly = (steps: number) => {
    for (let i = 0; i < steps; i++) scope(step)
  }
  const bits = async () => {
    const { state, ...rest } = optimizer.stateDict()
    const states = Object.values(state).flat()
    return { rest, bits: await Promise.all([w1, w2, b1, ...states].map((t) => t && bitsOf(t))) }
  }
  return { parameters: [w1, w2, b1], b1, optimizer, backward, step, partial, eagerly, bits }
}

describe('a plan gives the bits of the loop that it was captured from:', () => {
  it.each<[string, Options]>([
    ['plain', {}],
    ['amsgrad', { amsgrad: true, betas: [0.5, 0.6] }],
    ['maximize, without decay', { maximize: true, weightDecay: 0 }],
    ['two groups, one with amsgrad', { bias: { lr: 0.01, amsgrad: true, weightDecay: 0 } }],
  ])('%s', async (_, options) => {
    const [eager, captured] = [training(options), training(options)]
    eager.eagerly(8)
    const plan = capture(captured.step)
    plan.run()
    plan.run(3)
    captured.eagerly(1)
    plan.run(3)
    expect(await captured.bits()).toEqual(await eager.bits())
    plan.dispose()
  })

  it('rates of each step, and options changed between runs', async () => {
    const [eager, captured] = [training(), training()]
    const rates = [0.1, 0.1, 0.02, 0, 0.3]
    for (const lr of rates) {
      eager.optimizer.paramGroups[0]!.lr = lr
      eager.eagerly(1)
    }
    const plan = capture(captured.step)
    plan.run(2, { lr: 0.1 })
    plan.run(3, { lr: rates.slice(2) })
    expect(await captured.bits()).toEqual(await eager.bits())
    const changed = { betas: [0.7, 0.8] as const, eps: 0.01, weightDecay: 0.3 }
    for (const { optimizer } of [eager, captured]) Object.assign(optimizer.paramGroups[0]!, changed)
    eager.eagerly(2)
    plan.run(2)
    expect(await captured.bits()).toEqual(await eager.bits())
    plan.dispose()
  })

  it('parameters that have had fewer steps than others', async () => {
    const [eager, captured] = [training(), training()]
    for (const { partial } of [eager, captured]) for (let i = 0; i < 2; i++) scope(partial)
    expect(captured.optimizer.stateDict()).toMatchObject({ step: 2, skipped: [0, 0, 2] })
    eager.eagerly(4)
    const plan = capture(captured.step)
    plan.run()
    plan.run(3)
    expect(captured.optimizer.stateDict()).toMatchObject({ step: 6, skipped: [0, 0, 2] })
    expect(await captured.bits()).toEqual(await eager.bits())
    plan.dispose()
  })

  it('step() twice in one captured function', async () => {
    const [eager, captured] = [training(), training()]
    const twice = ({ step, optimizer }: typeof eager) => {
      step()
      optimizer.step()
    }
    for (let i = 0; i < 4; i++) scope(() => twice(eager))
    const plan = capture(() => twice(captured))
    plan.run()
    plan.run(3)
    expect(captured.optimizer.stateDict().step).toBe(8)
    expect(await captured.bits()).toEqual(await eager.bits())
    plan.dispose()
  })
})

describe('a plan is to be captured again', () => {
  it('when amsgrad was switched', async () => {
    const { step, optimizer, bits } = training()
    const plan = capture(step)
    plan.run(2)
    const before = await bits()
    optimizer.paramGroups[0]!.amsgrad = true
    expect(messageOf(() => plan.run())).toBe(
      'optim.AdamW: the plan was captured without amsgrad, the group is now with amsgrad; capture again',
    )
    optimizer.paramGroups[0]!.amsgrad = false
    expect(await bits()).toEqual(before)
    plan.dispose()
  })

  it('when some of its parameters have had other steps since', () => {
    const { step, partial } = training()
    const plan = capture(step)
    plan.run()
    scope(partial)
    expect(messageOf(() => plan.run())).toBe(
      'optim.AdamW: some parameters have had different numbers of steps since the plan was captured; capture again',
    )
    plan.dispose()
  })
})

describe('a step', () => {
  const dispatchesOf = (fn: () => void) => {
    const before = gpu.dispatches
    fn()
    return gpu.dispatches - before
  }

  it.each<[string, Options, number]>([
    ['one group', {}, 1],
    ['two groups', { bias: { weightDecay: 0 } }, 2],
  ])('is one dispatch a group: %s', (_, options, dispatches) => {
    const { backward, optimizer } = training({ amsgrad: true, ...options })
    for (let i = 0; i < 3; i++) {
      scope(backward)
      expect(dispatchesOf(() => optimizer.step())).toBe(dispatches)
    }
  })

  it('is one dispatch more where parameters have had fewer steps than others, and they start from t = 1', async () => {
    const { backward, partial, optimizer, b1 } = training({ weightDecay: 0 })
    for (let i = 0; i < 3; i++) scope(partial)
    scope(backward)
    const before = await values(b1)
    const gradient = await values(b1.grad)
    expect(dispatchesOf(() => optimizer.step())).toBe(2)
    // The first step of Adam is as long as the rate, whatever the gradient is.
    for (const [i, after] of (await values(b1)).entries()) {
      const step = gradient[i] === 0 ? 0 : Math.sign(gradient[i]!) * 0.05
      expect(after).toBeCloseTo(before[i]! - step, 5)
    }
  })

  it.each([false, true])('notes a gradient and a parameter that are not finite, amsgrad %s', async (amsgrad) => {
    const step = async (change: (p: Float32Array, dp: Float32Array) => void) => {
      const data = [0, 1].map(() => [new Float32Array(5).fill(1), new Float32Array(5).fill(1)] as const)
      change(...data[1]!)
      const parameters = data.map(([p]) => parameter(p, [5]))
      const watch = tensor(newWatch())
      const optimizer = new optim.AdamW(parameters, { amsgrad })
      for (const [i, p] of parameters.entries()) p.backward(tensor(data[i]![1]))
      optimizer.step(watch)
      return [...(await watch.data())]
    }
    expect(await step(() => undefined)).toEqual([0, 0, 0, -1, -1])
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      // Of two parameters: the second's gradient is 2, the first's 3, the parameters are 4 and 5.
      const gradient = await step((_, dp) => void dp.fill(bad, 3, 4))
      expect(gradient).toEqual([0, 0, 0, 0, 2])
      const value = await step((p) => void p.fill(bad, 4))
      expect(value).toEqual([0, 0, 0, 0, 5])
    }
  })

  it('keeps a NaN in the largest second average, as torch.maximum does', async () => {
    const p = parameter([1, 1], [2])
    const optimizer = new optim.AdamW([p], { amsgrad: true })
    for (const gradient of [1, Number.NaN, 1]) {
      optimizer.zeroGrad()
      p.backward(tensor([gradient, 1]))
      optimizer.step()
    }
    const [first, second] = await values(optimizer.stateDict().state.maxExpAvgSq![0]!)
    expect([first, second! > 0]).toEqual([Number.NaN, true])
  })

  it('is named where an anomaly is found', async () => {
    const net = new nn.Sequential(new nn.Linear(1, 1, { bias: false }))
    const anomalyOf = async (scale: number, lr: number) => {
      const error: unknown = await detectAnomaly(async () => {
        const optimizer = new optim.AdamW(net.parameters(), { lr })
        scope(() => net.forward(tensor([[1]])).backward(tensor([[scale]])))
        optimizer.step()
        await net.parameters()[0]!.data()
      }).then(
        () => null,
        (reason: unknown) => reason,
      )
      return error instanceof Error ? error.message : error
    }
    expect(await anomalyOf(1, 1e39)).toBe(
      'AdamW of layer 0 (Linear), update: the parameter weight [1, 1] is the first tensor with a NaN or infinite value',
    )
    gpu.write(net.parameters()[0]!.storage, Float32Array.of(0))
    net.parameters()[0]!.storage.version++
    net.parameters()[0]!.grad = null
    expect(await anomalyOf(3e25, 0.1)).toBe(
      'AdamW of layer 0 (Linear), update: the expAvgSq of weight [1, 1] is the first tensor with a NaN or infinite value',
    )
  })
})

/** Copies of a state, as a file would hold them. */
async function copied({ state, ...rest }: optim.AdamWState): Promise<optim.AdamWState> {
  const lists = Object.entries(state).map(async ([name, list]) => {
    const copies = list.map(async (t) => t && tensor(Float32Array.from(await values(t)), t.shape))
    return [name, await Promise.all(copies)] as const
  })
  return { ...rest, state: Object.fromEntries(await Promise.all(lists)) }
}

describe('the state', () => {
  it.each([
    [0, false],
    [1, true],
    [3, false],
    [4, true],
  ])('continues bit for bit in another optimizer: after %s steps, captured %s', async (at, isCaptured) => {
    const options = { amsgrad: true, bias: { lr: 0.01, amsgrad: false } }
    const whole = training(options)
    const first = training(options)
    for (const each of [whole, first]) {
      scope(each.partial) // so that one parameter has skipped a step
      each.eagerly(at)
    }
    const taken = await copied(first.optimizer.stateDict())
    expect(taken.skipped).toEqual([0, 0, 1])
    const second = training({ lr: 7, bias: {} })
    for (const [i, p] of second.parameters.entries()) {
      gpu.copy(first.parameters[i]!.storage, p.storage, 4 * p.size)
    }
    second.optimizer.loadStateDict(taken)
    whole.eagerly(4)
    if (isCaptured) {
      const plan = capture(second.step)
      plan.run()
      plan.run(3)
      plan.dispose()
    } else second.eagerly(4)
    expect(await second.bits()).toEqual(await whole.bits())
  })

  it('is taken over by a plan that was captured before', async () => {
    const [whole, other] = [training(), training()]
    whole.eagerly(2)
    const start = await Promise.all(other.parameters.map((p) => values(p)))
    const plan = capture(other.step)
    plan.run(5)
    for (const [i, p] of other.parameters.entries()) gpu.write(p.storage, Float32Array.from(start[i]!))
    other.optimizer.loadStateDict(training().optimizer.stateDict())
    plan.run(2)
    expect(await other.bits()).toEqual(await whole.bits())
    plan.dispose()
  })

  it('lists what each parameter has: maxExpAvgSq with amsgrad alone', () => {
    const { eagerly, optimizer } = training({ bias: { amsgrad: true } })
    const having = () => Object.entries(optimizer.stateDict().state).map(([name, list]) => [name, list.map((t) => !!t)])
    const none = [false, false, false]
    expect(having()).toEqual([
      ['expAvg', none],
      ['expAvgSq', none],
      ['maxExpAvgSq', none],
    ])
    eagerly(1)
    expect(optimizer.stateDict()).not.toHaveProperty('skipped')
    expect(having()).toEqual([
      ['expAvg', [true, true, true]],
      ['expAvgSq', [true, true, true]],
      ['maxExpAvgSq', [false, false, true]],
    ])
  })

  it('is refused where it does not fit, and nothing is changed', async () => {
    const { eagerly, optimizer, bits } = training()
    eagerly(2)
    const before = await bits()
    const good = optimizer.stateDict()
    const { expAvg } = good.state
    const [group] = good.paramGroups
    const loose = (value: unknown) => value as never
    const cases: [optim.AdamWState, string][] = [
      [
        { ...good, state: { ...good.state, expAvg: [expAvg![1]!, ...expAvg!.slice(1)] } },
        'optim.AdamW: expAvg 0 is [3, 5], its parameter tensor [5, 3]',
      ],
      [
        { ...good, state: { ...good.state, momentum: expAvg! } },
        'optim.AdamW: the state has momentum, this optimizer has expAvg, expAvgSq, maxExpAvgSq',
      ],
      [{ ...good, step: -1 }, 'optim.AdamW: steps must be whole numbers, 0 or more, not -1'],
      [{ ...good, step: 1.5 }, 'optim.AdamW: steps must be whole numbers, 0 or more, not 1.5'],
      [
        { ...good, state: {} },
        'optim.AdamW: the state counts steps, but has no expAvg, expAvgSq, maxExpAvgSq of any parameter; give all that stateDict() gave, or step 0',
      ],
      [{ ...good, skipped: [0, 0, 3] }, 'optim.AdamW: steps must be whole numbers, 0 or more, not 3'],
      [
        { ...good, paramGroups: [loose({ ...group, momentum: 0.9 })] },
        'optim.AdamW state: unknown option momentum; known: lr, betas, eps, weightDecay, amsgrad, maximize',
      ],
      [
        { ...good, paramGroups: [{ ...group!, betas: [0.9, 1] }] },
        'optim.AdamW: betas must be two numbers, each 0 or more and below 1, not [0.9, 1]',
      ],
    ]
    for (const [state, message] of cases) expect(messageOf(() => optimizer.loadStateDict(state))).toBe(message)
    expect(await bits()).toEqual(before)
  })

  it('has no moments where no parameter has had a step: the steps were those of others, which have left the group', () => {
    const [p, q] = [parameter([1], [1]), parameter([2], [1])]
    const optimizer = new optim.AdamW([p])
    p.backward(tensor([1]))
    optimizer.step()
    optimizer.paramGroups[0]!.params = [q]
    const state = optimizer.stateDict()
    expect([state.step, state.skipped, state.state.expAvg]).toEqual([1, [1], [null]])
    optimizer.loadStateDict(state)
    expect(messageOf(() => optimizer.loadStateDict({ ...state, skipped: [0] }))).toContain('the state counts steps')
  })

  it('goes with dispose, and all other memory that the optimizer took', () => {
    const p = parameter([1, 2, 3], [3])
    p.backward(tensor([1, 2, 3]))
    const { live } = gpu.pool.stats()
    const { tensors } = gpu.memory()
    const optimizer = new optim.AdamW([p], { amsgrad: true })
    optimizer.step()
    // Parameters, gradients, three states, settings, a table.
    expect(gpu.memory().tensors).toBe(tensors + 7)
    expect(optimizer.stateDict().state.maxExpAvgSq![0]!.released).toBe(false)
    optimizer.dispose()
    expect(gpu.memory().tensors).toBe(tensors)
    expect(gpu.pool.stats().live).toBe(live) // the parameter's own buffer went, the one it lies in stays
  })
})

describe('new optim.AdamW', () => {
  const p = (): Tensor => parameter([1], [1])
  const loose = (value: unknown) => value as never

  it("has torch.optim.AdamW's defaults, and takes an option given as undefined for one", () => {
    const { params: _, ...options } = new optim.AdamW([p()], loose({ eps: undefined })).paramGroups[0]!
    expect(options).toEqual(DEFAULTS)
  })

  it.each<[string, unknown, string]>([
    ['a negative rate', { lr: -1 }, 'optim.AdamW: lr must be a number, 0 or more, not -1'],
    ['an eps of NaN', { eps: Number.NaN }, 'optim.AdamW: eps must be a number, 0 or more, not NaN'],
    ['negative decay', { weightDecay: -0.1 }, 'optim.AdamW: weightDecay must be a number, 0 or more, not -0.1'],
    [
      'a beta of 1',
      { betas: [1, 0.9] },
      'optim.AdamW: betas must be two numbers, each 0 or more and below 1, not [1, 0.9]',
    ],
    ['one beta', { betas: 0.9 }, 'optim.AdamW: betas must be two numbers, each 0 or more and below 1, not 0.9'],
    ['amsgrad as a number', { amsgrad: 1 }, 'optim.AdamW: amsgrad must be true or false, not 1'],
    [
      'an unknown option',
      { momentum: 0.9 },
      'optim.AdamW: unknown option momentum; known: lr, betas, eps, weightDecay, amsgrad, maximize',
    ],
  ])('refuses %s', (_, options, message) => {
    expect(messageOf(() => new optim.AdamW([p()], loose(options)))).toBe(message)
  })
})

it('every optimizer and every group has its own betas, whoever changes an array of them later', () => {
  const betas: [number, number] = [0.5, 0.6]
  const some = () => [parameter([1, 2], [2])]
  const optimizer = new optim.AdamW([{ params: some() }, { params: some() }], { lr: 0.1, betas })
  const saved = optimizer.stateDict()
  const [first, second] = optimizer.paramGroups as unknown as { betas: number[] }[]
  first!.betas[0] = 0.1
  betas[1] = 0.2
  expect([second!.betas, saved.paramGroups[0]!.betas]).toEqual([
    [0.5, 0.6],
    [0.5, 0.6],
  ])
  optimizer.loadStateDict(saved)
  first!.betas[1] = 0.3
  expect(saved.paramGroups[0]!.betas).toEqual([0.5, 0.6])
  const plain = new optim.AdamW(some(), { lr: 0.1 })
  const [own] = plain.paramGroups as unknown as { betas: number[] }[]
  own!.betas[0] = 0.1
  expect(new optim.AdamW(some(), { lr: 0.1 }).paramGroups[0]!.betas).toEqual([0.9, 0.999])
})
