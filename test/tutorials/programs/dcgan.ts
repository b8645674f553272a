// A deep convolutional generative adversarial network, after dcgan of pytorch/examples.
import {
  type Batches,
  type BatchField,
  bceLoss,
  capture,
  nn,
  noGrad,
  optim,
  randn,
  scope,
  stack,
  type Tensor,
  tensor,
} from 'dawngrad'

/** Pictures of [rows, nc, 64, 64] with values from −1 to 1. */
export type Pictures = Batches<{ images: BatchField }>

/** Channels: of the pictures, of the noise, and of the narrowest layers of both networks. */
export const SIZES = { nc: 3, nz: 100, ngf: 64, ndf: 64 }

/** Noise [n, nz, 1, 1] to pictures. */
export function generator({ nc, nz, ngf } = SIZES): nn.Sequential {
  const up = (from: number, to: number, stride = 2) =>
    new nn.ConvTranspose2d(from, to, 4, { stride, padding: stride - 1, bias: false })
  const block = (from: number, to: number, stride?: number) => [
    up(from, to, stride),
    new nn.BatchNorm2d(to),
    new nn.ReLU(),
  ]
  return new nn.Sequential(
    ...block(nz, ngf * 8, 1),
    ...block(ngf * 8, ngf * 4),
    ...block(ngf * 4, ngf * 2),
    ...block(ngf * 2, ngf),
    up(ngf, nc),
    new nn.Tanh(),
  ).apply(initialize) as nn.Sequential
}

/** Pictures to the probability that they are real, [n, 1, 1, 1]. */
export function discriminator({ nc, ndf } = SIZES): nn.Sequential {
  const down = (from: number, to: number) => new nn.Conv2d(from, to, 4, { stride: 2, padding: 1, bias: false })
  const block = (from: number, to: number) => [down(from, to), new nn.BatchNorm2d(to), new nn.LeakyReLU(0.2)]
  return new nn.Sequential(
    down(nc, ndf),
    new nn.LeakyReLU(0.2),
    ...block(ndf, ndf * 2),
    ...block(ndf * 2, ndf * 4),
    ...block(ndf * 4, ndf * 8),
    new nn.Conv2d(ndf * 8, 1, 4, { bias: false }),
    new nn.Sigmoid(),
  ).apply(initialize) as nn.Sequential
}

function initialize(layer: nn.Module<unknown>): void {
  if (layer instanceof nn.Conv2d || layer instanceof nn.ConvTranspose2d) nn.init.normal(layer.weight, 0, 0.02)
  if (layer instanceof nn.BatchNorm2d) nn.init.normal(layer.weight!, 1, 0.02)
}

/** Returns for every step the losses of D and of G, and the means of D(x), of D(G(z)), and of that after the update of D. */
export async function train(
  netG: nn.Module,
  netD: nn.Module,
  data: Pictures,
  { epochs = 25, lr = 2e-4, nz = SIZES.nz, noise = randn } = {},
) {
  const options = { lr, betas: [0.5, 0.999] } as const
  const optimizerD = new optim.Adam(netD.parameters(), options)
  const optimizerG = new optim.Adam(netG.parameters(), options)
  const n = data.batchSize
  const [real, made] = [tensor(new Float32Array(n).fill(1)), tensor(new Float32Array(n))]
  const step = capture(() => {
    // The discriminator: log(D(x)) + log(1 − D(G(z))) is to rise.
    optimizerD.zeroGrad()
    const ofReal = netD.forward(data.next().images).flatten(0)
    const errDReal = bceLoss(ofReal, real)
    errDReal.backward()
    const fake = netG.forward(noise([n, nz, 1, 1]))
    const ofFake = netD.forward(fake.detach()).flatten(0)
    const errDFake = bceLoss(ofFake, made)
    errDFake.backward()
    optimizerD.step()
    // The generator: log(D(G(z))) is to rise.
    optimizerG.zeroGrad()
    const after = netD.forward(fake).flatten(0)
    const errG = bceLoss(after, real)
    errG.backward()
    optimizerG.step()
    return stack([errDReal.add(errDFake), errG, ofReal.mean(), ofFake.mean(), after.mean()])
  })
  const history: number[][] = []
  for (let i = 0; i < epochs * data.length; i++) {
    step.run()
    history.push([...(await step.result.data())])
  }
  return history
}

/** Pictures of given noise. */
export const generate = (netG: nn.Module, noise: Tensor) => scope(() => noGrad(() => netG.forward(noise)))
