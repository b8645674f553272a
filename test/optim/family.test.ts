// What every optimizer beyond SGD, AdamW and Adagrad promises: bits, rates, dispatches, what is noted, what is refused.
import { beforeAll, describe, expect, it } from 'vitest'
import { newWatch } from '../../src/kernels/finite.ts'
import { capture, crossEntropy, linear, nn, optim, relu, sched, scope } from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { fill } from '../support/fill.ts'
import { type Gpu, messageOf, parameter, type Tensor, tensor, testGpu, values } from '../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

type Make = (groups: { params: Tensor[]; lr?: number }[]) => optim.Optimizer

/** Dispatches of a step of one group; Muon's have matrices of their own, two of them here. */
const ALL: readonly (readonly [string, Make, number])[] = [
  ['Adam', (groups) => new optim.Adam(groups, { weightDecay: 0.1, amsgrad: true }), 1],
  ['RMSprop', (groups) => new optim.RMSprop(groups, { momentum: 0.9, centered: true }), 1],
  ['Adadelta', (groups) => new optim.Adadelta(groups, { weightDecay: 0.1 }), 1],
  ['Lion', (groups) => new optim.Lion(groups, { weightDecay: 0.1 }), 1],
  ['ScheduleFreeSGD', (groups) => new optim.ScheduleFreeSGD(groups, { warmupSteps: 3, r: 1 }), 1],
  ['ScheduleFreeAdamW', (groups) => new optim.ScheduleFreeAdamW(groups, { weightDecay: 0.1 }), 1],
  ['LARS', (groups) => new optim.LARS(groups, { lr: 1, momentum: 0.9, trustCoefficient: 0.1 }), 3],
  ['LAMB', (groups) => new optim.LAMB(groups), 3],
  // Of each matrix five times three products, each after a packing, and their sum.
  ['Muon', (groups) => new optim.Muon(groups, { weightDecay: 0.1 }), 4 + 2 * 5 * 7],
]

/** A small classifier without biases, whose numbers are the same every time. */
function training(make: Make, seed = 1) {
  const [w1, w2] = [parameter(fill(15, seed, 'normal'), [5, 3]), parameter(fill(15, seed + 1, 'normal'), [3, 5])]
  const [images, classes] = [tensor(fill(12, 5, 'normal'), [4, 3]), tensor(Int32Array.of(0, 2, 1, 1))]
  const optimizer = make([{ params: [w1, w2] }])
  const backward = () => {
    optimizer.zeroGrad()
    crossEntropy(linear(relu(linear(images, w1)), w2), classes).backward()
  }
  const step = () => {
    backward()
    optimizer.step()
  }
  const eagerly = (rates: readonly number[]) => {
    for (const lr of rates) {
      optimizer.paramGroups[0]!.lr = lr
      scope(step)
    }
  }
  const bits = async () => {
    const { state, ...rest } = optimizer.stateDict()
    const tensors = [w1, w2, ...Object.values(state).flat()]
    return { rest, bits: await Promise.all(tensors.map((t) => t && bitsOf(t))) }
  }
  return { parameters: [w1, w2], optimizer, backward, step, eagerly, bits }
}

const RATES = [0.1, 0.02, 0.02, 0.2, 0, 0.05, 0.05]

