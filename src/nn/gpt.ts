// GPT, a small language model.
import { add } from '../kernels/binary.ts'
import { linear } from '../kernels/linear.ts'
import { requireRank, requireTensors } from '../kernels/support.ts'
import { requireFlags, requireOptions, tooMany } from '../tensor/options.ts'
import { scope } from '../tensor/scope.ts'
import { ShapeError } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { Embedding } from './embedding.ts'
import { normal, zeros } from './initializers.ts'
import { Dropout, Linear, requireCount } from './layers.ts'
import { Module } from './module.ts'
import { ModuleList } from './module_list.ts'
import { LayerNorm } from './norms.ts'
import { TransformerEncoderLayer } from './transformer.ts'

/** Options of {@link gpt}. */
export interface GPTOptions {
  /** How many tokens there are. */
  readonly vocab: number
  /** The largest number of tokens that it reads at once. */
  readonly context: number
  readonly layers: number
  /** Heads of each attention; they divide the width. */
  readonly heads: number
  /** Features of each token; four times as many are within the layers. */
  readonly width: number
  /** The probability of every dropout in it; 0 unless given. */
  readonly dropout?: number
  /** Whether the logits are computed with the weight of the tokens, as in GPT-2, rather than one more; true unless given. */
  readonly tied?: boolean
}

/** The standard deviation of GPT-2's weights at first. */
const DEVIATION = 0.02

/** What {@link gpt} makes. */
export class GPT extends Module {
  readonly tokens: Embedding
  readonly positions: Embedding
  readonly dropout: Dropout
  readonly blocks: ModuleList<TransformerEncoderLayer>
  readonly norm: LayerNorm
  /** Null where the weight of the tokens takes its place. */
  readonly head: Linear | null
  readonly context: number

  constructor(options: GPTOptions) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.GPT(options)')
    super()
    requireOptions('nn.gpt', options, ['vocab', 'context', 'layers', 'heads', 'width', 'dropout', 'tied'])
    const { vocab, context, layers, heads, width, dropout = 0, tied = true } = options
    requireFlags('nn.gpt', options, ['tied'])
    for (const [name, count] of Object.entries({ vocab, context, layers, heads, width })) {
      requireCount('nn.gpt', name, count)
    }
    const more = { dimFeedforward: 4 * width, dropout, activation: 'gelu', batchFirst: true, normFirst: true } as const
    this.context = context
    this.tokens = new Embedding(vocab, width)
    this.positions = new Embedding(context, width)
    this.dropout = new Dropout(dropout)
    this.blocks = new ModuleList(Array.from({ length: layers }, () => new TransformerEncoderLayer(width, heads, more)))
    this.norm = new LayerNorm(width)
    this.head = tied ? null : new Linear(width, vocab, { bias: false })
    this.#initialise(DEVIATION / Math.sqrt(2 * layers))
  }

  /** GPT-2's values; `residual` is the deviation of the weights whose results are added to what goes around them. */
  #initialise(residual: number): void {
    for (const table of [this.tokens, this.positions]) normal(table.weight, 0, DEVIATION)
    if (this.head) normal(this.head.weight, 0, DEVIATION)
    for (const { self_attn: attention, linear1, linear2 } of this.blocks) {
      normal(attention.in_proj_weight!, 0, DEVIATION)
      normal(linear1.weight, 0, DEVIATION)
      for (const { weight } of [attention.out_proj, linear2]) normal(weight, 0, residual)
      for (const { bias } of [linear1, linear2]) zeros(bias!)
    }
  }

  /** Tokens [N, T], int32 or uint8, T at most the context → logits of what follows each, [N, T, vocab]. */
  override forward(tokens: Tensor): Tensor {
    requireTensors('nn.gpt', { tokens })
    requireRank('nn.gpt', 'tokens', tokens.shape, 2, 'N T')
    const T = tokens.shape[1]!
    if (T > this.context) {
      const sentence = `${T} tokens are more than the context of ${this.context}`
      throw new ShapeError('nn.gpt', sentence, [['tokens', tokens.shape, 'N T']])
    }
    return scope(() => {
      const placed = add(this.tokens.forward(tokens), this.positions.weight.slice(0, 0, T))
      let x = this.dropout.forward(placed)
      for (const block of this.blocks) x = block.forward(x, { isCausal: true })
      const normed = this.norm.forward(x)
      return this.head ? this.head.forward(normed) : linear(normed, this.tokens.weight)
    })
  }
}

/**
 * A language model: tokens [N, T], int32 or uint8, to logits [N, T, vocab] of the token after each. A token sees those before
 * it and itself. Layers are nn.TransformerEncoderLayer with normFirst and gelu, as in GPT-2, between embeddings of tokens and places
 * and a last nn.LayerNorm; initial values are GPT-2's. State: tokens.weight [vocab, width], positions.weight [context, width],
 * blocks.0.self_attn.in_proj_weight, …, norm.weight, norm.bias, and head.weight unless it is tied.
 *
 *     crossEntropy(net.forward(tokens).reshape([-1, vocab]), next.reshape([-1]))
 */
export function gpt(options: GPTOptions): GPT {
  if (arguments.length > 1) throw tooMany(arguments, 'nn.gpt(options)')
  return new GPT(options)
}
