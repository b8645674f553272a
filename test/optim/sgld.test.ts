import { beforeAll, describe, expect, it } from 'vitest'
import { capture, conv2dReluMaxPool2d, manualSeed, optim, sched, scope } from '../../src/node/index.ts'
import { Stream } from '../../src/tensor/random.ts'
import { bitsOf } from '../support/check.ts'
import { expectClose, gamma, SMALLEST_NORMAL } from '../support/close.ts'
import { fill } from '../support/fill.ts'
import { type Gpu, messageOf, parameter, type Tensor, tensor, testGpu, values } from '../support/gpu.ts'
import { columns, quadratic } from '../support/quadratic.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const SIZES = [5, 1031, 2] // a workgroup takes 1,024 elements; the second begins at number 8, the third at 1040

const weights = () => columns(SIZES)

type Options = ConstructorParameters<typeof optim.SGLD>[1]

function training(options: Partial<Options> = {}, sizes = weights) {
  const parameters = sizes()
  const optimizer = new optim.SGLD(parameters, { lr: 0.1, temperature: 0.01, seed: 3, ...options })
  const step = quadratic(parameters, optimizer)
  const bits = () => Promise.all(parameters.map(bitsOf))
  const eagerly = (steps: number) => {
    for (let i = 0; i < steps; i++) scope(step)
  }
  return { parameters, optimizer, step, bits, eagerly }
}

/** ξ of n elements from number `first` on, in float64. */
function noise(seed: number, step: number, first: number, n: number): Float64Array {
  const stream = new Stream(seed, 'noise', step + 1)
  stream.position = first
  const xi = new Float64Array(n + 1)
  for (let i = 0; i < n; i += 2) {
    const r = Math.sqrt(-2 * Math.log(((stream.nextUint32() >>> 8) + 1) * 2 ** -24))
    const angle = 2 * Math.PI * (stream.nextUint32() >>> 8) * 2 ** -24
    xi.set([r * Math.cos(angle), r * Math.sin(angle)], i)
  }
  return xi.subarray(0, n)
}

describe('step', () => {
  it('is θ − η g + √(2ηT) ξ of float64, over steps, groups and parameters without a gradient', async () => {
    const [a, b, c] = weights() as [Tensor, Tensor, Tensor]
    const temperature = 0.02
    const optimizer = new optim.SGLD([{ params: [a, c] }, { params: [b], lr: 0.5 }], { lr: 0.1, temperature, seed: 9 })
    const places = [
      { p: a, first: 0, lr: 0.1 },
      { p: c, first: 8, lr: 0.1 },
      { p: b, first: 12, lr: 0.5 },
    ]
    for (let step = 0; step < 3; step++) {
      const before = await Promise.all(places.map(({ p }) => values(p)))
      optimizer.zeroGrad()
      const given = places.filter(({ p }) => step !== 1 || p !== c)
      const gradients = new Map(given.map(({ p }, i) => [p, fill(p.size, 50 + 3 * step + i, 'normal')]))
      for (const [p, gradient] of gradients) p.backward(tensor(gradient, p.shape))
      optimizer.step()
      for (const [k, { p, first, lr }] of places.entries()) {
        const gradient = gradients.get(p)
        if (!gradient) {
          expect(await values(p)).toEqual(before[k])
          continue
        }
        const xi = noise(9, step, first, p.size)
        const scale = Math.sqrt(2 * lr * temperature)
        const moved = before[k]!.map((x, i) => Math.abs(x) + lr * Math.abs(gradient[i]!))
        const expected = Float64Array.from(before[k]!, (x, i) => x - lr * gradient[i]! + scale * xi[i]!)
        // SGD's three roundings; ξ's, test/kernels/sgld/sgld.test.ts derives them, are 24 of its radius, below 5.8.
        const bound = (i: number) =>
          gamma(4) * moved[i]! + gamma(26) * scale * 5.8 + gamma(1) * Math.abs(expected[i]!) + SMALLEST_NORMAL
        expectClose(await values(p), expected, bound, `parameter ${k} after step ${step}`)
      }
    }
  })

  it.each([{}, { weightDecay: 0.01 }, { maximize: true }])(
    'is SGD bit for bit at temperature 0: %j',
    async (options) => {
      const cold = training({ temperature: 0, ...options })
      const parameters = weights()
      const step = quadratic(parameters, new optim.SGD(parameters, { lr: 0.1, ...options }))
      for (let i = 0; i < 2; i++) for (const one of [cold.step, step]) scope(one)
      const plans = [capture(cold.step), capture(step)]
      for (const plan of plans) plan.run(3)
      expect(await cold.bits()).toEqual(await Promise.all(parameters.map(bitsOf)))
      for (const plan of plans) plan.dispose()
    },
  )

  it('at temperature 0 takes no dispatch more than SGD, otherwise one a group', () => {
    const count = (temperature: number) => {
      const { step } = training({ temperature })
      const before = gpu.dispatches
      scope(step)
      return gpu.dispatches - before
    }
    expect([count(0.5) - count(0), count(0) > 0]).toEqual([1, true])
  })

  it('takes a rate and a temperature set at any time, and a Scheduler', async () => {
    const one = training({ lr: 0.5 })
    const scheduler = new sched.Scheduler(one.optimizer, (t) => 0.5 / (t + 1))
    const other = training({ lr: 0.25, temperature: 0.04 })
    one.eagerly(1)
    scheduler.step()
    one.optimizer.temperature = 0.04
    other.optimizer.loadStateDict({ ...other.optimizer.stateDict(), step: 1 })
    for (const [i, p] of one.parameters.entries()) {
      gpu.copy(p.storage, other.parameters[i]!.storage, 4 * p.size)
      other.parameters[i]!.storage.version++
    }
    for (const { eagerly } of [one, other]) eagerly(2)
    expect(await other.bits()).toEqual(await one.bits())
  })

  it('takes its seed from manualSeed, and disturbs no other stream', async () => {
    const generator = manualSeed(77)
    const made = training({ seed: undefined as unknown as number })
    expect(made.optimizer.stateDict().seed).toBe(77)
    const given = training({ seed: 77 })
    const other = training({ seed: 78 })
    for (const { eagerly } of [made, given, other]) eagerly(2)
    expect(generator.stream('noise').position).toBe(0)
    manualSeed(0)
    expect(await given.bits()).toEqual(await made.bits())
    expect(await other.bits()).not.toEqual(await made.bits())
  })

  it('refuses a momentum and a temperature set wrong, before anything is changed', async () => {
    const { optimizer, parameters, step, bits } = training()
    const before = await bits()
    Object.assign(optimizer.paramGroups[0]!, { momentum: 0.9 })
    expect(messageOf(() => scope(step))).toBe(
      'optim.SGLD: unknown option momentum; known: params, lr, weightDecay, maximize',
    )
    Reflect.deleteProperty(optimizer.paramGroups[0]!, 'momentum')
    optimizer.temperature = Number.NaN
    expect(messageOf(() => scope(step))).toBe('optim.SGLD: temperature must be a number, 0 or more, not NaN')
    expect(parameters.length).toBe(3)
    expect([await bits(), optimizer.stateDict().step]).toEqual([before, 0])
  })
})

