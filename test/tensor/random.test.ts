import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultGenerator, Generator, manualSeed, permutation, philox, Stream } from '../../src/tensor/random.ts'

const MAX = Number.MAX_SAFE_INTEGER
const hex = (words: Iterable<number>): string => [...words].map((w) => w.toString(16).padStart(8, '0')).join(' ')
const words = (stream: Stream, n: number): number[] => Array.from({ length: n }, () => stream.nextUint32())

/** The same generator in plain big integers. */
function philoxReference(counter: number[], key: number[]): number[] {
  const mask = 0xffffffffn
  let [a, b, c, d] = counter.map(BigInt) as [bigint, bigint, bigint, bigint]
  let [k0, k1] = key.map(BigInt) as [bigint, bigint]
  for (let round = 0; round < 10; round++) {
    const p = 0xd2511f53n * a
    const q = 0xcd9e8d57n * c
    ;[a, b, c, d] = [(q >> 32n) ^ b ^ k0, q & mask, (p >> 32n) ^ d ^ k1, p & mask]
    k0 = (k0 + 0x9e3779b9n) & mask
    k1 = (k1 + 0xbb67ae85n) & mask
  }
  return [a, b, c, d].map(Number)
}

/**
 * Counts of k equally likely cells: their chi-square lies within five standard deviations on both sides (Wilson and
 * Hilferty's cube root), which a perfect generator misses for 6 seeds in 10 million.
 */
function expectUniform(counts: readonly number[]): void {
  const total = counts.reduce((sum, count) => sum + count, 0)
  const want = total / counts.length
  expect(want).toBeGreaterThanOrEqual(20)
  const chi = counts.reduce((sum, count) => sum + (count - want) ** 2 / want, 0)
  const df = counts.length - 1
  const bound = (z: number): number => df * (1 - 2 / (9 * df) + z * Math.sqrt(2 / (9 * df))) ** 3
  expect(chi).toBeGreaterThan(bound(-5))
  expect(chi).toBeLessThan(bound(5))
}

function tally(cells: number, draws: number, draw: (i: number) => number): number[] {
  const counts = new Array<number>(cells).fill(0)
  for (let i = 0; i < draws; i++) counts[draw(i)]! += 1
  return counts
}

