// ResNet-18 on CIFAR-10, after kuangliu/pytorch-cifar.
import {
  type AugmentOptions,
  earlyStopping,
  type FitResult,
  fit,
  ImageBatches,
  type ImageDataset,
  nn,
  optim,
  sched,
} from 'dawngrad'

export interface Data {
  readonly train: ImageBatches
  readonly test: ImageBatches
}

/** Images of 32 × 32; those to train on are moved and mirrored at random. */
export function datasets(
  train: ImageDataset,
  test: ImageDataset,
  augment: AugmentOptions = { crop: { padding: 4 }, flip: true },
): Data {
  const normalize = { mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.201] }
  return {
    train: new ImageBatches(train, { batchSize: 128, normalize, augment }),
    test: new ImageBatches(test, { batchSize: 100, normalize }),
  }
}

/** Images [N, 3, 32, 32] → logits. */
export const network = (options: nn.ResNetOptions = {}) => nn.resnet(options)

/** Trains at a rate that falls along a cosine, and ends with the parameters of the epoch that was best in the test. */
export function train(net: nn.Module, data: Data, { lr = 0.1, epochs = 200 } = {}): Promise<FitResult> {
  const optimizer = new optim.SGD(net.parameters(), { lr, momentum: 0.9, weightDecay: 5e-4 })
  const schedule = sched.cosineAnnealingLR({ lr, tMax: 200 })
  return fit(net, {
    data,
    optimizer,
    schedule,
    epochs,
    callbacks: [earlyStopping({ metric: 'testAcc', patience: epochs })],
  })
}
