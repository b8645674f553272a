import { beforeAll, describe, expect, it } from 'vitest'
import {
  add,
  capture,
  crossEntropy,
  detectAnomaly,
  linear,
  manualSeed,
  nn,
  optim,
  scope,
  type Tensor,
} from '../../src/node/index.ts'
import { clipForUpdate } from '../../src/optim/clip.ts'
import { fill } from '../support/arbitraries.ts'
import { bitsOf } from '../support/check.ts'
import { expectClose, gamma } from '../support/close.ts'
import { type Gpu, parameter, tensor, testGpu, values } from '../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const { NaN: nan, POSITIVE_INFINITY: inf } = Number

/** Parameters with these gradients; null: without one. */
function withGradients(gradients: readonly (readonly number[] | null)[]): Tensor[] {
  return gradients.map((gradient) => {
    const p = parameter(new Float32Array(gradient?.length ?? 2), [gradient?.length ?? 2])
    if (gradient) p.grad = tensor(gradient)
    return p
  })
}

const gradientsOf = async (params: readonly Tensor[]) =>
  await Promise.all(params.map(async (p) => (p.grad ? [...(await values(p.grad))] : null)))

describe('optim.clipGradNorm', () => {
  it('takes the norm over all gradients and scales each by maxNorm / (norm + 1e-6)', async () => {
    const given = [[3, 0], null, [0, -12, 4]]
    const params = withGradients(given)
    const norm = optim.clipGradNorm(params, 2)
    expect(norm.shape).toEqual([])
    expect(Math.abs((await norm.item()) - 13)).toBeLessThanOrEqual(13 * gamma(9))
    const factor = 2 / (13 + 1e-6)
    for (const [i, gradient] of (await gradientsOf(params)).entries()) {
      if (!given[i]) expect(gradient).toBe(null)
      else {
        const expected = Float64Array.from(given[i], (v) => v * factor)
        expectClose(Float32Array.from(gradient!), expected, (k) => gamma(17) * Math.abs(expected[k]!), `gradient ${i}`)
      }
    }
  })

  it('leaves the bits of gradients whose norm is small enough', async () => {
    const params = withGradients([
      [3, 0],
      [0, 4],
    ])
    optim.clipGradNorm(params, 5.1)
    expect(await gradientsOf(params)).toEqual([
      [3, 0],
      [0, 4],
    ])
    expect(await optim.clipGradNorm(params, 0).item()).toBeCloseTo(5, 5)
    expect(await gradientsOf(params)).toEqual([
      [0, 0],
      [0, 0],
    ])
  })

  it('by the largest absolute value', async () => {
    const params = withGradients([
      [3, 1],
      [-8, 4],
    ])
    expect(await optim.clipGradNorm(params, 2, { normType: Infinity }).item()).toBe(8)
    const [[a], [b]] = (await gradientsOf(params)) as [number[], number[]]
    expect(Math.abs(b! + (8 * 2) / (8 + 1e-6))).toBeLessThanOrEqual(2 * gamma(8))
    expect(Math.abs(a! - (3 * 2) / (8 + 1e-6))).toBeLessThanOrEqual(2 * gamma(8))
  })

  it('only measures with a maxNorm of Infinity; the norm of nothing is 0', async () => {
    const params = withGradients([
      [3, inf],
      [0, 4],
    ])
    expect(await optim.clipGradNorm(params, inf).item()).toBe(inf)
    expect(await gradientsOf(params)).toEqual([
      [3, inf],
      [0, 4],
    ])
    expect(await optim.clipGradNorm(withGradients([null, null]), 1).item()).toBe(0)
    expect(await optim.clipGradNorm([], 1).item()).toBe(0)
  })

  it('of NaN makes all NaN, of an infinity zeros and NaN, as PyTorch does', async () => {
    const spoiled = withGradients([
      [1, nan],
      [2, 3],
    ])
    expect(await optim.clipGradNorm(spoiled, 1).item()).toBeNaN()
    expect(await gradientsOf(spoiled)).toEqual([
      [nan, nan],
      [nan, nan],
    ])
    const infinite = withGradients([
      [1, -inf],
      [2, 3],
    ])
    optim.clipGradNorm(infinite, 1)
    expect(await gradientsOf(infinite)).toEqual([
      [0, nan],
      [0, 0],
    ])
  })

  it('with errorIfNonfinite changes nothing where it rejects', async () => {
    for (const [bad, word] of [
      [nan, 'NaN'],
      [-inf, 'Infinity'],
    ] as const) {
      const params = withGradients([
        [1, bad],
        [2, 3],
      ])
      await expect(optim.clipGradNorm(params, 1, { errorIfNonfinite: true })).rejects.toThrow(
        new Error(`optim.clipGradNorm: the norm of the gradients is ${word}; no gradient was changed`),
      )
      expect(await gradientsOf(params)).toEqual([
        [1, bad],
        [2, 3],
      ])
    }
    const params = withGradients([[3, 4]])
    const norm = await optim.clipGradNorm(params, 1, { errorIfNonfinite: true })
    expect(await norm.item()).toBeCloseTo(5, 5)
    expect((await gradientsOf(params))[0]![0]).toBeCloseTo(0.6, 5)
    norm.dispose()
  })

  it('a norm that overflows is an anomaly', async () => {
    const params = withGradients([[1e20]])
    const found = detectAnomaly(() => void optim.clipGradNorm(params, 1))
    await expect(found).rejects.toMatchObject({ name: 'AnomalyError', operation: 'clipGradNorm', direction: 'update' })
  })
})

