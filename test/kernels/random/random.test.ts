// Numbers drawn on the device: the host's own stream, statistics, what repeats, plans, and the edges of dropout.
import { beforeAll, describe, expect, it } from 'vitest'
import {
  bernoulli,
  capture,
  dropout,
  manualSeed,
  rand,
  randn,
  scope,
  type Tensor,
  tensor,
  warmUp,
} from '../../../src/node/index.ts'
import { defaultGenerator } from '../../../src/tensor/random.ts'
import { forgetGradients } from '../../../src/tensor/tensor.ts'
import { bitsOf } from '../../support/check.ts'
import { expectClose, gamma, SMALLEST_NORMAL } from '../../support/close.ts'
import { type Gpu, parameter, testGpu, values } from '../../support/gpu.ts'
import * as reference from './reference.ts'

let gpu: Gpu
beforeAll(async () => {
  gpu = await testGpu()
})

const { NaN: nan, POSITIVE_INFINITY: inf } = Number

/** The next draw's values. */
async function drawn(make: () => Tensor): Promise<Float32Array> {
  const t = make()
  return await values(t).finally(() => t.dispose())
}

/** Seeds and numbers of draws, both also beyond 32 bits. */
const PLACES: readonly (readonly [seed: number, draw: number])[] = [
  [0, 0],
  [7, 3],
  [2 ** 32 + 5, 2 ** 32 - 1],
  [2 ** 53 - 1, 2 ** 40 + 9],
]
const SIZES = [1, 2, 1023, 3001]

describe.each(PLACES)("the draw of seed %d after %d others is the host's own stream:", (seed, draw) => {
  const at = (make: () => Tensor) => {
    manualSeed(seed).draws = draw
    return drawn(make)
  }

  it('rand and bernoulli to the bit', async () => {
    for (const size of SIZES) {
      expect(await at(() => rand([size]))).toEqual(Float32Array.from(reference.rand(size, seed, draw)))
      const ones = Float32Array.from(reference.bernoulli(0.3, size, seed, draw))
      expect(await at(() => bernoulli(0.3, [size]))).toEqual(ones)
    }
  })

  // As the noise of SGLD, whose formula it is: test/kernels/sgld/sgld.test.ts derives the 24 roundings.
  it('randn by Box and Muller, within a derived bound', async () => {
    for (const size of SIZES) {
      const { xi, radius } = reference.randn(size, seed, draw)
      const bound = (i: number) => gamma(24) * radius[i]! + SMALLEST_NORMAL
      expectClose(await at(() => randn([size])), xi, bound, `randn([${size}])`)
    }
  })
})

it('manualSeed makes draws repeat; each call draws anew; shapes and options are those asked for', async () => {
  const three = async () => {
    manualSeed(4)
    return [await drawn(() => rand([2, 3])), await drawn(() => randn([5])), await drawn(() => rand([2, 3]))]
  }
  const first = await three()
  expect(await three()).toEqual(first)
  expect(first[2]).not.toEqual(first[0])
  const x = randn([2, 0, 3], { requiresGrad: true, name: 'z', gpu })
  expect([x.shape, x.dtype, x.requiresGrad, x.label]).toEqual([[2, 0, 3], 'float32', true, 'z [2, 0, 3]'])
  expect(manualSeed(4).draws).toBe(0)
})

describe('statistics, within five standard deviations of a mean of n', () => {
  const n = 2 ** 16
  const near = (mean: number, expected: number, deviation: number) =>
    expect(Math.abs(mean - expected)).toBeLessThan((5 * deviation) / Math.sqrt(n))
  const mean = (x: Float32Array, f: (x: number, i: number) => number) => x.reduce((sum, v, i) => sum + f(v, i), 0) / n

  it('rand is uniform on [0, 1), independent from element to element and from draw to draw', async () => {
    manualSeed(1)
    const [u, next] = [await drawn(() => rand([n])), await drawn(() => rand([n]))]
    expect(u.every((v) => v >= 0 && v < 1)).toBe(true)
    // The mean of 16 cells' indicators, each of deviation √(p (1 − p)).
    for (let cell = 0; cell < 16; cell++) {
      near(
        mean(u, (v) => (Math.floor(16 * v) === cell ? 1 : 0)),
        1 / 16,
        Math.sqrt(15) / 16,
      )
    }
    // (u − ½)(v − ½) has the deviation 1/12.
    for (const lag of [1, 2, 4, 64, 1024]) {
      near(
        mean(u, (v, i) => (v - 0.5) * (u[(i + lag) % n]! - 0.5)),
        0,
        1 / 12,
      )
    }
    near(
      mean(u, (v, i) => (v - 0.5) * (next[i]! - 0.5)),
      0,
      1 / 12,
    )
  })

  it('randn has the moments of the normal distribution', async () => {
    manualSeed(2)
    const x = await drawn(() => randn([n]))
    // The deviations of x, x², x³ and x⁴ are 1, √2, √15 and √96.
    const moments: [number, number, number][] = [
      [1, 0, 1],
      [2, 1, Math.sqrt(2)],
      [3, 0, Math.sqrt(15)],
      [4, 3, Math.sqrt(96)],
    ]
    for (const [power, expected, deviation] of moments) {
      near(
        mean(x, (v) => v ** power),
        expected,
        deviation,
      )
    }
  })

  it('bernoulli has its probability, and dropout keeps the mean', async () => {
    manualSeed(3)
    for (const p of [0.01, 0.5, 0.9]) {
      const deviation = Math.sqrt(p * (1 - p))
      near(
        mean(await drawn(() => bernoulli(p, [n])), (v) => v),
        p,
        deviation,
      )
      const ones = tensor(new Float32Array(n).fill(1))
      near(
        mean(await drawn(() => dropout(ones, { p })), (v) => v),
        1,
        deviation / (1 - p),
      )
      ones.dispose()
    }
  })

  it('bernoulli of 0 and of 1 has no exceptions', async () => {
    expect(new Set(await drawn(() => bernoulli(0, [n])))).toEqual(new Set([0]))
    expect(new Set(await drawn(() => bernoulli(1, [n])))).toEqual(new Set([1]))
  })
})

