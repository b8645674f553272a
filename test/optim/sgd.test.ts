import { beforeAll, describe, expect, it } from 'vitest'
import { capture, linear, nn, optim, sched, scope, type Tensor } from '../../src/node/index.ts'
import { sgdStep } from '../kernels/sgd/reference.ts'
import { bitsOf } from '../support/check.ts'
import { expectClose } from '../support/close.ts'
import { fill } from '../support/fill.ts'
import { type Gpu, messageOf, parameter, tensor, testGpu, values } from '../support/gpu.ts'
import { columns, quadratic } from '../support/quadratic.ts'
import { type Ref, ref } from '../support/ref.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

/** A parameter of no operation: its gradient is what the test gives it. */
function give(p: Tensor, gradient: ArrayLike<number>): void {
  p.backward(tensor(Float32Array.from(gradient), p.shape))
}

const weights = (n = 3) => parameter(fill(n, 1, 'normal'), [n])

describe('step', () => {
  const grid: optim.SGDOptions[] = [0, 0.9].flatMap((momentum) =>
    [0, 0.3].flatMap((dampening) =>
      [0, 0.01].flatMap((weightDecay) =>
        [false, true].flatMap((nesterov) =>
          [false, true].map((maximize) => ({ lr: 0.1, momentum, dampening, weightDecay, nesterov, maximize })),
        ),
      ),
    ),
  )
  const cases = grid.filter(({ nesterov, momentum, dampening }) => !nesterov || (momentum! > 0 && dampening === 0))

  it.each(cases.map((options) => [JSON.stringify(options), options] as const))(
    'follows the reference: %s',
    async (_, options) => {
      const n = 1031 // a workgroup takes 1,024 elements
      const p = parameter(fill(n, 1, 'normal'), [n])
      const sgd = new optim.SGD([p], options)
      for (let step = 0; step < 3; step++) {
        const gradient = fill(n, 10 + step, 'normal')
        const before = ref([n], await values(p))
        const momentum = sgd.stateDict().state.momentum![0]
        const buffer: Ref | null = momentum ? ref([n], await values(momentum)) : null
        sgd.zeroGrad()
        give(p, gradient)
        sgd.step()
        const expected = sgdStep(before, ref([n], gradient), buffer, options)
        expectClose(await values(p), expected.param, expected.param.bound, `parameter after step ${step}`)
        const after = sgd.stateDict().state.momentum![0]
        expect(after === null).toBe(expected.buffer === null)
        if (expected.buffer) {
          expectClose(await values(after!), expected.buffer, expected.buffer.bound, `momentum after step ${step}`)
        }
        expect(await values(p.grad)).toEqual(gradient)
      }
    },
  )

  it('is exact on small numbers: plain, then momentum whose first step is undampened', async () => {
    const p = parameter([1, 2], [2])
    const sgd = new optim.SGD([p], { lr: 0.5 })
    give(p, [2, -4])
    sgd.step()
    expect([...(await values(p))]).toEqual([0, 4])
    const q = parameter([0], [1])
    const heavy = new optim.SGD([q], { lr: 1, momentum: 0.5, dampening: 0.5 })
    give(q, [8])
    const seen: number[] = []
    for (let i = 0; i < 3; i++) {
      heavy.step()
      seen.push(await q.item())
    }
    // b: 8, then 4 + 4 = 8, then 8.
    expect(seen).toEqual([-8, -16, -24])
  })

  it('skips parameters without a gradient, and starts their momentum when one comes', async () => {
    const [a, b] = [parameter([1], [1]), parameter([1], [1])]
    const sgd = new optim.SGD([a, b], { lr: 0.5, momentum: 0.5, weightDecay: 1 })
    sgd.step()
    expect(sgd.stateDict().state.momentum!).toEqual([null, null])
    give(a, [1])
    sgd.step()
    expect([await a.item(), await b.item()]).toEqual([0, 1])
    expect(sgd.stateDict().state.momentum![1]).toBeNull()
  })

  it('gives each group its own options, and the common ones to those without', async () => {
    const [a, b, c] = [parameter([0], [1]), parameter([0], [1]), parameter([0], [1])]
    const sgd = new optim.SGD([{ params: [a], lr: 0.5, momentum: 0 }, { params: [b, c] }], { lr: 0.25, momentum: 0.5 })
    for (const p of [a, b, c]) give(p, [1])
    sgd.step()
    sgd.step()
    expect([await a.item(), await b.item(), await c.item()]).toEqual([-1, -0.625, -0.625])
    expect(sgd.paramGroups.map(({ lr, momentum }) => [lr, momentum])).toEqual([
      [0.5, 0],
      [0.25, 0.5],
    ])
  })

  it('takes a rate and a momentum set at any time', async () => {
    const p = parameter([0], [1])
    const sgd = new optim.SGD([p], { lr: 1 })
    give(p, [1])
    sgd.step()
    sgd.paramGroups[0]!.lr = 0.25
    sgd.step()
    sgd.paramGroups[0]!.momentum = 0.5
    sgd.step()
    sgd.step()
    expect(await p.item()).toBe(-1 - 0.25 - 0.25 - 0.25 * 1.5)
    sgd.paramGroups[0]!.lr = 0
    sgd.step()
    expect(await p.item()).toBe(-1.875)
  })

  it('refuses options set wrong, released parameters and released gradients, and changes nothing', async () => {
    const [a, b] = [
      tensor([1], [1], { requiresGrad: true, name: 'a' }),
      tensor([1], [1], { requiresGrad: true, name: 'b' }),
    ]
    const sgd = new optim.SGD([{ params: [a] }, { params: [b] }], { lr: 0.5 })
    for (const p of [a, b]) give(p, [1])
    sgd.paramGroups[1]!.lr = Number.NaN
    expect(messageOf(() => sgd.step())).toBe('optim.SGD: lr must be a number, 0 or more, not NaN')
    expect(await a.item()).toBe(1)
    sgd.paramGroups[1]!.lr = 0.5
    b.grad!.dispose()
    expect(messageOf(() => sgd.step())).toBe("optim.SGD: b.grad [1] can't be used any more: dispose() was called on it")
    expect(await a.item()).toBe(1)
    b.dispose()
    expect(messageOf(() => sgd.step())).toBe("optim.SGD: b [1] can't be used any more: dispose() was called on it")
    expect(await a.item()).toBe(1)
  })
})

