// nn.init: fills tensors with initial values, in place.
import { refuseInCapture } from '../capture/current.ts'
import { requireNumber, requireRank, requireTensors, requireType } from '../kernels/support.ts'
import { requireOptions, shown } from '../tensor/options.ts'
import { defaultGenerator, type Stream } from '../tensor/random.ts'
import { ShapeError, sizeOf } from '../tensor/shape.ts'
import { checkInPlace } from '../tensor/standing_in.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** What follows a layer, for {@link calculateGain}. */
export type Nonlinearity =
  | 'linear'
  | 'conv1d'
  | 'conv2d'
  | 'convTranspose2d'
  | 'sigmoid'
  | 'tanh'
  | 'relu'
  | 'leakyRelu'
  | 'selu'

const GAINS: Readonly<Record<Nonlinearity, (slope: number) => number>> = {
  linear: () => 1,
  conv1d: () => 1,
  conv2d: () => 1,
  convTranspose2d: () => 1,
  sigmoid: () => 1,
  tanh: () => 5 / 3,
  relu: () => Math.SQRT2,
  leakyRelu: (slope) => Math.sqrt(2 / (1 + slope ** 2)),
  selu: () => 3 / 4,
}

/** Options of {@link xavierUniform}, {@link xavierNormal} and {@link orthogonal}. */
export interface GainOptions {
  /** What the values are multiplied with, such as `calculateGain('tanh')`; 1 unless given. */
  readonly gain?: number
}

/** Options of {@link kaimingUniform} and {@link kaimingNormal}. */
export interface KaimingOptions {
  /** The slope of the leakyRelu that follows, for no other nonlinearity; 0 unless given. */
  readonly a?: number
  /** Whether the variance of values is kept in the forward pass, 'fanIn', or of gradients in the backward pass; 'fanIn' unless given. */
  readonly mode?: 'fanIn' | 'fanOut'
  /** What follows the layer; 'leakyRelu' unless given. */
  readonly nonlinearity?: Nonlinearity
}

/** Options of {@link truncNormal}. */
export interface TruncNormalOptions {
  /** Of the distribution before it is cut; 0 unless given. */
  readonly mean?: number
  /** Of the distribution before it is cut, above 0; 1 unless given. */
  readonly std?: number
  /** The least value; -2 unless given. */
  readonly a?: number
  /** The largest value; 2 unless given. */
  readonly b?: number
}

/** Throws for what can't be filled, before anything is drawn. */
function requireTarget(name: string, t: Tensor): void {
  requireTensors(name, { tensor: t })
  requireType(name, 'tensor', t)
  t.checkUsable(name)
  checkInPlace(name, [t], 'overwritten')
  refuseInCapture(name, 'call it before the capture')
}

/** Throws RangeError for a number that is not finite. */
function requireFinite(name: string, numbers: Readonly<Record<string, number>>): void {
  for (const [role, value] of Object.entries(numbers)) {
    requireNumber(name, role, value)
    if (!Number.isFinite(Math.fround(value))) throw new RangeError(`${name}: ${role} must be finite, not ${value}`)
  }
}

function requireDeviation(name: string, std: number): void {
  requireFinite(name, { std })
  if (std < 0) throw new RangeError(`${name}: std must be a number, 0 or more, not ${std}`)
}

/** Writes values, which no tape records. */
function write(t: Tensor, values: Float32Array<ArrayBuffer>): Tensor {
  t.gpu.write(t.storage, values)
  t.storage.version++
  return t
}

/** Fills a tensor with what `draw` gives, element by element in row-major order, from the stream that layers draw from. */
function fill(t: Tensor, draw: (stream: Stream) => number): Tensor {
  const stream = defaultGenerator().stream('init')
  return write(
    t,
    Float32Array.from({ length: t.size }, () => draw(stream)),
  )
}

const uniformly = (t: Tensor, a: number, b: number) => fill(t, (stream) => stream.uniform(a, b))
const normally = (t: Tensor, mean: number, std: number) => fill(t, (stream) => mean + std * stream.normal())

/**
 * Fills the tensor with values uniform from a to b. As all functions of `nn.init` it takes a float32 tensor of any shape, writes
 * in place without a gradient, draws from the seed of `manualSeed` as layers do, and returns the tensor. Throws RangeError unless
 * a and b are finite and a ≤ b. PyTorch's uniform_.
 */