/** What dropout makes of x and its gradient makes of dy, as bits. */
async function bitsAfter(x: readonly number[], dy: readonly number[], p: number) {
  const input = parameter(x, [x.length])
  const out = dropout(input, { p })
  out.backward(tensor(dy))
  return { out: await bitsOf(out), gradient: await bitsOf(input.grad) }
}

describe('dropout', () => {
  it('gives what is dropped times 0, as PyTorch has it: NaN stays, infinities give NaN, and 0 keeps its sign', async () => {
    const x = [nan, inf, -inf, 2, -2, 0, -0]
    const { out, gradient } = await bitsAfter(x, x.toReversed(), 1)
    const none = (bits: number) => (bits & 0x7fffffff) > 0x7f800000
    const kind = (bits: number) => (none(bits) ? 'NaN' : bits === 0 ? '0' : bits === 0x80000000 ? '-0' : bits)
    const expected = ['NaN', 'NaN', 'NaN', '0', '-0', '0', '-0']
    expect([...out].map(kind)).toEqual(expected)
    expect([...gradient].map(kind)).toEqual(expected.toReversed())
  })

  it('has the mask of its output in every gradient, whatever was drawn meanwhile', async () => {
    manualSeed(6)
    const n = 3001
    const x = parameter(new Float32Array(n).fill(1), [n])
    const [first, second] = [dropout(x), dropout(x, { p: 0.25 })]
    const ones = tensor(new Float32Array(n).fill(1))
    for (const [y, scale] of [
      [second, 4 / 3],
      [first, 2],
    ] as const) {
      y.backward(ones, { retainGraph: true })
      expect(await values(x.grad)).toEqual(await values(y))
      expect(new Set(await values(y))).toEqual(new Set([0, Math.fround(scale)]))
      forgetGradients([x], 'it was looked at')
    }
    expect(await values(first)).not.toEqual(await values(second))
    first.backward(ones)
    expect(await values(x.grad)).toEqual(await values(first))
  })

  it('is the input itself without training and at p = 0, and makes no draw then', () => {
    const generator = manualSeed(0)
    const x = tensor([1, 2])
    expect(dropout(x, { training: false, p: 0.9 })).toBe(x)
    expect(dropout(x, { p: 0 })).toBe(x)
    expect(generator.draws).toBe(0)
  })
})

describe('a captured function', () => {
  const n = 1500
  const step = (x: Tensor) => {
    const loss = dropout(dropout(x, { p: 0.2 }).add(randn([n])))
    forgetGradients([x], 'another step began')
    loss.backward(ones)
    return { loss: loss.detach(), noise: rand([3]) }
  }
  let ones: Tensor
  beforeAll(() => {
    ones = tensor(new Float32Array(n).fill(1))
  })

  it('draws anew in every step, the same bits as without a plan, and repeats with the seed', async () => {
    const x = parameter(new Float32Array(n).fill(1), [n])
    // A plan's memory is used for one thing after the other: what lies behind the end is no poison.
    const read = async ({ loss, noise }: { loss: Tensor; noise: Tensor }) =>
      await Promise.all([loss, noise, x.grad!].map((t) => t.data()))
    const generator = manualSeed(9)
    const eager: Awaited<ReturnType<typeof read>>[] = []
    for (let i = 0; i < 5; i++) eager.push(await read(scope(() => step(x))))
    expect(generator.draws).toBe(20)
    expect(eager[0]).not.toEqual(eager[1])
    const plan = capture(() => step(x))
    expect(generator.draws).toBe(20)
    for (let round = 0; round < 2; round++) {
      const again = manualSeed(9)
      for (const [count, at] of [
        [1, 0],
        [1, 1],
        [3, 4],
      ] as const) {
        plan.run(count)
        expect(await read(plan.result)).toEqual(eager[at])
      }
      expect(again.draws).toBe(20)
    }
    plan.dispose()
  })

  it('may not seed itself: every eager step would draw the same, and every step of the plan something else', async () => {
    const x = parameter(new Float32Array(n).fill(1), [n])
    const seeded = (seed: () => unknown) => () => {
      seed()
      return step(x)
    }
    const generator = manualSeed(4)
    const text = 'a captured function is not called in the runs of its plan; set it before plan.run()'
    const wrong = new Error(`manualSeed: ${text}`)
    expect(() => capture(seeded(() => manualSeed(3)))).toThrow(wrong)
    await expect(warmUp(seeded(() => manualSeed(3)))).rejects.toThrow(wrong)
    for (const draws of [0, 2]) {
      const seeding = seeded(() => {
        generator.draws = draws
      })
      expect(() => capture(seeding)).toThrow(new Error(`Generator.draws: ${text}`))
    }
    expect([defaultGenerator(), generator.draws]).toEqual([generator, 0])
  })

  it('leaves memory flat', async () => {
    const x = parameter(new Float32Array(n).fill(1), [n])
    const take = () => {
      const made = scope(() => step(x))
      for (const t of Object.values(made)) t.dispose()
    }
    take()
    const before = gpu.memory()
    for (let i = 0; i < 20; i++) take()
    expect(gpu.memory()).toEqual(before)
  })
})
