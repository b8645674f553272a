// Losses of numbers: how far an input is from its target, element by element, in kernels or composed of other operations.
import { looksAcross } from '../capture/current.ts'
import { KernelFile } from '../gpu/kernel.ts'
import { apply, type Op, requireTogether } from '../tensor/autograd.ts'
import { empty } from '../tensor/create.ts'
import { noGrad } from '../tensor/modes.ts'
import { requireFlags, requireOptions, shown, tooMany } from '../tensor/options.ts'
import { scope } from '../tensor/scope.ts'
import { ShapeError, type ShapeLine, sameShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { add, broadcast, div, eq, lt, mul, sub, where } from './binary.ts'
import { full } from './fill.ts'
import * as wgsl from './generated/wgsl.ts'
import { fold, lending } from './reduce.ts'
import { mean, sum } from './reductions.ts'
import { divided, groupsFor, requireTensors, requireType, WORKGROUP } from './support.ts'
import { clamp, exp, log, log1p, neg, softplus } from './unary.ts'

/** What becomes of the losses: their mean, their sum, or all of them. */
export type Reduction = 'mean' | 'sum' | 'none'

/** Options of losses. */
export interface LossOptions {
  /** 'mean' unless given; 'none': the loss of each element. */
  readonly reduction?: Reduction
}

/** Options of {@link smoothL1Loss}. */
export interface SmoothL1LossOptions extends LossOptions {
  /** The distance from which on the loss is linear; 1 unless given. */
  readonly beta?: number
}

/** Options of {@link huberLoss}. */
export interface HuberLossOptions extends LossOptions {
  /** The distance from which on the loss is linear; 1 unless given. */
  readonly delta?: number
}

/** Options of {@link bceLoss}. */
export interface BCELossOptions extends LossOptions {
  /** What each element's loss is multiplied with: float32, of a shape that broadcasts to the input's. */
  readonly weight?: Tensor
}

/** Options of {@link bceWithLogitsLoss}. */
export interface BCEWithLogitsLossOptions extends BCELossOptions {
  /** What the part of the target that is 1 is multiplied with, as often one a class: float32, of a shape that broadcasts to the input's. */
  readonly posWeight?: Tensor
}

/** Options of {@link klDivLoss}. */
export interface KLDivLossOptions {
  /** 'mean' unless given, over all elements; 'batchmean', the divergence itself: the sum divided by the size of dimension 0. */
  readonly reduction?: Reduction | 'batchmean'
  /** Whether the target holds logarithms of probabilities; not unless given. */
  readonly logTarget?: boolean
}

/** The reduction that options name; throws TypeError for an unknown one. */
export function readReduction<R extends string = Reduction>(
  operation: string,
  { reduction = 'mean' }: { readonly reduction?: string | undefined },
  known: readonly string[] = ['mean', 'sum', 'none'],
): R {
  if (known.includes(reduction)) return reduction as R
  const list = known.map((name) => `'${name}'`)
  throw new TypeError(
    `${operation}: reduction must be ${list.slice(0, -1).join(', ')} or ${list.at(-1)}, not ${shown(reduction)}`,
  )
}

/** Options of a loss that has no others; throws TypeError for unknown ones. */
export function readLoss(operation: string, options: LossOptions): { reduction: Reduction } {
  requireOptions(operation, options, ['reduction'])
  return { reduction: readReduction(operation, options) }
}

/** What float32 tells from 0. */
const SMALLEST_NORMAL = 2 ** -126

function readDistance(operation: string, role: 'beta' | 'delta', value: number, least: number): number {
  if (Number.isFinite(value) && value >= least) return value
  const right = role === 'beta' ? 'a number, 0 or more' : 'a positive number'
  throw new RangeError(`${operation}: ${role} must be ${right}, not ${shown(value)}`)
}

/** Options of smoothL1Loss with their defaults; throws RangeError for a beta that is negative or not finite. */
export function readSmoothL1(operation: string, options: SmoothL1LossOptions) {
  requireOptions(operation, options, ['reduction', 'beta'])
  return {
    reduction: readReduction(operation, options),
    beta: readDistance(operation, 'beta', options.beta ?? 1, 0),
  }
}

/** Options of huberLoss with their defaults; throws RangeError for a delta that is not positive or not finite. */
export function readHuber(operation: string, options: HuberLossOptions) {
  requireOptions(operation, options, ['reduction', 'delta'])
  return {
    reduction: readReduction(operation, options),
    delta: readDistance(operation, 'delta', options.delta ?? 1, SMALLEST_NORMAL),
  }
}

/** Throws TypeError for a weight that is not a tensor of float32. */
export function requireWeight(operation: string, role: string, weight: Tensor | undefined): void {
  if (weight === undefined) return
  requireTensors(operation, { [role]: weight })
  requireType(operation, role, weight)
}

/** Options of bceLoss with their defaults; throws TypeError for a weight that is not a tensor of float32. */
export function readBCE(operation: string, options: BCELossOptions) {
  requireOptions(operation, options, ['reduction', 'weight'])
  const { weight } = options
  requireWeight(operation, 'weight', weight)
  return { reduction: readReduction(operation, options), weight }
}

/** Options of bceWithLogitsLoss with their defaults; throws TypeError for weights that are not tensors of float32. */
export function readBCEWithLogits(operation: string, options: BCEWithLogitsLossOptions) {
  requireOptions(operation, options, ['reduction', 'weight', 'posWeight'])
  const { weight, posWeight } = options
  requireWeight(operation, 'weight', weight)
  requireWeight(operation, 'posWeight', posWeight)
  return { reduction: readReduction(operation, options), weight, posWeight }
}

/** Options of klDivLoss with their defaults; throws TypeError for a logTarget that is neither true nor false. */
export function readKLDiv(operation: string, options: KLDivLossOptions) {
  requireOptions(operation, options, ['reduction', 'logTarget'])
  const { logTarget = false } = options
  requireFlags(operation, options, ['logTarget'])
  const known = ['mean', 'batchmean', 'sum', 'none']
  return { reduction: readReduction<Reduction | 'batchmean'>(operation, options, known), logTarget }
}

/** The losses as the reduction wants them. */
export function reduced(losses: Tensor, reduction: Reduction): Tensor {
  if (reduction === 'none') return losses
  return reduction === 'mean' ? mean(losses) : sum(losses)
}

/** Tensors beside the input and its target, by their roles. */
type Weights = Readonly<Record<string, Tensor | undefined>>

/**
 * Throws unless input and target are float32 tensors of one shape, and the weights broadcast to it. PyTorch broadcasts inputs
 * and targets, and warns: a row beside a column would be compared with each of its elements.
 */
function requirePair(name: string, input: Tensor, target: Tensor, weights: Weights = {}): void {
  requireTensors(name, { input, target })
  const present = Object.entries(weights).flatMap(([role, weight]) => (weight ? [[role, weight] as const] : []))
  requireTogether(name, [input, target, ...present.map(([, weight]) => weight)])
  requireType(name, 'input', input)
  requireType(name, 'target', target)
  const lines: ShapeLine[] = [
    ['input', input.shape],
    ['target', target.shape],
  ]
  if (!sameShape(input.shape, target.shape)) {
    const cure = 'Nothing is broadcast here: reshape or expand one of them.'
    throw new ShapeError(name, 'input and target must have the same shape', lines, cure)
  }
  broadcast(name, lines)
  for (const [role, weight] of present) {
    const both: ShapeLine[] = [
      ['input', input.shape],
      [role, weight.shape],
    ]
    if (!sameShape(broadcast(name, both), input.shape)) {
      throw new ShapeError(name, `${role} must broadcast to the input's shape, and is larger`, both)
    }
  }
}

const file = new KernelFile('losses', wgsl.losses)

/** As the shader's constants of these names, and the vectors that one thread adds up. */
const OPS = { mseLoss: 0, l1Loss: 1, smoothL1Loss: 2, huberLoss: 3, bceWithLogitsLoss: 4 } as const
const TERMS = 16

interface Attributes {
  readonly reduction: Reduction
  /** The beta of smoothL1Loss, the delta of huberLoss. */
  readonly option: number
}

function fusedOp(name: keyof typeof OPS): Op<readonly [Tensor, Tensor], Attributes> {
  const OP = OPS[name]
  const paramsOf = (size: number, { reduction, option }: Attributes) => {
    return { size, each: reduction === 'none' ? 1 : 0, by: reduction === 'mean' ? size : 1, option }
  }
  return {
    name,

    shape: ([input], { reduction }) => (reduction === 'none' ? input.shape : []),

    forward(gpu, [input, target], attributes, shape) {
      const saved = [input, target]
      const { size } = input
      const { reduction } = attributes
      const bindings = { params: paramsOf(size, attributes), x: input.storage, t: target.storage }
      if (reduction === 'none') {
        const out = empty(gpu, shape, 'float32', name)
        const { PER, groups } = divided(gpu, size)
        gpu.emit(file.entry('terms', { OP, PER }), { ...bindings, out: out.storage }, groups)
        return { out, saved }
      }
      if (size === 0) return { out: full(gpu, shape, reduction === 'mean' ? Number.NaN : 0), saved }
      // The last workgroup's threads may have no vector.
      const vectors = Math.ceil(size / 4)
      const before = Math.floor(vectors / (TERMS * WORKGROUP))
      const threads = WORKGROUP * before + Math.min(WORKGROUP, vectors - TERMS * WORKGROUP * before)
      const partial = empty(gpu, [threads], 'float32', name)
      gpu.emit(file.entry('sums', { OP }), { ...bindings, partial: partial.storage }, groupsFor(threads))
      const last = reduction === 'mean' ? ({ finish: 'divide', by: size } as const) : {}
      const out = lending([partial], () => fold(partial, [0], shape, name, { op: 'sum', ...last }))
      return { out, saved }
    },

    backward(gpu, dy, [input, target], attributes, needs, grad) {
      const { size } = input!
      const bindings = { params: paramsOf(size, attributes), x: input!.storage, t: target!.storage, dy: dy.storage }
      const [ofInput, ofTarget] = [0, 1].map((i) => (needs[i] ? grad(i) : null)) as [Tensor | null, Tensor | null]
      const OF = ofInput && ofTarget ? 2 : ofInput ? 0 : 1
      const { PER, groups } = divided(gpu, size)
      const outputs = { out: ofInput?.storage ?? null, out_t: ofTarget?.storage ?? null }
      gpu.emit(file.entry('gradients', { OP, OF, PER }), { ...bindings, ...outputs }, groups)
      return [ofInput, ofTarget]
    },
  }
}

const fused = Object.fromEntries((Object.keys(OPS) as (keyof typeof OPS)[]).map((name) => [name, fusedOp(name)]))

/** A loss by its kernels. */
function lossOf(name: keyof typeof OPS, input: Tensor, target: Tensor, reduction: Reduction, option = 0): Tensor {
  if (reduction !== 'none' && (input.shape[0] ?? 1) > 1) looksAcross(`${reduction} along dim 0`, input, target)
  return apply(fused[name]!, [input, target], { reduction, option })
}

const weighted = (losses: Tensor, weight: Tensor | undefined) => (weight ? mul(losses, weight) : losses)

/**
 * (input − target)², and its mean, sum or 'none' of these. Any shape, float32. Gradients reach input and target. The mean of no
 * elements is NaN. Throws ShapeError unless both have the same shape: PyTorch broadcasts them with a warning.
 */
export function mseLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'mseLoss(input, target, options)')
  const { reduction } = readLoss('mseLoss', options)
  requirePair('mseLoss', input, target)
  return lossOf('mseLoss', input, target, reduction)
}