export function uniform(t: Tensor, a = 0, b = 1): Tensor {
  const name = 'nn.init.uniform'
  requireTarget(name, t)
  requireFinite(name, { a, b })
  if (a > b) throw new RangeError(`${name}: a must be at most b, not ${a} with b ${b}`)
  return uniformly(t, a, b)
}

/** Fills the tensor with normal values. Throws RangeError for a std below 0. PyTorch's normal_. */
export function normal(t: Tensor, mean = 0, std = 1): Tensor {
  const name = 'nn.init.normal'
  requireTarget(name, t)
  requireFinite(name, { mean })
  requireDeviation(name, std)
  return normally(t, mean, std)
}

/** Fills the tensor with one value. Throws TypeError for NaN. PyTorch's constant_. */
export function constant(t: Tensor, value: number): Tensor {
  requireTarget('nn.init.constant', t)
  requireNumber('nn.init.constant', 'value', value)
  return write(t, new Float32Array(t.size).fill(value))
}

/** Fills the tensor with 1. PyTorch's ones_. */
export function ones(t: Tensor): Tensor {
  requireTarget('nn.init.ones', t)
  return write(t, new Float32Array(t.size).fill(1))
}

/** Fills the tensor with 0. PyTorch's zeros_. */
export function zeros(t: Tensor): Tensor {
  requireTarget('nn.init.zeros', t)
  return write(t, new Float32Array(t.size))
}

/** Fills a matrix with 1 on its diagonal and 0 elsewhere. Throws ShapeError for another rank. PyTorch's eye_. */
export function eye(t: Tensor): Tensor {
  requireTarget('nn.init.eye', t)
  requireRank('nn.init.eye', 'tensor', t.shape, 2, 'rows columns')
  const [rows, columns] = t.shape as [number, number]
  const values = new Float32Array(t.size)
  for (let i = 0; i < Math.min(rows, columns); i++) values[i * columns + i] = 1
  return write(t, values)
}

/** The two fans, for an error in the name of who asks. */
function fansOf(name: string, t: Tensor): [fanIn: number, fanOut: number] {
  requireTensors(name, { tensor: t })
  const { shape } = t
  if (shape.length < 2) {
    const found = `tensor has ${shape.length} dimension${shape.length === 1 ? '' : 's'}`
    throw new ShapeError(name, `${found}, it must have 2 or more (out in …)`, [['tensor', shape]])
  }
  const [out, inputs, ...window] = shape as [number, number, ...number[]]
  const field = sizeOf(window)
  return [inputs * field, out * field]
}

/**
 * [fanIn, fanOut] of a weight [out, in, …]: how many inputs each output has, and how many outputs each input; both count every
 * place of a convolution's window. Throws ShapeError for fewer than two dimensions. PyTorch's _calculate_fan_in_and_fan_out.
 */
export function calculateFanInAndFanOut(t: Tensor): [fanIn: number, fanOut: number] {
  return fansOf('nn.init.calculateFanInAndFanOut', t)
}

function gainOf(name: string, nonlinearity: Nonlinearity, slope: number): number {
  if (!Object.hasOwn(GAINS, nonlinearity)) {
    const known = Object.keys(GAINS).join(', ')
    throw new TypeError(`${name}: unknown nonlinearity ${shown(nonlinearity)}; known: ${known}`)
  }
  return GAINS[nonlinearity](slope)
}

/**
 * By how much a layer's weights have to be larger for what follows it: 1 for linear, convolutions and sigmoid, 5/3 for tanh,
 * √2 for relu, √(2 / (1 + slope²)) for leakyRelu, whose slope is 0.01 unless given, 3/4 for selu. Throws TypeError for another name.
 */
export function calculateGain(nonlinearity: Nonlinearity, slope = 0.01): number {
  requireFinite('nn.init.calculateGain', { slope })
  return gainOf('nn.init.calculateGain', nonlinearity, slope)
}

function readGain(name: string, options: GainOptions): number {
  requireOptions(name, options, ['gain'])
  const { gain = 1 } = options
  requireFinite(name, { gain })
  return gain
}

