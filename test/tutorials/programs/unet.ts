// Segmentation by a U-Net of separable convolutions, after Keras's "Image segmentation with a U-Net-like architecture".
import {
  type Batches,
  crossEntropy,
  earlyStopping,
  evaluate,
  type FitResult,
  fit,
  nn,
  optim,
  pad,
  type Tensor,
} from 'dawngrad'

/** What Keras's padding 'same' adds for a window of 3 in steps of 2: one at the end, and at the start of an odd size too. */
function same(x: Tensor, value = 0): Tensor {
  const [height, width] = x.shape.slice(-2) as [number, number]
  return pad(x, [width % 2, 1, height % 2, 1], { value })
}

/** A convolution of 3 × 3 in steps of 2. */
export class Halving extends nn.Module {
  readonly conv: nn.Conv2d

  constructor(inChannels: number, filters: number) {
    super()
    this.conv = new nn.Conv2d(inChannels, filters, 3, { stride: 2 })
  }

  override forward(x: Tensor): Tensor {
    return this.conv.forward(same(x))
  }
}

/** Batch norm with Keras's numbers. */
export const batchNorm = (filters: number) => new nn.BatchNorm2d(filters, { momentum: 0.01, eps: 1e-3 })

/** A convolution of every channel, then one of every pixel, and batch norm. */
export const separable = (inChannels: number, filters: number) => [
  new nn.Conv2d(inChannels, inChannels, 3, { padding: 1, groups: inChannels, bias: false }),
  new nn.Conv2d(inChannels, filters, 1),
  batchNorm(filters),
]

/** Two separable convolutions and a pooling, around which a convolution of 1 × 1 goes: height and width are halved. */
export class Down extends nn.Module {
  readonly convs: nn.Sequential
  readonly pool = new nn.MaxPool2d(3, { stride: 2 })
  readonly residual: nn.Conv2d

  constructor(inChannels: number, filters: number) {
    super()
    const convs = [separable(inChannels, filters), separable(filters, filters)]
    this.convs = new nn.Sequential(...convs.flatMap((layers) => [new nn.ReLU(), ...layers]))
    this.residual = new nn.Conv2d(inChannels, filters, 1, { stride: 2 })
  }

  override forward(x: Tensor): Tensor {
    return this.pool.forward(same(this.convs.forward(x), -Infinity)).add(this.residual.forward(x))
  }
}

/** Two transposed convolutions, around which one of 1 × 1 goes: height and width are doubled. */
class Up extends nn.Module {
  readonly convs: nn.Sequential
  readonly upsample = new nn.Upsample({ scale: 2 })
  readonly residual: nn.Conv2d

  constructor(inChannels: number, filters: number) {
    super()
    const conv = (channels: number) => {
      const transposed = new nn.ConvTranspose2d(channels, filters, 3, { padding: 1 })
      return [new nn.ReLU(), transposed, batchNorm(filters)]
    }
    this.convs = new nn.Sequential(...conv(inChannels), ...conv(filters))
    this.residual = new nn.Conv2d(inChannels, filters, 1)
  }

  override forward(x: Tensor): Tensor {
    const up = (y: Tensor) => this.upsample.forward(y)
    return up(this.convs.forward(x)).add(this.residual.forward(up(x)))
  }
}

/** Images [N, 3, H, W], H and W multiples of 16 → logits of every pixel [N, numClasses, H, W]. */
export function network({
  first = 32,
  down = [64, 128, 256],
  up = [256, 128, 64, 32],
  numClasses = 3,
} = {}): nn.Sequential {
  return new nn.Sequential(
    ...[new Halving(3, first), batchNorm(first), new nn.ReLU()],
    ...down.map((filters, i) => new Down(down[i - 1] ?? first, filters)),
    ...up.map((filters, i) => new Up(up[i - 1] ?? down.at(-1)!, filters)),
    new nn.Conv2d(up.at(-1)!, numClasses, 3, { padding: 1 }),
  )
}

/** Pictures, and a class, from 0, for each of their pixels: masks [N, H, W]. */
export type Masked = Batches<{
  images: { data: Uint8Array; shape: number[]; scale: number }
  masks: { data: Uint8Array; shape: number[] }
}>

const loss = (output: Tensor, { masks }: { masks: Tensor }) => crossEntropy(output, masks)

export const score = (net: nn.Module, batches: Masked) => evaluate(net, batches, { loss })

/** Trains, evaluating after every epoch, and ends with the parameters of the best. */
export function train(net: nn.Module, data: { train: Masked; test: Masked }, { epochs = 15 } = {}): Promise<FitResult> {
  const optimizer = new optim.RMSprop(net.parameters(), { lr: 1e-3, alpha: 0.9, eps: 1e-7 })
  const callbacks = [earlyStopping({ metric: 'testLoss', patience: epochs })]
  return fit(net, { data, loss, optimizer, epochs, callbacks })
}
