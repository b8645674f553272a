import { beforeAll, describe, expect, it } from 'vitest'
import { KernelFile } from '../../src/gpu/kernel.ts'
import { MAX_STEPS } from '../../src/gpu/params.ts'
import { add, capture, crossEntropy, linear, nn, noGrad, optim, relu, scope } from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { fill } from '../support/fill.ts'
import { type Gpu, messageOf, parameter, type Tensor, tensor, testGpu, values } from '../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const x = () => tensor(fill(12, 5, 'normal'), [4, 3])
const labels = () => tensor(Int32Array.of(0, 2, 1, 1))

/** A small classifier whose numbers are the same every time, and what a step of its training does. */
function training(options: Partial<optim.SGDOptions> = {}) {
  const [w1, b1] = [parameter(fill(15, 1, 'normal'), [5, 3]), parameter(fill(5, 2, 'normal'), [5])]
  const w2 = parameter(fill(15, 3, 'normal'), [3, 5])
  const [images, classes] = [x(), labels()]
  const optimizer = new optim.SGD([w1, b1, w2], { lr: 0.1, ...options })
  const step = () => {
    const loss = crossEntropy(linear(relu(linear(images, w1, b1)), w2), classes)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  }
  const state = async () => {
    const { momentum = [] } = optimizer.stateDict().state
    const tensors = [w1, b1, w2, w1.grad!, b1.grad!, w2.grad!, ...momentum.filter((m) => m !== null)]
    return await Promise.all(tensors.map(bitsOf))
  }
  return { optimizer, step, state, w1 }
}

const eagerly = (step: () => unknown, steps: number) => {
  for (let i = 0; i < steps; i++) scope(() => void step())
}

describe('a plan gives the bits of the loop that it was captured from:', () => {
  it.each<[string, Partial<optim.SGDOptions>]>([
    ['plain', {}],
    ['momentum', { momentum: 0.9 }],
    ['momentum dampened, whose first step is not', { momentum: 0.9, dampening: 0.5, weightDecay: 0.01 }],
    ["Nesterov's", { momentum: 0.9, nesterov: true, maximize: true }],
  ])('%s', async (_, options) => {
    const [eager, captured] = [training(options), training(options)]
    eagerly(eager.step, 7)
    const plan = capture(captured.step)
    plan.run(3)
    plan.run()
    plan.run(3)
    expect(await captured.state()).toEqual(await eager.state())
    expect(captured.optimizer.stateDict().state.momentum?.map((m) => m === null)).toEqual(
      eager.optimizer.stateDict().state.momentum?.map((m) => m === null),
    )
    plan.dispose()
  })

  it('rates assigned by hand between runs, given with a run, and given for each step', async () => {
    const [eager, captured] = [training({ momentum: 0.5 }), training({ momentum: 0.5 })]
    for (const lr of [0.1, 0.1, 0.3, 0.02, 0.03, 0.04, 0.04]) {
      eager.optimizer.paramGroups[0]!.lr = lr
      eagerly(eager.step, 1)
    }
    const plan = capture(captured.step)
    plan.run(2)
    captured.optimizer.paramGroups[0]!.lr = 0.3
    plan.run()
    plan.run(3, { lr: [0.02, 0.03, 0.04] })
    expect(captured.optimizer.paramGroups[0]!.lr).toBe(0.04)
    plan.run()
    expect(await captured.state()).toEqual(await eager.state())
    plan.run(1, { lr: 0 })
    expect(captured.optimizer.paramGroups[0]!.lr).toBe(0)
    plan.dispose()
  })

  it('other options changed between runs', async () => {
    const [eager, captured] = [training({ momentum: 0.5 }), training({ momentum: 0.5 })]
    const plan = capture(captured.step)
    for (const { optimizer, run } of [
      { ...eager, run: () => eagerly(eager.step, 2) },
      { ...captured, run: () => plan.run(2) },
    ]) {
      run()
      Object.assign(optimizer.paramGroups[0]!, { momentum: 0.25, weightDecay: 0.5 })
      run()
    }
    expect(await captured.state()).toEqual(await eager.state())
    plan.dispose()
  })

  it('eager steps between its runs', async () => {
    const [eager, mixed] = [training({ momentum: 0.9 }), training({ momentum: 0.9 })]
    eagerly(eager.step, 6)
    eagerly(mixed.step, 1)
    const plan = capture(mixed.step)
    plan.run(2)
    eagerly(mixed.step, 2)
    plan.run()
    expect(await mixed.state()).toEqual(await eager.state())
    plan.dispose()
  })

  it('a parameter that is used twice, whose gradient lies elsewhere', async () => {
    const make = () => {
      const w = parameter(fill(9, 1, 'normal'), [3, 3])
      const optimizer = new optim.SGD([w], { lr: 0.1 })
      const [images, classes] = [x(), labels()]
      const step = () => {
        optimizer.zeroGrad()
        crossEntropy(linear(linear(images, w), w), classes).backward()
        optimizer.step()
      }
      return { w, step }
    }
    const [eager, captured] = [make(), make()]
    eagerly(eager.step, 4)
    const plan = capture(captured.step)
    plan.run(4)
    // The gradient lies in the plan's memory, in a buffer that the step had used for other values before.
    const state = async ({ w }: typeof eager) => [await bitsOf(w), [...(await w.grad!.data())]]
    expect(await state(captured)).toEqual(await state(eager))
    plan.dispose()
  })
})

