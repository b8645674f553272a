// Random numbers: counter-based streams, each a pure function of the seed and its name.
import { observing } from './observe.ts'
import { shown, tooMany } from './options.ts'

/**
 * Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as
 * 1, 2, 3", SC 2011). A number is a pure function of (seed, stream, position), so that streams never disturb each other
 * and a resumed run continues with an integer.
 *
 * One block of four 32-bit words comes from
 *   counter = (block low, block high, substream, stream number)    key = (seed mod 2³², ⌊seed / 2³²⌋)
 * and the word at position p of a stream is word p mod 4 of block ⌊p / 4⌋. Substream is the epoch for shuffling and augmentation (whose block is the image's number), the step
 * plus 1 for the noise of optim.SGLD, which wgsl/sgld.wgsl draws, the number of the draw for what wgsl/random.wgsl draws (its
 * high word takes the place of the block's), and 0 otherwise; the stream numbers are those of `STREAMS`. Only 32-bit additions, multiplications, shifts and exclusive or's are used, with the high half of a product
 * put together from 16-bit halves as in `mulHigh`: the same lines in WGSL's u32 give the same bits.
 */

/** The named streams and their counter words. The numbers are part of every seed's meaning: never renumber them. */
const STREAMS = { init: 1, shuffle: 2, noise: 3, draw: 4, augment: 5 } as const satisfies Record<StreamName, number>

/** Initialisation, the order of an epoch, the noise of Langevin dynamics, what is drawn on the device, augmentation: none disturbs another. */
export type StreamName = 'init' | 'shuffle' | 'noise' | 'draw' | 'augment'

const TWO_32 = 2 ** 32
/** 2^−24: the step of `uniform` on [0, 1), the finest with which every multiple is a float32. */
const STEP = 2 ** -24

/** The high 32 bits of the product of two unsigned 32-bit integers (given signed or unsigned), unsigned. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const bLow = b & 0xffff
  const bHigh = b >>> 16
  // Neither sum passes 2³² − 1: (2¹⁶ − 1)² + 2¹⁶ − 1 = 2³² − 2¹⁶.
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16)
  const carry = aLow * bHigh + (middle & 0xffff)
  return aHigh * bHigh + (middle >>> 16) + (carry >>> 16)
}

/** One Philox4x32-10 block: counter (c0, c1, c2, c3) and key (k0, k1), 32-bit words, to four words in `out`. */
export function philox(
  out: Uint32Array,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
): Uint32Array {
  let [x0, x1, x2, x3, key0, key1] = [c0 | 0, c1 | 0, c2 | 0, c3 | 0, k0 | 0, k1 | 0]
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(0xd2511f53, x0)
    const high1 = mulHigh(0xcd9e8d57, x2)
    const low0 = Math.imul(0xd2511f53, x0)
    const low1 = Math.imul(0xcd9e8d57, x2)
    x0 = high1 ^ x1 ^ key0
    x1 = low1
    x2 = high0 ^ x3 ^ key1
    x3 = low0
    key0 = (key0 + 0x9e3779b9) | 0
    key1 = (key1 + 0xbb67ae85) | 0
  }
  out[0] = x0
  out[1] = x1
  out[2] = x2
  out[3] = x3
  return out
}

/** Throws RangeError unless a value is an integer from `min`, 0 unless given, to `max`. */
export function checkInteger(what: string, value: number, max: number, min = 0): void {
  if (Number.isInteger(value) && value >= min && value <= max) return
  throw new RangeError(`${what} must be an integer from ${min} to ${max}, not ${shown(value)}`)
}

/** One sequence of random numbers, at a position that can be read and set. Made by `Generator.stream`. */
export class Stream {
  readonly #key: readonly [low: number, high: number]
  readonly #substream: number
  readonly #number: number
  readonly #words = new Uint32Array(4)
  /** The block that #words holds; −1 for none. */
  #block = -1
  #position = 0

  /** `seed`: 0 … 2⁵³ − 1; `substream`: 0 … 2³² − 1. RangeError if not, TypeError for an unknown name. */
  constructor(seed: number, name: StreamName, substream = 0) {
    checkInteger('seed', seed, Number.MAX_SAFE_INTEGER)
    checkInteger('substream', substream, TWO_32 - 1)
    if (!Object.hasOwn(STREAMS, name)) {
      throw new TypeError(`unknown random stream '${String(name)}'; there are ${Object.keys(STREAMS).join(', ')}`)
    }
    this.#key = [seed >>> 0, Math.floor(seed / TWO_32)]
    this.#substream = substream
    this.#number = STREAMS[name]
  }

  /** How many 32-bit words have been drawn: 0 … 2⁵³ − 1. Setting it moves the stream there (RangeError if not such). */
  get position(): number {
    return this.#position
  }

  set position(position: number) {
    checkInteger('position', position, Number.MAX_SAFE_INTEGER)
    this.#position = position
  }

