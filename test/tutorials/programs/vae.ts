// A variational autoencoder of small images, after vae of pytorch/examples.
import { type Batches, type BatchField, bceLoss, capture, nn, noGrad, optim, randn, scope, type Tensor } from 'dawngrad'

/** Images of [rows, …] with values from 0 to 1. */
export type Images = Batches<{ images: BatchField }>

export class VAE extends nn.Module<readonly [restored: Tensor, mu: Tensor, logvar: Tensor]> {
  readonly fc1: nn.Linear
  readonly fc21: nn.Linear
  readonly fc22: nn.Linear
  readonly fc3: nn.Linear
  readonly fc4: nn.Linear
  readonly noise: typeof randn

  constructor({ pixels = 784, hidden = 400, latent = 20, noise = randn } = {}) {
    super()
    this.noise = noise
    this.fc1 = new nn.Linear(pixels, hidden)
    this.fc21 = new nn.Linear(hidden, latent)
    this.fc22 = new nn.Linear(hidden, latent)
    this.fc3 = new nn.Linear(latent, hidden)
    this.fc4 = new nn.Linear(hidden, pixels)
  }

  encode(x: Tensor) {
    const h1 = this.fc1.forward(x).relu()
    return [this.fc21.forward(h1), this.fc22.forward(h1)] as const
  }

  reparameterize(mu: Tensor, logvar: Tensor): Tensor {
    const std = logvar.mul(0.5).exp()
    return mu.add(this.noise(std.shape).mul(std))
  }

  decode(z: Tensor): Tensor {
    return this.fc4.forward(this.fc3.forward(z).relu()).sigmoid()
  }

  override forward(images: Tensor) {
    const [mu, logvar] = this.encode(images.flatten())
    return [this.decode(this.reparameterize(mu, logvar)), mu, logvar] as const
  }
}

/** What the images lost on the way, and the divergence of their codes from the normal distribution; both are sums. */
export function lossFunction([restored, mu, logvar]: readonly [Tensor, Tensor, Tensor], images: Tensor): Tensor {
  const bce = bceLoss(restored, images.flatten(), { reduction: 'sum' })
  const kld = logvar.add(1).sub(mu.square()).sub(logvar.exp()).sum().mul(-0.5)
  return bce.add(kld)
}

/** Returns the mean losses of the images in training and in the test, epoch by epoch. */
export async function train(net: VAE, data: Images, held: Images, { epochs = 10, lr = 1e-3 } = {}) {
  const optimizer = new optim.Adam(net.parameters(), { lr })
  const step = capture(() => {
    const { images } = data.next()
    const loss = lossFunction(net.forward(images), images)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  })
  const history = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    let loss = 0
    for (let i = 0; i < data.length; i++) {
      step.run()
      loss += await step.result.item()
    }
    history.push({ trainLoss: loss / data.epochSize, testLoss: await test(net, held) })
  }
  return history
}

export async function test(net: VAE, held: Images): Promise<number> {
  let loss = 0
  for (let i = 0; i < held.length; i++) {
    const sum = scope(() => {
      const { images } = held.next()
      return noGrad(() => lossFunction(net.forward(images), images))
    })
    loss += await sum.item()
  }
  return loss / held.epochSize
}

/** New images, [n, pixels]. */
export function sample(net: VAE, n = 64): Tensor {
  return noGrad(() => scope(() => net.decode(net.noise([n, net.fc3.weight.shape[1]!]))))
}