it('takes an option given as undefined for its default', () => {
  const sgd = new optim.SGD([weights()], { lr: 0.1, momentum: undefined as unknown as number })
  expect(sgd.paramGroups[0]!.momentum).toBe(0)
})

it('refuses what was put into a group and does not belong there, before anything is changed', async () => {
  const p = weights()
  const sgd = new optim.SGD([p], { lr: 0.1 })
  const before = await bitsOf(p)
  give(p, [1, 2, 3])
  const { params } = sgd.paramGroups[0]!
  params.push(p.detach())
  expect(messageOf(() => sgd.step())).toBe('optim.SGD: tensor [3] shares its memory with one listed before it')
  params[1] = tensor(new Int32Array(1))
  expect(messageOf(() => sgd.step())).toBe('optim.SGD: tensor [1] is int32; parameters are float32')
  expect(await bitsOf(p)).toEqual(before)
  params.pop()
  sgd.step()
  expect(await bitsOf(p)).not.toEqual(before)
})

it('leaves a frozen parameter as it is', async () => {
  const p = tensor([1], [1], { requiresGrad: false })
  new optim.SGD([p], { lr: 0.1 }).step()
  expect(await p.item()).toBe(1)
})

describe('gradients lie side by side', () => {
  it('so that every step is one dispatch a group', () => {
    const all = [weights(3), weights(100), weights(1)]
    const sgd = new optim.SGD([{ params: all.slice(0, 2) }, { params: all.slice(2), lr: 1 }], {
      lr: 0.1,
      momentum: 0.9,
    })
    const [x, w, b] = [tensor([[1, 2]]), parameter([1, 2, 3, 4], [2, 2]), parameter([1, 2], [2])]
    const other = new optim.SGD([w, b], { lr: 0.1 })
    const dispatchesOf = (step: () => void) => {
      const before = gpu.dispatches
      step()
      return gpu.dispatches - before
    }
    for (let i = 0; i < 3; i++) {
      sgd.zeroGrad()
      for (const p of all) give(p, new Float32Array(p.size))
      // These were given from elsewhere: each needs its own.
      expect(dispatchesOf(() => sgd.step())).toBe(3)
      other.zeroGrad()
      linear(x, w, b).backward(tensor([[1, 1]]))
      expect(dispatchesOf(() => other.step())).toBe(1)
    }
  })

  it('but one that somebody holds is not overwritten by the next', async () => {
    const [x, w] = [tensor([[1, 2]]), parameter([1, 2], [1, 2])]
    const sgd = new optim.SGD([w], { lr: 0.5 })
    const gradient = (dy: number) => {
      sgd.zeroGrad()
      linear(x, w).backward(tensor([[dy]]))
      sgd.step()
      return w.grad!.detach()
    }
    const held = [gradient(1), gradient(2), gradient(4)]
    expect(await Promise.all(held.map(async (g) => [...(await g.data())]))).toEqual([
      [1, 2],
      [2, 4],
      [4, 8],
    ])
    expect([...(await w.data())]).toEqual([1 - 3.5, 2 - 7])
  })
})

