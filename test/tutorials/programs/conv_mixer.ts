// ConvMixer on small images, after Keras's "Image classification with ConvMixer".
import {
  type AugmentOptions,
  earlyStopping,
  type FitResult,
  fit,
  ImageBatches,
  type ImageDataset,
  nn,
  optim,
  type Tensor,
} from 'dawngrad'

/** GELU and batch norm, the latter with Keras's numbers. */
const activation = (filters: number) => [new nn.GELU(), new nn.BatchNorm2d(filters, { momentum: 0.01, eps: 1e-3 })]

/** A convolution of every channel, around which its input is added, then one of every pixel. */
class Block extends nn.Module {
  readonly depthwise: nn.Sequential
  readonly pointwise: nn.Sequential

  constructor(filters: number, kernelSize: number) {
    super()
    const options = { groups: filters, padding: (kernelSize - 1) / 2 }
    this.depthwise = new nn.Sequential(new nn.Conv2d(filters, filters, kernelSize, options), ...activation(filters))
    this.pointwise = new nn.Sequential(new nn.Conv2d(filters, filters, 1), ...activation(filters))
  }

  override forward(x: Tensor): Tensor {
    return this.pointwise.forward(this.depthwise.forward(x).add(x))
  }
}

/** Images [N, 3, H, W] → logits; ConvMixer-256/8. */
export function network({ filters = 256, depth = 8, kernelSize = 5, patchSize = 2, classes = 10 } = {}): nn.Sequential {
  return new nn.Sequential(
    new nn.Conv2d(3, filters, patchSize, { stride: patchSize }),
    ...activation(filters),
    ...Array.from({ length: depth }, () => new Block(filters, kernelSize)),
    new nn.AdaptiveAvgPool2d(1),
    new nn.Flatten(),
    new nn.Linear(filters, classes),
  )
}

export interface Data {
  readonly train: ImageBatches
  readonly test: ImageBatches
}

/** Those to train on are mirrored at random. */
export function datasets(train: ImageDataset, test: ImageDataset, augment: AugmentOptions = { flip: true }): Data {
  return {
    train: new ImageBatches(train, { batchSize: 128, augment }),
    test: new ImageBatches(test, { batchSize: 128 }),
  }
}

/** Trains, evaluating after every epoch, and ends with the parameters of the best. */
export function train(net: nn.Module, data: Data, { epochs = 10 } = {}): Promise<FitResult> {
  // Keras's decay is not multiplied by the rate.
  const optimizer = new optim.AdamW(net.parameters(), { lr: 1e-3, weightDecay: 1e-4 / 1e-3, eps: 1e-7 })
  const callbacks = [earlyStopping({ metric: 'testAcc', patience: epochs })]
  return fit(net, { data, optimizer, epochs, callbacks })
}
