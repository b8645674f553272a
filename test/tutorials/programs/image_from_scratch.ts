// Cats and dogs by a small Xception, after Keras's "Image classification from scratch".
import { type Batches, bceWithLogitsLoss, capture, nn, noGrad, optim, scope, type Tensor } from 'dawngrad'
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
export type Pictures = Batches<{ images: { data: Uint8Array; shape: number[]; scale: number }; labels: Float32Array }>

/** Loss and accuracy over all pictures. */
export async function evaluate(net: nn.Module, batches: Pictures) {
  net.eval()
  let loss = 0
  let right = 0
  for (const { images, labels, size } of batches) {
    const logits = scope(() => noGrad(() => net.forward(images)))
    loss += size * (await bceWithLogitsLoss(logits, labels).item())
    const wanted = await labels.data()
    right += (await logits.data()).filter((logit, i) => logit > 0 === wanted[i]! > 0.5).length
  }
  net.train()
  return { loss: loss / batches.size, accuracy: right / batches.size }
}

/** Returns the loss of every epoch's last batch, with loss and accuracy of the validation after it. */
export async function train(net: nn.Module, data: { train: Pictures; val: Pictures }, { epochs = 25 } = {}) {
  const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3, eps: 1e-7 })
  const plan = capture(() => {
    const { images, labels } = data.train.next()
    const loss = bceWithLogitsLoss(net.forward(images), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  })
  const history: { loss: number; val: { loss: number; accuracy: number } }[] = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    plan.run(data.train.length)
    history.push({ loss: await plan.result.item(), val: await evaluate(net, data.val) })
  }
  plan.dispose()
  return history
}

/** The probability that a picture [3, H, W] is of class 1. */
export async function predict(net: nn.Module, picture: Tensor): Promise<number> {
  net.eval()
  const score = await scope(() => noGrad(() => net.forward(picture.unsqueeze(0)).sigmoid())).item()
  net.train()
  return score
}