describe.each(ALL)('optim.%s', (name, make, dispatches) => {
  it('has the same bits captured, at rates that change, and resumed in an optimizer of other rates', async () => {
    const [eager, captured, resumed] = [training(make), training(make), training(make, 7)]
    eager.eagerly(RATES)
    const plan = capture(captured.step)
    plan.run(1, { lr: RATES[0]! })
    plan.run(4, { lr: RATES.slice(1, 5) })
    captured.optimizer.paramGroups[0]!.lr = 0.05
    plan.run(2)
    expect(await captured.bits()).toEqual(await eager.bits())
    for (const [i, p] of resumed.parameters.entries()) gpu.copy(eager.parameters[i]!.storage, p.storage, 4 * p.size)
    resumed.optimizer.paramGroups[0]!.lr = 9
    resumed.optimizer.loadStateDict(eager.optimizer.stateDict())
    expect(resumed.optimizer.paramGroups[0]!.lr).toBe(0.05)
    const later = capture(resumed.step)
    later.run(3)
    eager.eagerly([0.05, 0.05, 0.05])
    expect(await resumed.bits()).toEqual(await eager.bits())
    for (const each of [plan, later]) each.dispose()
  })

  it('takes the rates of a schedule', () => {
    const { optimizer, step } = training(make)
    const scheduler = new sched.Scheduler(optimizer, sched.cosine({ maxUpdate: 4, baseLr: 0.1, finalLr: 0.01 }))
    for (let t = 0; t < 4; t++, scheduler.step()) scope(step)
    expect(optimizer.paramGroups[0]!.lr).toBeCloseTo(0.01, 10)
  })

  it('takes as few dispatches as it can, and gives all memory back', () => {
    const { optimizer, step, backward } = training(make)
    scope(step)
    scope(backward)
    const [before, { tensors }] = [gpu.dispatches, gpu.memory()]
    optimizer.step()
    expect(gpu.dispatches - before).toBe(dispatches)
    expect(gpu.memory().tensors).toBe(tensors)
    optimizer.dispose()
  })

  it('notes a gradient and a parameter that are not finite', async () => {
    const step = async (change: (p: Float32Array, dp: Float32Array) => void) => {
      const data = [0, 1].map(() => [new Float32Array(6).fill(1), new Float32Array(6).fill(1)] as const)
      change(...data[1]!)
      const parameters = data.map(([p]) => parameter(p, [2, 3]))
      const watch = tensor(newWatch())
      const optimizer = make([{ params: parameters }])
      for (const [i, p] of parameters.entries()) p.backward(tensor(data[i]![1], [2, 3]))
      optimizer.step(watch)
      return { noted: [...(await watch.data())], second: await values(parameters[1]!) }
    }
    expect((await step(() => undefined)).noted).toEqual([0, 0, 0, -1, -1])
    const { second } = await step((_, dp) => void dp.fill(Number.NaN, 3, 4))
    expect(second[3]).toBeNaN()
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      // Of two parameters: the second's gradient is 2, the first's 3, the parameters are 4 and 5.
      expect((await step((_, dp) => void dp.fill(bad, 3, 4))).noted).toEqual([0, 0, 0, 0, 2])
      expect((await step((p) => void p.fill(bad, 4))).noted).toEqual([0, 0, 0, 0, 5])
    }
  })

  it('refuses options that are not its own', () => {
    const p = parameter([1], [1, 1])
    const loose = (options: object) => () => {
      const optimizer = make([{ params: [p] }])
      Object.assign(optimizer.paramGroups[0]!, options)
      optimizer.step()
    }
    expect(messageOf(loose({ lr: -1 }))).toBe(`optim.${name}: lr must be a number, 0 or more, not -1`)
    expect(messageOf(loose({ weightDecay: Number.NaN }))).toBe(
      `optim.${name}: weightDecay must be a number, 0 or more, not NaN`,
    )
    expect(messageOf(loose({ rate: 1 }))).toContain(`optim.${name}: unknown option rate; known: params, lr`)
  })
})

/** Those that have files of their own too. */
const EVERY: readonly (readonly [string, Make])[] = [
  ...ALL.map(([name, make]) => [name, make] as const),
  ['SGD', (groups) => new optim.SGD(groups, { lr: 1, momentum: 0.9, nesterov: true, weightDecay: 0.1 })],
  ['AdamW', (groups) => new optim.AdamW(groups, { weightDecay: 0.1, amsgrad: true })],
  ['Adagrad', (groups) => new optim.Adagrad(groups, { lrDecay: 0.1, weightDecay: 0.1 })],
  ['SGLD', (groups) => new optim.SGLD(groups, { lr: 1, temperature: 0.01, seed: 5 })],
]

/** A state as files have it, numbers and bytes: what is made of it shares nothing with the optimizer. */
async function saved({ optimizer, parameters }: ReturnType<typeof training>) {
  const { state, ...rest } = optimizer.stateDict()
  const numbers = JSON.stringify(rest)
  const copy = async (t: Tensor | null) => t && ([await values(t), t.shape] as const)
  const lists = await Promise.all(Object.values(state).map((list) => Promise.all(list.map(copy))))
  const weights = await Promise.all(parameters.map(values))
  return (other: ReturnType<typeof training>) => {
    for (const [i, p] of other.parameters.entries()) gpu.write(p.storage, Float32Array.from(weights[i]!))
    const tensors = lists.map((list) => list.map((one) => one && tensor(...one)))
    const named = Object.fromEntries(Object.keys(state).map((name, i) => [name, tensors[i]!]))
    other.optimizer.loadStateDict({ ...(JSON.parse(numbers) as typeof rest), state: named })
    for (const t of tensors.flat()) t?.dispose()
  }
}

