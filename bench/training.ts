// LeNet's training step as the benchmarks run it, and the images for it.
import type { ImageDataset } from '../src/data/fashion_mnist.ts'
import type { Gpu } from '../src/gpu/gpu.ts'
import {
  capture,
  crossEntropy,
  DataError,
  ImageBatches,
  manualSeed,
  nn,
  optim,
  type Plan,
  permutation,
  scope,
} from '../src/index.ts'
import { loadFashionMnist } from '../src/node/fashion_mnist.ts'
import { Meter } from '../src/train/meter.ts'

/** Small enough for the first-order check of a step, large enough for its loss to fall by many units of float32. */
export const LR = 0.1
/**
 * How far the fall of the loss may be from what its gradient foretells, as a share: for LeNet at batch 256 the second
 * order in LR makes 0.7 %, a wrong gradient of the first convolution, the layer with the least, would make 2.4 %.
 */
const TOLERANCE = 0.02

export interface Images {
  readonly dataset: ImageDataset
  readonly name: string
}

/** The sample of Fashion-MNIST that comes with the sources. */
export async function sampleImages(): Promise<Images> {
  const { train } = await loadFashionMnist({ dir: new URL('../examples/sample/', import.meta.url), verify: false })
  return { dataset: train, name: `a sample of Fashion-MNIST, ${train.count} images` }
}

/** Fashion-MNIST where the machine has it, else the sample. */
export async function findImages(): Promise<Images> {
  try {
    const { train } = await loadFashionMnist()
    return { dataset: train, name: 'Fashion-MNIST, 60,000 images' }
  } catch (error) {
    if (!(error instanceof DataError)) throw error
    const { dataset, name } = await sampleImages()
    return { dataset, name: `${name} (the whole set was not found)` }
  }
}

export interface TrainingOptions {
  readonly batchSize: number
  /** LeNet unless given. */
  readonly network?: () => nn.Module
}

/**
 * A network in training as the benchmarks time it, one step at a time. A step is all that training does: gather images
 * and labels, forward, loss, backward, update, and the running loss and accuracy.
 */
export class Training {
  readonly net: nn.Module
  readonly #optimizer: optim.SGD
  readonly #batches: ImageBatches
  readonly #meter: Meter
  #plan: Plan | null = null

  /** The set must hold a full batch at least. */
  constructor(gpu: Gpu, dataset: ImageDataset, { batchSize, network = nn.lenet }: TrainingOptions) {
    manualSeed(0)
    this.net = network()
    this.#optimizer = new optim.SGD(this.net.parameters(), { lr: LR })
    this.#batches = new ImageBatches(dataset, { batchSize, gpu })
    this.#batches.setOrder(permutation(0, 0, dataset.count))
    this.#meter = new Meter(gpu)
  }

  /** Takes a step, eagerly. Only full batches are taken, so that every step is the same work. */
  step(): void {
    this.#makeRoom()
    scope(() => this.#update())
  }

  /** Takes so many steps by a captured plan. */
  run(steps: number): void {
    this.#plan ??= capture(() => this.#update())
    for (let left = steps; left > 0; ) {
      const count = Math.min(left, this.#makeRoom())
      this.#plan.run(count)
      left -= count
    }
  }

  #update(): void {
    const { images, labels } = this.#batches.next()
    const loss = this.#meter.loss(this.net.forward(images), labels)
    this.#optimizer.zeroGrad()
    loss.backward()
    this.#optimizer.step(this.#meter.watch)
  }

  /** How many full batches are left, of the epoch begun again if there is none. */
  #makeRoom(): number {
    const full = Math.floor(this.#batches.size / this.#batches.batchSize)
    if (this.#batches.position >= full) this.#batches.position = 0
    return full - this.#batches.position
  }

  /** Waits for the steps recorded since the last call and returns their mean loss, each before its update. */
  async meanLoss(): Promise<number> {
    const { loss } = await this.#meter.read()
    this.#meter.reset()
    return loss
  }

  /**
   * Takes a step and checks it as a whole: on the same batch the loss must fall by LR · |gradient|², to first order.
   * Returns a line that says so. Throws an Error where it is off by more than `tolerance`, a share.
   */
  async verify(tolerance = TOLERANCE): Promise<string> {
    const before = await this.#loss()
    this.#batches.position = 0
    this.step()
    let squares = 0
    for (const { grad } of this.net.parameters()) {
      for (const value of (await grad?.data()) ?? []) squares += value * value
    }
    const fall = before - (await this.#loss())
    const foretold = LR * squares
    if (!(Math.abs(fall - foretold) <= tolerance * foretold)) {
      throw new Error(`a step lowers the loss of its batch by ${fall}, its gradient foretells ${foretold}`)
    }
    return `Checked: a step lowers the loss of its batch by ${fall.toExponential(2)}, its gradient foretells ${foretold.toExponential(2)}.\n`
  }

  /** The loss of the first batch with the network as it is. */
  async #loss(): Promise<number> {
    const loss = scope(() => {
      const { images, labels } = this.#batches.batch(0)
      return crossEntropy(this.net.forward(images), labels)
    })
    const value = await loss.item()
    loss.dispose()
    return value
  }

  dispose(): void {
    this.#plan?.dispose()
    this.#optimizer.dispose()
    for (const { grad } of this.net.parameters()) grad?.dispose()
    this.net.dispose()
    this.#batches.dispose()
    this.#meter.dispose()
  }
}
