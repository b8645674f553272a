// nn.init: moments, bounds and formulas, bits that follow the seed, and what is refused.
import { beforeAll, describe, expect, it } from 'vitest'
import { manualSeed, nn, type Tensor } from '../../src/node/index.ts'
import { defaultGenerator } from '../../src/tensor/random.ts'
import { bitsOf } from '../support/check.ts'
import { expectClose } from '../support/close.ts'
import { parameter, tensor, testGpu, values } from '../support/gpu.ts'

beforeAll(async () => {
  await testGpu()
})

const { init } = nn
const weight = (...shape: number[]) => tensor(new Float32Array(shape.reduce((n, size) => n * size, 1)), shape)
const filled = async (t: Tensor) => [...(await values(t))]
/** What `fill` gives from a seed. */
function drawn(seed: number, fill: (t: Tensor) => Tensor, ...shape: number[]): Promise<number[]> {
  manualSeed(seed)
  return filled(fill(weight(...shape)))
}

/** Every function that draws, with a shape it takes. */
const DRAWN: readonly (readonly [string, (t: Tensor) => Tensor])[] = [
  ['uniform', (t) => init.uniform(t)],
  ['normal', (t) => init.normal(t)],
  ['xavierUniform', (t) => init.xavierUniform(t)],
  ['xavierNormal', (t) => init.xavierNormal(t)],
  ['kaimingUniform', (t) => init.kaimingUniform(t)],
  ['kaimingNormal', (t) => init.kaimingNormal(t)],
  ['truncNormal', (t) => init.truncNormal(t)],
  ['orthogonal', (t) => init.orthogonal(t)],
]

describe.each(DRAWN)('nn.init.%s', (_, draw) => {
  it('fills in place with the bits of the seed, whatever was drawn from other streams', async () => {
    const t = parameter(new Float32Array(12).fill(Number.NaN), [3, 4])
    const { version } = t.storage
    manualSeed(7)
    expect(draw(t)).toBe(t)
    expect([t.requiresGrad, t.node, t.grad, t.storage.version]).toEqual([true, null, null, version + 1])
    const first = await bitsOf(t)
    expect((await filled(t)).every(Number.isFinite)).toBe(true)
    draw(t)
    expect(await bitsOf(t)).not.toEqual(first)
    manualSeed(7)
    defaultGenerator().stream('shuffle').nextUint32()
    expect(await bitsOf(draw(weight(3, 4)))).toEqual(first)
  })

  it('leaves a tensor of no elements, and the stream, as they are', () => {
    manualSeed(7)
    expect(draw(weight(0, 3)).shape).toEqual([0, 3])
    expect(draw(weight(3, 0)).size).toBe(0)
    expect(defaultGenerator().stream('init').position).toBe(0)
  })
})

it('a value that backward needs was changed: it is refused', () => {
  const w = parameter([1, 2], [1, 2])
  const loss = w.mul(w).sum()
  init.zeros(w)
  expect(() => loss.backward()).toThrow('was changed in place since')
})

it('constants: constant, ones, zeros, eye', async () => {
  expect(await filled(init.constant(weight(2, 2), -0.5))).toEqual([-0.5, -0.5, -0.5, -0.5])
  expect(await filled(init.constant(weight(1), Number.NEGATIVE_INFINITY))).toEqual([Number.NEGATIVE_INFINITY])
  expect(await filled(init.ones(weight(3)))).toEqual([1, 1, 1])
  expect(await filled(init.zeros(parameter([1, 2], [2])))).toEqual([0, 0])
  expect(await filled(init.eye(weight(2, 3)))).toEqual([1, 0, 0, 0, 1, 0])
  expect(await filled(init.eye(weight(3, 2)))).toEqual([1, 0, 0, 1, 0, 0])
})

it('calculateGain gives PyTorch’s gains', () => {
  const gains = (['linear', 'conv1d', 'conv2d', 'convTranspose2d', 'sigmoid', 'tanh', 'relu', 'selu'] as const).map(
    (name) => init.calculateGain(name),
  )
  expect(gains).toEqual([1, 1, 1, 1, 1, 5 / 3, Math.sqrt(2), 0.75])
  expect(init.calculateGain('leakyRelu')).toBe(Math.sqrt(2 / (1 + 0.01 ** 2)))
  expect(init.calculateGain('leakyRelu', 0.2)).toBe(Math.sqrt(2 / (1 + 0.2 ** 2)))
  expect(init.calculateGain('relu', 0.2)).toBe(Math.sqrt(2))
})