describe('the noise depends on seed, step and element alone', () => {
  it('captured and eager, in runs of any length, and resumed at any step', async () => {
    const whole = training()
    const [at, states] = [[] as Uint32Array[][], [] as optim.SGLDState[]]
    for (let i = 0; i < 6; i++) {
      at.push(await whole.bits())
      states.push(whole.optimizer.stateDict())
      whole.eagerly(1)
    }
    const end = await whole.bits()
    const captured = training()
    const plan = capture(captured.step)
    expect(captured.optimizer.stateDict().step).toBe(0)
    plan.run(1)
    captured.eagerly(1)
    plan.run(3)
    expect(captured.optimizer.stateDict().step).toBe(5)
    captured.eagerly(1)
    expect(await captured.bits()).toEqual(end)
    plan.dispose()
    for (const [step, bits] of at.entries()) {
      const resumed = training({ lr: 9, temperature: 9, seed: 9 }, () =>
        bits.map((words) =>
          parameter(new Float32Array(words.buffer, words.byteOffset, words.length), [words.length, 1]),
        ),
      )
      resumed.optimizer.loadStateDict(states[step]!)
      expect(resumed.optimizer.stateDict()).toEqual(states[step])
      const rest = capture(resumed.step)
      rest.run(6 - step)
      expect(await resumed.bits(), `resumed at ${step}`).toEqual(end)
      rest.dispose()
    }
  })

  it('in several steps of one captured function', async () => {
    const [one, other] = [training(), training()]
    const plan = capture(() => {
      one.step()
      one.step()
    })
    for (const runs of [1, 2]) plan.run(runs)
    expect(one.optimizer.stateDict().step).toBe(6)
    other.eagerly(6)
    expect(await one.bits()).toEqual(await other.bits())
    plan.dispose()
  })

  it('at the rates and the temperature of every run of a plan, one captured cold too', async () => {
    const [one, other] = [training({ temperature: 0 }), training({ temperature: 0 })]
    const plan = capture(one.step)
    plan.run(2)
    one.optimizer.temperature = 0.01
    plan.run(3, { lr: [0.4, 0.2, 0.1] })
    plan.run(2, { lr: 0.05 })
    other.eagerly(2)
    other.optimizer.temperature = 0.01
    for (const lr of [0.4, 0.2, 0.1, 0.05, 0.05]) {
      other.optimizer.paramGroups[0]!.lr = lr
      other.eagerly(1)
    }
    expect(await one.bits()).toEqual(await other.bits())
    plan.dispose()
  })

  it('take one dispatch more than SGD', () => {
    const count = (make: (p: Tensor[]) => optim.Optimizer) => {
      const w = parameter(fill(54, 1, 'normal'), [6, 1, 3, 3])
      const x = tensor(fill(300, 2, 'normal'), [3, 1, 10, 10])
      const dy = tensor(new Float32Array(288).fill(1), [3, 6, 4, 4])
      const optimizer = make([w])
      const step = () => {
        const out = conv2dReluMaxPool2d(x, w)
        optimizer.zeroGrad()
        out.backward(dy)
        optimizer.step()
      }
      scope(step)
      const before = gpu.dispatches
      for (let i = 0; i < 3; i++) scope(step)
      const plan = capture(step)
      const { dispatches } = plan
      plan.run()
      plan.dispose()
      return [dispatches, gpu.dispatches - before]
    }
    const [step, all] = count((p) => new optim.SGD(p, { lr: 0.1 }))
    expect(count((p) => new optim.SGLD(p, { lr: 0.1, temperature: 1 }))).toEqual([step! + 1, all! + 4])
  })
})

