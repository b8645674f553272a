// Small pictures made larger by convolutions and a pixel shuffle, after super_resolution of pytorch/examples.
import { type Batches, type BatchField, capture, mseLoss, nn, noGrad, optim, scope, type Tensor } from 'dawngrad'

/** Brightness from 0 to 1: small pictures [rows, 1, H, W] and the large ones [rows, 1, H·r, W·r]. */
export type Pairs = Batches<{ input: BatchField; target: BatchField }>

export class Net extends nn.Module {
  readonly conv1: nn.Conv2d
  readonly conv2: nn.Conv2d
  readonly conv3: nn.Conv2d
  readonly conv4: nn.Conv2d
  readonly pixelShuffle: nn.PixelShuffle

  constructor(upscaleFactor: number, width = 64) {
    super()
    this.conv1 = new nn.Conv2d(1, width, 5, { padding: 2 })
    this.conv2 = new nn.Conv2d(width, width, 3, { padding: 1 })
    this.conv3 = new nn.Conv2d(width, width / 2, 3, { padding: 1 })
    this.conv4 = new nn.Conv2d(width / 2, upscaleFactor ** 2, 3, { padding: 1 })
    this.pixelShuffle = new nn.PixelShuffle(upscaleFactor)
    const gain = nn.init.calculateGain('relu')
    for (const { weight } of [this.conv1, this.conv2, this.conv3]) nn.init.orthogonal(weight, { gain })
    nn.init.orthogonal(this.conv4.weight)
  }

  override forward(input: Tensor): Tensor {
    let x = this.conv1.forward(input).relu()
    x = this.conv2.forward(x).relu()
    x = this.conv3.forward(x).relu()
    return this.pixelShuffle.forward(this.conv4.forward(x))
  }
}

/** Returns all losses, and the test's peak signal-to-noise ratio after each epoch. */
export async function train(net: Net, data: Pairs, held: Pairs, { epochs = 2, lr = 0.01 } = {}) {
  const optimizer = new optim.Adam(net.parameters(), { lr })
  const step = capture(() => {
    const { input, target } = data.next()
    const loss = mseLoss(net.forward(input), target)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  })
  const losses = []
  const ratios = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let i = 0; i < data.length; i++) {
      step.run()
      losses.push(await step.result.item())
    }
    ratios.push(await test(net, held))
  }
  return { losses, ratios }
}

/** The mean of the batches' ratios, in dB. */
export async function test(net: Net, data: Pairs): Promise<number> {
  let sum = 0
  for (let i = 0; i < data.length; i++) {
    const mse = scope(() => {
      const { input, target } = data.next()
      return noGrad(() => mseLoss(net.forward(input), target))
    })
    sum += 10 * Math.log10(1 / (await mse.item()))
  }
  return sum / data.length
}
