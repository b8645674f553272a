// Digits read row by row by an LSTM, after mnist_rnn of pytorch/examples. Its loop is that of mnist.ts, at a rate of 0.1.
import { logSoftmax, nn, relu, type Tensor } from 'dawngrad'
import { type Digits, train } from './mnist.ts'

export class Net extends nn.Module {
  readonly rnn: nn.LSTM
  readonly batchnorm = new nn.BatchNorm1d(64)
  readonly dropout1 = new nn.Dropout(0.25)
  readonly dropout2 = new nn.Dropout(0.5)
  readonly fc1 = new nn.Linear(64, 32)
  readonly fc2 = new nn.Linear(32, 10)
  readonly side: number

  constructor(side = 28) {
    super()
    this.side = side
    this.rnn = new nn.LSTM(side, 64, { batchFirst: true })
  }

  /** The logarithms of the probabilities of the ten digits. */
  override forward(images: Tensor): Tensor {
    const rows = images.sub(0.1307).div(0.3081).reshape([-1, this.side, this.side])
    const [output] = this.rnn.forward(rows)
    let x = this.dropout1.forward(this.batchnorm.forward(output.select(1, -1)))
    x = this.dropout2.forward(relu(this.fc1.forward(x)))
    return logSoftmax(this.fc2.forward(x), 1)
  }
}

export const run = (net: Net, data: Digits, held: Digits, { epochs = 14 } = {}) =>
  train(net, data, held, { epochs, lr: 0.1 })
