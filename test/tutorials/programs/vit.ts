// A vision transformer on CIFAR-10, after pytorch/examples, vision_transformer.
import {
  Batches,
  cat,
  earlyStopping,
  type FitResult,
  fit,
  type ImageDataset,
  interpolate,
  nn,
  optim,
  randn,
  type Tensor,
} from 'dawngrad'

const CONFIG = {
  patchSize: 16,
  latentSize: 768,
  nChannels: 3,
  numHeads: 12,
  numEncoders: 12,
  dropout: 0.1,
  imgSize: 224,
  numClasses: 10,
  batchSize: 4,
  /** Whether the patches of an image attend to each other. The original leaves it out: the images of a batch do, place by place. */
  batchFirst: false,
}
type Config = typeof CONFIG

/** Images [N, C, H, W] → patches [N, (H / p) (W / p), C p p]. */
function patchesOf(images: Tensor, p: number): Tensor {
  const [N, C, H, W] = images.shape as [number, number, number, number]
  const patches = images.reshape([N, C, H / p, p, W / p, p]).permute([0, 2, 4, 1, 3, 5])
  return patches.reshape([N, (H * W) / p ** 2, C * p ** 2])
}

/** Patches, after a token that stands for the class. As in the original, token and place belong to a place in the batch. */
class InputEmbedding extends nn.Module {
  readonly LinearProjection: nn.Linear
  readonly class_token: Tensor
  readonly pos_embedding: Tensor
  readonly patchSize: number

  constructor({ patchSize, latentSize, nChannels, batchSize }: Config) {
    super()
    this.patchSize = patchSize
    this.LinearProjection = new nn.Linear(patchSize ** 2 * nChannels, latentSize)
    this.class_token = randn([batchSize, 1, latentSize], { requiresGrad: true })
    this.pos_embedding = randn([batchSize, 1, latentSize], { requiresGrad: true })
  }

  override forward(images: Tensor): Tensor {
    const projection = this.LinearProjection.forward(patchesOf(images, this.patchSize))
    return cat([this.class_token, projection], 1).add(this.pos_embedding)
  }
}

/** One norm serves before the attention and before the MLP. */
class EncoderBlock extends nn.Module {
  readonly norm: nn.LayerNorm
  readonly attention: nn.MultiheadAttention
  readonly enc_MLP: nn.Sequential

  constructor({ latentSize, numHeads, dropout, batchFirst }: Config) {
    super()
    this.norm = new nn.LayerNorm(latentSize)
    this.attention = new nn.MultiheadAttention(latentSize, numHeads, { dropout, batchFirst })
    this.enc_MLP = new nn.Sequential(
      new nn.Linear(latentSize, latentSize * 4),
      new nn.GELU(),
      new nn.Dropout(dropout),
      new nn.Linear(latentSize * 4, latentSize),
      new nn.Dropout(dropout),
    )
  }

  override forward(patches: Tensor): Tensor {
    const x = this.attention.forward(this.norm.forward(patches)).add(patches)
    return this.enc_MLP.forward(this.norm.forward(x)).add(x)
  }
}

/** Images [batchSize, C, H, W], brought to imgSize × imgSize → logits. */
export class ViT extends nn.Module {
  readonly embedding: InputEmbedding
  readonly encoders: nn.ModuleList
  readonly MLPHead: nn.Sequential
  readonly imgSize: number

  constructor(options: Partial<Config> = {}) {
    super()
    const config = { ...CONFIG, ...options }
    const { latentSize, numEncoders, numClasses, imgSize } = config
    this.imgSize = imgSize
    this.embedding = new InputEmbedding(config)
    this.encoders = new nn.ModuleList(Array.from({ length: numEncoders }, () => new EncoderBlock(config)))
    this.MLPHead = new nn.Sequential(
      new nn.LayerNorm(latentSize),
      new nn.Linear(latentSize, latentSize),
      new nn.Linear(latentSize, numClasses),
    )
  }

  override forward(images: Tensor): Tensor {
    const { imgSize } = this
    let x = this.embedding.forward(interpolate(images, { size: [imgSize, imgSize], mode: 'bilinear' }))
    for (const encoder of this.encoders) x = encoder.forward(x)
    return this.MLPHead.forward(x.select(1, 0))
  }
}

/** Whole batches, pixels in [0, 1]. */
export function batchesOf(dataset: ImageDataset, { batchSize = 4, shuffle = true } = {}) {
  const { images, labels, count, channels, height, width } = dataset
  const fields = { images: { data: images, shape: [count, channels, height, width], scale: 1 / 255 }, labels }
  return new Batches(fields, { batchSize, shuffle, dropLast: true })
}
type Images = ReturnType<typeof batchesOf>

/** Trains, evaluating after every epoch, and ends with the parameters of the epoch whose test loss was the lowest. */
export function train(
  net: ViT,
  data: { train: Images; test: Images },
  { lr = 1e-2, weightDecay = 3e-2, epochs = 10 } = {},
): Promise<FitResult> {
  const optimizer = new optim.Adam(net.parameters(), { lr, weightDecay })
  return fit(net, { data, optimizer, epochs, callbacks: [earlyStopping({ metric: 'testLoss', patience: epochs })] })
}