  /** The next word, an integer in 0 … 2³² − 1. */
  nextUint32(): number {
    const position = this.#position
    const block = Math.floor(position / 4)
    if (block !== this.#block) {
      checkInteger('position', position, Number.MAX_SAFE_INTEGER)
      const high = Math.floor(block / TWO_32)
      philox(this.#words, block, high, this.#substream, this.#number, ...this.#key)
      this.#block = block
    }
    this.#position = position + 1
    return this.#words[position % 4]!
  }

  /**
   * A float32 from low to high: low + (high − low) u, computed in float64 and rounded once, where u is one of the 2²⁴
   * multiples of 2^−24 in [0, 1), each a float32 itself. On [0, 1) the result is exact. High itself comes only where
   * the rounding to float32 leads there, as in ranges a few float32 steps wide. Takes one word. RangeError unless
   * low ≤ high, both finite as float32.
   */
  uniform(low = 0, high = 1): number {
    if (!(low <= high && Number.isFinite(Math.fround(low)) && Number.isFinite(Math.fround(high)))) {
      throw new RangeError(
        `uniform: low and high must be finite as float32, and low ≤ high, got low ${low}, high ${high}`,
      )
    }
    return Math.fround(low + (high - low) * ((this.nextUint32() >>> 8) * STEP))
  }

  /**
   * A float32 from the standard normal distribution, by Box and Muller: √(−2 ln u₁) cos(2π u₂), u₁ in (0, 1] and u₂ in
   * [0, 1) in steps of 2^−24, hence never beyond √(48 ln 2) ≈ 5.77. Takes two words. The only one here whose last bit
   * may depend on the JavaScript engine, whose logarithm and cosine it uses.
   */
  normal(): number {
    const u1 = ((this.nextUint32() >>> 8) + 1) * STEP
    const u2 = (this.nextUint32() >>> 8) * STEP
    return Math.fround(Math.sqrt(-2 * Math.log(u1)) * Math.cos(2 * Math.PI * u2))
  }

  /**
   * An integer in 0 … n − 1, each exactly as likely, for n = 1 … 2³² − 1 (Lemire, "Fast Random Integer Generation in an
   * Interval", 2019): the high half of word · n, words whose low half would favour some results being drawn again.
   */
  below(n: number): number {
    checkInteger('below: n', n, TWO_32 - 1, 1)
    let word = this.nextUint32()
    let low = Math.imul(word, n) >>> 0
    if (low < n) {
      const surplus = TWO_32 % n
      while (low < surplus) {
        word = this.nextUint32()
        low = Math.imul(word, n) >>> 0
      }
    }
    return mulHigh(word, n)
  }
}

/** The random streams of one seed, an integer in 0 … 2⁵³ − 1 (RangeError if not). */
export class Generator {
  readonly seed: number
  readonly #streams = new Map<StreamName, Stream>()
  #draws = 0

  constructor(seed: number) {
    checkInteger('seed', seed, Number.MAX_SAFE_INTEGER)
    this.seed = seed
  }

  /** The stream of that name, the same object each time. TypeError for an unknown name. */
  stream(name: StreamName): Stream {
    const stream = this.#streams.get(name) ?? new Stream(this.seed, name)
    this.#streams.set(name, stream)
    return stream
  }

  /** Where its streams stand. @internal */
  get positions(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#streams].map(([name, { position }]) => [name, position]))
  }

  /** Moves the streams there; those that are not named to their start. @internal */
  moveTo(positions: Readonly<Record<string, number>>): void {
    for (const name of Object.keys(STREAMS) as StreamName[]) this.stream(name).position = positions[name] ?? 0
  }

  /**
   * How many draws were made on the device: calls of `rand`, `randn`, `bernoulli` and `dropout`, 0 … 2⁵³ − 1. Setting it, as when
   * a loop of your own resumes, decides what the next one gives (RangeError if not such; Error in a function that is captured).
   */
  get draws(): number {
    return this.#draws
  }

  set draws(draws: number) {
    checkInteger('draws', draws, Number.MAX_SAFE_INTEGER)
    for (const observer of observing()) observer.seed?.('Generator.draws')
    this.#draws = draws
  }
}

let current = new Generator(0)

/** The generator that initialisation and noise draw from unless given another. Its seed is 0 until `manualSeed`. */
export function defaultGenerator(): Generator {
  return current
}

/**
 * Makes a generator of this seed the default one, all streams at position 0 and no draws made. Streams got before do not
 * follow. Throws an Error in a function that is captured: no run of its plan would seed anew.
 */
export function manualSeed(seed: number): Generator {
  if (arguments.length > 1) throw tooMany(arguments, 'manualSeed(seed)')
  const made = new Generator(seed)
  for (const observer of observing()) observer.seed?.('manualSeed')
  current = made
  return current
}

/** What is returned puts the default generator back to where it is now, for what looks at a network without training it. */
export function keepRandom(): () => void {
  const generator = current
  const { draws, positions } = generator
  return () => {
    generator.draws = draws
    generator.moveTo(positions)
  }
}

/** What is returned calls functions that draw as if nothing else drew between them, and leaves the default generator where it stood. */
export function drawAside(): <T>(fn: () => T) => T {
  let restoreOwn = keepRandom()
  return (fn) => {
    const restore = keepRandom()
    restoreOwn()
    try {
      return fn()
    } finally {
      restoreOwn = keepRandom()
      restore()
    }
  }
}

/**
 * The order of an epoch: 0 … n − 1 permuted, each order as likely as the generator can make it. A pure function of
 * (seed, epoch), of no generator's position: Fisher and Yates's shuffle, Durstenfeld's form, from the last place down.
 * Seed 0 … 2⁵³ − 1, epoch and n 0 … 2³² − 1; RangeError if not.
 */
export function permutation(seed: number, epoch: number, n: number): Uint32Array {
  if (arguments.length > 3) throw tooMany(arguments, 'permutation(seed, epoch, n)')
  checkInteger('epoch', epoch, TWO_32 - 1)
  checkInteger('n', n, TWO_32 - 1)
  const stream = new Stream(seed, 'shuffle', epoch)
  const order = new Uint32Array(n)
  for (let i = 0; i < n; i++) order[i] = i
  for (let i = n - 1; i > 0; i--) {
    const j = stream.below(i + 1)
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}
