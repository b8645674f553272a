// Reductions: the sum, mean, extremes, product, variance, norm and logarithm of a sum of exponentials, along any dimensions.
import { looksAcross } from '../capture/current.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { requireFlags, requireOptions, tooMany } from '../tensor/options.ts'
import { type Shape, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { full } from './fill.ts'
import {
  countOf,
  type Dim,
  dimsOf,
  fold,
  gradient,
  lending,
  outputOf,
  type Recipe,
  type Reduced,
  requireElements,
} from './reduce.ts'
import { requireNumber, requireTensors, requireType } from './support.ts'

/** Options of reductions. */
export interface ReduceOptions {
  /** Whether dimensions that are reduced stay, with size 1; false unless given. */
  readonly keepDim?: boolean
}

/** Options of {@link variance} and {@link std}. */
export interface VarianceOptions extends ReduceOptions {
  /** What is taken off the number of elements before it divides; 1 unless given. */
  readonly correction?: number
}

/** Options of {@link norm}. */
export interface NormOptions extends ReduceOptions {
  /** The power; 2 unless given. 0 counts the elements that are not 0, ±Infinity are the largest and smallest |x|. */
  readonly p?: number
  /** A dimension, a list of them, or all if it is left out. */
  readonly dim?: Dim
}

interface Attributes extends Reduced {
  readonly keepDim: boolean
  /** The correction of a variance, the power of a norm. */
  readonly option: number
}

/** How one reduction differs from the others. */
interface Reduction {
  /** The result of no elements; null: it is refused. */
  none(attributes: Attributes): number | null
  /** The result and what backward needs. Some elements go into each result. */
  forward(x: Tensor, attributes: Attributes, shape: Shape): { out: Tensor; saved: readonly Tensor[] }
  backward(dy: Tensor, saved: readonly Tensor[], attributes: Attributes): Tensor
}

function opOf(name: string, { none, forward, backward }: Reduction): Op<readonly [Tensor], Attributes> {
  return {
    name,
    shape([x], attributes) {
      requireType(name, 'input', x)
      if (none(attributes) === null) requireElements(name, attributes)
      return outputOf(attributes, attributes.keepDim)
    },
    forward(gpu, [x], attributes, shape) {
      const value = none(attributes)
      if (countOf(attributes) === 0 && value !== null) return { out: full(gpu, shape, value), saved: [] }
      return forward(x, attributes, shape)
    },
    backward(gpu, dy, saved, attributes) {
      const { input } = attributes
      return [sizeOf(input) === 0 ? empty(gpu, input, 'float32', name) : backward(dy, saved, attributes)]
    },
  }
}

const sumOp = opOf('sum', {
  none: () => 0,
  forward: (x, { dims }, shape) => ({ out: fold(x, dims, shape, 'sum', { op: 'sum' }), saved: [] }),
  backward: (dy, _, attributes) => gradient('sum', 'sum', attributes, { dy }),
})

/** The mean of the elements, or of what `more` says. */
function meanOf(x: Tensor, attributes: Reduced, shape: Shape, name: string, more: Partial<Recipe> = {}): Tensor {
  return fold(x, attributes.dims, shape, name, { op: 'sum', finish: 'divide', by: countOf(attributes), ...more })
}

const meanOp = opOf('mean', {
  none: () => Number.NaN,
  forward: (x, attributes, shape) => ({ out: meanOf(x, attributes, shape, 'mean'), saved: [] }),
  backward: (dy, _, attributes) => gradient('mean', 'mean', attributes, { dy, by: countOf(attributes) }),
})

/** The gradient of a largest or smallest element, or size: those that are equal to it share it. */
function shared(name: string, of: 'extreme' | 'largest', dy: Tensor, x: Tensor, out: Tensor, attributes: Reduced) {
  const map = of === 'extreme' ? 'same' : 'sameSize'
  const count = fold(x, attributes.dims, out.shape, name, { op: 'sum', map, stat: out })
  return lending([count], () => gradient(name, of, attributes, { dy, x, stat: out, aux: count }))
}

function extreme(name: 'max' | 'min'): Reduction {
  const op = name === 'max' ? 'largest' : 'smallest'
  return {
    none: () => null,
    forward(x, { dims }, shape) {
      const out = fold(x, dims, shape, name, { op })
      return { out, saved: [x, out] }
    },
    backward: (dy, [x, out], attributes) => shared(name, 'extreme', dy, x!, out!, attributes),
  }
}

const maxOp = opOf('max', extreme('max'))
const minOp = opOf('min', extreme('min'))

const prodOp = opOf('prod', {
  none: () => 1,
  forward(x, { dims }, shape) {
    const out = fold(x, dims, shape, 'prod', { op: 'product' })
    return { out, saved: [x, out] }
  },
  backward(dy, [x, out], attributes) {
    const of = (recipe: Recipe) => fold(x!, attributes.dims, dy.shape, 'prod', recipe)
    const [others, zeros] = [of({ op: 'product', map: 'notZero' }), of({ op: 'sum', map: 'isZero' })]
    const sources = { dy, x, stat: out, aux: others, aux2: zeros }
    return lending([others, zeros], () => gradient('prod', 'product', attributes, sources))
  },
})

/**
 * The mean as two numbers, whose sum it is: a number near it, and the mean of the distances from that. The first is rounded
 * twice, so that it is the elements themselves where they are all equal, and the distances are 0.
 */
function twoMeans(name: string, x: Tensor, attributes: Reduced, shape: Shape): [Tensor, Tensor] {
  const first = meanOf(x, attributes, shape, name)
  const near = lending([first], () =>
    meanOf(x, attributes, shape, name, { map: 'centred', finish: 'dividePlus', stat: first }),
  )
  return [near, meanOf(x, attributes, shape, name, { map: 'centred', stat: near })]
}

const degreesOf = (attributes: Attributes) => Math.max(0, countOf(attributes) - attributes.option)

function deviation(name: 'var' | 'std'): Reduction {
  const finish = name === 'var' ? 'divide' : 'divideRoot'
  return {
    none: () => Number.NaN,
    forward(x, attributes, shape) {
      const [near, rest] = twoMeans(name, x, attributes, shape)
      const more = { map: 'centredSquared', finish, by: degreesOf(attributes), stat: near, aux: rest } as const
      const out = meanOf(x, attributes, shape, name, more)
      return { out, saved: name === 'var' ? [x, near, rest] : [x, near, rest, out] }
    },
    backward(dy, [x, stat, aux, out], attributes) {
      const by = degreesOf(attributes)
      if (!out) return gradient(name, 'variance', attributes, { dy, x, stat, aux, by: 2 / by })
      return gradient(name, 'deviation', attributes, { dy, x, stat, aux, aux2: out, by: 1 / by })
    },
  }
}

const varOp = opOf('var', deviation('var'))
const stdOp = opOf('std', deviation('std'))

function recipeOfNorm(p: number): Recipe {
  if (p === Infinity) return { op: 'largest', map: 'size' }
  if (p === -Infinity) return { op: 'smallest', map: 'size' }
  if (p === 0) return { op: 'sum', map: 'counted' }
  if (p === 1) return { op: 'sum', map: 'size' }
  if (p === 2) return { op: 'sum', map: 'squared', finish: 'root' }
  return { op: 'sum', map: 'powers', power: p, finish: 'power', by: 1 / p }
}

const normOp = opOf('norm', {
  none: ({ option: p }) => (p < 0 || p === Infinity ? null : 0),
  forward(x, { dims, option: p }, shape) {
    const out = fold(x, dims, shape, 'norm', recipeOfNorm(p))
    return { out, saved: [x, out] }
  },
  backward(dy, [x, out], attributes) {
    const p = attributes.option
    const sources = { dy, x, stat: out }
    if (p === 0) return full(dy.gpu, attributes.input, 0)
    if (p === 1) return gradient('norm', 'sizes', attributes, sources)
    if (p === 2) return gradient('norm', 'length', attributes, sources)
    if (Number.isFinite(p)) return gradient('norm', 'norm', attributes, { ...sources, by: p - 1 })
    return shared('norm', 'largest', dy, x!, out!, attributes)
  },
})

const logSumExpOp = opOf('logSumExp', {
  none: () => Number.NEGATIVE_INFINITY,
  forward(x, { dims }, shape) {
    const largest = fold(x, dims, shape, 'logSumExp', { op: 'largest' })
    const recipe = { op: 'sum', map: 'exponential', finish: 'logPlus', stat: largest } as const
    const out = lending([largest], () => fold(x, dims, shape, 'logSumExp', recipe))
    return { out, saved: [x, out] }
  },
  backward: (dy, [x, out], attributes) => gradient('logSumExp', 'logSum', attributes, { dy, x, stat: out }),
})

function reduce(
  op: Op<readonly [Tensor], Attributes>,
  x: Tensor,
  dim: Dim,
  options: ReduceOptions,
  known: readonly string[] = [],
  option = 0,
): Tensor {
  requireTensors(op.name, { input: x })
  requireOptions(op.name, options, [...known, 'keepDim'])
  requireFlags(op.name, options, ['keepDim'])
  const dims = dimsOf(op.name, x.shape, dim)
  if (dims[0] === 0 && x.shape[0]! > 1) looksAcross(`${op.name} along dim 0`, x)
  return apply(op, [x], { dims, keepDim: options.keepDim ?? false, input: x.shape, option })
}

/**
 * The sum of the elements along `dim`: a dimension, a list of them, or all if it is left out; negative ones count from the
 * end. It is made of fixed blocks in a fixed order. Of no elements it is 0. Float32, any shape.
 * Throws ShapeError for a `dim` that is not there or appears twice.
 */
export function sum(x: Tensor, dim?: Dim, options: ReduceOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'sum(x, dim, options)')
  return reduce(sumOp, x, dim, options)
}