/** The standard deviation of Glorot and Bengio. */
function xavierDeviation(name: string, t: Tensor, options: GainOptions): number {
  requireTarget(name, t)
  const gain = readGain(name, options)
  const [fanIn, fanOut] = fansOf(name, t)
  return Math.abs(gain) * Math.sqrt(2 / (fanIn + fanOut))
}

/**
 * Fills a weight with values uniform in ±gain √(6 / (fanIn + fanOut)): Glorot and Bengio, "Understanding the difficulty of
 * training deep feedforward neural networks", 2010. Throws ShapeError for fewer than two dimensions. PyTorch's xavier_uniform_.
 */
export function xavierUniform(t: Tensor, options: GainOptions = {}): Tensor {
  const bound = Math.sqrt(3) * xavierDeviation('nn.init.xavierUniform', t, options)
  return uniformly(t, -bound, bound)
}

/** Fills a weight with normal values of standard deviation gain √(2 / (fanIn + fanOut)), as {@link xavierUniform}. PyTorch's xavier_normal_. */
export function xavierNormal(t: Tensor, options: GainOptions = {}): Tensor {
  return normally(t, 0, xavierDeviation('nn.init.xavierNormal', t, options))
}

/** The standard deviation of He et al. */
function kaimingDeviation(name: string, t: Tensor, options: KaimingOptions): number {
  requireTarget(name, t)
  requireOptions(name, options, ['a', 'mode', 'nonlinearity'])
  const { a = 0, mode = 'fanIn', nonlinearity = 'leakyRelu' } = options
  requireFinite(name, { a })
  if (!['fanIn', 'fanOut'].includes(mode)) {
    throw new TypeError(`${name}: mode must be 'fanIn' or 'fanOut', not ${shown(mode)}`)
  }
  const gain = gainOf(name, nonlinearity, a)
  const [fanIn, fanOut] = fansOf(name, t)
  return gain / Math.sqrt(mode === 'fanIn' ? fanIn : fanOut)
}

/**
 * Fills a weight with values uniform in ±gain √(3 / fan): He et al., "Delving deep into rectifiers", 2015. The gain is
 * `calculateGain(nonlinearity, a)`. Throws ShapeError for fewer than two dimensions. PyTorch's kaiming_uniform_.
 */
export function kaimingUniform(t: Tensor, options: KaimingOptions = {}): Tensor {
  const bound = Math.sqrt(3) * kaimingDeviation('nn.init.kaimingUniform', t, options)
  return uniformly(t, -bound, bound)
}

/** Fills a weight with normal values of standard deviation gain / √fan, as {@link kaimingUniform}. PyTorch's kaiming_normal_. */
export function kaimingNormal(t: Tensor, options: KaimingOptions = {}): Tensor {
  return normally(t, 0, kaimingDeviation('nn.init.kaimingNormal', t, options))
}

/** The share of the standard normal distribution below x, within 1e-15: Marsaglia, "Evaluating the Normal Distribution", 2004. */
function shareBelow(x: number): number {
  if (Math.abs(x) > 8) return x < 0 ? 0 : 1
  let [sum, before, term] = [x, 0, x]
  for (let odd = 3; sum !== before; odd += 2) {
    before = sum
    term *= x ** 2 / odd
    sum += term
  }
  return 0.5 + (sum * Math.exp(-0.5 * x ** 2)) / Math.sqrt(2 * Math.PI)
}

/**
 * Where the share of the standard normal distribution below is `share`, within 1.2e-9 of that place: P. J. Acklam, "An algorithm for
 * computing the inverse normal cumulative distribution function", 2003.
 */
function placeOf(share: number): number {
  const tail = Math.min(share, 1 - share)
  if (tail < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(tail))
    const place = polynomial(TAIL, q) / polynomial(TAIL_DIVISOR, q)
    return share < 0.5 ? place : -place
  }
  const q = share - 0.5
  return (q * polynomial(MIDDLE, q ** 2)) / polynomial(MIDDLE_DIVISOR, q ** 2)
}

/** Of falling powers of x. */
const polynomial = (coefficients: readonly number[], x: number) => coefficients.reduce((sum, c) => sum * x + c, 0)