describe('Philox4x32-10', () => {
  const ones = 0xffffffff
  // The known answers of Random123's distribution.
  const known: [string, number[], number[], string][] = [
    ['zeros', [0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    ['ones', [ones, ones, ones, ones], [ones, ones], '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    [
      'digits of pi',
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    ],
  ]
  const run = (c: number[], k: number[]): Uint32Array =>
    philox(new Uint32Array(4), c[0]!, c[1]!, c[2]!, c[3]!, k[0]!, k[1]!)
  test.each(known)('known answer: %s', (_, counter, key, want) => {
    expect(hex(run(counter, key))).toBe(want)
  })
  test('equals big-integer arithmetic everywhere', () => {
    const word = fc.oneof(fc.nat({ max: ones }), fc.constantFrom(0, 1, 0xffff, 0x10000, 0x7fffffff, 0x80000000, ones))
    const array = (n: number): fc.Arbitrary<number[]> => fc.array(word, { minLength: n, maxLength: n })
    fc.assert(
      fc.property(array(4), array(2), (c, k) => {
        expect([...run(c, k)]).toEqual(philoxReference(c, k))
      }),
      { seed: 1, numRuns: 500 },
    )
  })
})

describe('streams', () => {
  test('counter = (block low, block high, substream, stream number), key = (seed low, seed high)', () => {
    const seed = 5 * 2 ** 32 + 7
    for (const [name, number] of [
      ['init', 1],
      ['shuffle', 2],
      ['noise', 3],
    ] as const) {
      expect(words(new Stream(seed, name, 9), 4)).toEqual(philoxReference([0, 0, 9, number], [7, 5]))
    }
    const far = new Stream(seed, 'noise')
    far.position = 4 * (3 * 2 ** 32 + 2) + 1
    expect(words(far, 4)).toEqual([
      ...philoxReference([2, 3, 0, 3], [7, 5]).slice(1),
      philoxReference([3, 3, 0, 3], [7, 5])[0],
    ])
  })
  test('the first words of seed 0, which never change', () => {
    const generator = new Generator(0)
    expect(hex(words(generator.stream('init'), 4))).toBe('2dce73e5 1348e23f fcf8e0ec a287aadb')
    expect(hex(words(generator.stream('shuffle'), 4))).toBe('dd2fc514 adf5a0db e6f70b22 d3b4ca74')
    expect(hex(words(generator.stream('noise'), 4))).toBe('4d7b25fc d75ee2f1 26bc1f97 c64d811c')
  })
  test('do not disturb one another', () => {
    const alone = words(new Generator(3).stream('init'), 50)
    const generator = new Generator(3)
    const [init, shuffle, noise] = [generator.stream('init'), generator.stream('shuffle'), generator.stream('noise')]
    const mixed = alone.map((_, i) => {
      words(shuffle, i % 3)
      noise.normal()
      permutation(3, i, 5)
      return init.nextUint32()
    })
    expect(mixed).toEqual(alone)
  })
  test('a position continues exactly, at every place of a block', () => {
    const whole = words(new Stream(11, 'noise'), 40)
    for (let p = 0; p < 30; p++) {
      const resumed = new Stream(11, 'noise')
      resumed.position = p
      expect(words(resumed, 10)).toEqual(whole.slice(p, p + 10))
      expect(resumed.position).toBe(p + 10)
      resumed.position = 1
      expect(resumed.nextUint32()).toBe(whole[1])
    }
  })
  test('a generator gives the same stream each time; manualSeed starts the default one anew', () => {
    const generator = manualSeed(4)
    expect(defaultGenerator()).toBe(generator)
    expect(generator.seed).toBe(4)
    expect(generator.stream('init')).toBe(generator.stream('init'))
    const first = words(generator.stream('init'), 5)
    expect(defaultGenerator().stream('init').position).toBe(5)
    manualSeed(4)
    expect(defaultGenerator().stream('init').position).toBe(0)
    expect(words(defaultGenerator().stream('init'), 5)).toEqual(first)
    manualSeed(0)
  })
  test('the last position is the end', () => {
    const stream = new Stream(0, 'init')
    stream.position = MAX
    stream.nextUint32()
    const message = `position must be an integer from 0 to ${MAX}, not ${MAX + 1}`
    expect(() => stream.nextUint32()).toThrow(new RangeError(message))
  })
})

describe('uniformity and independence', () => {
  const n = 65_536
  test.each([0, 8, 16, 24])('the byte at bit %i of a word', (shift) => {
    const stream = new Stream(1, 'init')
    expectUniform(tally(256, n, () => (stream.nextUint32() >>> shift) & 255))
  })
  const pairs: [string, Stream, Stream][] = [
    ['two streams', new Stream(1, 'init'), new Stream(1, 'noise')],
    ['neighbouring seeds', new Stream(1, 'init'), new Stream(2, 'init')],
    ['seeds 2^32 apart', new Stream(1, 'init'), new Stream(1 + 2 ** 32, 'init')],
    ['neighbouring epochs', new Stream(1, 'shuffle', 0), new Stream(1, 'shuffle', 1)],
  ]
  test.each(pairs)('%s: the upper four bits of both, together', (_, a, b) => {
    expectUniform(tally(256, n, () => (a.nextUint32() >>> 28) * 16 + (b.nextUint32() >>> 28)))
  })
  test('uniform fills its range evenly', () => {
    const stream = new Stream(1, 'init')
    expectUniform(tally(100, n, () => Math.floor((stream.uniform(-0.2, 0.2) + 0.2) * 250)))
  })
  test('below: every result equally likely', () => {
    const stream = new Stream(1, 'init')
    expectUniform(tally(7, n, () => stream.below(7)))
  })
  test('normal: moments within five standard errors, and the quartiles', () => {
    const stream = new Stream(1, 'noise')
    const z = Array.from({ length: n }, () => stream.normal())
    const mean = (f: (x: number) => number): number => z.reduce((sum, x) => sum + f(x), 0) / n
    // The variances of x, x², x³ and x⁴ are 1, 2, 15 and 96.
    expect(Math.abs(mean((x) => x))).toBeLessThan(5 * Math.sqrt(1 / n))
    expect(Math.abs(mean((x) => x ** 2) - 1)).toBeLessThan(5 * Math.sqrt(2 / n))
    expect(Math.abs(mean((x) => x ** 3))).toBeLessThan(5 * Math.sqrt(15 / n))
    expect(Math.abs(mean((x) => x ** 4) - 3)).toBeLessThan(5 * Math.sqrt(96 / n))
    const quartile = 0.6744897501960817
    expectUniform(tally(4, n, (i) => (z[i]! < -quartile ? 0 : z[i]! < 0 ? 1 : z[i]! < quartile ? 2 : 3)))
    expect(z.every((x) => Math.fround(x) === x && Math.abs(x) <= Math.sqrt(48 * Math.LN2))).toBe(true)
    expect(stream.position).toBe(2 * n)
  })
})

describe('uniform', () => {
  test('on [0, 1) it is the upper 24 bits, exactly', () => {
    const [a, b] = [new Stream(1, 'init'), new Stream(1, 'init')]
    for (let i = 0; i < 1000; i++) expect(a.uniform() * 2 ** 24).toBe(b.nextUint32() >>> 8)
  })
  test('is a float32 within its range; an empty range is its value', () => {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true })
    fc.assert(
      fc.property(float, float, fc.nat(), (x, y, position) => {
        const stream = new Stream(0, 'init')
        stream.position = position
        const [low, high] = x <= y ? [x, y] : [y, x]
        const value = stream.uniform(low, high)
        expect(Math.fround(value)).toBe(value)
        expect(low <= value && value <= high).toBe(true)
        // The sum of −0 and 0 is 0.
        expect(stream.uniform(low, low)).toBe(low + 0)
      }),
      { seed: 1, numRuns: 500 },
    )
  })
  const refused: [number, number][] = [
    [1, 0],
    [Number.NaN, 1],
    [0, 3.5e38],
    [Number.NEGATIVE_INFINITY, 0],
  ]
  test.each(refused)('refuses %s to %s', (low, high) => {
    const message = `uniform: low and high must be finite as float32, and low ≤ high, got low ${low}, high ${high}`
    expect(() => new Stream(0, 'init').uniform(low, high)).toThrow(new RangeError(message))
  })
})

