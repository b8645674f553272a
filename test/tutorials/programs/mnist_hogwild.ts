// Digits told apart by a small convolutional network, after mnist_hogwild of pytorch/examples, whose processes are one here.
import { bernoulli, capture, dropout, logSoftmax, maxPool2d, nllLoss, nn, optim, relu, type Tensor } from 'dawngrad'
import { type Digits, test } from './mnist.ts'

/** In training drops whole channels of [N, C, H, W] with probability p. */
export class Dropout2d extends nn.Module {
  override forward(x: Tensor, p = 0.5): Tensor {
    return this.training && p > 0 ? x.mul(bernoulli(1 - p, [x.shape[0]!, x.shape[1]!, 1, 1]).div(1 - p)) : x
  }
}

export class Net extends nn.Module {
  readonly conv1 = new nn.Conv2d(1, 10, 5)
  readonly conv2 = new nn.Conv2d(10, 20, 5)
  readonly conv2_drop = new Dropout2d()
  readonly fc1: nn.Linear
  readonly fc2 = new nn.Linear(50, 10)
  readonly p: number

  constructor({ side = 28, p = 0.5 } = {}) {
    super()
    this.p = p
    this.fc1 = new nn.Linear(20 * ((side - 12) / 4) ** 2, 50)
  }

  /** The logarithms of the probabilities of the ten digits. */
  override forward(images: Tensor): Tensor {
    let x = this.conv1.forward(images.sub(0.1307).div(0.3081))
    x = this.conv2.forward(relu(maxPool2d(x, { kernelSize: 2 })))
    x = relu(maxPool2d(this.conv2_drop.forward(x, this.p), { kernelSize: 2 })).flatten()
    x = dropout(relu(this.fc1.forward(x)), { p: this.p, training: this.training })
    return logSoftmax(this.fc2.forward(x), 1)
  }
}

/** Trains, then tests. Returns all losses and what the test gave. */
export async function train(net: Net, data: Digits, held: Digits, { epochs = 10, lr = 0.01, momentum = 0.5 } = {}) {
  const optimizer = new optim.SGD(net.parameters(), { lr, momentum })
  const step = capture(() => {
    const { images, labels } = data.next()
    const loss = nllLoss(net.forward(images), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  })
  const losses = []
  for (let i = 0; i < epochs * data.length; i++) {
    step.run()
    losses.push(await step.result.item())
  }
  return { losses, test: await test(net, held) }
}
