// What becomes of plans and steps when an optimizer's groups change, or the optimizer is disposed.
import { beforeAll, describe, expect, it } from 'vitest'
import type { Tensor } from '../../src/node/index.ts'
import {
  capture,
  crossEntropy,
  fit,
  ImageBatches,
  linear,
  lrFind,
  manualSeed,
  nn,
  optim,
} from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { fill } from '../support/fill.ts'
import { messageOf, parameter, tensor, testGpu, values } from '../support/gpu.ts'

beforeAll(async () => {
  await testGpu()
})

/** A linear classifier; the optimizer has its weight alone. */
function training() {
  const [w, b] = [parameter(fill(9, 1, 'normal'), [3, 3]), parameter(fill(3, 2, 'normal'), [3])]
  const [images, classes] = [tensor(fill(12, 5, 'normal'), [4, 3]), tensor(Int32Array.of(0, 2, 1, 1))]
  const optimizer = new optim.SGD([w], { lr: 0.1, momentum: 0.9 })
  const step = () => {
    if (!optimizer.paramGroups[0]!.params.includes(b)) b.grad = null
    optimizer.zeroGrad()
    crossEntropy(linear(images, w, b), classes).backward()
    optimizer.step()
  }
  return { w, b, optimizer, step }
}

const OTHERS = 'optim.SGD: the groups have other parameters since the plan was captured; capture again'

describe('a plan is refused', () => {
  it.each<[string, (of: ReturnType<typeof training>) => void]>([
    ['a parameter was put into a group', ({ optimizer, b }) => void optimizer.paramGroups[0]!.params.push(b)],
    ['a parameter was taken out of a group', ({ optimizer }) => void optimizer.paramGroups[0]!.params.pop()],
    [
      'a group was added',
      ({ optimizer, b }) => void optimizer.paramGroups.push({ ...optimizer.paramGroups[0]!, params: [b] }),
    ],
  ])('after %s', async (_, change) => {
    const made = training()
    const plan = capture(made.step)
    plan.run()
    change(made)
    const before = await values(made.w)
    expect(messageOf(() => plan.run())).toBe(OTHERS)
    expect(await values(made.w)).toEqual(before)
    plan.dispose()
  })

  it.each<[string, (of: ReturnType<typeof training>) => void, string]>([
    [
      'a parameter was frozen',
      ({ w }) => {
        w.requiresGrad = false
      },
      'tensor [3, 3] requires no gradient now, and did',
    ],
    [
      'a parameter that the optimizer does not have was unfrozen',
      ({ b }) => {
        b.requiresGrad = true
      },
      'tensor [3] requires a gradient now, and did not',
    ],
  ])('after %s, and runs again when that is put back', async (_, change, text) => {
    const [made, eager] = [training(), training()]
    for (const { b } of [made, eager]) b.requiresGrad = false
    const plan = capture(made.step)
    plan.run()
    change(made)
    const before = await values(made.w)
    expect(messageOf(() => plan.run())).toBe(
      `plan.run: ${text} when the plan was captured; capture again, or put it back`,
    )
    expect(await values(made.w)).toEqual(before)
    made.w.requiresGrad = true
    made.b.requiresGrad = false
    plan.run()
    eager.step()
    eager.step()
    expect(await values(made.w)).toEqual(await values(eager.w))
    plan.dispose()
  })

  it('not where nothing is trained: an evaluation does not depend on it', () => {
    const { w, b } = training()
    const x = tensor(fill(12, 5, 'normal'), [4, 3])
    const plan = capture(() => linear(x, w, b))
    w.requiresGrad = false
    plan.run()
    plan.dispose()
  })

  it('after its optimizer was disposed', async () => {
    const { optimizer, step, w } = training()
    const plan = capture(step)
    plan.run()
    optimizer.dispose()
    const before = await values(w)
    expect(messageOf(() => plan.run())).toBe('optim.SGD: plan.run(): the optimizer was disposed')
    expect(await values(w)).toEqual(before)
    plan.dispose()
  })
})

it('a step of an optimizer that was disposed can be captured: it begins anew', async () => {
  const [eager, captured] = [training(), training()]
  for (const { step, optimizer } of [eager, captured]) {
    step()
    optimizer.dispose()
  }
  eager.step()
  const plan = capture(captured.step)
  plan.run()
  expect(await values(captured.w)).toEqual(await values(eager.w))
  plan.dispose()
})

it('the rate that a run is given is that of a group without gradients too', () => {
  const { optimizer, step, b } = training()
  optimizer.paramGroups.push({ ...optimizer.paramGroups[0]!, params: [b] })
  b.requiresGrad = false
  const plan = capture(step)
  plan.run(2, { lr: [0.5, 0.25] })
  expect(optimizer.paramGroups.map(({ lr }) => lr)).toEqual([0.25, 0.25])
  plan.dispose()
})

