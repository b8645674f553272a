// ResNet of basic blocks, as torchvision's resnet18.
import { adaptiveAvgPool2d } from '../kernels/avg_pool2d.ts'
import { add } from '../kernels/binary.ts'
import { maxPool2d } from '../kernels/max_pool2d.ts'
import { relu } from '../kernels/unary.ts'
import { requireOptions, shown, tooMany } from '../tensor/options.ts'
import { scope } from '../tensor/scope.ts'
import { ShapeError } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { BatchNorm2d } from './batch_norm.ts'
import { Conv2d } from './conv.ts'
import { kaimingNormal } from './initializers.ts'
import { Linear, requireCount } from './layers.ts'
import { Module } from './module.ts'
import { Sequential } from './sequential.ts'

/** Options of {@link resnet}. */
export interface ResNetOptions {
  /** Channels of the images; 3 unless given. */
  readonly inChannels?: number
  /** Channels of the first stage, each further one has twice as many; 64 unless given. */
  readonly width?: number
  /** Blocks of each stage; [2, 2, 2, 2] unless given. */
  readonly blocks?: readonly number[]
  /** Logits of an image; 10 unless given. */
  readonly classes?: number
  /**
   * What comes before the stages: 'small', a convolution of 3 × 3, or 'imagenet', one of 7 × 7 in steps of 2 and a pooling of
   * 3 × 3 in steps of 2; 'small' unless given.
   */
  readonly stem?: 'small' | 'imagenet'
}

/** A convolution without bias whose weight is normal with variance 2 / (outChannels·KH·KW), torchvision's initial values. */
function convolution(inChannels: number, outChannels: number, kernelSize: number, stride: number): Conv2d {
  const options = { stride, padding: (kernelSize - 1) / 2, bias: false }
  const layer = new Conv2d(inChannels, outChannels, kernelSize, options)
  kaimingNormal(layer.weight, { mode: 'fanOut', nonlinearity: 'relu' })
  return layer
}

/** relu(x + f(x)), f being two convolutions with batch norm; where sizes change, x goes through a convolution of 1 × 1. */
class BasicBlock extends Module {
  readonly conv1: Conv2d
  readonly bn1: BatchNorm2d
  readonly conv2: Conv2d
  readonly bn2: BatchNorm2d
  readonly downsample: Sequential | null

  constructor(inChannels: number, channels: number, stride: number) {
    super()
    this.conv1 = convolution(inChannels, channels, 3, stride)
    this.bn1 = new BatchNorm2d(channels)
    this.conv2 = convolution(channels, channels, 3, 1)
    this.bn2 = new BatchNorm2d(channels)
    const same = stride === 1 && inChannels === channels
    this.downsample = same
      ? null
      : new Sequential(convolution(inChannels, channels, 1, stride), new BatchNorm2d(channels))
  }

  override forward(x: Tensor): Tensor {
    return scope(() => {
      const hidden = relu(this.bn1.forward(this.conv1.forward(x)))
      const y = this.bn2.forward(this.conv2.forward(hidden))
      return relu(add(y, this.downsample?.forward(x) ?? x))
    })
  }
}

/** What {@link resnet} makes. */
export class ResNet extends Module {
  readonly conv1: Conv2d
  readonly bn1: BatchNorm2d
  /** From the features of an image, [N, channels of the last stage], to logits: `net.fc = new nn.Identity()` gives the features. */
  fc: Module
  readonly #stages: readonly Sequential[]
  readonly #pools: boolean

  /** Made by {@link resnet}, which checks the options. @internal */
  constructor({ inChannels = 3, width = 64, blocks = [2, 2, 2, 2], classes = 10, stem = 'small' }: ResNetOptions) {
    super()
    this.#pools = stem === 'imagenet'
    this.conv1 = this.#pools ? convolution(inChannels, width, 7, 2) : convolution(inChannels, width, 3, 1)
    this.bn1 = new BatchNorm2d(width)
    let channels = width
    this.#stages = blocks.map((count, stage) => {
      const out = width * 2 ** stage
      const made = Array.from({ length: count }, (_, i) => {
        const block = new BasicBlock(channels, out, i === 0 && stage > 0 ? 2 : 1)
        channels = out
        return block
      })
      return new Sequential(...made)
    })
    this.fc = new Linear(channels, classes)
  }

  /** In torchvision's order: stages are 'layer1', 'layer2', …. */
  override namedChildren(): [string, Module][] {
    const stages = this.#stages.map((stage, i): [string, Module] => [`layer${i + 1}`, stage])
    return [['conv1', this.conv1], ['bn1', this.bn1], ...stages, ['fc', this.fc]]
  }

  override forward(x: Tensor): Tensor {
    return scope(() => {
      const stem = relu(this.bn1.forward(this.conv1.forward(x)))
      const first = this.#pools ? maxPool2d(stem, { kernelSize: 3, stride: 2, padding: 1 }) : stem
      const last = this.#stages.reduce((y, stage) => stage.forward(y), first)
      return this.fc.forward(adaptiveAvgPool2d(last, 1).flatten(1))
    })
  }
}

/**
 * A residual network of basic blocks: images [N, C, H, W] to logits [N, classes]. With `{ stem: 'imagenet', classes: 1000 }` it is
 * torchvision's resnet18, whose state dict it takes: conv1, bn1, layer1.0.conv1, …, layer2.0.downsample.0, …, fc. Every stage but
 * the first halves height and width and doubles the channels. Convolutions are normal at first with variance 2 / fan out.
 *
 * Throws ShapeError for numbers that are not whole and 1 or more; TypeError for options that do not fit.
 */
export function resnet(options: ResNetOptions = {}): ResNet {
  const name = 'nn.resnet'
  if (arguments.length > 1) throw tooMany(arguments, 'nn.resnet(options)')
  requireOptions(name, options, ['inChannels', 'width', 'blocks', 'classes', 'stem'])
  const { blocks, stem } = options
  for (const role of ['inChannels', 'width', 'classes'] as const) requireCount(name, role, options[role] ?? 1)
  const isList = Array.isArray(blocks) && blocks.length > 0
  if (blocks !== undefined && !(isList && blocks.every((count) => Number.isSafeInteger(count) && count > 0))) {
    throw new ShapeError(name, `blocks must be whole numbers, 1 or more, such as [2, 2, 2, 2], not ${shown(blocks)}`)
  }
  if (stem !== undefined && stem !== 'small' && stem !== 'imagenet') {
    throw new TypeError(`${name}: stem must be 'small' or 'imagenet', not ${shown(stem)}`)
  }
  return new ResNet(options)
}
