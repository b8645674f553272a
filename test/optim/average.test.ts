import { beforeAll, describe, expect, it } from 'vitest'
import { capture, conv2dReluMaxPool2d, noGrad, optim, scope } from '../../src/node/index.ts'
import { bitsOf } from '../support/check.ts'
import { expectClose, gamma, SMALLEST_NORMAL } from '../support/close.ts'
import { fill } from '../support/fill.ts'
import { type Gpu, messageOf, parameter, type Tensor, tensor, testGpu, values } from '../support/gpu.ts'
import { columns, quadratic } from '../support/quadratic.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const SIZES = [3, 1031, 64] // a workgroup takes 1,024 elements

const weights = () => columns(SIZES)

/** Gives a parameter other values. */
function set(p: Tensor, data: Float32Array): void {
  gpu.write(p.storage, new Float32Array(data))
  p.storage.version++
}

type Running = optim.SWA | optim.EMA

const bitsOfAll = (tensors: readonly Tensor[]) => Promise.all(tensors.map(bitsOf))

/**
 * Takes 60 updates of a wandering parameter and holds each to float64: `exact` averages all values so far, `weight` is that of
 * the newest. Each update is off by a rounding each of the weight, the difference, the product and the sum, and passes 1 − w
 * of the error before it on.
 */
async function follow(
  average: (parameters: Tensor[]) => Running,
  weight: (count: number) => number,
  exact: (seen: readonly Float32Array[], i: number) => number,
  optimised: boolean,
) {
  const parameters = weights()
  if (optimised) new optim.SGD(parameters, { lr: 1 })
  const running = average(parameters)
  const seen = parameters.map((): Float32Array[] => [])
  const errors = SIZES.map((size) => new Float64Array(size))
  for (let count = 0; count < 60; count++) {
    const w = count === 0 ? 1 : weight(count)
    for (const [k, p] of parameters.entries()) {
      const data = fill(p.size, 100 * count + k, 'normal').map((x, i) => 3 + Math.sin(i) * x)
      set(p, data)
      seen[k]!.push(data)
    }
    running.update()
    expect(running.count).toBe(count + 1)
    for (const [k, path] of seen.entries()) {
      const error = errors[k]!
      for (let i = 0; i < error.length; i++) {
        if (count === 0) continue
        const now = exact(path, i)
        const change = Math.abs(path.at(-1)![i]! - exact(path.slice(0, -1), i)) + error[i]!
        error[i] = (1 - w) * error[i]! + gamma(4) * w * change
        error[i]! += gamma(1) * (Math.abs(now) + error[i]!) + SMALLEST_NORMAL
      }
      if (count % 20 > 2) continue
      const expected = Float64Array.from(error, (_, i) => exact(path, i))
      expectClose(await values(running.stateDict().averages[k]!), expected, error, `average ${k} after ${count + 1}`)
    }
  }
}

describe.each([false, true])('parameters in the buffer of an optimizer: %s', (optimised) => {
  it('SWA is the mean of float64', () =>
    follow(
      (parameters) => new optim.SWA(parameters),
      (count) => 1 / (count + 1),
      (seen, i) => seen.reduce((sum, p) => sum + p[i]!, 0) / seen.length,
      optimised,
    ))

  it.each([0.5, 0.9, 0.999])('EMA is that of float64, decay %s', (decay) =>
    follow(
      (parameters) => new optim.EMA(parameters, { decay }),
      () => 1 - decay,
      (seen, i) => seen.slice(1).reduce((a, p) => decay * a + (1 - decay) * p[i]!, seen[0]![i]!),
      optimised,
    ),
  )
})

describe('update', () => {
  it('copies the parameters first, and is one dispatch where an optimizer holds them', async () => {
    const parameters = weights()
    const ema = new optim.EMA(parameters)
    expect(ema.decay).toBe(0.999)
    new optim.SGD(parameters, { lr: 1 }) // moves them
    const before = gpu.dispatches
    ema.update()
    expect(gpu.dispatches - before).toBe(1)
    expect(await bitsOfAll(ema.stateDict().averages)).toEqual(await bitsOfAll(parameters))
  })

  it('follows parameters that an optimizer moves later', async () => {
    const parameters = weights()
    const swa = new optim.SWA(parameters)
    swa.update()
    new optim.SGD(parameters, { lr: 1 })
    for (const p of parameters) set(p, new Float32Array(p.size).fill(8))
    const expected = await Promise.all(swa.stateDict().averages.map(values))
    swa.update()
    for (const [i, average] of swa.stateDict().averages.entries()) {
      expect(await values(average)).toEqual(expected[i]!.map((a) => Math.fround(a + Math.fround(8 - a) / 2)))
    }
  })

  it('at decay 0 is the last parameter, at decay 1 the first', async () => {
    const p = parameter([1, 2], [2])
    const [last, first] = [new optim.EMA([p], { decay: 0 }), new optim.EMA([p], { decay: 1 })]
    for (const data of [Float32Array.of(3, 4), Float32Array.of(5, 7)]) {
      set(p, data)
      for (const ema of [last, first]) ema.update()
    }
    expect([...(await values(last.stateDict().averages[0]!))]).toEqual([5, 7])
    expect([...(await values(first.stateDict().averages[0]!))]).toEqual([3, 4])
  })
})

