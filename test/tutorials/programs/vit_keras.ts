// A vision transformer whose patches are all read at the end, after Keras's "Image classification with Vision Transformer".
import { earlyStopping, type FitResult, fit, type ImageDataset, interpolate, nn, optim, type Tensor } from 'dawngrad'
import { type Data, datasets, patchesOf } from './mlp_mixer.ts'

export interface ViTConfig {
  readonly imageSize?: number
  readonly patchSize?: number
  readonly hiddenDim?: number
  readonly heads?: number
  readonly layers?: number
  readonly headUnits?: readonly number[]
  /** In the layers, and before and in the head. */
  readonly dropout?: readonly [number, number]
  readonly classes?: number
}

const CONFIG = {
  imageSize: 72,
  patchSize: 6,
  hiddenDim: 256,
  heads: 4,
  layers: 8,
  headUnits: [2048, 1024] as readonly number[],
  dropout: [0.1, 0.5] as readonly [number, number],
  classes: 100,
}

function mlp(inFeatures: number, units: readonly number[], dropout: number): nn.Sequential {
  const layers = units.map((size, i) => [
    new nn.Linear(units[i - 1] ?? inFeatures, size),
    new nn.GELU(),
    new nn.Dropout(dropout),
  ])
  return new nn.Sequential(...layers.flat())
}

class Block extends nn.Module {
  readonly norm1: nn.LayerNorm
  readonly attention: nn.MultiheadAttention
  readonly norm2: nn.LayerNorm
  readonly mlp: nn.Sequential

  constructor(dim: number, heads: number, dropout: number) {
    super()
    this.norm1 = new nn.LayerNorm(dim, { eps: 1e-6 })
    this.attention = new nn.MultiheadAttention(dim, heads, { dropout, batchFirst: true })
    this.norm2 = new nn.LayerNorm(dim, { eps: 1e-6 })
    this.mlp = mlp(dim, [2 * dim, dim], dropout)
  }

  override forward(x: Tensor): Tensor {
    x = x.add(this.attention.forward(this.norm1.forward(x)))
    return x.add(this.mlp.forward(this.norm2.forward(x)))
  }
}

/** Images [N, 3, H, W] → logits. */
export class ViTClassifier extends nn.Module {
  readonly projection: nn.Linear
  readonly position_embedding: nn.Embedding
  readonly blocks: nn.Sequential
  readonly head: nn.Sequential
  readonly imageSize: number
  readonly patchSize: number

  constructor(config: ViTConfig = {}) {
    super()
    const { imageSize, patchSize, hiddenDim, heads, layers, headUnits, dropout, classes } = { ...CONFIG, ...config }
    const patches = (imageSize / patchSize) ** 2
    this.imageSize = imageSize
    this.patchSize = patchSize
    this.projection = new nn.Linear(patchSize ** 2 * 3, hiddenDim)
    this.position_embedding = new nn.Embedding(patches, hiddenDim)
    this.blocks = new nn.Sequential(...Array.from({ length: layers }, () => new Block(hiddenDim, heads, dropout[0])))
    this.head = new nn.Sequential(
      new nn.LayerNorm(hiddenDim, { eps: 1e-6 }),
      new nn.Flatten(),
      new nn.Dropout(dropout[1]),
      mlp(patches * hiddenDim, headUnits, dropout[1]),
      new nn.Linear(headUnits.at(-1)!, classes),
    )
  }

  override forward(images: Tensor): Tensor {
    const resized = interpolate(images, { size: [this.imageSize, this.imageSize], mode: 'bilinear' })
    const patches = this.projection.forward(patchesOf(resized, this.patchSize))
    return this.head.forward(this.blocks.forward(patches.add(this.position_embedding.weight)))
  }
}

/** Brought to mean 0 and deviation 1; those to train on are mirrored, turned and zoomed at random. */
export function augmented(train: ImageDataset, test: ImageDataset): Data {
  const augment = { flip: true, rotate: 0.02 * 360, zoom: [1 / 1.2, 1 / 0.8], paddingMode: 'reflect' } as const
  return datasets(train, test, { augment, batchSize: 256 })
}

/** Trains, evaluating after every epoch, and ends with the parameters of the best. */
export function train(net: nn.Module, data: Data, { epochs = 100 } = {}): Promise<FitResult> {
  const optimizer = new optim.AdamW(net.parameters(), { lr: 0.001, weightDecay: 0.0001, eps: 1e-7 })
  return fit(net, { data, optimizer, epochs, callbacks: [earlyStopping({ metric: 'testAcc', patience: epochs })] })
}