describe('saved at any step and loaded into another optimizer, captured or not,', () => {
  it.each(EVERY)('optim.%s goes on with the bits of one that nothing interrupted', async (_, make) => {
    const rates = [0.1, 0.02, 0.2]
    const whole = training(make)
    const others: ReturnType<typeof training>[] = []
    for (const at of rates.keys()) {
      const load = await saved(whole)
      const left = rates.slice(at)
      for (const captured of [false, true]) {
        const other = training(make, 7)
        other.optimizer.paramGroups[0]!.lr = 9
        load(other)
        if (captured) {
          const plan = capture(other.step)
          plan.run(left.length, { lr: left })
          plan.dispose()
        } else other.eagerly(left)
        others.push(other)
      }
      whole.eagerly([rates[at]!])
    }
    const expected = await whole.bits()
    for (const other of others) {
      other.optimizer.paramGroups[0]!.lr = rates.at(-1)!
      expect(await other.bits()).toEqual(expected)
    }
  })

  it('is asked of every optimizer there is', () => {
    const others = ['Optimizer', 'EMA', 'SWA']
    const all = Object.keys(optim).filter((name) => /^[A-Z]/.test(name) && !others.includes(name))
    expect(EVERY.map(([name]) => name).sort()).toEqual(all.sort())
  })
})

describe('the defaults', () => {
  it('are those of PyTorch, or of the papers', () => {
    const of = (optimizer: optim.Optimizer) => {
      const { params: _, ...options } = optimizer.paramGroups[0]!
      return options
    }
    const p = () => [parameter([1], [1, 1])]
    const betas = [0.9, 0.999]
    const progress = { warmupSteps: 0, r: 0, weightLrPower: 2, k: 0, weightSum: 0, lrMax: 0 }
    const adam = { lr: 1e-3, betas, eps: 1e-8, weightDecay: 0, amsgrad: false, maximize: false }
    expect(of(new optim.Adam(p()))).toEqual(adam)
    const rmsprop = { lr: 0.01, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false, maximize: false }
    expect(of(new optim.RMSprop(p()))).toEqual(rmsprop)
    expect(of(new optim.Adadelta(p()))).toEqual({ lr: 1, rho: 0.9, eps: 1e-6, weightDecay: 0, maximize: false })
    expect(of(new optim.Lion(p()))).toEqual({ lr: 1e-4, betas: [0.9, 0.99], weightDecay: 0 })
    const sgd = { lr: 1, momentum: 0.9, weightDecay: 0, ...progress }
    expect(of(new optim.ScheduleFreeSGD(p()))).toEqual(sgd)
    const adamw = { lr: 0.0025, betas, eps: 1e-8, weightDecay: 0, ...progress }
    expect(of(new optim.ScheduleFreeAdamW(p()))).toEqual(adamw)
    const lars = {
      lr: 1,
      momentum: 0,
      dampening: 0,
      weightDecay: 0,
      nesterov: false,
      trustCoefficient: 1e-3,
      eps: 1e-8,
    }
    expect(of(new optim.LARS(p(), { lr: 1 }))).toEqual(lars)
    expect(of(new optim.LAMB(p()))).toEqual({ lr: 1e-3, betas, eps: 1e-6, weightDecay: 0.01 })
    expect(of(new optim.Muon(p()))).toEqual({ lr: 0.02, momentum: 0.95, nesterov: true, weightDecay: 0 })
  })
})

describe('the layer-wise rates', () => {
  it.each(['LARS', 'LAMB'] as const)('of %s are 1 where a norm is 0', async (name) => {
    const make = (at: number) => new optim[name]([parameter([at, 0], [2])], { lr: 0.5, weightDecay: 0 })
    const step = async (at: number, gradient: number) => {
      const optimizer = make(at)
      const [p] = optimizer.paramGroups[0]!.params
      p!.backward(tensor([gradient, 0]))
      optimizer.step()
      return [...(await values(p!))]
    }
    expect((await step(0, 2))[0]).toBeCloseTo(name === 'LARS' ? -1 : -0.5, 5)
    expect(await step(3, 0)).toEqual([3, 0])
  })

  it('make a parameter NaN where float32 cannot hold a norm, which is noted', async () => {
    const [p, watch] = [parameter([1, 1], [2]), tensor(newWatch())]
    p.backward(tensor([1e20, 1e20])) // LARS would not move at all: its rate is divided by an infinity
    new optim.LARS([p], { lr: 1 }).step(watch)
    expect([...(await watch.data())]).toEqual([0, 0, 0, 0, 3])
  })
})

