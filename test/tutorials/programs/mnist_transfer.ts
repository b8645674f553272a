// A network of the digits 0 to 4 that learns 5 to 9, after tensorflow/tfjs-examples, mnist-transfer-cnn.
import { type Batches, type BatchField, crossEntropy, nn, noGrad, optim, scope, type Tensor, tensor } from 'dawngrad'

/** Images as float32 [rows, 1, size, size], and the digits on them, less 5. */
export type Digits = Batches<{ images: BatchField; labels: BatchField }>

/** Layers that find features, and layers that name the digit; load the state of one that knows 0 to 4. */
export class Net extends nn.Module {
  readonly features: nn.Sequential
  readonly classifier: nn.Sequential

  constructor({ size = 28, filters = 32, width = 128, dropouts = [0.25, 0.5] } = {}) {
    super()
    const { Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU } = nn
    const convs = [new Conv2d(1, filters, 3), new ReLU(), new Conv2d(filters, filters, 3), new ReLU()]
    this.features = new nn.Sequential(...convs, new MaxPool2d(2), new Dropout(dropouts[0]), new Flatten())
    const first = new Linear(filters * (size / 2 - 2) ** 2, width)
    this.classifier = new nn.Sequential(first, new ReLU(), new Dropout(dropouts[1]), new Linear(width, 5))
  }

  override forward(images: Tensor): Tensor {
    return this.classifier.forward(this.features.forward(images))
  }
}

export type TrainingMode = 'freeze-feature-layers' | 'reinitialize-weights' | 'all-layers'

/** Adam at 0.01. Returns the loss of every step, and loss and accuracy of the test after every epoch. */
export async function retrain(net: Net, digits: Digits, test: Digits, mode: TrainingMode, { epochs = 10 } = {}) {
  if (mode === 'freeze-feature-layers') for (const p of net.features.parameters()) p.requiresGrad = false
  if (mode === 'reinitialize-weights') {
    for (const p of net.parameters()) (p.shape.length > 1 ? nn.init.xavierUniform : nn.init.zeros)(p)
  }
  const trained = net.parameters().filter((p) => p.requiresGrad)
  const optimizer = new optim.Adam(trained, { lr: 0.01, eps: 1e-7 })
  const losses = []
  const tests = []
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
    tests.push(await evaluate(net, test))
  }
  return { losses, tests }
}

async function evaluate(net: Net, digits: Digits): Promise<{ loss: number; accuracy: number }> {
  net.eval()
  let [loss, right] = [0, 0]
  for (const { images, labels, size } of digits) {
    const logits = noGrad(() => net.forward(images))
    loss += ((await crossEntropy(logits, labels).item()) * size) / digits.size
    const [named, truth] = [await logits.argmax(1).data(), await labels.data()]
    right += named.filter((digit, i) => digit === truth[i]).length
  }
  net.train()
  return { loss, accuracy: right / digits.size }
}

/** Pixels 0 to 255 as text, row by row → [1, 1, size, size]. */
export function textToImage(text: string, size = 28): Tensor {
  const pixels = text
    .trim()
    .split(/\s+/)
    .map((token) => Number(token) / 255)
  return tensor(pixels, [1, 1, size, size])
}

/** The digit of an image as text, and the probabilities of 5 to 9. */
export async function predict(net: Net, text: string, size = 28) {
  net.eval()
  const probabilities = await noGrad(() => net.forward(textToImage(text, size)).softmax()).data()
  net.train()
  return { digit: 5 + probabilities.indexOf(Math.max(...probabilities)), probabilities: [...probabilities] }
}