it('calculateFanInAndFanOut counts inputs and outputs, and every place of a window', () => {
  expect(init.calculateFanInAndFanOut(weight(5, 3))).toEqual([3, 5])
  expect(init.calculateFanInAndFanOut(weight(4, 2, 3, 5))).toEqual([30, 60])
})

describe('values', () => {
  const SHAPE = [32, 16, 2, 4] as const // fanIn 128, fanOut 256, 4,096 values
  const N = 4096

  it.each<[string, (t: Tensor) => Tensor, low: number, high: number]>([
    ['uniform', (t) => init.uniform(t), 0, 1],
    ['uniform(-3, 5)', (t) => init.uniform(t, -3, 5), -3, 5],
    ['xavierUniform', (t) => init.xavierUniform(t), -Math.sqrt(6 / 384), Math.sqrt(6 / 384)],
    [
      'xavierUniform, gain 3',
      (t) => init.xavierUniform(t, { gain: 3 }),
      -3 * Math.sqrt(6 / 384),
      3 * Math.sqrt(6 / 384),
    ],
    ['kaimingUniform', (t) => init.kaimingUniform(t), -Math.sqrt(6 / 128), Math.sqrt(6 / 128)],
    // The default of PyTorch's layers: 1/√fanIn.
    [
      'kaimingUniform, a √5',
      (t) => init.kaimingUniform(t, { a: Math.sqrt(5) }),
      -1 / Math.sqrt(128),
      1 / Math.sqrt(128),
    ],
    [
      'kaimingUniform, fanOut, tanh',
      (t) => init.kaimingUniform(t, { mode: 'fanOut', nonlinearity: 'tanh' }),
      (-5 / 3) * Math.sqrt(3 / 256),
      (5 / 3) * Math.sqrt(3 / 256),
    ],
  ])('%s are what the stream draws between the formula’s bounds', async (_, fill, low, high) => {
    const found = await drawn(3, fill, ...SHAPE)
    const stream = manualSeed(3).stream('init')
    const width = high - low
    // The bound is worked out by other roundings: some of float64, and one of float32 at the end.
    const wanted = Float64Array.from(found, () => low + width * stream.uniform())
    expectClose(Float32Array.from(found), wanted, (i) => 2 ** -24 * Math.abs(wanted[i]!) + 2 ** -46 * width, 'drawn')
    expect(Math.min(...found)).toBeLessThan(low + 0.01 * width)
    expect(Math.max(...found)).toBeGreaterThan(high - 0.01 * width)
  })

  it.each<[string, (t: Tensor) => Tensor, mean: number, std: number]>([
    ['normal', (t) => init.normal(t), 0, 1],
    ['normal(2, 0.5)', (t) => init.normal(t, 2, 0.5), 2, 0.5],
    ['normal(2, 0)', (t) => init.normal(t, 2, 0), 2, 0],
    ['xavierNormal', (t) => init.xavierNormal(t), 0, Math.sqrt(2 / 384)],
    ['xavierNormal, gain 5/3', (t) => init.xavierNormal(t, { gain: 5 / 3 }), 0, (5 / 3) * Math.sqrt(2 / 384)],
    ['kaimingNormal', (t) => init.kaimingNormal(t), 0, Math.sqrt(2 / 128)],
    ['kaimingNormal, a 0.2', (t) => init.kaimingNormal(t, { a: 0.2 }), 0, Math.sqrt(2 / 1.04 / 128)],
    [
      'kaimingNormal, fanOut, relu',
      (t) => init.kaimingNormal(t, { mode: 'fanOut', nonlinearity: 'relu' }),
      0,
      Math.sqrt(2 / 256),
    ],
  ])('%s are the stream’s normal values times the formula’s deviation', async (_, fill, mean, std) => {
    const found = await drawn(3, fill, ...SHAPE)
    const stream = manualSeed(3).stream('init')
    const wanted = Float64Array.from(found, () => mean + std * stream.normal())
    expectClose(Float32Array.from(found), wanted, (i) => 2 ** -24 * Math.abs(wanted[i]!) + 2 ** -46 * std, 'drawn')
  })

  /** The mean of `of` over standard normal values between a and b, by Simpson's rule. */
  function between(a: number, b: number, of: (x: number) => number): number {
    let [sum, all] = [0, 0]
    for (let i = 0; i <= 2000; i++) {
      const x = a + ((b - a) * i) / 2000
      const weight = (i === 0 || i === 2000 ? 1 : i % 2 === 1 ? 4 : 2) * Math.exp(-0.5 * x ** 2)
      sum += weight * of(x)
      all += weight
    }
    return sum / all
  }

  it.each<[mean: number, std: number, a: number, b: number]>([
    [0, 1, -2, 2],
    [0, 0.02, -2, 2],
    [1, 2, -1, 2],
    [0, 1, 2.5, 3.5],
    [0, 1, -4, -3.5],
    [0, 1, Number.NEGATIVE_INFINITY, 0],
  ])('truncNormal: mean %f, std %f, from %f to %f', async (mean, std, a, b) => {
    const found = await drawn(4, (t) => init.truncNormal(t, { mean, std, a, b }), N)
    const [low, high] = [a, b].map((edge) => Math.min(Math.max((edge - mean) / std, -9), 9)) as [number, number]
    expect(Math.min(...found)).toBeGreaterThanOrEqual(Math.fround(a))
    expect(Math.max(...found)).toBeLessThanOrEqual(Math.fround(b))
    // The mean of N values of xᵏ has variance (E x²ᵏ − (E xᵏ)²) / N; six deviations are passed twice in a billion seeds.
    for (const k of [1, 2, 3]) {
      const at = found.reduce((sum, value) => sum + ((value - mean) / std) ** k, 0) / N
      const wanted = between(low, high, (x) => x ** k)
      const variance = between(low, high, (x) => x ** (2 * k)) - wanted ** 2
      expect(Math.abs(at - wanted), `moment ${k}`).toBeLessThan(6 * Math.sqrt(variance / N))
    }
    // Each value is where its share of the distribution ends: the share below it is what the stream drew.
    const stream = manualSeed(4).stream('init')
    const ofAll = between(low, high, () => 1) * simpson(low, high)
    for (const value of found.slice(0, 20)) {
      const share = simpson(low, (value - mean) / std) / ofAll
      const drawn = ((stream.nextUint32() >>> 8) + 0.5) * 2 ** -24
      expect(Math.abs(share - drawn)).toBeLessThan(1e-6)
    }
  })

  /** ∫ exp(−x²/2) from a to b. */
  function simpson(a: number, b: number): number {
    let sum = 0
    for (let i = 0; i <= 2000; i++) {
      const x = a + ((b - a) * i) / 2000
      sum += (i === 0 || i === 2000 ? 1 : i % 2 === 1 ? 4 : 2) * Math.exp(-0.5 * x ** 2)
    }
    return (sum * (b - a)) / 6000
  }

  it.each([
    [[5, 5], 1],
    [[3, 8], 2],
    [[8, 3], 1],
    [[4, 2, 3], 0.5],
    [[1, 1], 1],
    [[6, 1, 2, 1], 1],
  ] as const)('orthogonal %j, gain %f', async (shape, gain) => {
    const found = await drawn(5, (t) => init.orthogonal(t, { gain }), ...shape)
    const rows = shape[0]
    const columns = found.length / rows
    const at = (i: number, j: number) => found[i * columns + j]!
    const [count, length] = [Math.min(rows, columns), Math.max(rows, columns)]
    const vector = (k: number) => Array.from({ length }, (_, i) => (rows <= columns ? at(k, i) : at(i, k)))
    for (let k = 0; k < count; k++) {
      for (let other = 0; other <= k; other++) {
        const dot = vector(k).reduce((sum, x, i) => sum + x * vector(other)[i]!, 0)
        // Each of the products has two factors that were rounded once.
        expect(Math.abs(dot - (k === other ? gain ** 2 : 0))).toBeLessThan(gain ** 2 * 4 * 2 ** -24)
      }
    }
  })

  it('orthogonal is of the distribution that no rotation changes: signs and places of all elements are alike', async () => {
    manualSeed(6)
    const all = await Promise.all(Array.from({ length: 100 }, () => filled(init.orthogonal(weight(2, 2)))))
    const mean = (i: number, power: number) => all.reduce((sum, matrix) => sum + matrix[i]! ** power, 0) / 100
    // E x = 0 and E x² = 1/2, of variance 1/8.
    for (let i = 0; i < 4; i++) {
      expect(Math.abs(mean(i, 1))).toBeLessThan(6 * Math.sqrt(1 / 2 / 100))
      expect(Math.abs(mean(i, 2) - 1 / 2)).toBeLessThan(6 * Math.sqrt(1 / 8 / 100))
    }
  })
})

it('as a function of every layer of a network', async () => {
  manualSeed(1)
  const net = new nn.Sequential(new nn.Linear(3, 4), new nn.ReLU(), new nn.Linear(4, 2))
  net.apply((layer) => {
    if (!(layer instanceof nn.Linear)) return
    init.xavierUniform(layer.weight)
    init.zeros(layer.bias!)
  })
  expect(await filled(net.namedParameters().get('2.bias')!)).toEqual([0, 0])
})