describe('a schedule-free optimizer', () => {
  const make: Make = (groups) => new optim.ScheduleFreeAdamW(groups, { lr: 0.1 })

  it('puts the mean in place by eval(), and by train() the bits that it trains', async () => {
    const { eagerly, optimizer, parameters } = training(make)
    const bits = () => Promise.all(parameters.map(bitsOf))
    const start = await bits()
    optimizer.eval() // nothing yet to put in place
    expect(await bits()).toEqual(start)
    optimizer.train()
    eagerly([0.1, 0.1, 0.1])
    const trained = await bits()
    for (let i = 0; i < 2; i++) {
      optimizer.eval()
      optimizer.eval()
      expect(await bits()).not.toEqual(trained)
      expect(optimizer.stateDict().state.y!.every((y) => y !== null)).toBe(true)
      optimizer.train()
      optimizer.train()
      expect(await bits()).toEqual(trained)
      expect(optimizer.stateDict().state.y).toEqual([null, null])
    }
  })

  it('does not step in evaluation mode, captured or not, and is saved in it', async () => {
    const [one, other] = [training(make), training(make, 7)]
    const plan = capture(one.step)
    plan.run(2)
    one.optimizer.eval()
    const message =
      "optim.ScheduleFreeAdamW: the parameters are those to evaluate; call the optimizer's train() before a step"
    for (const step of [() => one.optimizer.step(), () => plan.run()]) expect(messageOf(step)).toBe(message)
    for (const [i, p] of other.parameters.entries()) gpu.copy(one.parameters[i]!.storage, p.storage, 4 * p.size)
    other.optimizer.loadStateDict(one.optimizer.stateDict())
    expect(messageOf(() => other.optimizer.step())).toBe(message)
    for (const { optimizer } of [one, other]) optimizer.train()
    plan.run(3)
    other.eagerly([0.1, 0.1, 0.1])
    expect(await other.bits()).toEqual(await one.bits())
    plan.dispose()
  })

  it('trains on from what was loaded into parameters in evaluation mode, and from y in the others', async () => {
    const { eagerly, optimizer, parameters } = training(make)
    const [p, q] = parameters as [Tensor, Tensor]
    const fives = Float32Array.from({ length: 15 }, () => 5)
    eagerly([0.1, 0.1])
    const trained = await bitsOf(q)
    optimizer.eval()
    const kept = await bitsOf(optimizer.stateDict().state.z![1]!)
    const ema = new optim.EMA(parameters)
    nn.init.constant(p, 5)
    ema.update()
    ema.withAverages(() => undefined) // no write: all is as it was
    const { y, z } = optimizer.stateDict().state
    for (const t of [y![0]!, z![0]!]) expect(await values(t)).toEqual(fives)
    expect(await bitsOf(y![1]!)).toEqual(trained)
    nn.init.constant(p, 4)
    nn.init.constant(p, 5)
    optimizer.train()
    for (const t of [p, optimizer.stateDict().state.z![0]!]) expect(await values(t)).toEqual(fives)
    expect(await bitsOf(q)).toEqual(trained)
    expect(await bitsOf(optimizer.stateDict().state.z![1]!)).toEqual(kept)
    optimizer.eval()
    expect(await values(p)).toEqual(fives)
  })

  it('does not guess whether what was loaded after its state belongs to it', async () => {
    const { eagerly, optimizer, parameters } = training(make)
    eagerly([0.1])
    optimizer.eval()
    const refusal = (who: string) =>
      `optim.ScheduleFreeAdamW: ${who}(): tensor [3, 5] was written after the optimizer's state was loaded, which may belong to it ` +
      "or not; load the network's state first, and the optimizer's after it"
    const state = optimizer.stateDict()
    optimizer.loadStateDict(state)
    nn.init.constant(parameters[1]!, 5)
    for (const what of ['train', 'stateDict'] as const) expect(messageOf(() => optimizer[what]())).toBe(refusal(what))
    optimizer.loadStateDict(state)
    optimizer.train()
    expect(await values(parameters[1]!)).not.toContain(5)
    optimizer.eval()
    const ema = new optim.EMA(parameters)
    ema.update()
    nn.init.constant(parameters[1]!, 5)
    const swapped =
      'optim.ScheduleFreeAdamW: stateDict(): the averages of optim.EMA stand in the place of tensor [3, 5], and would be trained; swap() them back first'
    ema.withAverages(() => expect(messageOf(() => optimizer.stateDict())).toBe(swapped))
  })

  it('leaves parameters alone that have had no step', async () => {
    const [p, q] = [parameter([1, 2], [2]), parameter([3], [1])]
    const optimizer = new optim.ScheduleFreeSGD([p, q], { lr: 0.5 })
    p.backward(tensor([1, 1]))
    optimizer.step()
    optimizer.eval()
    expect(await values(p)).toEqual(Float32Array.of(0.5, 1.5))
    expect(await values(q)).toEqual(Float32Array.of(3))
    optimizer.train()
    expect(await values(q)).toEqual(Float32Array.of(3))
  })
})

it('optim.Muon takes matrices alone', () => {
  const net = new nn.Linear(3, 2)
  expect(messageOf(() => new optim.Muon(net.parameters()))).toBe(
    'optim.Muon: bias [2] is not a matrix; give it to another optimizer, such as optim.AdamW',
  )
})
