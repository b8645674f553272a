// Digits told apart by two convolutions and two linear layers, after mnist of pytorch/examples.
import {
  type Batches,
  type BatchField,
  capture,
  logSoftmax,
  maxPool2d,
  nllLoss,
  nn,
  noGrad,
  optim,
  relu,
  sched,
  scope,
  type Tensor,
  where,
} from 'dawngrad'

/** Images of float32 [rows, 1, side, side], such as bytes with `scale: 1 / 255`, and the digits on them. */
export type Digits = Batches<{ images: BatchField; labels: BatchField }>

export class Net extends nn.Module {
  readonly conv1 = new nn.Conv2d(1, 32, 3)
  readonly conv2 = new nn.Conv2d(32, 64, 3)
  readonly dropout1 = new nn.Dropout(0.25)
  readonly dropout2 = new nn.Dropout(0.5)
  readonly fc1: nn.Linear
  readonly fc2 = new nn.Linear(128, 10)

  constructor(side = 28) {
    super()
    this.fc1 = new nn.Linear(64 * ((side - 4) / 2) ** 2, 128)
  }

  /** The logarithms of the probabilities of the ten digits. */
  override forward(images: Tensor): Tensor {
    let x = images.sub(0.1307).div(0.3081)
    x = relu(this.conv1.forward(x))
    x = relu(this.conv2.forward(x))
    x = this.dropout1.forward(maxPool2d(x, { kernelSize: 2 })).flatten()
    x = this.dropout2.forward(relu(this.fc1.forward(x)))
    return logSoftmax(this.fc2.forward(x), 1)
  }
}

/** Trains by Adadelta, at a rate that falls by gamma after every epoch. Returns all losses, and what the test gave after each epoch. */
export async function train(net: nn.Module, data: Digits, held: Digits, { epochs = 14, lr = 1, gamma = 0.7 } = {}) {
  const optimizer = new optim.Adadelta(net.parameters(), { lr })
  const scheduler = new sched.Scheduler(optimizer, sched.stepLR({ lr, stepSize: 1, gamma }))
  const step = capture(() => {
    const { images, labels } = data.next()
    const loss = nllLoss(net.forward(images), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  })
  const losses = []
  const tests = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let i = 0; i < data.length; i++) {
      step.run()
      losses.push(await step.result.item())
    }
    tests.push(await test(net, held))
    scheduler.step()
  }
  return { losses, tests }
}

/** The mean loss over a data set, and the part of its digits that are named right. */
export async function test(net: nn.Module, data: Digits) {
  net.eval()
  let [loss, correct] = [0, 0]
  for (let i = 0; i < data.length; i++) {
    const [sum, hits] = scope(() => {
      const { images, labels } = data.next()
      const output = noGrad(() => net.forward(images))
      return [nllLoss(output, labels, { reduction: 'sum' }), where(output.argmax(1).eq(labels), 1, 0).sum()] as const
    })
    loss += await sum.item()
    correct += await hits.item()
  }
  net.train()
  return { loss: loss / data.epochSize, accuracy: correct / data.epochSize }
}
