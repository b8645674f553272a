// biome-ignore-all lint/suspicious/noFocusedTests: fit is one of what is tested
// While averages stand in the place of the parameters nothing may train them.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { capture, fit, ImageBatches, lrFind, manualSeed, mul, nn, optim, sum } from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { messageOf, parameter, testGpu, values } from '../support/gpu.ts'

let train: ImageBatches
beforeAll(async () => {
  await testGpu()
  const images = Uint8Array.from({ length: 4 * 16 }, (_, i) => (i * 37) % 256)
  const set = { images, labels: Uint8Array.of(0, 1, 2, 0), count: 4, channels: 1, height: 4, width: 4, classes: [] }
  train = new ImageBatches(set, { batchSize: 2 })
})
afterAll(() => train.dispose())

const text = (who: string, average = 'optim.EMA', label = 'tensor [2]') =>
  `${who}: the averages of ${average} stand in the place of ${label}, and would be trained; swap() them back first`

describe('by hand', () => {
  const RULES = [
    (p: Parameters<typeof parameter>) => new optim.SGD([parameter(...p)], { lr: 1 }),
    (p: Parameters<typeof parameter>) => new optim.AdamW([parameter(...p)]),
    (p: Parameters<typeof parameter>) => new optim.SGLD([parameter(...p)], { lr: 1, temperature: 1 }),
  ]
  it.each(RULES)('a step is refused, eager and in a plan, and changes nothing: %s', async (make) => {
    const optimizer = make([[1, 2], [2]])
    const [p] = optimizer.paramGroups[0]!.params
    const step = () => {
      optimizer.zeroGrad()
      sum(mul(p!, p!)).backward()
      optimizer.step()
    }
    const ema = new optim.EMA([p!])
    ema.update()
    const plan = capture(step)
    plan.run()
    const before = await bitsOf(p!)
    const name = `optim.${optimizer.name}`
    ema.swap()
    expect(messageOf(step)).toBe(text(name))
    expect(messageOf(() => plan.run())).toBe(text(`${name}: plan.run()`))
    expect(messageOf(() => capture(step))).toBe(text(name))
    expect([...(await values(p!))]).toEqual([1, 2])
    ema.swap()
    expect(await bitsOf(p!)).toEqual(before)
    step()
    plan.run()
    plan.dispose()
  })

  it('parameters that are not averaged are trained', () => {
    const [p, q] = [parameter([1, 2], [2]), parameter([3], [1])]
    const ema = new optim.EMA([p])
    ema.update()
    ema.withAverages(() => new optim.SGD([q], { lr: 1 }).step())
  })

  it('other averages of a parameter are neither swapped in nor updated', async () => {
    const [p, q] = [parameter([1, 2], [2]), parameter([3], [1])]
    const [ema, swa, apart] = [new optim.EMA([p]), new optim.SWA([q, p]), new optim.SWA([q])]
    for (const average of [ema, swa, apart]) average.update()
    const plan = capture(() => swa.update())
    nn.init.constant(p, 5)
    const others = (who: string, fate: string) => {
      return `optim.SWA: ${who}: the averages of optim.EMA stand in the place of tensor [2], and would be ${fate}; swap() them back first`
    }
    ema.swap()
    expect(messageOf(() => swa.swap())).toBe(others('swap()', 'exchanged'))
    expect(messageOf(() => swa.withAverages(() => 0))).toBe(others('swap()', 'exchanged'))
    expect(messageOf(() => swa.update())).toBe(others('update()', 'averaged'))
    expect(messageOf(() => plan.run())).toBe(others('plan.run()', 'averaged'))
    expect([swa.swapped, swa.count]).toEqual([false, 1])
    apart.withAverages(() => undefined)
    ema.swap()
    expect([...(await values(p))]).toEqual([5, 5])
    const beside = ema.withAverages(async () => await values(p))
    expect(messageOf(() => swa.withAverages(() => 0))).toBe(others('swap()', 'exchanged'))
    expect([...(await beside)]).toEqual([1, 2])
    expect([...(await swa.withAverages(() => values(p)))]).toEqual([1, 2])
    expect([...(await values(p))]).toEqual([5, 5])
    plan.dispose()
  })

  it('no state is loaded into the network, and no parameter initialised', async () => {
    const [net, other] = [new nn.Linear(2, 1), new nn.Linear(2, 1)]
    const weight = await bitsOf(net.weight)
    const ema = new optim.EMA([net.weight])
    ema.update()
    const overwritten = (who: string) => {
      return `${who}: the averages of optim.EMA stand in the place of weight [1, 2], and would be overwritten; swap() them back first`
    }
    ema.withAverages(() => {
      expect(messageOf(() => net.loadStateDict(other.stateDict()))).toBe(overwritten('loadStateDict'))
      expect(messageOf(() => nn.init.zeros(net.weight))).toBe(overwritten('nn.init.zeros'))
      nn.init.zeros(net.bias!)
      other.loadStateDict(net.stateDict())
    })
    expect(await bitsOf(net.weight)).toEqual(weight)
    expect([...(await values(net.bias!))]).toEqual([0])
    net.loadStateDict(other.stateDict())
  })

  it('a schedule-free optimizer does not change its mode', () => {
    const p = parameter([1, 2], [2])
    const optimizer = new optim.ScheduleFreeSGD([p])
    const ema = new optim.EMA([p])
    ema.update()
    const isRefused = (what: 'train' | 'eval') => {
      ema.withAverages(() => expect(messageOf(() => optimizer[what]())).toBe(text(`optim.ScheduleFreeSGD: ${what}()`)))
    }
    isRefused('eval')
    optimizer.eval()
    isRefused('train')
  })
})

describe('fit and lrFind', () => {
  const made = () => {
    manualSeed(1)
    const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(16, 3))
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.5 })
    const ema = new optim.EMA(net.parameters())
    ema.update()
    return { net, optimizer, ema }
  }
  const label = 'weight [3, 16]'

  it('refuse to begin', async () => {
    const { net, optimizer, ema } = made()
    ema.swap()
    for (const capture of [true, false]) {
      const running = fit(net, { data: train, optimizer, epochs: 1, capture })
      await expect(running).rejects.toThrow(new Error(text('fit', 'optim.EMA', label)))
    }
    await expect(lrFind({ net, optimizer, train })).rejects.toThrow(new Error(text('lrFind', 'optim.EMA', label)))
  })

  it.each([true, false])('fit refuses the next update, and a checkpoint; captured: %s', async (capture) => {
    const { net, optimizer, ema } = made()
    let at: unknown
    const onEpoch = async () => {
      ema.swap()
      at = await bitsOf(net.parameters()[0]!)
    }
    const options = { data: train, optimizer, epochs: 2, capture, callbacks: [{ onEpoch }] }
    await expect(fit(net, options)).rejects.toThrow(new Error(text('fit', 'optim.EMA', label)))
    expect(await bitsOf(net.parameters()[0]!)).toEqual(at)
    ema.swap()
    const saved: string[] = []
    const none = async (): Promise<never> => await Promise.reject(new Error('there is none'))
    const store = {
      save: async (name: string) => void saved.push(name),
      load: none,
      list: async () => [],
      remove: none,
    }
    const running = fit(net, { ...options, epochs: 1, checkpoint: { store } })
    await expect(running).rejects.toThrow(new Error(text('fit: checkpoint', 'optim.EMA', label)))
    expect(saved).toEqual(['step-00000000'])
  })
})
