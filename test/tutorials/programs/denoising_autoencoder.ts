// An autoencoder that takes the noise out of digits, after Keras's "Convolutional autoencoder for image denoising".
import { type Batches, bceLoss, type FitResult, fit, nn, optim, type Tensor } from 'dawngrad'

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

/** Trains, evaluating after every epoch. */
export function train(net: nn.Module, data: { train: Pairs; test: Pairs }, { epochs = 100 } = {}): Promise<FitResult> {
  const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3, eps: 1e-7 })
  return fit(net, { data, loss: (output, { clean }) => bceLoss(output, clean), optimizer, epochs })
}