describe('more sets of parameters than the tables that are kept', () => {
  const state = (parameters: readonly Tensor[]) => Promise.all(parameters.map(bitsOf))

  it('come between the runs of a plan, which goes on with the set that it was captured with', async () => {
    const states = []
    for (const captured of [true, false]) {
      const parameters = columns(Array(7).fill(3))
      const optimizer = new optim.SGD(parameters, { lr: 0.25, momentum: 0.5 })
      const all = quadratic(parameters, optimizer)
      const plan = captured ? capture(all) : null
      const step = plan ? () => plan.run() : () => scope(all)
      step()
      for (let set = 1; set <= 70; set++) {
        optimizer.zeroGrad()
        for (const [i, p] of parameters.entries()) if ((set >> i) & 1) give(p, [1, 2, 3])
        optimizer.step()
      }
      step()
      states.push(await state(parameters))
      plan?.dispose()
    }
    expect(states[0]).toEqual(states[1])
  })

  it('are updated in one captured step', async () => {
    const states = []
    for (const captured of [true, false]) {
      const parameters = columns(Array(70).fill(2))
      const optimizer = new optim.SGD(parameters, { lr: 0.25 })
      // Each lies elsewhere and needs a table of its own.
      for (const [i, p] of parameters.entries()) give(p, [i, -i])
      if (captured) {
        const plan = capture(() => optimizer.step())
        plan.run(2)
        plan.dispose()
      } else for (let i = 0; i < 2; i++) optimizer.step()
      states.push(await state(parameters))
    }
    expect(states[0]).toEqual(states[1])
  })
})

describe('zeroGrad', () => {
  it('forgets the gradients and gives their memory back', async () => {
    const p = weights()
    const sgd = new optim.SGD([p], { lr: 0.1 })
    give(p, [1, 2, 3])
    const grad = p.grad!
    sgd.zeroGrad()
    expect([p.grad, grad.released]).toEqual([null, true])
    sgd.zeroGrad()
    give(p, [4, 5, 6])
    expect([...(await values(p.grad))]).toEqual([4, 5, 6])
  })
})