describe('optim.clipGradValue', () => {
  it('moves each element into -value … value', async () => {
    const params = withGradients([[3, -0.5, nan], null, [-inf, 0.75]])
    optim.clipGradValue(params, 0.75)
    expect(await gradientsOf(params)).toEqual([[0.75, -0.5, nan], null, [-0.75, 0.75]])
    optim.clipGradValue(params, inf)
    optim.clipGradValue(params, 1e300)
    expect(await gradientsOf(params)).toEqual([[0.75, -0.5, nan], null, [-0.75, 0.75]])
  })
})

it('what another holds as well is not changed: the gradient given to backward, the same one of two parameters', async () => {
  for (const captured of [false, true]) {
    const [a, b, dy] = [parameter([1, 2], [2]), parameter([3, 4], [2]), tensor([6, 8])]
    const step = () => {
      for (const p of [a, b]) {
        p.grad?.dispose()
        p.grad = null
      }
      add(a, b).backward(dy)
      optim.clipGradNorm([a, b], Math.SQRT2)
      optim.clipGradValue([a, b], 0.7)
    }
    if (captured) capture(step).run()
    else scope(step)
    expect([...(await values(dy))]).toEqual([6, 8])
    for (const p of [a, b]) {
      const [x, y] = await p.grad!.data()
      expect([x, y]).toEqual([expect.closeTo(0.6, 5), Math.fround(0.7)])
    }
  }
})

it('a gradient that two parameters hold is changed once', async () => {
  const [a, b] = [parameter([1, 2], [2]), parameter([3, 4], [2])]
  a.grad = b.grad = tensor([3, -4])
  expect(await optim.clipGradNorm([a, b], Math.SQRT1_2).item()).toBeCloseTo(5 * Math.SQRT2, 5)
  expect([...(await values(a.grad))]).toEqual([expect.closeTo(0.3, 5), expect.closeTo(-0.4, 5)])
})

it('clipForUpdate leaves what is not finite where it is', async () => {
  const params = withGradients([
    [1, 2],
    [nan, 3],
  ])
  clipForUpdate(params, { clipGradNorm: 1 })
  expect(await gradientsOf(params)).toEqual([
    [1, 2],
    [nan, 3],
  ])
  const infinite = withGradients([
    [1, 2],
    [inf, 3],
  ])
  clipForUpdate(infinite, { clipGradValue: 2 })
  expect(await gradientsOf(infinite)).toEqual([
    [1, 2],
    [inf, 2],
  ])
  const both = withGradients([[30, 40]])
  clipForUpdate(both, { clipGradNorm: 5, clipGradValue: 3.5 })
  expect((await gradientsOf(both))[0]).toEqual([expect.closeTo(3, 5), 3.5])
})