/** |input − target|, as `mseLoss`; the gradient where they are equal is 0. */
export function l1Loss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'l1Loss(input, target, options)')
  const { reduction } = readLoss('l1Loss', options)
  requirePair('l1Loss', input, target)
  return lossOf('l1Loss', input, target, reduction)
}

/**
 * With d = input − target: d² / (2 beta) where |d| < beta, else |d| − beta / 2; as `mseLoss`. With beta 0 it is `l1Loss`. Throws
 * RangeError for a beta that is negative or not finite.
 */
export function smoothL1Loss(input: Tensor, target: Tensor, options: SmoothL1LossOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'smoothL1Loss(input, target, options)')
  const { reduction, beta } = readSmoothL1('smoothL1Loss', options)
  requirePair('smoothL1Loss', input, target)
  if (beta < SMALLEST_NORMAL) return lossOf('l1Loss', input, target, reduction)
  return lossOf('smoothL1Loss', input, target, reduction, beta)
}

/**
 * With d = input − target: d² / 2 where |d| ≤ delta, else delta · (|d| − delta / 2); as `mseLoss`. Throws RangeError for a delta
 * that is not positive or not finite.
 */
export function huberLoss(input: Tensor, target: Tensor, options: HuberLossOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'huberLoss(input, target, options)')
  const { reduction, delta } = readHuber('huberLoss', options)
  requirePair('huberLoss', input, target)
  return lossOf('huberLoss', input, target, reduction, delta)
}