it('EMA takes no decay that only looks like a number', () => {
  for (const [decay, shown] of [
    ['0.9', "'0.9'"],
    [null, 'null'],
  ] as const) {
    expect(messageOf(() => new optim.EMA(weights(), { decay: decay as never }))).toBe(
      `optim.EMA: decay must be a number from 0 to 1, not ${shown}`,
    )
  }
})

describe('in a captured function', () => {
  const training = (average: (parameters: Tensor[]) => Running) => {
    const parameters = weights()
    const sgd = new optim.SGD(parameters, { lr: 0.1 })
    const running = average(parameters)
    const descend = quadratic(parameters, sgd)
    const step = () => {
      descend()
      running.update()
    }
    const state = async () => ({
      count: running.count,
      bits: await bitsOfAll([...parameters, ...running.stateDict().averages]),
    })
    const eagerly = (steps: number) => {
      for (let i = 0; i < steps; i++) scope(step)
    }
    return { step, state, running, eagerly }
  }

  it.each<[string, (parameters: Tensor[]) => Running]>([
    ['SWA', (parameters) => new optim.SWA(parameters)],
    ['EMA', (parameters) => new optim.EMA(parameters, { decay: 0.9 })],
  ])('%s has the bits of steps one by one, from the first on', async (_, average) => {
    const [captured, eager] = [training(average), training(average)]
    const plan = capture(captured.step)
    expect(captured.running.count).toBe(0)
    expect(plan.dispatches).toBe(capture(eager.step).dispatches)
    for (const steps of [1, 5, 2]) plan.run(steps)
    captured.eagerly(2)
    plan.run(3)
    eager.eagerly(13)
    expect(await captured.state()).toEqual(await eager.state())
    plan.dispose()
  })

  it('stands once, and does not run while the averages are swapped in', () => {
    const { step, running } = training((parameters) => new optim.SWA(parameters))
    const twice = () => {
      step()
      running.update()
    }
    expect(messageOf(() => capture(twice))).toBe(
      'optim.SWA: update() is called twice in a captured function; capture one step at a time',
    )
    const plan = capture(() => running.update())
    plan.run(1)
    running.swap()
    expect(messageOf(() => plan.run(1))).toBe(
      'optim.SWA: plan.run() while the averages are swapped in; swap() back first',
    )
    running.swap()
    plan.run(1)
    expect(running.count).toBe(2)
    plan.dispose()
  })
})

