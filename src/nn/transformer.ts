// TransformerEncoderLayer: self-attention, then two linear layers, each beside a way around it and a norm.

import { add } from '../kernels/binary.ts'
import { requireTensors } from '../kernels/support.ts'
import { gelu, relu } from '../kernels/unary.ts'
import { requireFlags, requireOptions, shown, tooMany } from '../tensor/options.ts'
import { scope } from '../tensor/scope.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { MultiheadAttention } from './attention.ts'
import { Dropout, Linear } from './layers.ts'
import { Module } from './module.ts'
import { LayerNorm } from './norms.ts'

/** Options of {@link TransformerEncoderLayer}. */
export interface TransformerEncoderLayerOptions {
  /** Features between the two linear layers; 2048 unless given. */
  readonly dimFeedforward?: number
  /** The probability of every dropout in it; 0.1 unless given. */
  readonly dropout?: number
  /** What follows the first linear layer; 'relu' unless given. */
  readonly activation?: 'relu' | 'gelu'
  /** Added to the variance in norms; 1e-5 unless given. */
  readonly layerNormEps?: number
  /** Whether tensors are [N, L, dModel] instead of [L, N, dModel]; false unless given. */
  readonly batchFirst?: boolean
  /** Whether a norm comes before what it belongs to, rather than after the sum; false unless given. */
  readonly normFirst?: boolean
  /** Whether linear layers and norms have biases; true unless given. */
  readonly bias?: boolean
}

/** What hides places from others in {@link TransformerEncoderLayer}; as {@link AttentionMasks} has it. */
export interface EncoderMasks {
  /** [L, L], or [N · heads, L, L] */
  readonly srcMask?: Tensor | null
  /** [N, L] */
  readonly srcKeyPaddingMask?: Tensor | null
  /** Whether a place sees those up to itself alone; false unless given. */
  readonly isCausal?: boolean
}

const NAME = 'nn.TransformerEncoderLayer'
const ACTIVATIONS = { relu, gelu: (x: Tensor) => gelu(x) } as const

/**
 * A layer of a transformer: y = norm1(x + attention(x)), norm2(y + linear2(activation(linear1(y)))); with normFirst y = x +
 * attention(norm1(x)), y + linear2(activation(linear1(norm2(y)))). Dropout follows the attention, the activation and linear2. State
 * by PyTorch's names: self_attn (nn.MultiheadAttention), linear1, linear2, norm1, norm2.
 */
export class TransformerEncoderLayer extends Module {
  readonly self_attn: MultiheadAttention
  readonly linear1: Linear
  readonly dropout: Dropout
  readonly linear2: Linear
  readonly norm1: LayerNorm
  readonly norm2: LayerNorm
  readonly dropout1: Dropout
  readonly dropout2: Dropout
  readonly activation: 'relu' | 'gelu'
  readonly normFirst: boolean

  /** Throws ShapeError for sizes that do not fit, TypeError or RangeError for options that do not. */
  constructor(dModel: number, nhead: number, options: TransformerEncoderLayerOptions = {}) {
    if (arguments.length > 3) throw tooMany(arguments, `${NAME}(dModel, nhead, options)`)
    super()
    const known = ['dimFeedforward', 'dropout', 'activation', 'layerNormEps', 'batchFirst', 'normFirst', 'bias']
    requireOptions(NAME, options, known)
    requireFlags(NAME, options, ['batchFirst', 'normFirst', 'bias'])
    const { dimFeedforward = 2048, dropout = 0.1, activation = 'relu', layerNormEps = 1e-5 } = options
    const { batchFirst = false, normFirst = false, bias = true } = options
    if (!Object.hasOwn(ACTIVATIONS, activation)) {
      throw new TypeError(`${NAME}: activation must be 'relu' or 'gelu', not ${shown(activation)}`)
    }
    this.self_attn = new MultiheadAttention(dModel, nhead, { dropout, bias, batchFirst })
    this.linear1 = new Linear(dModel, dimFeedforward, { bias })
    this.dropout = new Dropout(dropout)
    this.linear2 = new Linear(dimFeedforward, dModel, { bias })
    this.norm1 = new LayerNorm(dModel, { eps: layerNormEps, bias })
    this.norm2 = new LayerNorm(dModel, { eps: layerNormEps, bias })
    this.dropout1 = new Dropout(dropout)
    this.dropout2 = new Dropout(dropout)
    this.activation = activation
    this.normFirst = normFirst
  }

  /** x [L, N, dModel], with batchFirst [N, L, dModel], without a batch [L, dModel] → the same shape. */
  override forward(x: Tensor, masks: EncoderMasks = {}): Tensor {
    requireTensors(NAME, { input: x })
    requireOptions(NAME, masks, ['srcMask', 'srcKeyPaddingMask', 'isCausal'])
    requireFlags(NAME, masks, ['isCausal'])
    return scope(() => {
      if (this.normFirst) {
        const y = add(x, this.#attention(this.norm1.forward(x), masks))
        return add(y, this.#feedForward(this.norm2.forward(y)))
      }
      const y = this.norm1.forward(add(x, this.#attention(x, masks)))
      return this.norm2.forward(add(y, this.#feedForward(y)))
    })
  }

  #attention(x: Tensor, { srcMask = null, srcKeyPaddingMask = null, isCausal = false }: EncoderMasks): Tensor {
    const masks = { attnMask: srcMask, keyPaddingMask: srcKeyPaddingMask, isCausal }
    return this.dropout1.forward(this.self_attn.forward(x, x, x, masks))
  }

  #feedForward(x: Tensor): Tensor {
    const activated = ACTIVATIONS[this.activation](this.linear1.forward(x))
    return this.dropout2.forward(this.linear2.forward(this.dropout.forward(activated)))
  }
}
