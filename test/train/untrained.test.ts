// biome-ignore-all lint/suspicious/noFocusedTests: fit is what is tested
// Training that would train nothing is refused: every parameter of the optimizer is frozen, or none is used.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  capture,
  crossEntropy,
  type FitOptions,
  fit,
  ImageBatches,
  lrFind,
  manualSeed,
  nn,
  optim,
  type Tensor,
} from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { testGpu } from '../support/gpu.ts'

let train: ImageBatches
beforeAll(async () => {
  await testGpu()
  const images = Uint8Array.from({ length: 6 * 16 }, (_, i) => (i * 37) % 256)
  const labels = Uint8Array.from({ length: 6 }, (_, i) => i % 3)
  const set = { images, labels, count: 6, channels: 1, height: 4, width: 4, classes: [] }
  train = new ImageBatches(set, { batchSize: 3 })
})
afterAll(() => train.dispose())

/** One layer that is used, and one that is not. */
class Net extends nn.Module {
  readonly body = new nn.Linear(16, 4)
  readonly head = new nn.Linear(4, 3)
  readonly spare = new nn.Linear(2, 2)
  override forward(x: Tensor): Tensor {
    return this.head.forward(this.body.forward(x.flatten()))
  }
}

const freeze = (parameters: readonly Tensor[], frozen = true) => {
  for (const p of parameters) p.requiresGrad = !frozen
}
const FROZEN =
  'all parameters of the optimizer are frozen (requiresGrad is false), so nothing would be trained; set requiresGrad to true for those that are to be trained'
const UNUSED =
  'no parameter of the optimizer has a gradient, so nothing would be trained; call backward() of a loss that is computed from at least one of them'

type Make = (parameters: Tensor[]) => optim.Optimizer
const RULES: readonly (readonly [string, Make])[] = [
  ['SGD', (parameters) => new optim.SGD(parameters, { lr: 0.5, momentum: 0.5 })],
  ['AdamW', (parameters) => new optim.AdamW(parameters)],
  ['ScheduleFreeSGD', (parameters) => new optim.ScheduleFreeSGD(parameters)],
]

/** The optimizer trains the head alone, which is frozen; or a layer that the network has and does not use. */
const CASES = [
  ['frozen, and the rest of the network too', FROZEN, ({ head }: Net) => head, (net: Net) => net.parameters()],
  ['frozen, and the rest is not', FROZEN, ({ head }: Net) => head, ({ head }: Net) => head.parameters()],
  ['not used', UNUSED, ({ spare }: Net) => spare, () => []],
] as const

describe.each(RULES)('%s: what the optimizer has is', (_, make) => {
  const made = (owner: (net: Net) => nn.Module, frozen: (net: Net) => readonly Tensor[]) => {
    manualSeed(1)
    const net = new Net()
    const optimizer = make(owner(net).parameters())
    freeze(frozen(net))
    return { net, optimizer }
  }

  it.each(CASES)('%s: fit and lrFind refuse, and change nothing', async (_, text, owner, frozen) => {
    const { net, optimizer } = made(owner, frozen)
    const bits = () => Promise.all(net.parameters().map(bitsOf))
    const before = await bits()
    let steps = 0
    const callbacks: FitOptions['callbacks'] = [{ onProgress: () => void steps++ }]
    for (const capture of [true, false]) {
      const running = fit(net, { data: train, optimizer, epochs: 2, capture, callbacks })
      await expect(running).rejects.toThrow(new Error(`fit: ${text}`))
    }
    const operation = text === FROZEN ? 'lrFind' : `optim.${optimizer.name}: step() in a captured function`
    await expect(lrFind({ net, optimizer, train })).rejects.toThrow(new Error(`${operation}: ${text}`))
    expect([steps, await bits()]).toEqual([0, before])
  })
})

describe('by hand', () => {
  const made = () => {
    const net = new Net()
    const optimizer = new optim.SGD(net.head.parameters(), { lr: 0.5 })
    const { images, labels } = train.batch(0)
    const others = new optim.SGD(net.body.parameters(), { lr: 0.5 })
    const step = () => {
      others.zeroGrad()
      optimizer.zeroGrad()
      crossEntropy(net.forward(images), labels).backward()
      optimizer.step()
    }
    return { net, optimizer, step }
  }

  it('a captured step is refused, an eager one does nothing, as in PyTorch, and both train what is unfrozen', async () => {
    const { net, step } = made()
    freeze(net.head.parameters())
    const before = await bitsOf(net.head.weight)
    expect(() => capture(step)).toThrow(new Error(`optim.SGD: step() in a captured function: ${FROZEN}`))
    step()
    expect(await bitsOf(net.head.weight)).toEqual(before)
    freeze([net.head.bias!], false)
    const plan = capture(step)
    plan.run()
    plan.dispose()
    expect(await bitsOf(net.head.weight)).toEqual(before)
    expect((await net.head.bias!.data()).some((v) => v !== 0)).toBe(true)
  })

  it('a captured step without a backward is refused', () => {
    const { optimizer } = made()
    expect(() => capture(() => optimizer.step())).toThrow(
      new Error(`optim.SGD: step() in a captured function: ${UNUSED}`),
    )
  })
})

it('a callback that freezes the last parameter ends the run before the next update', async () => {
  for (const capture of [true, false]) {
    const net = new Net()
    const optimizer = new optim.SGD(net.head.parameters(), { lr: 0.5 })
    let at: unknown
    const onEpoch = async () => {
      freeze(net.head.parameters())
      at = await bitsOf(net.head.weight)
    }
    const running = fit(net, { data: train, optimizer, epochs: 3, capture, callbacks: [{ onEpoch }] })
    await expect(running).rejects.toThrow(new Error(`fit: ${FROZEN}`))
    expect(await bitsOf(net.head.weight)).toEqual(at)
  }
})