describe('on L = h θ²/2', () => {
  it('has the variance T / (h (1 − η h / 2)) and the autocorrelation 1 − η h of its stationary distribution', async () => {
    // θ' = φ θ + √(2ηT) ξ, φ = 1 − η h, is an AR(1) process: variance 2ηT / (1 − φ²). From 0, its start is forgotten as
    // φ^2t: after 40 steps at φ = 1/2 by 2^-80.
    const [n, h, lr, temperature] = [16_384, 2, 0.25, 0.05]
    const phi = 1 - lr * h
    const p = parameter(new Float32Array(n), [n, 1])
    const optimizer = new optim.SGLD([p], { lr, temperature, seed: 11 })
    const plan = capture(quadratic([p], optimizer, h))
    plan.run(40)
    const now = await values(p)
    plan.run(1)
    const next = await values(p)
    plan.dispose()
    const variance = temperature / (h * (1 - (lr * h) / 2))
    const mean = (f: (i: number) => number) => now.reduce((sum, _, i) => sum + f(i), 0) / n
    // Five standard deviations of n independent elements: θ, θ² and θ θ' have σ, √2 σ² and √(1 + φ²) σ².
    const near = (value: number, expected: number, deviation: number) =>
      expect(Math.abs(value - expected)).toBeLessThan((5 * deviation) / Math.sqrt(n))
    near(
      mean((i) => now[i]!),
      0,
      Math.sqrt(variance),
    )
    near(
      mean((i) => now[i]! ** 2),
      variance,
      Math.SQRT2 * variance,
    )
    near(
      mean((i) => now[i]! * next[i]!),
      phi * variance,
      Math.sqrt(1 + phi ** 2) * variance,
    )
  })
})

it('dispose gives back all that it took', () => {
  const parameters = weights()
  const { tensors } = gpu.memory()
  const optimizer = new optim.SGLD(parameters, { lr: 0.1, temperature: 1 })
  scope(() => quadratic(parameters, optimizer)())
  optimizer.zeroGrad()
  expect(gpu.memory().tensors).toBeGreaterThan(tensors)
  optimizer.dispose()
  expect(gpu.memory().tensors).toBe(tensors)
})

it('the noise of no two steps is the same, also where the parameters with the most steps have no gradient any more', async () => {
  const [a, b] = columns([4, 4]) as [Tensor, Tensor]
  const make = () => new optim.SGLD([a, b], { lr: 0.5, temperature: 1, seed: 3 })
  const first = make()
  const zeros = () => tensor(new Float32Array(4), [4, 1]).keep()
  const noiseOf = async (optimizer: optim.SGLD) => {
    const before = await values(b)
    ;[a.grad, b.grad] = [null, zeros()]
    optimizer.step()
    const after = await values(b)
    return Array.from(after, (value, i) => (value - before[i]!).toFixed(3)).join() // the same noise would differ by roundings
  }
  for (let step = 0; step < 3; step++) {
    ;[a.grad, b.grad] = [zeros(), null]
    first.step()
  }
  const seen = [await noiseOf(first), await noiseOf(first)]
  expect(first.stateDict()).toMatchObject({ step: 5, skipped: [2, 3] })
  const resumed = make()
  resumed.loadStateDict(first.stateDict())
  seen.push(await noiseOf(resumed))
  expect(new Set(seen).size).toBe(3)
})