it('a parameter that was put into the groups a second time is refused by the next step', () => {
  const { optimizer, step, w } = training()
  step()
  optimizer.paramGroups[0]!.params.push(w)
  expect(messageOf(step)).toBe('optim.SGD: tensor [3, 3] is listed twice')
})

it('a step that takes in a parameter put into the groups before can be captured, to the bits of the step itself', async () => {
  const [eager, captured] = [training(), training()]
  for (const { optimizer, b } of [eager, captured]) optimizer.paramGroups[0]!.params.push(b)
  for (let i = 0; i < 3; i++) eager.step()
  const plan = capture(captured.step)
  plan.run(3)
  expect(await values(captured.w)).toEqual(await values(eager.w))
  expect(await values(captured.b)).toEqual(await values(eager.b))
  plan.dispose()
})

it('a state made of the own tensors in another order is taken over as it was', async () => {
  const [a, b, c] = [parameter([1], [1]), parameter([2], [1]), parameter([3], [1])]
  const optimizer = new optim.SGD([a, b, c], { lr: 1, momentum: 0.5 })
  ;[a, b, c].forEach((p, i) => {
    p.grad = tensor([10 * (i + 1)], [1])
  })
  optimizer.step()
  const { state, ...others } = optimizer.stateDict()
  const [first, , third] = state.momentum!
  const momentum = [null, third!, first!]
  optimizer.loadStateDict({ ...others, state: { momentum } })
  const now = optimizer.stateDict().state.momentum!
  expect(await Promise.all(now.map((m) => m && values(m)))).toEqual(
    [null, [30], [10]].map((m) => m && Float32Array.from(m)),
  )
  optimizer.loadStateDict({ ...others, state: { momentum: [null, now[2]!, now[1]!] } })
  const exchanged = optimizer.stateDict().state.momentum!
  expect([await values(exchanged[1]!), await values(exchanged[2]!)]).toEqual(
    [[10], [30]].map((m) => Float32Array.from(m)),
  )
})

describe('a group that is pushed before training', () => {
  const batches = () => {
    const images = Uint8Array.from({ length: 10 * 16 }, (_, i) => (i * 37) % 256)
    const labels = Uint8Array.from({ length: 10 }, (_, i) => i % 3)
    return new ImageBatches(
      { images, labels, count: 10, channels: 1, height: 4, width: 4, classes: [] },
      { batchSize: 4 },
    )
  }
  /** The last layer's group is that of the optimizer, the first one's is pushed. */
  const made = (make: (params: Tensor[]) => optim.Optimizer) => {
    manualSeed(1)
    const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(16, 8), new nn.ReLU(), new nn.Linear(8, 3))
    const all = net.parameters()
    const optimizer = make(all.slice(2))
    optimizer.paramGroups.push({ ...optimizer.paramGroups[0]!, lr: 0.01, params: all.slice(0, 2) })
    return { net, optimizer, data: batches() }
  }
  const state = (net: nn.Module) => Promise.all(net.parameters().map((p) => bitsOf(p)))
  const KINDS: [string, (params: Tensor[]) => optim.Optimizer][] = [
    ['SGD with momentum', (params) => new optim.SGD(params, { lr: 0.1, momentum: 0.9 })],
    ['AdamW', (params) => new optim.AdamW(params, { lr: 0.1 })],
    ['RMSprop', (params) => new optim.RMSprop(params, { lr: 0.1 })],
  ]

  it.each(KINDS)('is trained by fit, captured as not captured: %s', async (_, make) => {
    const [eager, captured] = [made(make), made(make)]
    const before = await state(eager.net)
    // biome-ignore-start lint/suspicious/noFocusedTests: this is the library's fit
    await fit(eager.net, { data: eager.data, optimizer: eager.optimizer, epochs: 2, capture: false })
    await fit(captured.net, { data: captured.data, optimizer: captured.optimizer, epochs: 2 })
    // biome-ignore-end lint/suspicious/noFocusedTests: this is the library's fit
    const after = await state(captured.net)
    expect(after).toEqual(await state(eager.net))
    for (const [i, bits] of after.entries()) expect(bits).not.toEqual(before[i])
  })

  it.each(KINDS)('is in a range test as in the groups from the start: %s', async (_, make) => {
    const pushed = made(make)
    const before = await state(pushed.net)
    const { net, optimizer: own, data } = pushed
    const found = await lrFind({ net, optimizer: own, train: data, steps: 4, minLr: 0.01, maxLr: 0.1 })
    expect(await state(pushed.net)).toEqual(before)
    const whole = made(make)
    const optimizer = make(whole.net.parameters())
    const wanted = await lrFind({ net: whole.net, optimizer, train: whole.data, steps: 4, minLr: 0.01, maxLr: 0.1 })
    expect(found.points).toEqual(wanted.points)
  })
})