const MIDDLE = [
  -3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2, 1.38357751867269e2, -3.066479806614716e1,
  2.506628277459239,
]
const MIDDLE_DIVISOR = [
  -5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1, 1,
]
const TAIL = [
  -7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
]
const TAIL_DIVISOR = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416, 1]

/** Of a distribution of which less lies between a and b, 24 random bits and the share's own rounding would show. */
const LEAST_SHARE = 1e-6

/**
 * Fills the tensor with normal values of which none is below a or above b: each is what a value uniform between the shares of the
 * distribution below a and b is the share below of. Throws RangeError for a std that is not above 0, and unless a < b and at least
 * a millionth of the distribution lies between them. PyTorch's trunc_normal_.
 */
export function truncNormal(t: Tensor, options: TruncNormalOptions = {}): Tensor {
  const name = 'nn.init.truncNormal'
  requireTarget(name, t)
  requireOptions(name, options, ['mean', 'std', 'a', 'b'])
  const { mean = 0, std = 1, a = -2, b = 2 } = options
  requireFinite(name, { mean, std })
  for (const [role, value] of [
    ['a', a],
    ['b', b],
  ] as const)
    requireNumber(name, role, value)
  if (std <= 0) throw new RangeError(`${name}: std must be a number above 0, not ${std}`)
  if (a >= b) throw new RangeError(`${name}: a must be below b, not ${a} with b ${b}`)
  // Beyond 8 standard deviations lies less than what a value's share can tell.
  const [low, high] = [a, b].map((edge) => Math.min(Math.max((edge - mean) / std, -8), 8)) as [number, number]
  const [below, above] = [shareBelow(low), shareBelow(high)]
  if (above - below < LEAST_SHARE) {
    throw new RangeError(
      `${name}: less than ${LEAST_SHARE} of the distribution with mean ${mean} and std ${std} lies between ${a} and ${b}`,
    )
  }
  return fill(t, (stream) => {
    // The middle of one of 2²⁴ equal parts: never an edge, whose place might be infinite.
    const u = (stream.nextUint32() >>> 8) + 0.5
    const place = placeOf(below + (above - below) * 2 ** -24 * u)
    return Math.min(Math.max(mean + std * place, a), b)
  })
}

/** Removes from v its parts along orthonormal vectors, twice, which leaves none that float64 can see; returns v's length. */
function orthogonalize(v: Float64Array, others: readonly Float64Array[]): number {
  for (let pass = 0; pass < 2; pass++) {
    for (const q of others) {
      let dot = 0
      for (let i = 0; i < v.length; i++) dot += q[i]! * v[i]!
      for (let i = 0; i < v.length; i++) v[i]! -= dot * q[i]!
    }
  }
  return Math.sqrt(v.reduce((sum, x) => sum + x * x, 0))
}

/**
 * Fills a tensor, seen as a matrix [first size, all others], with `gain` times an orthonormal one: its rows, or its columns if
 * there are fewer of them, have length 1 and are orthogonal, every such matrix as likely. Saxe, McClelland and Ganguli, "Exact
 * solutions to the nonlinear dynamics of learning", 2014. Throws ShapeError for fewer than two dimensions. PyTorch's orthogonal_.
 */
export function orthogonal(t: Tensor, options: GainOptions = {}): Tensor {
  const name = 'nn.init.orthogonal'
  requireTarget(name, t)
  const gain = readGain(name, options)
  fansOf(name, t)
  const rows = t.shape[0]!
  const columns = sizeOf(t.shape.slice(1))
  const [count, length] = [Math.min(rows, columns), Math.max(rows, columns)]
  const stream = defaultGenerator().stream('init')
  const vectors: Float64Array[] = []
  for (let k = 0; k < count; k++) {
    // Of normal values every direction is as likely, and that of what is left of them too, unless nothing is left.
    for (let size = 0; size < 1e-4; ) {
      const v = Float64Array.from({ length }, () => stream.normal())
      size = orthogonalize(v, vectors.slice(0, k))
      vectors[k] = v.map((x) => x / size)
    }
  }
  const values = new Float32Array(t.size)
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++)
      values[i * columns + j] = gain * (rows <= columns ? vectors[i]![j]! : vectors[j]![i]!)
  }
  return write(t, values)
}
