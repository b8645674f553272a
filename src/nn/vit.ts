// VisionTransformer, a transformer for images.
import { add } from '../kernels/binary.ts'
import { cat } from '../kernels/copy.ts'
import { requireRank, requireTensors } from '../kernels/support.ts'
import { requireOptions, tooMany } from '../tensor/options.ts'
import { scope } from '../tensor/scope.ts'
import { pair, ShapeError } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { Conv2d } from './conv.ts'
import { filledParameter } from './init.ts'
import { normal, zeros } from './initializers.ts'
import { Dropout, Linear, requireCount } from './layers.ts'
import { Module } from './module.ts'
import { ModuleList } from './module_list.ts'
import { LayerNorm } from './norms.ts'
import { TransformerEncoderLayer } from './transformer.ts'

/** Options of {@link vit}. */
export interface VitOptions {
  /** A number, or [height, width]. */
  readonly imageSize: number | readonly number[]
  /** A number, or [height, width]; it divides the image's. */
  readonly patchSize: number | readonly number[]
  readonly channels: number
  /** Features of each patch; four times as many are within the layers. */
  readonly width: number
  readonly layers: number
  /** Heads of each attention; they divide the width. */
  readonly heads: number
  readonly classes: number
  /** The probability of every dropout in it; 0 unless given. */
  readonly dropout?: number
}

/** The standard deviation of weights at first. */
const DEVIATION = 0.02

/** What {@link vit} makes. */
export class VisionTransformer extends Module {
  readonly patches: Conv2d
  /** What stands before the patches, and what the logits are computed of in the end; [1, 1, width]. */
  readonly token: Tensor
  /** [1, 1 + patches, width] */
  readonly positions: Tensor
  readonly dropout: Dropout
  readonly blocks: ModuleList<TransformerEncoderLayer>
  readonly norm: LayerNorm
  readonly head: Linear
  readonly #image: readonly number[]

  constructor(options: VitOptions) {
    if (arguments.length > 1) throw tooMany(arguments, 'nn.VisionTransformer(options)')
    super()
    const known = ['imageSize', 'patchSize', 'channels', 'width', 'layers', 'heads', 'classes', 'dropout']
    requireOptions('nn.vit', options, known)
    const { imageSize, patchSize, channels, width, layers, heads, classes, dropout = 0 } = options
    for (const [name, count] of Object.entries({ channels, width, layers, heads, classes })) {
      requireCount('nn.vit', name, count)
    }
    const [height, across] = pair('nn.vit', 'imageSize', imageSize, 1)
    const patch = pair('nn.vit', 'patchSize', patchSize, 1)
    if (height % patch[0] !== 0 || across % patch[1] !== 0) {
      throw new ShapeError('nn.vit', 'the patches must divide the image', [
        ['imageSize', [height, across]],
        ['patchSize', patch],
      ])
    }
    const count = (height / patch[0]) * (across / patch[1])
    const more = { dimFeedforward: 4 * width, dropout, activation: 'gelu', batchFirst: true, normFirst: true } as const
    this.#image = [channels, height, across]
    this.patches = new Conv2d(channels, width, patch, { stride: patch })
    this.token = filledParameter('token', [1, 1, width], 0)
    this.positions = normal(filledParameter('positions', [1, 1 + count, width], 0), 0, DEVIATION)
    this.dropout = new Dropout(dropout)
    this.blocks = new ModuleList(Array.from({ length: layers }, () => new TransformerEncoderLayer(width, heads, more)))
    this.norm = new LayerNorm(width)
    this.head = new Linear(width, classes)
    for (const { self_attn: attention, linear1, linear2 } of this.blocks) {
      normal(attention.in_proj_weight!, 0, DEVIATION)
      normal(attention.out_proj.weight, 0, DEVIATION)
      for (const layer of [linear1, linear2]) initialise(layer)
    }
    initialise(this.head)
  }

  /** Images [N, channels, height, width] → logits [N, classes]. */
  override forward(images: Tensor): Tensor {
    requireTensors('nn.vit', { images })
    requireRank('nn.vit', 'images', images.shape, 4, 'N C H W')
    const [N, ...image] = images.shape
    if (image.some((n, d) => n !== this.#image[d])) {
      throw new ShapeError('nn.vit', 'the network is for images of another shape', [
        ['images', images.shape, 'N C H W'],
        ['expected', [N!, ...this.#image]],
      ])
    }
    return scope(() => {
      const width = this.token.shape[2]!
      const patches = this.patches.forward(images).flatten(2).permute([0, 2, 1])
      const rows = cat([this.token.expand([N!, 1, width]), patches], 1)
      let x = this.dropout.forward(add(rows, this.positions))
      for (const block of this.blocks) x = block.forward(x)
      return this.head.forward(this.norm.forward(x.select(1, 0)))
    })
  }
}

function initialise({ weight, bias }: Linear): void {
  normal(weight, 0, DEVIATION)
  zeros(bias!)
}

/**
 * A vision transformer: images [N, channels, height, width] to logits [N, classes]. A convolution makes one row of each patch; a
 * trained token stands before them, whose place in the last layer gives the logits. Layers are nn.TransformerEncoderLayer with
 * normFirst and gelu, and a last nn.LayerNorm; weights are normal with deviation 0.02 and biases 0 at first, the
 * convolution as nn.Conv2d has it. State: patches.weight, patches.bias, token [1, 1, width], positions [1, 1 + patches, width],
 * blocks.0.self_attn.in_proj_weight, …, norm.weight, norm.bias, head.weight, head.bias.
 */
export function vit(options: VitOptions): VisionTransformer {
  if (arguments.length > 1) throw tooMany(arguments, 'nn.vit(options)')
  return new VisionTransformer(options)
}