/** The least that a logarithm counts for, and the least that a gradient is divided by, as in PyTorch. */
const LEAST_LOG = -100
const LEAST_DIVISOR = 1e-12

/** The cross-entropy of each element: its gradients are not those of its formula where the logarithms are cut off. */
const bceOp: Op<readonly [Tensor, Tensor], null> = {
  name: 'bceLoss',
  shape: ([input]) => input.shape,
  forward(_, [input, target]) {
    const cut = (l: Tensor) => clamp(l, { min: LEAST_LOG })
    const losses = () => neg(add(mul(target, cut(log(input))), mul(sub(1, target), cut(log1p(neg(input))))))
    return { out: noGrad(() => scope(losses)), saved: [input, target] }
  },
  backward(_, dy, [x, t], __, needs) {
    const ofInput = () => {
      const product = mul(x!, sub(1, x!))
      const slope = div(sub(x!, t!), clamp(product, { min: LEAST_DIVISOR }))
      // As the loss itself outside of [0, 1].
      return mul(dy, where(lt(product, 0), Number.NaN, slope))
    }
    const ofTarget = () => mul(dy, sub(log1p(neg(x!)), log(x!)))
    return [needs[0] ? ofInput() : null, needs[1] ? ofTarget() : null]
  },
}

/**
 * −(target · log(input) + (1 − target) · log(1 − input)), times `weight` if there is one; as `mseLoss`. The logarithms are −100 at
 * least, and the gradient, (input − target) / (input · (1 − input)), is divided by 1e-12 at least, as in PyTorch. The input holds
 * probabilities: one outside of [0, 1] gives NaN, in the loss and in the gradient, where PyTorch throws. The target is not looked
 * at. `bceWithLogitsLoss` is more exact, since it needs no sigmoid before it.
 */
