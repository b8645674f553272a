// An autoencoder that takes the noise out of digits, after Keras's "Convolutional autoencoder for image denoising".
import { type Batches, bceLoss, capture, nn, noGrad, optim, scope, type Tensor } from 'dawngrad'

/** Images [N, 1, 28, 28] → the same without noise, in (0, 1). */
export function autoencoder({ filters = 32 } = {}): nn.Sequential {
  const conv = (inChannels: number) => [new nn.Conv2d(inChannels, filters, 3, { padding: 1 }), new nn.ReLU()]
  const encoder = [...conv(1), new nn.MaxPool2d(2), ...conv(filters), new nn.MaxPool2d(2)]
  const decoder = [...conv(filters), new nn.Upsample({ scale: 2 }), ...conv(filters), new nn.Upsample({ scale: 2 })]
  return new nn.Sequential(...encoder, ...decoder, new nn.Conv2d(filters, 1, 3, { padding: 1 }), new nn.Sigmoid())
}

/** Images as they are, and with noise: an image twice is an autoencoder's, float32 in [0, 1]. */
export type Pairs = Batches<{
  noisy: { data: Float32Array; shape: number[] }
  clean: { data: Float32Array; shape: number[] }
}>

/** The images with noise of this deviation, cut to [0, 1]. */
export function addNoise(images: Tensor, noise: Tensor, factor = 0.4): Tensor {
  return images.add(noise.mul(factor)).clamp({ min: 0, max: 1 })
}

export async function evaluate(net: nn.Module, batches: Pairs): Promise<number> {
  let sum = 0
  for (const { noisy, clean, size } of batches) {
    sum += size * (await scope(() => noGrad(() => bceLoss(net.forward(noisy), clean))).item())
  }
  return sum / batches.size
}

/** Returns the loss of every epoch's last batch, and that of the test after it. */
export async function train(
  net: nn.Module,
  data: { train: Pairs; test: Pairs },
  { epochs = 100 } = {},
): Promise<number[]> {
  const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3, eps: 1e-7 })
  const plan = capture(() => {
    const { noisy, clean } = data.train.next()
    const loss = bceLoss(net.forward(noisy), clean)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  })
  const losses: number[] = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    plan.run(data.train.length)
    losses.push(await plan.result.item(), await evaluate(net, data.test))
  }
  plan.dispose()
  return losses
}
