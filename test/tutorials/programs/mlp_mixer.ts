// MLP-Mixer and gMLP on small images, after Keras's "Image classification with modern MLP models".
import {
  type AugmentOptions,
  earlyStopping,
  type FitCallback,
  type FitResult,
  fit,
  ImageBatches,
  type ImageDataset,
  interpolate,
  nn,
  optim,
  sched,
  type Tensor,
} from 'dawngrad'

export interface MixerConfig {
  readonly imageSize?: number
  readonly patchSize?: number
  readonly hiddenUnits?: number
  readonly numBlocks?: number
  readonly dropout?: number
  readonly classes?: number
}

const CONFIG = { imageSize: 64, patchSize: 8, hiddenUnits: 256, numBlocks: 4, dropout: 0.2, classes: 100 }

export interface Data {
  readonly train: ImageBatches
  readonly test: ImageBatches
}

/** Mean and deviation of the pixels of every channel, from 0 to 1. */
function statistics({ images, channels, height, width }: ImageDataset) {
  const pixels = height * width
  const all = Array.from({ length: channels }, (_, channel) => {
    const own = images.filter((_, i) => Math.floor(i / pixels) % channels === channel)
    const mean = own.reduce((sum, v) => sum + v, 0) / own.length
    return [mean / 255, Math.sqrt(own.reduce((sum, v) => sum + (v - mean) ** 2, 0) / own.length) / 255] as const
  })
  return { mean: all.map(([mean]) => mean), std: all.map(([, std]) => std) }
}

/** Keras's factors of the zoom are those of the window. */
const AUGMENT: AugmentOptions = { flip: true, zoom: [1 / 1.2, 1 / 0.8], paddingMode: 'reflect' }

/** Brought to mean 0 and deviation 1; those to train on are mirrored and zoomed at random. */
export function datasets(train: ImageDataset, test: ImageDataset, { augment = AUGMENT, batchSize = 128 } = {}): Data {
  const normalize = statistics(train)
  return {
    train: new ImageBatches(train, { batchSize, normalize, augment }),
    test: new ImageBatches(test, { batchSize, normalize }),
  }
}

/** Images [N, C, H, W] → patches [N, (H / p) (W / p), p p C]. */
export function patchesOf(images: Tensor, p: number): Tensor {
  const [N, C, H, W] = images.shape as [number, number, number, number]
  const rows = images.reshape([N, C, H / p, p, W / p, p]).permute([0, 2, 4, 3, 5, 1])
  return rows.reshape([N, (H * W) / p ** 2, p ** 2 * C])
}

/** Mixes patches, channel by channel, then channels, patch by patch: [N, patches, units] → the same. */
export class MLPMixerLayer extends nn.Module {
  readonly mlp1: nn.Sequential
  readonly mlp2: nn.Sequential
  readonly normalize: nn.LayerNorm

  constructor(patches: number, units: number, dropout: number) {
    super()
    const mlp = (size: number) =>
      new nn.Sequential(
        new nn.Linear(size, patches),
        new nn.GELU(),
        new nn.Linear(patches, size),
        new nn.Dropout(dropout),
      )
    this.mlp1 = mlp(patches)
    this.mlp2 = mlp(units)
    this.normalize = new nn.LayerNorm(units, { eps: 1e-6 })
  }

  override forward(inputs: Tensor): Tensor {
    const channels = this.normalize.forward(inputs).transpose(1, 2)
    const x = this.mlp1.forward(channels).transpose(1, 2).add(inputs)
    return x.add(this.mlp2.forward(this.normalize.forward(x)))
  }
}

/** Half of the channels, mixed over the patches, multiply the other half: [N, patches, units] → the same. */
export class GMLPLayer extends nn.Module {
  readonly channel_projection1: nn.Sequential
  readonly channel_projection2: nn.Linear
  readonly spatial_projection: nn.Linear
  readonly normalize1: nn.LayerNorm
  readonly normalize2: nn.LayerNorm

  constructor(patches: number, units: number, dropout: number) {
    super()
    this.channel_projection1 = new nn.Sequential(
      new nn.Linear(units, 2 * units),
      new nn.GELU(),
      new nn.Dropout(dropout),
    )
    this.channel_projection2 = new nn.Linear(units, units)
    this.spatial_projection = new nn.Linear(patches, patches)
    nn.init.ones(this.spatial_projection.bias!)
    this.normalize1 = new nn.LayerNorm(units, { eps: 1e-6 })
    this.normalize2 = new nn.LayerNorm(units, { eps: 1e-6 })
  }

  override forward(inputs: Tensor): Tensor {
    const projected = this.channel_projection1.forward(this.normalize1.forward(inputs))
    const [u, v] = projected.split(projected.shape[2]! / 2, 2) as [Tensor, Tensor]
    const gate = this.spatial_projection.forward(this.normalize2.forward(v).transpose(1, 2)).transpose(1, 2)
    return inputs.add(this.channel_projection2.forward(u.mul(gate)))
  }
}

/** Images [N, 3, H, W] → logits, by layers of either kind. */
export class Classifier extends nn.Module {
  readonly embed: nn.Linear
  readonly blocks: nn.Sequential
  readonly dropout: nn.Dropout
  readonly head: nn.Linear
  readonly imageSize: number
  readonly patchSize: number

  constructor(Layer: typeof MLPMixerLayer | typeof GMLPLayer, config: MixerConfig = {}) {
    super()
    const { imageSize, patchSize, hiddenUnits, numBlocks, dropout, classes } = { ...CONFIG, ...config }
    const layer = () => new Layer((imageSize / patchSize) ** 2, hiddenUnits, dropout)
    this.imageSize = imageSize
    this.patchSize = patchSize
    this.embed = new nn.Linear(patchSize ** 2 * 3, hiddenUnits)
    this.blocks = new nn.Sequential(...Array.from({ length: numBlocks }, layer))
    this.dropout = new nn.Dropout(dropout)
    this.head = new nn.Linear(hiddenUnits, classes)
  }

  override forward(images: Tensor): Tensor {
    const resized = interpolate(images, { size: [this.imageSize, this.imageSize], mode: 'bilinear' })
    const x = this.blocks.forward(this.embed.forward(patchesOf(resized, this.patchSize)))
    return this.head.forward(this.dropout.forward(x.mean(1)))
  }
}

/** Trains until the loss of the test stops falling; the rate is halved on the way. */
export function train(net: nn.Module, data: Data, { epochs = 50, lr = 0.005 } = {}): Promise<FitResult> {
  // Keras's decay is not multiplied by the rate.
  const optimizer = new optim.AdamW(net.parameters(), { lr, weightDecay: 1e-4 / lr, eps: 1e-7 })
  const plateau = new sched.ReduceLROnPlateau(optimizer, { factor: 0.5, patience: 5 })
  const reduceLr: FitCallback = { onEpoch: ({ testLoss }) => void plateau.step(testLoss) }
  const callbacks = [earlyStopping({ metric: 'testLoss', patience: 10 }), reduceLr]
  return fit(net, { data, optimizer, epochs, callbacks })
}