export function bceLoss(input: Tensor, target: Tensor, options: BCELossOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'bceLoss(input, target, options)')
  const { reduction, weight } = readBCE('bceLoss', options)
  requirePair('bceLoss', input, target, { weight })
  return scope(() => reduced(weighted(apply(bceOp, [input, target], null), weight), reduction))
}

/**
 * `bceLoss` of the sigmoid of the input, whatever its size: (1 − target) · softplus(input) + posWeight · target · softplus(−input),
 * times `weight` if there is one. No logarithm is cut off.
 */
export function bceWithLogitsLoss(input: Tensor, target: Tensor, options: BCEWithLogitsLossOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'bceWithLogitsLoss(input, target, options)')
  const { reduction, weight, posWeight } = readBCEWithLogits('bceWithLogitsLoss', options)
  requirePair('bceWithLogitsLoss', input, target, { weight, posWeight })
  if (!weight && !posWeight) return lossOf('bceWithLogitsLoss', input, target, reduction)
  return scope(() => {
    // Neither term is negative: nothing cancels.
    const zero = mul(sub(1, target), softplus(input))
    const one = mul(weighted(target, posWeight), softplus(neg(input)))
    return reduced(weighted(add(zero, one), weight), reduction)
  })
}

/**
 * target · (log(target) − input), where input holds logarithms of probabilities and target probabilities; with `logTarget`, whose
 * target holds logarithms too, exp(target) · (target − input). As `mseLoss`; 'batchmean' divides the sum by the size of dimension 0.
 * A target of 0 gives 0, and its own gradient is NaN, as in PyTorch; a negative one gives NaN.
 */
export function klDivLoss(input: Tensor, target: Tensor, options: KLDivLossOptions = {}): Tensor {
  if (arguments.length > 3) throw tooMany(arguments, 'klDivLoss(input, target, options)')
  const { reduction, logTarget } = readKLDiv('klDivLoss', options)
  requirePair('klDivLoss', input, target)
  return scope(() => {
    const losses = logTarget
      ? mul(exp(target), sub(target, input))
      : sub(where(eq(target, 0), 0, mul(target, log(target))), mul(target, input))
    if (reduction !== 'batchmean') return reduced(losses, reduction)
    return input.shape.length === 0 ? losses : div(sum(losses), input.shape[0]!)
  })
}