/** The mean of the elements along `dim`, which `sum` describes: their sum divided by their number. Of no elements it is NaN. */
export function mean(x: Tensor, dim?: Dim, options: ReduceOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'mean(x, dim, options)')
  return reduce(meanOp, x, dim, options)
}

/**
 * The largest element along `dim`, which `sum` describes; a NaN is larger than all. Equal largest ones share the gradient, as
 * in PyTorch's amax. Throws ShapeError where there is no element.
 */
export function max(x: Tensor, dim?: Dim, options: ReduceOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'max(x, dim, options)')
  return reduce(maxOp, x, dim, options)
}

/**
 * The smallest element along `dim`, which `sum` describes; a NaN is smaller than all. Equal smallest ones share the gradient,
 * as in PyTorch's amin. Throws ShapeError where there is no element.
 */
export function min(x: Tensor, dim?: Dim, options: ReduceOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'min(x, dim, options)')
  return reduce(minOp, x, dim, options)
}

/**
 * The product of the elements along `dim`, which `sum` describes. The gradient of an element is the product of the others, also
 * where some of them are 0. Of no elements it is 1.
 */
export function prod(x: Tensor, dim?: Dim, options: ReduceOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'prod(x, dim, options)')
  return reduce(prodOp, x, dim, options)
}

