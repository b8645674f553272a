// unary: functions of each element by itself.
import { KernelFile } from '../gpu/kernel.ts'
import { apply, type Op } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { requireOptions, shown, tooMany } from '../tensor/options.ts'
import type { Tensor } from '../tensor/tensor.ts'
import * as wgsl from './generated/wgsl.ts'
import { divided, requireNumber, requireTensors, requireType } from './support.ts'

/** The numbers that a function has beside its input: what each is says the shader. */
interface Numbers {
  readonly a: number
  readonly b: number
}

const NONE: Numbers = { a: 0, b: 0 }

/** The operation of this name, the one that wgsl/unary.wgsl numbers `OP`. */
function operation(name: string, OP: number): Op<readonly [Tensor], Numbers> {
  // By the operation's own name, which profiles and errors show.
  const file = new KernelFile(name, wgsl.unary)
  return {
    name,

    shape([x]) {
      requireType(name, 'input', x)
      return x.shape
    },

    forward(gpu, [x], { a, b }, shape) {
      const out = empty(gpu, shape, 'float32', name)
      const params = { size: x.size, a, b }
      const { PER, groups } = divided(gpu, x.size)
      gpu.emit(file.entry('forward', { OP, PER }), { params, x: x.storage, out: out.storage }, groups)
      return { out, saved: [x] }
    },

    backward(gpu, dy, [x], { a, b }, _, grad) {
      const dx = grad(0)
      const params = { size: dy.size, a, b }
      const bindings = { params, x: x!.storage, dy: dy.storage, dx: dx.storage }
      const { PER, groups } = divided(gpu, dy.size)
      gpu.emit(file.entry('backward', { OP, PER }), bindings, groups)
      return [dx]
    },
  }
}

/** A function without options. */
function unary(name: string, OP: number): (x: Tensor) => Tensor {
  const op = operation(name, OP)
  const signature = `${name}(x)`
  return function (x) {
    if (arguments.length > 1) throw tooMany(arguments, signature)
    return applied(op, x)
  }
}

function applied(op: Op<readonly [Tensor], Numbers>, x: Tensor, numbers: Partial<Numbers> = {}): Tensor {
  requireTensors(op.name, { input: x })
  return apply(op, [x], { ...NONE, ...numbers })
}

/** −x. Any shape, float32. */
export const neg = unary('neg', 0)

/** |x|; the gradient at 0 is 0. Any shape, float32. */
export const abs = unary('abs', 1)

/** 1, 0 or −1; the gradient is 0. Any shape, float32. */
export const sign = unary('sign', 2)

/** x². Any shape, float32. */
export const square = unary('square', 3)

/** √x; NaN below 0. The gradient at 0 is infinite. Any shape, float32. */
export const sqrt = unary('sqrt', 4)

/** 1 / √x; infinite at 0, NaN below. Any shape, float32. */
export const rsqrt = unary('rsqrt', 5)

/** 1 / x; infinite at 0, with the zero's sign. Any shape, float32. */
export const reciprocal = unary('reciprocal', 6)

/** eˣ. Any shape, float32. */
export const exp = unary('exp', 7)

/** eˣ − 1, which keeps its digits near 0. Any shape, float32. */
export const expm1 = unary('expm1', 8)

/** The natural logarithm; −∞ at 0, NaN below. Any shape, float32. */
export const log = unary('log', 9)

/** The natural logarithm of 1 + x, which keeps its digits near 0; −∞ at −1, NaN below. Any shape, float32. */
export const log1p = unary('log1p', 10)

/** The sine of x in radians, of however large a number; NaN for infinities. Any shape, float32. */
export const sin = unary('sin', 11)

/** The cosine of x in radians, of however large a number; NaN for infinities. Any shape, float32. */
export const cos = unary('cos', 12)

/** The hyperbolic tangent. Any shape, float32. */
export const tanh = unary('tanh', 13)

/** 1 / (1 + e⁻ˣ), which does not overflow. Any shape, float32. */
export const sigmoid = unary('sigmoid', 14)

/** The input where it is positive, else 0; NaN stays NaN. The gradient at 0 is 0. Any shape, float32. */
export const relu = unary('relu', 15)

/** x / (1 + e⁻ˣ), which PyTorch calls silu too; NaN stays NaN, and −∞ gives NaN. Any shape, float32. */
export const silu = unary('silu', 20)

/** log(1 + eˣ), which does not overflow. Any shape, float32. */
export const softplus = unary('softplus', 21)

/** The error function, 2/√π · ∫₀ˣ exp(−t²) dt. Any shape, float32. */
export const erf = unary('erf', 22)

const leakyReluOp = operation('leakyRelu', 16)
const eluOp = operation('elu', 17)
const geluOps = { none: operation('gelu', 18), tanh: operation('gelu', 19) }
const clampOp = operation('clamp', 23)

/** The input where it is positive, else `negativeSlope` times it; the gradient at 0 is the slope. Any shape, float32. */
export function leakyRelu(x: Tensor, negativeSlope = 0.01): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'leakyRelu(x, negativeSlope)')
  requireNumber('leakyRelu', 'negativeSlope', negativeSlope)
  return applied(leakyReluOp, x, { a: negativeSlope })
}

/** The input where it is positive, else alpha · (eˣ − 1). Any shape, float32. */
export function elu(x: Tensor, alpha = 1): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'elu(x, alpha)')
  requireNumber('elu', 'alpha', alpha)
  return applied(eluOp, x, { a: alpha })
}

/** Options of `gelu`. */
export interface GeluOptions {
  /** 'tanh': 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))) in place of the error function; 'none' unless given. */
  readonly approximate?: 'none' | 'tanh'
}

/** x Φ(x), where Φ is the distribution function of the normal distribution; −∞ gives NaN. Any shape, float32. */
export function gelu(x: Tensor, options: GeluOptions = {}): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'gelu(x, options)')
  requireOptions('gelu', options, ['approximate'])
  const { approximate = 'none' } = options
  if (!Object.hasOwn(geluOps, approximate)) {
    throw new TypeError(`gelu: approximate must be 'none' or 'tanh', not ${shown(approximate)}`)
  }
  return applied(geluOps[approximate], x)
}

/** Bounds of `clamp`; at least one of them. */
export interface ClampOptions {
  readonly min?: number
  readonly max?: number
}

/**
 * The input, or the nearer bound where it lies outside of `min` and `max`; max where min is larger. The gradient passes within the
 * bounds, and at them. Any shape, float32.
 */
export function clamp(x: Tensor, options: ClampOptions): Tensor {
  if (arguments.length > 2) throw tooMany(arguments, 'clamp(x, options)')
  requireOptions('clamp', options, ['min', 'max'])
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = options
  if (options.min === undefined && options.max === undefined) throw new TypeError('clamp: give min, max or both')
  requireNumber('clamp', 'min', min)
  requireNumber('clamp', 'max', max)
  return applied(clampOp, x, { a: min, b: max })
}