describe('capture', () => {
  it('does nothing yet: parameters, momentum and rates stay as they were', async () => {
    const { step, w1, optimizer } = training({ momentum: 0.9 })
    const before = await bitsOf(w1)
    const plan = capture(step)
    expect(await bitsOf(w1)).toEqual(before)
    expect(optimizer.stateDict().state.momentum!).toEqual([null, null, null])
    plan.run(0)
    expect(await bitsOf(w1)).toEqual(before)
    plan.dispose()
  })

  it('keeps what the function returns, with the values of the last step', async () => {
    const [eager, captured] = [training(), training()]
    const losses: number[] = []
    for (let i = 0; i < 3; i++) losses.push(await scope(eager.step).item())
    const plan = capture(() => ({ loss: captured.step() }))
    plan.run(2)
    expect(await plan.result.loss.item()).toBe(losses[1])
    plan.run()
    expect(await plan.result.loss.item()).toBe(losses[2])
    const { loss } = plan.result
    plan.dispose()
    expect(messageOf(() => loss.detach())).toBe("detach: tensor [] can't be used any more: its plan was disposed")
  })

  it('shares no memory with what is computed between the runs', async () => {
    const { step } = training()
    const plan = capture(step)
    const others = Array.from({ length: 40 }, (_, i) => tensor(new Float32Array(4 + 3 * i).fill(i)))
    plan.run(2)
    for (const [i, other] of others.entries()) expect(new Set(await values(other))).toEqual(new Set([i]))
    plan.dispose()
  })

  it('gives all memory back with dispose, also that of a function that is refused', () => {
    const { step, optimizer } = training()
    eagerly(step, 1)
    optimizer.zeroGrad()
    const before = gpu.memory()
    const plan = capture(step)
    expect(gpu.memory().bytes).toBeGreaterThan(before.bytes)
    plan.run(3)
    plan.dispose()
    optimizer.zeroGrad()
    expect(messageOf(() => capture(() => void relu(tensor([1]))))).toContain('values from the host')
    const { tensors, bytes } = gpu.memory()
    expect({ tensors, bytes }).toEqual({ tensors: before.tensors, bytes: before.bytes })
  })

  it('leaves no gradient in memory that it has given back', () => {
    const w = parameter(fill(9, 1, 'normal'), [3, 3])
    const [images, classes] = [x(), labels()]
    const loss = () => crossEntropy(linear(images, w), classes)
    const plan = capture(() => {
      w.grad = null
      loss().backward()
    })
    plan.run()
    expect(w.grad).not.toBe(null)
    plan.dispose()
    expect(w.grad).toBe(null)
    expect(messageOf(() => capture(() => loss().backward()))).toContain('a step must begin with zeroGrad()')
    expect(w.grad).toBe(null)
  })

  it('takes nothing more for 10,000 steps than for one', () => {
    const { step } = training({ momentum: 0.9 })
    const plan = capture(step)
    plan.run()
    const before = gpu.memory()
    const { dispatches } = gpu
    for (let i = 0; i < 100; i++) plan.run(100)
    expect(gpu.memory()).toEqual(before)
    expect(gpu.dispatches - dispatches).toBe(10_000 * plan.dispatches)
    plan.dispose()
  })

  it('numbers the steps of a run, and takes more of them than one submit holds', async () => {
    const kernel = new KernelFile(
      'note',
      `struct Replay { step: u32 }
@group(0) @binding(0) var<uniform> replay: Replay;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(1) fn main() { out[0] += 1u; out[1] += replay.step; out[2] = replay.step; }`,
    ).entry('main')
    const out = tensor(Int32Array.of(0, 0, 0))
    const plan = capture(() => gpu.emit(kernel, { out: out.storage }, 1))
    const steps = MAX_STEPS + 3
    plan.run(steps)
    const sum = (MAX_STEPS * (MAX_STEPS - 1)) / 2 + 3
    expect([...(await out.data())]).toEqual([steps, sum, 2])
    gpu.emit(kernel, { out: out.storage }, 1) // outside of a plan it is step 0
    expect([...(await out.data())]).toEqual([steps + 1, sum, 0])
    plan.dispose()
  })

  it('gives each of many steps its rate', async () => {
    const p = parameter([0], [1])
    const optimizer = new optim.SGD([p], { lr: 1 })
    const one = tensor([1])
    const plan = capture(() => {
      optimizer.zeroGrad()
      p.backward(one)
      optimizer.step()
    })
    const rates = Array.from({ length: 2 * MAX_STEPS + 5 }, (_, i) => (i % 7) / 8)
    plan.run(rates.length, { lr: rates })
    expect(await p.item()).toBe(-rates.reduce((sum, rate) => sum + rate)) // exact in eighths
    plan.dispose()
  })

  it('takes a rate that the function sets to the same number, and refuses one that changes, at its start or its end', async () => {
    const bits = []
    for (const captured of [true, false]) {
      const { state, step, optimizer } = training()
      const [group] = optimizer.paramGroups
      const own = () => {
        group!.lr = 0.125
        step()
      }
      if (captured) capture(own).run(3)
      else eagerly(own, 3)
      bits.push(await state())
    }
    expect(bits[0]).toEqual(bits[1])
    for (const isLate of [true, false]) {
      const { step, optimizer } = training()
      const lower = () => {
        optimizer.paramGroups[0]!.lr /= 2
      }
      const own = () => {
        if (!isLate) lower()
        step()
        if (isLate) lower()
      }
      expect(messageOf(() => capture(own))).toContain('the function itself changes settings that it uses')
    }
  })

  it('is an evaluation too, of the parameters as they are', async () => {
    const layer = new nn.Linear(3, 3)
    const [images, classes] = [x(), labels()]
    const evaluation = capture(() => noGrad(() => crossEntropy(layer.forward(images), classes)))
    evaluation.run()
    const first = await evaluation.result.item()
    layer.loadStateDict({ weight: tensor(fill(9, 7, 'normal'), [3, 3]), bias: tensor([0, 0, 0]) })
    evaluation.run()
    const expected = await scope(() => crossEntropy(layer.forward(images), classes)).item()
    expect(await evaluation.result.item()).toBe(expected)
    expect(expected).not.toBe(first)
    evaluation.dispose()
  })

  it('marks what it updates as changed, for the tape', () => {
    const { step, w1 } = training()
    const plan = capture(step)
    const loss = add(w1, w1)
    const product = linear(x(), w1)
    plan.run()
    expect(messageOf(() => product.backward(tensor(new Float32Array(20), [4, 5])))).toContain('was changed in place')
    loss.dispose()
    plan.dispose()
  })

  it('runs in the order of the calls, with eager work before and after', async () => {
    const out = tensor([0])
    const increment = new KernelFile(
      'increment',
      `@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(1) fn main() { out[0] = 2.0 * out[0] + 1.0; }`,
    ).entry('main')
    const emit = (t: Tensor) => gpu.emit(increment, { out: t.storage }, 1)
    const plan = capture(() => emit(out))
    emit(out)
    plan.run(2)
    gpu.write(out.storage, Float32Array.of(10))
    plan.run()
    emit(out)
    expect(await out.item()).toBe(43)
    plan.dispose()
  })
})

it('a run changes the result in place: an operation outside of the plan that saved it refuses its backward', async () => {
  const { step, w1 } = training()
  const images = x()
  const plan = capture(() => {
    step()
    return linear(images, w1).detach()
  })
  plan.run()
  const head = parameter(fill(15, 4, 'normal'), [3, 5])
  const loss = () => crossEntropy(linear(plan.result, head), labels())
  const early = loss()
  plan.run()
  expect(messageOf(() => early.backward())).toContain('saved by linear, was changed in place since')
  loss().backward()
  expect((await values(head.grad!)).every(Number.isFinite)).toBe(true)
  plan.dispose()
})