describe('the state', () => {
  const options = { lr: 0.1, momentum: 0.9, weightDecay: 0.01, nesterov: true }

  it('continues bit for bit in another optimizer, which then goes its own way', async () => {
    const p = weights(100)
    const sgd = new optim.SGD([p], options)
    const step = (q: Tensor, o: optim.SGD, i: number) => {
      o.zeroGrad()
      give(q, fill(100, 20 + i, 'normal'))
      o.step()
    }
    for (let i = 0; i < 3; i++) step(p, sgd, i)
    const q = parameter(await values(p), [100])
    const resumed = new optim.SGD([q], { lr: 7 })
    resumed.loadStateDict(sgd.stateDict())
    expect(resumed.stateDict().paramGroups).toEqual(sgd.stateDict().paramGroups)
    for (let i = 3; i < 6; i++) step(q, resumed, i)
    for (let i = 3; i < 6; i++) step(p, sgd, i)
    expect(await values(q)).toEqual(await values(p))
    expect(resumed.stateDict().state.momentum![0]).not.toBe(sgd.stateDict().state.momentum![0])
  })

  it('before the first step, and with some momentum missing, is taken over as it is', async () => {
    const [a, b] = [parameter([0], [1]), parameter([0], [1])]
    const one = new optim.SGD([a, b], { lr: 1, momentum: 0.5, dampening: 0.5 })
    const other = new optim.SGD([a, b], { lr: 1, momentum: 0.5, dampening: 0.5 })
    give(a, [8])
    one.step()
    give(b, [8])
    other.step()
    const momentum = other.stateDict().state.momentum![1]!
    other.loadStateDict(one.stateDict())
    expect(other.stateDict().state.momentum![1]).toBeNull()
    expect(momentum.released).toBe(true)
    other.step() // a goes on dampened, b starts undampened
    expect([await a.item(), await b.item()]).toEqual([-8 - 8 - (4 + 4), -8 - 8])
    other.loadStateDict(new optim.SGD([a, b], { lr: 3 }).stateDict())
    expect(other.stateDict().state.momentum!).toEqual([null, null])
    expect(other.paramGroups[0]!.lr).toBe(3)
  })

  it('is refused where it does not fit, and nothing is changed', async () => {
    const [a, b] = [weights(2), weights(3)]
    const sgd = new optim.SGD([a, b], options)
    give(a, [1, 2])
    give(b, [1, 2, 3])
    sgd.step()
    const before = sgd.stateDict()
    const momentum = await values(before.state.momentum![0]!)
    const group = { ...before.paramGroups[0]!, lr: 5 }
    const [small, large] = before.state.momentum as [Tensor, Tensor]
    const released = tensor([1, 2])
    released.dispose()
    const cases: [optim.SGDState, string][] = [
      [
        { step: 1, paramGroups: [group, group], state: { momentum: [small, large] } },
        'optim.SGD: the state has 2 groups and 2 parameters, this optimizer 1 and 2',
      ],
      [
        { step: 1, paramGroups: [group], state: { momentum: [small] } },
        'optim.SGD: the state has 1 groups and 1 parameters, this optimizer 1 and 2',
      ],
      [
        { step: 1, paramGroups: [group], state: { momentum: [small, small] } },
        'optim.SGD: momentum 1 is [2], its parameter tensor [3]',
      ],
      [
        { step: 1, paramGroups: [group], state: { momentum: [released, large] } },
        "optim.SGD: tensor [2] can't be used any more: dispose() was called on it",
      ],
      [
        { step: 1, paramGroups: [{ ...group, lr: -1 }], state: { momentum: [small, large] } },
        'optim.SGD: lr must be a number, 0 or more, not -1',
      ],
    ]
    for (const [state, message] of cases) expect(messageOf(() => sgd.loadStateDict(state))).toBe(message)
    expect(sgd.stateDict().paramGroups).toEqual(before.paramGroups)
    expect(await values(sgd.stateDict().state.momentum![0]!)).toEqual(momentum)
  })

  it('is released by dispose', () => {
    const p = weights()
    give(p, [1, 2, 3])
    const { live } = gpu.pool.stats()
    const { tensors } = gpu.memory()
    const sgd = new optim.SGD([p], options)
    sgd.step()
    expect(sgd.stateDict().state.momentum![0]!.released).toBe(false)
    // Parameters, gradients, momentum, settings, a table; and the view of the momentum.
    expect(gpu.memory().tensors).toBe(tensors + 6)
    sgd.dispose()
    expect(gpu.memory().tensors).toBe(tensors)
    expect(gpu.pool.stats().live).toBe(live) // the parameter's own buffer went, the one it lies in stays
  })
})

