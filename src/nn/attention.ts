// MultiheadAttention: several attentions side by side, between projections that are trained.
import { attend, type Mask } from '../kernels/attention.ts'
import { linear } from '../kernels/linear.ts'
import { requireTensors, requireType } from '../kernels/support.ts'
import { requireTogether } from '../tensor/autograd.ts'
import { requireFlags, requireOptions, requireShare, tooMany } from '../tensor/options.ts'
import { scope } from '../tensor/scope.ts'
import { formatShape, type Shape, ShapeError, type ShapeLine, sameShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { filledParameter } from './init.ts'
import { xavierUniform, zeros } from './initializers.ts'
import { Linear, requireCount } from './layers.ts'
import { Module } from './module.ts'

/** Options of {@link MultiheadAttention}. */
export interface MultiheadAttentionOptions {
  /** The probability that a weight of the attention is dropped in training mode; 0 unless given. */
  readonly dropout?: number
  /** Whether the projections have biases; true unless given. */
  readonly bias?: boolean
  /** Features of the keys; embedDim unless given. */
  readonly kdim?: number
  /** Features of the values; embedDim unless given. */
  readonly vdim?: number
  /** Whether tensors are [N, L, features] instead of [L, N, features]; false unless given. */
  readonly batchFirst?: boolean
}

/** What hides keys from queries in {@link MultiheadAttention}. A uint8 mask has 1 where a pair is hidden, a float32 mask is added. */
export interface AttentionMasks {
  /** [L, S], or [N · heads, L, S] */
  readonly attnMask?: Tensor | null
  /** [N, S] */
  readonly keyPaddingMask?: Tensor | null
  /** Whether query i sees the keys up to i alone; false unless given. */
  readonly isCausal?: boolean
}

const NAME = 'nn.MultiheadAttention'

/** Queries, keys and values, and how their dimensions are called. */
type Three = readonly [query: Tensor, key: Tensor, value: Tensor]
const ROLES = ['query', 'key', 'value'] as const

/** Throws for a mask of another type or shape. */
function requireExactly(role: string, mask: Tensor, shape: Shape): void {
  requireType(NAME, role, mask, ['uint8', 'float32'])
  if (sameShape(mask.shape, shape)) return
  const sentence = `${role} must have the shape ${formatShape(shape)} here`
  throw new ShapeError(NAME, sentence, [[role, mask.shape]])
}

/** How many there are of each. */
interface Sizes {
  readonly N: number
  readonly L: number
  readonly S: number
}

/**
 * Attention in numHeads parts of the features: scaledDotProductAttention of projections of queries, keys and values, and a
 * projection of the result. State, by PyTorch's names: in_proj_weight [3 · embedDim, embedDim] (with kdim or vdim instead
 * q_proj_weight, k_proj_weight and v_proj_weight, [embedDim, features]), in_proj_bias [3 · embedDim], out_proj.weight and out_proj.bias.
 * At first in_proj_weight is uniform in ±√(6 / (4 · embedDim)), Xavier's, out_proj.weight as nn.Linear has it, and biases are 0.
 */
export class MultiheadAttention extends Module {
  readonly embedDim: number
  readonly numHeads: number
  readonly dropout: number
  readonly batchFirst: boolean
  readonly in_proj_weight: Tensor | null = null
  readonly q_proj_weight: Tensor | null = null
  readonly k_proj_weight: Tensor | null = null
  readonly v_proj_weight: Tensor | null = null
  readonly in_proj_bias: Tensor | null
  readonly out_proj: Linear
  readonly #features: readonly [query: number, key: number, value: number]

  /** Throws ShapeError for sizes that do not fit, TypeError or RangeError for options that do not. */
  constructor(embedDim: number, numHeads: number, options: MultiheadAttentionOptions = {}) {
    if (arguments.length > 3) throw tooMany(arguments, `${NAME}(embedDim, numHeads, options)`)
    super()
    requireOptions(NAME, options, ['dropout', 'bias', 'kdim', 'vdim', 'batchFirst'])
    requireFlags(NAME, options, ['bias', 'batchFirst'])
    const { dropout = 0, bias = true, kdim = embedDim, vdim = embedDim, batchFirst = false } = options
    for (const [name, count] of Object.entries({ embedDim, numHeads, kdim, vdim })) requireCount(NAME, name, count)
    if (embedDim % numHeads !== 0) {
      throw new ShapeError(NAME, `numHeads must divide the ${embedDim} features of embedDim, ${numHeads} does not`)
    }
    requireShare(NAME, 'dropout', dropout)
    this.embedDim = embedDim
    this.numHeads = numHeads
    this.dropout = dropout
    this.batchFirst = batchFirst
    this.#features = [embedDim, kdim, vdim]
    if (kdim === embedDim && vdim === embedDim) {
      this.in_proj_weight = xavierUniform(filledParameter('in_proj_weight', [3 * embedDim, embedDim], 0))
    } else {
      this.q_proj_weight = xavierUniform(filledParameter('q_proj_weight', [embedDim, embedDim], 0))
      this.k_proj_weight = xavierUniform(filledParameter('k_proj_weight', [embedDim, kdim], 0))
      this.v_proj_weight = xavierUniform(filledParameter('v_proj_weight', [embedDim, vdim], 0))
    }
    this.in_proj_bias = bias ? filledParameter('in_proj_bias', [3 * embedDim], 0) : null
    this.out_proj = new Linear(embedDim, embedDim, { bias })
    if (this.out_proj.bias) zeros(this.out_proj.bias)
  }

  /**
   * query [L, N, embedDim], key [S, N, kdim] and value [S, N, vdim] → [L, N, embedDim]; with batchFirst N comes first. Without a batch,
   * [L, embedDim] and so on, no tensor has N. Keys are the queries and values the keys unless given. A query from which all
   * keys are hidden gives NaN. Throws ShapeError for what does not fit.
   */
  override forward(query: Tensor, key: Tensor = query, value: Tensor = key, masks: AttentionMasks = {}): Tensor {
    const given: Three = [query, key, value]
    const sizes = this.#check(given, masks)
    return scope(() => {
      const { attnMask = null, keyPaddingMask = null, isCausal = false } = masks
      const { N, L, S } = sizes
      const hiding: Mask[] = []
      if (attnMask) {
        const each = attnMask.shape.length === 3
        hiding.push({ tensor: each ? attnMask.reshape([N, this.numHeads, L, S]) : attnMask, hides: 1 })
      }
      if (keyPaddingMask) hiding.push({ tensor: keyPaddingMask.reshape([N, 1, 1, S]), hides: 1 })
      const [q, k, v] = this.#heads(given, sizes)
      const scale = 1 / Math.sqrt(this.embedDim / this.numHeads)
      const dropoutP = this.training ? this.dropout : 0
      const heads = attend(q, k, v, { masks: hiding, isCausal, scale, dropoutP })
      const joined = heads.permute(this.batchFirst ? [0, 2, 1, 3] : [2, 0, 1, 3]).reshape(query.shape)
      return this.out_proj.forward(joined)
    })
  }

  /** The projections, [N, heads, length, features of a head]. */
  #heads([query, key, value]: Three, { N, L, S }: Sizes): Three {
    const E = this.embedDim
    const inner = [this.numHeads, E / this.numHeads]
    const outer = (length: number) => (this.batchFirst ? [N, length] : [length, N])
    const order = this.batchFirst ? [0, 2, 1, 3] : [1, 2, 0, 3]
    const { in_proj_weight: weight, in_proj_bias: bias } = this
    if (weight && query === key && key === value) {
      const all = linear(query, weight, bias).reshape([...outer(L), 3, ...inner])
      return [0, 1, 2].map((i) => all.select(2, i).permute(order)) as unknown as Three
    }
    const rows = (t: Tensor, i: number) => t.slice(0, i * E, (i + 1) * E)
    const weights = weight
      ? [0, 1, 2].map((i) => rows(weight, i))
      : [this.q_proj_weight!, this.k_proj_weight!, this.v_proj_weight!]
    return [query, key, value].map((x, i) => {
      const projected = linear(x, weights[i]!, bias && rows(bias, i))
      return projected.reshape([...outer(i === 0 ? L : S), ...inner]).permute(order)
    }) as unknown as Three
  }

  /** Throws for tensors that do not fit. */
  #check(given: Three, masks: AttentionMasks): Sizes {
    requireOptions(NAME, masks, ['attnMask', 'keyPaddingMask', 'isCausal'])
    requireFlags(NAME, masks, ['isCausal'])
    const { attnMask = null, keyPaddingMask = null } = masks
    const named = Object.fromEntries(ROLES.map((role, i) => [role, given[i]!]))
    requireTensors(NAME, { ...named, ...(attnMask && { attnMask }), ...(keyPaddingMask && { keyPaddingMask }) })
    requireTogether(NAME, [...given, ...(attnMask ? [attnMask] : []), ...(keyPaddingMask ? [keyPaddingMask] : [])])
    const rank = given[0].shape.length
    const letters = (length: string) => (rank === 2 ? length : this.batchFirst ? `N ${length}` : `${length} N`)
    const lines = ROLES.map((role, i): ShapeLine => [role, given[i]!.shape, `${letters(i === 0 ? 'L' : 'S')} features`])
    for (const [i, role] of ROLES.entries()) {
      const { shape } = given[i]!
      requireType(NAME, role, given[i]!)
      if (shape.length !== rank || (rank !== 2 && rank !== 3)) {
        throw new ShapeError(NAME, 'query, key and value must have three dimensions, or two without a batch', lines)
      }
      if (shape.at(-1) !== this.#features[i]) {
        throw new ShapeError(NAME, `${role} must have ${this.#features[i]} features, it has ${shape.at(-1)}`, lines)
      }
    }
    const [[N, L], [ofKeys, S], [ofValues, values]] = given.map(({ shape }): [number, number] => {
      if (rank === 2) return [1, shape[0]!]
      return this.batchFirst ? [shape[0]!, shape[1]!] : [shape[1]!, shape[0]!]
    }) as [[number, number], [number, number], [number, number]]
    if (ofKeys !== N || ofValues !== N)
      throw new ShapeError(NAME, 'query, key and value must have one batch size', lines)
    if (values !== S) throw new ShapeError(NAME, `there must be a value for each key, not ${values} for ${S}`, lines)
    if (attnMask) {
      const each = attnMask.shape.length === 3
      requireExactly('attnMask', attnMask, each ? [N * this.numHeads, L, S] : [L, S])
    }
    if (keyPaddingMask) requireExactly('keyPaddingMask', keyPaddingMask, rank === 2 ? [S] : [N, S])
    return { N, L, S }
  }
}
