// Layers whose weight is larger than a binding may be, on a device whose bindings are small.
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { bindingLimit, rowsAPart } from '../../../src/kernels/linear_tuning.ts'
import { scratchLimit } from '../../../src/kernels/sum_parts.ts'
import {
  capture,
  crossEntropy,
  linear,
  linearRelu,
  loadSafetensors,
  manualSeed,
  nn,
  optim,
  saveSafetensors,
  scope,
} from '../../../src/node/index.ts'
import { fill } from '../../support/arbitraries.ts'
import { type Gpu, messageOf, parameter, type Tensor, tensor, testGpu, values, withLimits } from '../../support/gpu.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

/** Runs `use` where a binding holds 16,384 numbers, and scratch memory as many fewer as it does by default. */
async function cut<T>(use: () => T | Promise<T>): Promise<T> {
  const before = [bindingLimit.floats, scratchLimit.floats] as const
  bindingLimit.floats = 2 ** 14
  scratchLimit.floats = 2 ** 12
  try {
    return await withLimits(gpu, { binding: 2 ** 16, buffer: 2 ** 18 }, use)
  } finally {
    ;[bindingLimit.floats, scratchLimit.floats] = before
  }
}

/** Of the bits of a tensor; thousands of numbers are compared at once. */
async function hashOf(t: Tensor | null): Promise<string | null> {
  return (
    t &&
    createHash('sha256')
      .update(await t.data())
      .digest('hex')
  )
}

describe('a weight is cut', () => {
  it.each([
    [{ O: 8192, I: 4096 }, 8192], // as large as a binding
    [{ O: 4097, I: 8192 }, 4096],
    [{ O: 8192, I: 8192 }, 4096],
    [{ O: 8192, I: 8193 }, 4032],
    [{ O: 100, I: 400_000 }, 64],
    [{ O: 65, I: 524_289 }, 65], // a row is too long: the device says whether all of it fits
    [{ O: 10_000_000, I: 5 }, 4096],
  ])('%o into parts of %i rows', (sizes, rows) => {
    expect(rowsAPart(sizes)).toBe(rows)
  })
})

describe('in parts', () => {
  const run = async (operation: typeof linear, [N, I, O]: readonly [number, number, number], hasBias: boolean) => {
    const [x, w] = [parameter(fill(N * I, 1, 'normal'), [N, I]), parameter(fill(O * I, 2, 'normal'), [O, I])]
    const b = hasBias ? parameter(fill(O, 3, 'normal'), [O]) : null
    const out = operation(x, w, b)
    const dy = tensor(fill(N * O, 4, 'normal'), [N, O])
    out.backward(dy)
    const all = [out, x.grad, w.grad, ...(b ? [b.grad] : [])]
    const bits = await Promise.all(all.map(hashOf))
    for (const t of [out, x, w, dy, ...(b ? [b] : [])]) t.dispose()
    return bits
  }

  it.each([
    ['linear', linear, [3, 4, 5000], true],
    ['linear without a bias', linear, [1, 3, 8193], false],
    ['linearRelu', linearRelu, [2, 4, 5000], true],
    ['linear of more rows than a block', linear, [35, 60, 400], true],
  ] as const)('%s has the bits that it has in one', async (_, operation, sizes, hasBias) => {
    const before = gpu.dispatches
    const { live } = gpu.pool.stats()
    const whole = await run(operation, sizes, hasBias)
    const dispatches = gpu.dispatches - before
    const parts = await cut(() => run(operation, sizes, hasBias))
    expect(gpu.pool.stats().live).toBe(live)
    // Of the last the parts are shorter than a sum: dx has its own order, below.
    const same = sizes[2] > 4096 ? [0, 1, 2, 3] : [0, 2, 3]
    for (const i of same) expect(parts[i]).toEqual(whole[i])
    expect(gpu.dispatches - before - dispatches).toBeGreaterThan(dispatches)
  })

  it('adds the parts of dx in order', async () => {
    const [N, I, O, rows] = [3, 40, 1000, 384] as const
    const [x, w, dy] = [fill(N * I, 1, 'normal'), fill(O * I, 2, 'normal'), fill(N * O, 4, 'normal')]
    const dxOf = async (first: number, end: number) => {
      const input = parameter(x, [N, I])
      const out = linear(input, tensor(w.slice(first * I, end * I), [end - first, I]))
      const columns = Float32Array.from({ length: N * (end - first) }, (_, i) => {
        return dy[Math.floor(i / (end - first)) * O + first + (i % (end - first))]!
      })
      out.backward(tensor(columns, out.shape))
      return values(input.grad)
    }
    const parts = await Promise.all([0, 1, 2].map((i) => dxOf(i * rows, Math.min(O, (i + 1) * rows))))
    const wanted = parts.reduce((sum, part) => sum.map((v, i) => Math.fround(v + part[i]!)))
    expect([...(await cut(() => dxOf(0, O)))]).toEqual([...wanted])
  })
})

