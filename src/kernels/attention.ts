// scaledDotProductAttention: sums of values, weighted by how well keys match queries. Composed of other operations.
import { requireTogether } from '../tensor/autograd.ts'
import { requireFlags, requireOptions, requireShare, tooMany } from '../tensor/options.ts'
import { scope } from '../tensor/scope.ts'
import { type Shape, ShapeError, type ShapeLine, sameShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { add, broadcast, mul, where } from './binary.ts'
import { triu } from './copy.ts'
import { dropout } from './dropout.ts'
import { full } from './fill.ts'
import { matmul } from './matmul.ts'
import { softmax } from './softmax.ts'
import { requireNumber, requireTensors, requireType } from './support.ts'

/** Options of {@link scaledDotProductAttention}. */
export interface AttentionOptions {
  /**
   * What broadcasts to the scores [..., L, S]: uint8 with 1 where a query and a key take part, or float32, which is added to
   * the scores. None unless given.
   */
  readonly mask?: Tensor | null
  /** Whether query i sees the keys up to i alone, counted from the start; false unless given. Not together with a mask. */
  readonly isCausal?: boolean
  /** What the products are multiplied with; 1/√E unless given. */
  readonly scale?: number
  /** The probability that a weight is dropped, as by `dropout`; 0 unless given. */
  readonly dropoutP?: number
}

/** A mask as `attend` takes it. */
export interface Mask {
  readonly tensor: Tensor
  /** What a uint8 mask has where a query and a key take no part. */
  readonly hides: 0 | 1
}

/** What hides the keys after each query, when it is added to scores of this shape. */
function causalMask(scores: Tensor): Tensor {
  return triu(full(scores.gpu, scores.shape.slice(-2), Number.NEGATIVE_INFINITY), 1)
}

/** What `attend` is told beside its tensors. */
interface Attention {
  readonly masks: readonly Mask[]
  readonly isCausal: boolean
  readonly scale: number
  readonly dropoutP: number
}

/** softmax(scale · q kᵀ, masked) v, of tensors that were checked. The caller has a scope. @internal */
export function attend(q: Tensor, k: Tensor, v: Tensor, { masks, isCausal, scale, dropoutP }: Attention): Tensor {
  let scores = matmul(mul(q, scale), k, { transposeB: true })
  if (isCausal) scores = add(scores, causalMask(scores))
  for (const { tensor, hides } of masks) {
    if (tensor.dtype === 'float32') scores = add(scores, tensor)
    else if (hides === 1) scores = where(tensor, Number.NEGATIVE_INFINITY, scores)
    else scores = where(tensor, scores, Number.NEGATIVE_INFINITY)
  }
  const weights = softmax(scores, -1)
  return matmul(dropoutP > 0 ? dropout(weights, { p: dropoutP }) : weights, v)
}

/** Throws ShapeError for a mask that is not of the scores' shape nor broadcasts to it. */
function requireMask(operation: string, role: string, mask: Tensor, scores: Shape): void {
  requireType(operation, role, mask, ['uint8', 'float32'])
  const lines: readonly ShapeLine[] = [
    [role, mask.shape],
    ['scores', scores],
  ]
  if (sameShape(broadcast(operation, lines), scores)) return
  throw new ShapeError(operation, `${role} must broadcast to the scores, it has more elements`, lines)
}

/** The shape of the scores. Throws for tensors that do not fit. */
function scoresOf(q: Tensor, k: Tensor, v: Tensor): Shape {
  const name = 'scaledDotProductAttention'
  const lines: readonly ShapeLine[] = [
    ['q', q.shape, '… L E'],
    ['k', k.shape, '… S E'],
    ['v', v.shape, '… S V'],
  ]
  for (const [role, t] of Object.entries({ q, k, v })) {
    requireType(name, role, t)
    if (t.shape.length < 2) throw new ShapeError(name, `${role} must have two dimensions or more`, lines)
  }
  const [E, S] = [q.shape.at(-1), k.shape.at(-2)]
  if (k.shape.at(-1) !== E) {
    throw new ShapeError(name, `q and k must have vectors of one length, not ${E} and ${k.shape.at(-1)}`, lines)
  }
  if (v.shape.at(-2) !== S) {
    throw new ShapeError(name, `there must be a value for each key, not ${v.shape.at(-2)} for ${S}`, lines)
  }
  broadcast(name, lines, 2)
  return [...broadcast(name, lines.slice(0, 2), 2), q.shape.at(-2)!, S!]
}

/**
 * softmax(q kᵀ / √E) v: each query's mean of the values, weighted by how well their keys match it. q [..., L, E], k [..., S, E]
 * and v [..., S, V] → [..., L, V]; the dimensions before the last two, such as batch and heads, broadcast. With a mask, or with
 * `isCausal`, a query sees some of the keys alone. A query that sees none gives NaN: that is the softmax that PyTorch 2 documents
 * and computed up to 2.4 (since 2.5 it gives 0). PyTorch's scaled_dot_product_attention.
 *
 * Throws ShapeError for shapes that do not fit; TypeError or RangeError for other arguments that do not.
 */
export function scaledDotProductAttention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const name = 'scaledDotProductAttention'
  if (arguments.length > 4) throw tooMany(arguments, `${name}(q, k, v, options)`)
  requireTensors(name, { q, k, v })
  requireOptions(name, options, ['mask', 'isCausal', 'scale', 'dropoutP'])
  requireFlags(name, options, ['isCausal'])
  const { mask = null, isCausal = false, dropoutP = 0 } = options
  if (mask !== null) requireTensors(name, { mask })
  requireTogether(name, [q, k, v, ...(mask === null ? [] : [mask])])
  if (isCausal && mask !== null)
    throw new TypeError(`${name}: mask and isCausal exclude each other; leave out one of them`)
  const scores = scoresOf(q, k, v)
  if (mask !== null) requireMask(name, 'mask', mask, scores)
  const { scale = 1 / Math.sqrt(q.shape.at(-1)!) } = options
  requireNumber(name, 'scale', scale)
  requireShare(name, 'dropoutP', dropoutP)
  const masks: readonly Mask[] = mask === null ? [] : [{ tensor: mask, hides: 0 }]
  return scope(() => attend(q, k, v, { masks, isCausal, scale, dropoutP }))
}
