// Defines a module with a residual connection, combines it with the package's layers, and trains the network.
// Run: node --import tsx examples/custom_network.ts
// It prints
//   layer     kind       output shape    parameters  multiply-adds
//   input                [1, 1, 28, 28]
//   0         MaxPool2d  [1, 1, 7, 7]             0              0
//   1         Conv2d     [1, 8, 7, 7]            80          3,528
//   2         ReLU       [1, 8, 7, 7]             0              0
//   3.first   Conv2d     [1, 8, 7, 7]           584         28,224
//   3.second  Conv2d     [1, 8, 7, 7]           584         28,224
//   4         Flatten    [1, 392]                 0              0
//   5         Linear     [1, 10]              3,930          3,920
//   total                                     5,178         63,896
//   epoch 0  train loss 2.22
//   epoch 1  train loss 1.70
import { add, fit, ImageBatches, loadFashionMnist, manualSeed, nn, open, optim, relu, type Tensor } from 'dawngrad'

/** relu(x + conv(relu(conv(x)))). Parameters are found in the properties that are modules or tensors. */
class Residual extends nn.Module {
  readonly first: nn.Conv2d
  readonly second: nn.Conv2d

  constructor(channels: number) {
    super()
    this.first = new nn.Conv2d(channels, channels, 3, { padding: 1 })
    this.second = new nn.Conv2d(channels, channels, 3, { padding: 1 })
  }

  override forward(x: Tensor): Tensor {
    return relu(add(x, this.second.forward(relu(this.first.forward(x)))))
  }
}

await open()
manualSeed(0)
const net = new nn.Sequential(
  new nn.MaxPool2d(4), // 28 x 28 to 7 x 7, to be quick
  new nn.Conv2d(1, 8, 3, { padding: 1 }),
  new nn.ReLU(),
  new Residual(8),
  new nn.Flatten(),
  new nn.Linear(8 * 7 * 7, 10),
)
console.log(String(net.summary([1, 1, 28, 28])))
const { train } = await loadFashionMnist({ dir: new URL('sample/', import.meta.url), verify: false })
const data = new ImageBatches(train, { batchSize: 64 })
const optimizer = new optim.SGD(net.parameters(), { lr: 0.05, momentum: 0.9 })
const { history } = await fit(net, { data, optimizer, epochs: 2 })
for (const { epoch, trainLoss } of history) console.log(`epoch ${epoch}  train loss ${trainLoss.toFixed(2)}`)