describe('a plan of a layer in parts', () => {
  it('refuses to run when the weight lies elsewhere', async () => {
    await cut(() => {
      const [x, w] = [tensor(fill(4, 1, 'normal'), [1, 4]), parameter(fill(20_000, 2, 'normal'), [5000, 4])]
      const plan = capture(() => linear(x, w))
      plan.run()
      const optimizer = new optim.SGD([w], { lr: 0.1 })
      expect(messageOf(() => plan.run())).toBe(
        'plan.run: an optimizer made after the capture has moved parameters; make optimizers first, then capture',
      )
      for (const part of [plan, optimizer, x, w]) part.dispose()
    })
  })
})

describe('the state of a layer in parts', () => {
  it('is saved and loaded, also into parameters that lie in an optimizer', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'large-'))
    try {
      await cut(async () => {
        const nets = [new nn.Linear(4, 5000), new nn.Linear(4, 5000)] as const
        const path = join(folder, 'net.safetensors')
        await saveSafetensors(path, nets[0].stateDict())
        const loaded = await loadSafetensors(path)
        const optimizer = new optim.SGD(nets[1].parameters(), { lr: 0.1 })
        nets[1].loadStateDict(loaded)
        const [saved, now] = await Promise.all(nets.map(({ weight }) => hashOf(weight)))
        expect(now).toBe(saved)
        for (const part of [optimizer, ...nets, ...loaded.values()]) part.dispose()
      })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('training a layer in parts', () => {
  const [N, wide] = [3, 5000]
  const optimizers: Record<string, (params: Tensor[]) => optim.Optimizer> = {
    'SGD with momentum': (params) => new optim.SGD(params, { lr: 0.1, momentum: 0.9, weightDecay: 0.01 }),
    AdamW: (params) => new optim.AdamW(params, { lr: 0.01 }),
    SGLD: (params) => new optim.SGLD(params, { lr: 0.01, temperature: 0.1, seed: 3 }),
    ScheduleFreeAdamW: (params) => new optim.ScheduleFreeAdamW(params, { lr: 0.01 }),
  }

  /** The bits of all that three steps leave: a layer with a ReLU on either side, clipped gradients, an average. */
  async function train(makeOptimizer: (params: Tensor[]) => optim.Optimizer, captured: boolean) {
    manualSeed(4)
    const layers = [new nn.Linear(6, 4), new nn.ReLU(), new nn.Linear(4, wide), new nn.ReLU(), new nn.Linear(wide, 3)]
    const net = new nn.Sequential(...layers)
    const params = net.parameters()
    const optimizer = makeOptimizer(params)
    const average = new optim.SWA(params)
    const [images, labels] = [tensor(fill(N * 6, 5, 'normal'), [N, 6]), tensor(Int32Array.of(0, 2, 1))]
    const step = () => {
      optimizer.zeroGrad()
      const loss = crossEntropy(net.forward(images), labels)
      loss.backward()
      const norm = optim.clipGradNorm(params, 0.5)
      optim.clipGradValue(params, 0.1)
      optimizer.step()
      average.update()
      return [loss, norm]
    }
    let last: Tensor[]
    if (captured) {
      const plan = capture(step)
      plan.run(3)
      last = plan.result
    } else last = [0, 1, 2].map(() => scope(step)).at(-1)!
    const states = Object.values(optimizer.stateDict().state).flat()
    const bits = () => Promise.all([...last, ...params, ...params.map((p) => p.grad)].map(hashOf))
    const trained = [...(await bits()), ...(await Promise.all(states.map(hashOf)))]
    optimizer.eval()
    const evaluated = await bits()
    const { averages } = average.stateDict()
    const all = [trained, evaluated, await Promise.all(averages.map(hashOf))]
    for (const part of [average, optimizer, net, images, labels]) part.dispose()
    return all
  }

  it.each(Object.entries(optimizers))('by %s gives the bits of one in one piece, captured or not', async (_, make) => {
    const whole = await train(make, false)
    for (const captured of [false, true]) expect(await cut(() => train(make, captured))).toEqual(whole)
  })
})