test('normal is finite where a word has no upper bits', () => {
  const stream = new Stream(0, 'noise')
  const rare = 16_857_486 // found by search: one word in 2²⁴ is such
  stream.position = rare
  expect(stream.nextUint32()).toBe(81)
  const u2 = (stream.nextUint32() >>> 8) * 2 ** -24
  stream.position = rare
  expect(stream.normal()).toBe(Math.fround(Math.sqrt(-2 * Math.log(2 ** -24)) * Math.cos(2 * Math.PI * u2)))
})

test('below equals big-integer arithmetic, redrawn words included', () => {
  // Just above 2³¹ nearly every second word is drawn again; at a power of two none is.
  const bound = fc.oneof(
    fc.constantFrom(1, 2, 3, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 1),
    fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  )
  let redrawn = 0
  fc.assert(
    fc.property(bound, fc.nat(), (n, position) => {
      const [ours, plain] = [new Stream(0, 'init'), new Stream(0, 'init')]
      ours.position = plain.position = position
      for (let i = 0; i < 8; i++) {
        let product = BigInt(plain.nextUint32()) * BigInt(n)
        while ((product & 0xffffffffn) < 2n ** 32n % BigInt(n)) {
          product = BigInt(plain.nextUint32()) * BigInt(n)
          redrawn += 1
        }
        expect(ours.below(n)).toBe(Number(product >> 32n))
        expect(ours.position).toBe(plain.position)
      }
    }),
    { seed: 1, numRuns: 500 },
  )
  expect(redrawn).toBeGreaterThan(100)
})