function readCorrection(name: string, { correction = 1 }: VarianceOptions): number {
  requireNumber(name, 'correction', correction)
  return correction
}

/**
 * The variance of the elements along `dim`, which `sum` describes: Σ (x − mean)² / (n − correction), in two passes, so that it
 * is right however large the mean is. Exported as `var`. NaN if n is at most the correction and all are equal, or n is 0.
 * Throws TypeError for a correction that is not a number.
 */
export function variance(x: Tensor, dim?: Dim, options: VarianceOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'var(x, dim, options)')
  requireOptions('var', options, ['correction', 'keepDim'])
  return reduce(varOp, x, dim, options, ['correction'], readCorrection('var', options))
}

export { variance as var }

/** The standard deviation: the square root of `var`. Its gradient is 0 where it is 0. */
export function std(x: Tensor, dim?: Dim, options: VarianceOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'std(x, dim, options)')
  requireOptions('std', options, ['correction', 'keepDim'])
  return reduce(stdOp, x, dim, options, ['correction'], readCorrection('std', options))
}

/**
 * The p-norm of the elements along `dim`: (Σ |x|^p)^(1/p). The gradient is 0 where the norm is 0; for p = ±Infinity equal
 * elements share it. Where the sum of the powers is out of float32's range, so is the norm, as in PyTorch. Of no elements it is
 * 0. Throws ShapeError where there is no element for p < 0 and p = Infinity, TypeError for a p that is not a number.
 */
export function norm(x: Tensor, options: NormOptions = {}): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'norm(x, options)')
  requireOptions('norm', options, ['p', 'dim', 'keepDim'])
  const { p = 2, dim } = options
  requireNumber('norm', 'p', p)
  return reduce(normOp, x, dim, options, ['p', 'dim'], p)
}

/**
 * log Σ exp(x) of the elements along `dim`, which `sum` describes; no exponential overflows. PyTorch's logsumexp. Of no elements
 * it is −Infinity.
 */
export function logSumExp(x: Tensor, dim?: Dim, options: ReduceOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'logSumExp(x, dim, options)')
  return reduce(logSumExpOp, x, dim, options)
}
