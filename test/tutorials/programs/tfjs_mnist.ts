// Digits by networks of tensorflow/tfjs-examples: mnist (a convolutional and a dense one) and mnist-node, trained by RMSprop.
import { type Batches, type BatchField, crossEntropy, nn, noGrad, optim, scope, where } from 'dawngrad'

/** Images as float32 [rows, 1, 28, 28], and the digits on them. */
export type Digits = Batches<{ images: BatchField; labels: BatchField }>

const { Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU } = nn

/** Of the page. */
export function convNet(): nn.Sequential {
  const first = [
    new Conv2d(1, 16, 3),
    new ReLU(),
    new MaxPool2d(2),
    new Conv2d(16, 32, 3),
    new ReLU(),
    new MaxPool2d(2),
  ]
  return keras(
    new nn.Sequential(
      ...first,
      new Conv2d(32, 32, 3),
      new ReLU(),
      new Flatten(),
      new Linear(288, 64),
      new ReLU(),
      new Linear(64, 10),
    ),
  )
}

/** As many weights, and no convolution. */
export function denseNet(): nn.Sequential {
  return keras(new nn.Sequential(new Flatten(), new Linear(784, 42), new ReLU(), new Linear(42, 10)))
}

/** Of the program for Node. */
export function nodeNet({ dropouts = [0.25, 0.5], hidden = 512 } = {}): nn.Sequential {
  const pair = (from: number, to: number) => [new Conv2d(from, to, 3), new ReLU(), new Conv2d(to, to, 3), new ReLU()]
  return keras(
    new nn.Sequential(
      ...[...pair(1, 32), new MaxPool2d(2), ...pair(32, 64), new MaxPool2d(2), new Flatten(), new Dropout(dropouts[0])],
      ...[new Linear(1024, hidden), new ReLU(), new Dropout(dropouts[1]), new Linear(hidden, 10)],
    ),
  )
}

/** With Keras' first values: Glorot's, and biases of 0. */
function keras(net: nn.Sequential): nn.Sequential {
  for (const p of net.parameters()) (p.shape.length > 1 ? nn.init.xavierUniform : nn.init.zeros)(p)
  return net
}

/** Keras' 'rmsprop'. Returns the loss of every step, and what each epoch reached on the images that were held out. */
export async function train(net: nn.Sequential, digits: Digits, held: Digits, { epochs = 20 } = {}) {
  const optimizer = new optim.RMSprop(net.parameters(), { lr: 0.001, alpha: 0.9, eps: 1e-7 })
  const losses = []
  const epochsReached = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let i = 0; i < digits.length; i++) {
      const loss = scope(() => {
        const { images, labels } = digits.next()
        const loss = crossEntropy(net.forward(images), labels)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss
      })
      losses.push(await loss.item())
    }
    epochsReached.push(await evaluate(net, held))
  }
  return { losses, held: epochsReached }
}

/** The mean loss over a data set, and the part of its digits that are named right. */
export async function evaluate(net: nn.Sequential, digits: Digits): Promise<{ loss: number; accuracy: number }> {
  net.eval()
  let [loss, right] = [0, 0]
  for (let i = 0; i < digits.length; i++) {
    const sums = scope(() =>
      noGrad(() => {
        const { images, labels } = digits.next()
        const logits = net.forward(images)
        const hits = where(logits.argmax(1).eq(labels), 1, 0).sum()
        return [crossEntropy(logits, labels, { reduction: 'sum' }), hits] as const
      }),
    )
    loss += await sums[0].item()
    right += await sums[1].item()
  }
  net.train()
  return { loss: loss / digits.size, accuracy: right / digits.size }
}