describe('in training', () => {
  const x = () => tensor(fill(12, 1, 'normal'), [3, 4])

  function training() {
    const w = parameter(fill(8, 2, 'normal'), [2, 4])
    const bias = parameter([0.5, -0.5], [2])
    const optimizer = new optim.SGD([w, bias], { lr: 0.5, momentum: 0.9 })
    const [input, dy] = [x(), tensor(fill(6, 3, 'normal'), [3, 2])]
    const step = () => {
      optimizer.zeroGrad()
      linear(input, w, bias).backward(dy)
      const norm = optim.clipGradNorm([w, bias], 0.25)
      optim.clipGradValue([w, bias], 0.125)
      optimizer.step()
      return norm
    }
    const state = async () => await Promise.all([w, bias].map(bitsOf))
    return { w, bias, optimizer, step, state }
  }

  it('captured has the bits of eager, and the norm is there to be read', async () => {
    const [eager, captured] = [training(), training()]
    let norm: Tensor | null = null
    for (let i = 0; i < 4; i++) {
      norm?.dispose()
      norm = scope(eager.step)
    }
    const plan = capture(captured.step)
    plan.run(4)
    expect(await captured.state()).toEqual(await eager.state())
    expect(await plan.result.item()).toBe(await norm!.item())
    plan.dispose()
  })

  it('gradients that are still in partial sums are made first, and stay where the optimizer wants them', async () => {
    manualSeed(1)
    const net = nn.lenet()
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
    const images = tensor(fill(8 * 784, 1, 'normal'), [8, 1, 28, 28])
    const labels = Int32Array.from({ length: 8 }, (_, i) => i)
    const gradients = async (clip: boolean) => {
      scope(() => {
        optimizer.zeroGrad()
        crossEntropy(net.forward(images), labels).backward()
        if (clip) optim.clipGradValue(net.parameters(), 0.0625)
      })
      return await Promise.all(net.parameters().map(async (p) => await p.grad!.data()))
    }
    // Clipped first: where it was not made, what lay there would be no gradient yet.
    const clipped = await gradients(true)
    const whole = await gradients(false)
    expect(clipped).toEqual(whole.map((g) => g.map((v) => Math.min(Math.max(v, -0.0625), 0.0625))))
    expect(clipped).not.toEqual(whole)
    expect(new Set(net.parameters().map((p) => p.grad!.storage.whole)).size).toBe(1)
    for (const part of [optimizer, net, images]) part.dispose()
  })

  it('clipping by norm takes three dispatches, by value one, however many the parameters', () => {
    const net = nn.lenet()
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
    const images = tensor(fill(2 * 784, 1, 'normal'), [2, 1, 28, 28])
    const labels = tensor(Int32Array.of(1, 2))
    const dispatches = (clip: () => void) => {
      const plan = capture(() => {
        optimizer.zeroGrad()
        crossEntropy(net.forward(images), labels).backward()
        gpu.memory() // what was put off is done
        clip()
        optimizer.step()
      })
      plan.dispose()
      return plan.dispatches
    }
    const plain = dispatches(() => undefined)
    expect(dispatches(() => void optim.clipGradNorm(net.parameters(), 1)) - plain).toBe(3)
    expect(dispatches(() => optim.clipGradValue(net.parameters(), 1)) - plain).toBe(1)
    for (const part of [optimizer, net, images, labels]) part.dispose()
  })

  it('the gradients stay where the optimizer updates them all at once, and memory is flat', async () => {
    const { step, optimizer } = training()
    scope(() => step())
    const before = gpu.memory()
    gpu.flush()
    const dispatches = gpu.dispatches
    const { step: update } = optimizer
    let updates = 0
    optimizer.step = () => {
      const from = gpu.dispatches
      update.call(optimizer)
      updates = gpu.dispatches - from
    }
    for (let i = 0; i < 5; i++) scope(() => void step())
    gpu.flush()
    expect(updates).toBe(1)
    expect(gpu.dispatches).toBeGreaterThan(dispatches)
    expect(gpu.memory().bytes).toBe(before.bytes)
  })
})

it('gradients that an operation saved are clipped in other memory, and it may go back once more', async () => {
  const logits = parameter(fill(6, 1, 'normal'), [2, 3])
  const loss = crossEntropy(logits, tensor(Int32Array.of(0, 2)))
  loss.backward(null, { retainGraph: true })
  const before = await values(logits.grad!)
  optim.clipGradNorm([logits], 0.01)
  logits.grad = null
  loss.backward()
  expect(await values(logits.grad!)).toEqual(before)
})
