// ResNet-18 on ImageNet with top-1 and top-5 accuracy, after PyTorch's example imagenet.
import {
  type AugmentOptions,
  Batches,
  type BatchesOptions,
  capture,
  crossEntropy,
  gather,
  nn,
  noGrad,
  optim,
  sched,
  scope,
  type Tensor,
} from 'dawngrad'

export type Images = Batches<{
  images: { data: Uint8Array; shape: number[]; scale: number }
  labels: Int32Array
}>

export interface Pictures {
  /** [N, 3, 224, 224] */
  readonly images: { readonly data: Uint8Array; readonly shape: number[] }
  readonly labels: Int32Array
}

/** In place of torchvision's RandomResizedCrop pictures are moved and enlarged at random; and mirrored. */
const AUGMENT: AugmentOptions = { flip: true, shift: 0.1, zoom: [1, 1.5] }

/** In batches, less the mean of ImageNet's pixels and divided by their deviation. */
export function datasets(train: Pictures, val: Pictures, { batchSize = 256, augment = AUGMENT, shuffle = true } = {}) {
  const normalize = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
  const batches = ({ images, labels }: Pictures, options: BatchesOptions): Images =>
    new Batches({ images: { ...images, scale: 1 / 255 }, labels }, { batchSize, normalize, ...options })
  return { train: batches(train, { augment, shuffle, dropLast: true }), val: batches(val, { shuffle: false }) }
}

/** Images [N, 3, 224, 224] → logits. */
export const resnet18 = (options: nn.ResNetOptions = {}) => nn.resnet({ stem: 'imagenet', classes: 1000, ...options })

/** The share of rows of which fewer than k logits are larger than the label's. */
export function accuracy(logits: Tensor, labels: Tensor, k: number): Tensor {
  const own = gather(logits, 1, labels.unsqueeze(1))
  const larger = logits.sub(own).sign().relu().sum(1)
  return larger
    .sub(k - 0.5)
    .neg()
    .sign()
    .relu()
    .mean()
}

export interface Figures {
  readonly loss: number
  readonly acc1: number
  readonly acc5: number
}

/** The means over all images. */
export async function validate(net: nn.Module, batches: Images): Promise<Figures> {
  net.eval()
  const sums = [0, 0, 0]
  for (const { images, labels, size } of batches) {
    const figures = scope(() =>
      noGrad(() => {
        const output = net.forward(images)
        return [crossEntropy(output, labels), accuracy(output, labels, 1), accuracy(output, labels, 5)]
      }),
    )
    for (const [i, figure] of figures.entries()) sums[i]! += size * (await figure.item())
  }
  net.train()
  const [loss, acc1, acc5] = sums.map((sum) => sum / batches.epochSize) as [number, number, number]
  return { loss, acc1, acc5 }
}

/** The rate falls to a tenth every 30 epochs. Returns the loss of every update, and the figures of every epoch. */
export async function train(net: nn.Module, data: { train: Images; val: Images }, { lr = 0.1, epochs = 90 } = {}) {
  const optimizer = new optim.SGD(net.parameters(), { lr, momentum: 0.9, weightDecay: 1e-4 })
  const scheduler = new sched.Scheduler(optimizer, sched.stepLR({ lr, stepSize: 30, gamma: 0.1 }))
  const plan = capture(() => {
    const { images, labels } = data.train.next()
    const output = net.forward(images)
    const loss = crossEntropy(output, labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  })
  const losses: number[] = []
  const figures: Figures[] = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let i = 0; i < data.train.length; i++) {
      plan.run()
      losses.push(await plan.result.item())
    }
    figures.push(await validate(net, data.val))
    scheduler.step()
  }
  plan.dispose()
  return { losses, figures }
}
