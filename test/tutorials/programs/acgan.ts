// Digits of a wanted kind drawn by an auxiliary classifier GAN, after tensorflow/tfjs-examples, mnist-acgan.
import {
  type Batches,
  type BatchField,
  bceLoss,
  cat,
  crossEntropy,
  nn,
  noGrad,
  optim,
  rand,
  scope,
  type Tensor,
  tensor,
} from 'dawngrad'

const NUM_CLASSES = 10
/** In place of 1, so that the discriminator is never too sure. */
const SOFT_ONE = 0.95

/** Images as float32 [rows, 1, 28, 28] from −1 to 1, and the digits on them. */
export type Digits = Batches<{ images: BatchField; labels: BatchField }>

/** Keras' batch norm. */
const norm = (channels: number) => new nn.BatchNorm2d(channels, { eps: 1e-3, momentum: 0.01 })

/** Noise [N, latent] times what stands for the class, and convolutions that enlarge it to [N, 1, 28, 28]. */
export class Generator extends nn.Module {
  readonly embedding: nn.Embedding
  readonly dense: nn.Linear
  readonly cnn: nn.Sequential
  readonly latentSize: number

  constructor({ latentSize = 100, widths = [384, 192, 96] } = {}) {
    super()
    const [a, b, c] = widths as [number, number, number]
    this.latentSize = latentSize
    this.embedding = new nn.Embedding(NUM_CLASSES, latentSize)
    this.dense = new nn.Linear(latentSize, 3 * 3 * a)
    const double = { stride: 2, padding: 2, outputPadding: 1 }
    this.cnn = new nn.Sequential(
      ...[
        new nn.ConvTranspose2d(a, b, 5),
        new nn.ReLU(),
        norm(b),
        new nn.ConvTranspose2d(b, c, 5, double),
        new nn.ReLU(),
        norm(c),
      ],
      ...[new nn.ConvTranspose2d(c, 1, 5, double), new nn.Tanh()],
    )
    keras(this, nn.init.xavierNormal)
    nn.init.xavierUniform(this.dense.weight)
  }

  override forward(noise: Tensor, ...[classes]: Tensor[]): Tensor {
    const dense = this.dense.forward(noise.mul(this.embedding.forward(classes!))).relu()
    return this.cnn.forward(dense.reshape([noise.shape[0]!, -1, 3, 3]))
  }
}

/** The probability that an image is real, [N, 1], and a logit for each digit, [N, 10]. */
export class Discriminator extends nn.Module<[real: Tensor, aux: Tensor]> {
  readonly cnn: nn.Sequential
  readonly real: nn.Linear
  readonly aux: nn.Linear

  constructor({ widths = [32, 64, 128, 256], dropout = 0.3 } = {}) {
    super()
    const layers = widths.flatMap((width, i) => [
      new nn.Conv2d(widths[i - 1] ?? 1, width, 3, { stride: i % 2 === 0 ? 2 : 1, padding: 1 }),
      new nn.LeakyReLU(0.2),
      new nn.Dropout(dropout),
    ])
    this.cnn = new nn.Sequential(...layers, new nn.Flatten())
    this.real = new nn.Linear(widths.at(-1)! * 7 * 7, 1)
    this.aux = new nn.Linear(widths.at(-1)! * 7 * 7, NUM_CLASSES)
    keras(this, nn.init.xavierUniform)
  }

  override forward(images: Tensor): [real: Tensor, aux: Tensor] {
    const features = this.cnn.forward(images)
    return [this.real.forward(features).sigmoid(), this.aux.forward(features)]
  }
}

function keras(net: nn.Module<unknown>, init: (t: Tensor) => Tensor): void {
  for (const [name, p] of net.namedParameters()) {
    if (p.shape.length > 1) init(p)
    else if (name.endsWith('bias')) nn.init.zeros(p)
  }
}

/** Noise from −1 to 1 [rows, latentSize], and classes. */
export type Draw = (rows: number, latentSize: number) => [noise: Tensor, classes: Tensor]

const drawRandom: Draw = (rows, latentSize) => [
  rand([rows, latentSize]).mul(2).sub(1),
  tensor(Int32Array.from({ length: rows }, () => Math.floor(Math.random() * NUM_CLASSES))),
]

const column = (rows: number, value: number) => tensor(new Float32Array(rows).fill(value), [rows, 1])

/** Is it real, and which digit is it? */
function lossOf(discriminator: Discriminator, images: Tensor, real: Tensor, classes: Tensor): Tensor {
  const [found, aux] = discriminator.forward(images)
  return bceLoss(found, real).add(crossEntropy(aux, classes))
}

/** The discriminator learns from as many real images as generated ones. */
export function trainDiscriminatorOneStep(
  [generator, discriminator]: readonly [Generator, Discriminator],
  optimizer: optim.Adam,
  { images, labels }: ReturnType<Digits['next']>,
  draw: Draw = drawRandom,
): Tensor {
  const rows = images.shape[0]!
  const [noise, classes] = draw(rows, generator.latentSize)
  generator.eval()
  const generated = noGrad(() => generator.forward(noise, classes))
  generator.train()
  const real = cat([column(rows, SOFT_ONE), column(rows, 0)])
  const loss = lossOf(discriminator, cat([images, generated]), real, cat([labels, classes]))
  optimizer.zeroGrad()
  loss.backward()
  optimizer.step()
  return loss
}

/** The generator learns what the discriminator, which stays as it is, takes for real. */
export function trainCombinedModelOneStep(
  [generator, discriminator]: readonly [Generator, Discriminator],
  optimizer: optim.Adam,
  rows: number,
  draw: Draw = drawRandom,
): Tensor {
  const [noise, classes] = draw(rows, generator.latentSize)
  const loss = lossOf(discriminator, generator.forward(noise, classes), column(rows, SOFT_ONE), classes)
  optimizer.zeroGrad()
  loss.backward()
  optimizer.step()
  return loss
}

export interface Options {
  readonly epochs?: number
  readonly learningRate?: number
  readonly adamBeta1?: number
  readonly draw?: Draw
}

/** Returns the losses of the discriminator and the generator in every step. */
export async function train(generator: Generator, discriminator: Discriminator, digits: Digits, options: Options = {}) {
  const { epochs = 100, learningRate = 0.0002, adamBeta1 = 0.5, draw } = options
  const adam = { lr: learningRate, betas: [adamBeta1, 0.999], eps: 1e-7 } as const
  const ofDiscriminator = new optim.Adam(discriminator.parameters(), adam)
  const ofGenerator = new optim.Adam(generator.parameters(), adam)
  const nets = [generator, discriminator] as const
  const losses = []
  for (let step = 0; step < epochs * digits.length; step++) {
    const [d, g] = scope(() => {
      const batch = digits.next()
      const d = trainDiscriminatorOneStep(nets, ofDiscriminator, batch, draw)
      return [d, trainCombinedModelOneStep(nets, ofGenerator, 2 * batch.size, draw)] as const
    })
    losses.push({ dLoss: await d.item(), gLoss: await g.item() })
  }
  return losses
}
