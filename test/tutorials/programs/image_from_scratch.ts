// Cats and dogs by a small Xception, after Keras's "Image classification from scratch".
import {
  type AugmentOptions,
  Batches,
  bceWithLogitsLoss,
  evaluate,
  type FitResult,
  fit,
  nn,
  noGrad,
  optim,
  scope,
  type Tensor,
} from 'dawngrad'
import { batchNorm, Down, Halving, separable } from './unet.ts'

/** Images [N, 3, H, W] from 0 to 1 → the logit of class 1, [N]. */
export class Xception extends nn.Module {
  readonly entry: nn.Sequential
  readonly blocks: nn.Sequential
  readonly exit: nn.Sequential

  constructor({ entry = [32, 64], sizes = [128, 256, 512, 728], last = 1024, dropout = 0.5 } = {}) {
    super()
    const [first, second] = entry as [number, number]
    const convs = [
      [new Halving(3, first), batchNorm(first), new nn.ReLU()],
      [new nn.Conv2d(first, second, 3, { padding: 1 }), batchNorm(second), new nn.ReLU()],
    ]
    this.entry = new nn.Sequential(...convs.flat())
    this.blocks = new nn.Sequential(...sizes.map((size, i) => new Down(sizes[i - 1] ?? second, size)))
    const pooling = [new nn.ReLU(), new nn.AdaptiveAvgPool2d(1), new nn.Flatten()]
    const classifier = [new nn.Dropout(dropout), new nn.Linear(last, 1)]
    this.exit = new nn.Sequential(...separable(sizes.at(-1)!, last), ...pooling, ...classifier)
  }

  override forward(x: Tensor): Tensor {
    return this.exit.forward(this.blocks.forward(this.entry.forward(x))).squeeze(1)
  }
}

/** Pictures, and 0 for a cat or 1 for a dog. */
export type Pictures = { images: { data: Uint8Array; shape: number[]; scale: number }; labels: Float32Array }

const AUGMENT: AugmentOptions = { flip: true, rotate: 36, paddingMode: 'reflect' }

/** In batches; those to train on are mirrored, and turned by up to a tenth of a circle. */
export function datasets(train: Pictures, test: Pictures, { batchSize = 128, augment = AUGMENT } = {}) {
  return {
    train: new Batches(train, { batchSize, augment }),
    test: new Batches(test, { batchSize, shuffle: false }),
  }
}

interface Labelled {
  readonly labels: Tensor
}

const task = {
  loss: (logits: Tensor, { labels }: Labelled) => bceWithLogitsLoss(logits, labels),
  metrics: {
    /** The share of logits that have the label's side of 0. */
    accuracy: (logits: Tensor, { labels }: Labelled) => logits.sign().mul(labels.mul(2).sub(1)).relu().mean(),
  },
}

export const score = (net: nn.Module, batches: Batches<Pictures>) => evaluate(net, batches, task)

/** Trains, evaluating after every epoch. */
export function train(net: nn.Module, data: ReturnType<typeof datasets>, { epochs = 25 } = {}): Promise<FitResult> {
  const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3, eps: 1e-7 })
  return fit(net, { ...task, data, optimizer, epochs })
}

/** The probability that a picture [3, H, W] is of class 1. */
export async function predict(net: nn.Module, picture: Tensor): Promise<number> {
  net.eval()
  const probability = await scope(() => noGrad(() => net.forward(picture.unsqueeze(0)).sigmoid())).item()
  net.train()
  return probability
}
