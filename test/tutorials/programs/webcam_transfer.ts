// Four kinds of pictures of a camera told apart by a small head on a frozen network, after tensorflow/tfjs-examples,
// webcam-transfer-learning.
import { Batches, crossEntropy, nn, noGrad, oneHot, optim, scope, type Tensor, tensor } from 'dawngrad'

const NUM_CLASSES = 4

/** What the frozen network made of each picture, and its kind. */
export class ControllerDataset {
  readonly embeddings: Float32Array[] = []
  readonly labels: number[] = []
  readonly backbone: nn.Module

  constructor(backbone: nn.Module) {
    this.backbone = backbone.eval()
  }

  /** A picture in bytes [3, height, width] becomes −1 to 1. */
  embed(pixels: Uint8Array, [height, width]: readonly [number, number]): Tensor {
    const image = tensor(Float32Array.from(pixels), [1, 3, height, width]).div(127).sub(1)
    return noGrad(() => this.backbone.forward(image)).flatten()
  }

  async addExample(pixels: Uint8Array, size: readonly [number, number], label: number): Promise<void> {
    const embedding = scope(() => this.embed(pixels, size))
    this.embeddings.push((await embedding.data()) as Float32Array)
    this.labels.push(label)
  }

  batches(fraction: number, shuffle = true) {
    const rows = this.labels.length
    const batchSize = Math.floor(rows * fraction)
    if (!(batchSize > 0)) throw new Error('The batch size is 0. Please choose a fraction that is not.')
    const data = Float32Array.from(this.embeddings.flatMap((row) => [...row]))
    const x = { data, shape: [rows, data.length / rows] }
    return new Batches({ x, y: Int32Array.from(this.labels) }, { batchSize, shuffle })
  }
}

/** Keras' 'varianceScaling': normal, with a variance of 1 / inputs, without tails. */
export function head(features: number, units = 100): nn.Sequential {
  const net = new nn.Sequential(
    new nn.Linear(features, units),
    new nn.ReLU(),
    new nn.Linear(units, NUM_CLASSES, { bias: false }),
  )
  for (const p of net.parameters()) {
    const std = Math.sqrt(1 / (p.shape[1] ?? 1))
    if (p.shape.length > 1) nn.init.truncNormal(p, { std, a: -2 * std, b: 2 * std })
    else nn.init.zeros(p)
  }
  return net
}

export interface Options {
  readonly lr?: number
  readonly epochs?: number
  readonly batchSizeFraction?: number
  readonly shuffle?: boolean
}

/** Adam. Returns the loss of every step. */
export async function train(net: nn.Sequential, dataset: ControllerDataset, options: Options = {}): Promise<number[]> {
  const { lr = 0.0001, epochs = 20, batchSizeFraction = 0.4, shuffle = true } = options
  const batches = dataset.batches(batchSizeFraction, shuffle)
  const optimizer = new optim.Adam(net.parameters(), { lr, eps: 1e-7 })
  const losses = []
  for (let step = 0; step < epochs * batches.length; step++) {
    const loss = scope(() => {
      const { x, y } = batches.next()
      const loss = crossEntropy(net.forward(x), oneHot(y, NUM_CLASSES))
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss
    })
    losses.push(await loss.item())
  }
  return losses
}

/** The kind of a picture. */
export function predict(
  net: nn.Sequential,
  dataset: ControllerDataset,
  pixels: Uint8Array,
  size: readonly [number, number],
): Promise<number> {
  return scope(() => noGrad(() => net.forward(dataset.embed(pixels, size)).argmax(1))).item()
}