describe('permutation', () => {
  test.each([0, 1, 2, 96, 60_000])('of %i is one', (n) => {
    const order = permutation(0, 0, n)
    expect(order).toBeInstanceOf(Uint32Array)
    expect([...order].sort((a, b) => a - b)).toEqual([...new Array(n).keys()])
  })
  test('is pure, and differs by epoch and by seed', () => {
    const text = (seed: number, epoch: number): string => permutation(seed, epoch, 96).join()
    const keys: [number, number][] = [
      [0, 0],
      [0, 1],
      [0, 2],
      [1, 0],
      [1, 1],
      [2 ** 32, 0],
      [MAX, 2 ** 32 - 1],
    ]
    const seen = keys.map(([seed, epoch]) => text(seed, epoch))
    expect(new Set(seen).size).toBe(keys.length)
    const again = keys.toReversed().map(([seed, epoch]) => text(seed, epoch))
    expect(again.toReversed()).toEqual(seen)
  })
  test('the order of seed 0, epoch 0, which never changes', () => {
    expect([...permutation(0, 0, 10)]).toEqual([0, 9, 3, 2, 1, 4, 5, 7, 6, 8])
  })
  test('all orders of four are equally likely', () => {
    const cell = new Map<string, number>()
    const draw = (epoch: number): number => {
      const key = permutation(1, epoch, 4).join()
      if (!cell.has(key)) cell.set(key, cell.size)
      return cell.get(key)!
    }
    expectUniform(tally(24, 24_000, draw))
  })
  test('60,000 places take milliseconds', () => {
    permutation(0, 0, 60_000)
    const times = Array.from({ length: 5 }, (_, epoch) => {
      const start = performance.now()
      permutation(0, epoch, 60_000)
      return performance.now() - start
    })
    // About 1.5 ms on one core; its Philox blocks alone take over 30 ms in big integers.
    expect(Math.min(...times)).toBeLessThan(25)
  })
})

describe('refused', () => {
  const cases: [string, () => unknown, string][] = [
    ['a negative seed', () => new Generator(-1), `seed must be an integer from 0 to ${MAX}, not -1`],
    ['a fractional seed', () => manualSeed(0.5), `seed must be an integer from 0 to ${MAX}, not 0.5`],
    ['a seed of NaN', () => manualSeed(Number.NaN), `seed must be an integer from 0 to ${MAX}, not NaN`],
    ['a seed of 2^53', () => permutation(2 ** 53, 0, 1), `seed must be an integer from 0 to ${MAX}, not ${2 ** 53}`],
    ['an epoch of −1', () => permutation(0, -1, 1), 'epoch must be an integer from 0 to 4294967295, not -1'],
    ['half an example', () => permutation(0, 0, 1.5), 'n must be an integer from 0 to 4294967295, not 1.5'],
    [
      'a substream of 2^32',
      () => new Stream(0, 'init', 2 ** 32),
      `substream must be an integer from 0 to 4294967295, not ${2 ** 32}`,
    ],
    ['below 0', () => new Stream(0, 'init').below(0), 'below: n must be an integer from 1 to 4294967295, not 0'],
  ]
  test.each(cases)('%s', (_, run, message) => {
    expect(run).toThrow(new RangeError(message))
  })
  test('a position that is none', () => {
    const stream = new Stream(0, 'init')
    const set = () => {
      stream.position = -1
    }
    expect(set).toThrow(new RangeError(`position must be an integer from 0 to ${MAX}, not -1`))
    expect(stream.position).toBe(0)
  })
  test('a stream that is none; the default generator is kept when a seed is refused', () => {
    const name = 'dropout' as 'init'
    const message = "unknown random stream 'dropout'; there are init, shuffle, noise, draw, augment"
    expect(() => new Generator(0).stream(name)).toThrow(new TypeError(message))
    const before = defaultGenerator()
    expect(() => manualSeed(-1)).toThrow(RangeError)
    expect(defaultGenerator()).toBe(before)
  })
})