describe('swap and withAverages', () => {
  /** Parameters 1, 2, averages 0.5, 1. */
  const example = () => {
    const p = parameter([0, 0], [2])
    const swa = new optim.SWA([p])
    swa.update()
    set(p, Float32Array.of(1, 2))
    swa.update()
    return { p, swa }
  }

  it('exchange averages and parameters, and back, and mark the parameters as changed', async () => {
    const { p, swa } = example()
    const { version } = p.storage
    swa.swap()
    expect([swa.swapped, p.storage.version]).toEqual([true, version + 1])
    expect([...(await values(p))]).toEqual([0.5, 1])
    swa.swap()
    expect([swa.swapped, p.storage.version]).toEqual([false, version + 2])
    expect([...(await values(p))]).toEqual([1, 2])
    expect([...(await values(swa.stateDict().averages[0]!))]).toEqual([0.5, 1])
  })

  it('evaluate with the averages, eagerly and by a plan, where weights have packed copies', async () => {
    const w = parameter(fill(54, 1, 'normal'), [6, 1, 3, 3])
    const x = tensor(fill(300, 2, 'normal'), [3, 1, 10, 10])
    const sgd = new optim.SGD([w], { lr: 0.1 })
    const swa = new optim.SWA([w])
    const forward = () => noGrad(() => conv2dReluMaxPool2d(x, w))
    const step = () => {
      const out = conv2dReluMaxPool2d(x, w)
      sgd.zeroGrad()
      out.backward(tensor(new Float32Array(out.size).fill(1), out.shape))
      sgd.step()
      swa.update()
    }
    for (let i = 0; i < 3; i++) scope(step)
    const plan = capture(forward)
    const results = async () => {
      plan.run()
      return [await bitsOf(scope(forward)), await bitsOf(plan.result)]
    }
    const own = await results()
    const averaged = swa.withAverages(() => scope(forward))
    const plain = parameter(await values(swa.stateDict().averages[0]!), [6, 1, 3, 3])
    const expected = await bitsOf(noGrad(() => conv2dReluMaxPool2d(x, plain)))
    expect(await bitsOf(averaged)).toEqual(expected)
    expect(await swa.withAverages(results)).toEqual([expected, expected])
    expect(await results()).toEqual(own)
    expect(own[0]).not.toEqual(expected)
    plan.dispose()
  })

  it('restore the parameters when fn returns, throws, resolves and rejects', async () => {
    const { p, swa } = example()
    const ours = async () => expect([swa.swapped, ...(await values(p))]).toEqual([false, 1, 2])
    expect(swa.withAverages(() => swa.swapped)).toBe(true)
    await ours()
    const fail = () => {
      throw new Error('no')
    }
    expect(messageOf(() => swa.withAverages(fail))).toBe('no')
    await ours()
    const later = async () => {
      await gpu.read(p.storage)
      return await values(p) // asked for when withAverages has long returned
    }
    expect([...(await swa.withAverages(later))]).toEqual([0.5, 1])
    await ours()
    await expect(swa.withAverages(async () => fail())).rejects.toThrow('no')
    await ours()
    swa.withAverages(() => swa.swap()) // which is back
    await ours()
  })

  it('let nothing else happen meanwhile', async () => {
    const { p, swa } = example()
    const state = swa.stateDict()
    swa.swap()
    for (const [what, fn] of [
      ['update', () => swa.update()],
      ['withAverages', () => swa.withAverages(() => 0)],
      ['stateDict', () => swa.stateDict()],
      ['loadStateDict', () => swa.loadStateDict(state)],
      ['dispose', () => swa.dispose()],
    ] as const) {
      expect(messageOf(fn)).toBe(`optim.SWA: ${what}() while the averages are swapped in; swap() back first`)
    }
    swa.swap()
    expect([swa.count, ...(await values(p))]).toEqual([2, 1, 2])
  })

  it('make a backward fail whose forward saw other values', () => {
    const x = tensor(fill(36, 2, 'normal'), [1, 1, 6, 6])
    const w = parameter([1], [1, 1, 1, 1])
    const other = new optim.SWA([w])
    other.update()
    const out = conv2dReluMaxPool2d(x, w)
    other.swap()
    expect(messageOf(() => out.backward(tensor(new Float32Array(9), [1, 1, 3, 3])))).toContain('changed')
  })
})

describe('the state', () => {
  it('continues bit for bit in another object, which then goes its own way', async () => {
    const parameters = weights()
    for (const make of [() => new optim.SWA(parameters), () => new optim.EMA(parameters, { decay: 0.7 })]) {
      const [one, other] = [make(), make()]
      expect(one.stateDict()).toEqual({ count: 0, averages: [] })
      other.update()
      other.loadStateDict(one.stateDict()) // forgets what it had
      expect(other.count).toBe(0)
      const update = (average: Running, from: number, to: number) => {
        for (let i = from; i < to; i++) {
          for (const p of parameters) set(p, fill(p.size, i, 'normal'))
          average.update()
        }
      }
      update(one, 0, 3)
      other.loadStateDict(one.stateDict())
      update(one, 3, 6)
      update(other, 3, 6)
      expect(other.count).toBe(6)
      expect(await bitsOfAll(other.stateDict().averages)).toEqual(await bitsOfAll(one.stateDict().averages))
      expect(other.stateDict().averages[0]).not.toBe(one.stateDict().averages[0])
    }
  })

  it('is released by dispose', () => {
    const parameters = weights()
    const { tensors } = gpu.memory()
    const { live } = gpu.pool.stats()
    const swa = new optim.SWA(parameters)
    swa.update()
    swa.swap()
    swa.swap()
    expect(gpu.memory().tensors).toBeGreaterThan(tensors)
    swa.dispose()
    expect(gpu.memory().tensors).toBe(tensors)
    expect(gpu.pool.stats().live).toBe(live)
  })

  it('is gone after dispose: whose memory it was is left alone', async () => {
    const p = parameter([1, 2], [2])
    const swa = new optim.SWA([p])
    swa.update()
    const state = { count: 1, averages: [tensor([3, 4])] }
    const plan = capture(() => swa.update())
    swa.dispose()
    const others = Array.from({ length: 4 }, () => tensor([5, 6]))
    for (const [what, fn] of [
      ['update', () => swa.update()],
      ['swap', () => swa.swap()],
      ['withAverages', () => swa.withAverages(() => 0)],
      ['stateDict', () => swa.stateDict()],
      ['loadStateDict', () => swa.loadStateDict(state)],
      ['dispose', () => swa.dispose()],
      ['plan.run', () => plan.run()],
    ] as const) {
      expect(messageOf(fn)).toBe(`optim.SWA: ${what}(): the average was disposed`)
    }
    for (const other of others) expect([...(await values(other))]).toEqual([5, 6])
    expect([...(await values(p))]).toEqual([1, 2])
    plan.dispose()
  })
})