describe('new optim.SGD refuses', () => {
  const p = () => weights()
  const loose = (value: unknown) => value as never
  const number = (name: string, value: number) => `optim.SGD: ${name} must be a number, 0 or more, not ${value}`
  it.each<[string, () => unknown, string]>([
    [
      'no rate in one group',
      () => new optim.SGD([{ params: [p()], lr: 1 }, { params: [p()] }]),
      'optim.SGD: lr is needed, for example { lr: 0.1 }',
    ],
    ['a negative rate', () => new optim.SGD([p()], { lr: -0.1 }), number('lr', -0.1)],
    ['a rate of NaN', () => new optim.SGD([p()], { lr: Number.NaN }), number('lr', Number.NaN)],
    [
      'a rate as text',
      () => new optim.SGD([p()], loose({ lr: '0.1' })),
      "optim.SGD: lr must be a number, 0 or more, not '0.1'",
    ],
    ['negative momentum', () => new optim.SGD([p()], { lr: 1, momentum: -1 }), number('momentum', -1)],
    [
      'infinite decay',
      () => new optim.SGD([p()], { lr: 1, weightDecay: Number.POSITIVE_INFINITY }),
      number('weightDecay', Number.POSITIVE_INFINITY),
    ],
    [
      'a dampening of NaN',
      () => new optim.SGD([p()], { lr: 1, dampening: Number.NaN }),
      'optim.SGD: dampening must be a number, not NaN',
    ],
    [
      'Nesterov without momentum',
      () => new optim.SGD([p()], { lr: 1, nesterov: true }),
      'optim.SGD: nesterov needs a momentum above 0 and a dampening of 0',
    ],
    [
      'Nesterov with dampening',
      () => new optim.SGD([p()], { lr: 1, nesterov: true, momentum: 0.9, dampening: 0.1 }),
      'optim.SGD: nesterov needs a momentum above 0 and a dampening of 0',
    ],
    [
      'unknown options of a group',
      () => new optim.SGD([loose({ params: [p()], lr: 1, foo: 1 })]),
      'optim.SGD: unknown option foo; known: params, lr, momentum, dampening, weightDecay, nesterov, maximize',
    ],
    [
      'groups without parameters',
      () => new optim.SGD([{ params: [] }], { lr: 1 }),
      'optim.SGD: the list of parameters is empty',
    ],
    [
      'a parameter listed twice',
      () => {
        const twice = p()
        return new optim.SGD([{ params: [twice] }, { params: [twice] }], { lr: 1 })
      },
      'optim.SGD: tensor [3] is listed twice',
    ],
  ])('%s', (_, make, message) => {
    expect(messageOf(make)).toBe(message)
  })
})

describe('schedules', () => {
  it('of any kind drive it: a function of t', async () => {
    const p = parameter([0], [1])
    const sgd = new optim.SGD([p], { lr: 0 })
    give(p, [1])
    const rate = (t: number) => 2 ** -t
    for (let t = 0; t < 4; t++) {
      sgd.paramGroups[0]!.lr = rate(t)
      sgd.step()
    }
    expect(await p.item()).toBe(-1.875)
  })

  it('of any kind drive it: a Scheduler over groups', async () => {
    const [a, b] = [parameter([0], [1]), parameter([0], [1])]
    const sgd = new optim.SGD([{ params: [a] }, { params: [b] }], { lr: 9 })
    for (const p of [a, b]) give(p, [1])
    const scheduler = new sched.Scheduler(sgd, [
      (t) => 2 ** -t,
      sched.multiStep({ lr: 1, milestones: [2], gamma: 0.5 }),
    ])
    for (let t = 0; t < 3; t++) {
      sgd.step()
      scheduler.step()
    }
    expect([await a.item(), await b.item()]).toEqual([-1.75, -2.5])
    expect(scheduler.lastLr).toEqual([0.125, 0.5])
  })

  it('and the parameters of a module train', async () => {
    const layer = new nn.Linear(1, 1, { bias: false })
    layer.loadStateDict({ weight: tensor([[4]]) })
    const sgd = new optim.SGD(layer.parameters(), { lr: 0.5 })
    for (let i = 0; i < 3; i++) {
      scope(() => {
        sgd.zeroGrad()
        layer.forward(tensor([[2]])).backward()
        sgd.step()
      })
    }
    expect(await layer.weight.item()).toBe(1)
  })
})
