import type { Gpu } from '../gpu/gpu.ts'
import { gatherIntegers, gatherRows } from '../kernels/gather.ts'
import { tensor } from '../tensor/create.ts'
import { defaultGpu } from '../tensor/default.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { ImageDataset } from './fashion_mnist.ts'

export interface Batch {
  /** float32 [size, channels, height, width], in [0, 1] */
  readonly images: Tensor
  /** int32 [size] */
  readonly labels: Tensor
  readonly size: number
}

/**
 * A data set on the GPU, as bytes, cut into batches in a given order. The last batch has what is left over: 96 images
 * for 60,000 in batches of 256.
 */
export class ImageBatches {
  readonly batchSize: number
  /** Images in the set. */
  readonly size: number
  /** Batches in an epoch. */
  readonly length: number
  readonly #images: Tensor
  readonly #labels: Tensor
  readonly #order: Tensor

  /** Uploads the set; its order is that of the set until `setOrder`. Throws RangeError for a batch size below 1. */
  constructor(dataset: ImageDataset, { batchSize = 256, gpu = defaultGpu() }: { batchSize?: number; gpu?: Gpu } = {}) {
    if (!Number.isSafeInteger(batchSize) || batchSize < 1) {
      throw new RangeError(`ImageBatches: batchSize must be a whole number, 1 or more, not ${batchSize}`)
    }
    const { images, labels, count, channels, height, width } = dataset
    this.batchSize = batchSize
    this.size = count
    this.length = Math.ceil(count / batchSize)
    this.#images = tensor(images, [count, channels, height, width], { gpu, name: 'images' }).keep()
    this.#labels = tensor(labels, [count], { gpu, name: 'labels' }).keep()
    const order = Int32Array.from({ length: count }, (_, i) => i)
    this.#order = tensor(order, [count], { gpu, name: 'order' }).keep()
  }

  /** The order in which `batch` takes the images: one image number for each. Throws RangeError when it does not fit. */
  setOrder(order: Uint32Array): void {
    if (order.length !== this.size) {
      throw new RangeError(`ImageBatches: an order of ${order.length} does not fit ${this.size} images`)
    }
    for (const image of order) {
      if (image >= this.size)
        throw new RangeError(`ImageBatches: there is no image ${image}; images are numbered 0 to ${this.size - 1}`)
    }
    this.#order.gpu.write(this.#order.storage, new Uint32Array(order))
  }

  /** Batch i of the epoch, 0 ≤ i < length: images as float32 in [0, 1], labels as int32. */
  batch(i: number): Batch {
    if (!Number.isInteger(i) || i < 0 || i >= this.length) {
      throw new RangeError(`ImageBatches: there is no batch ${i}; batches are numbered 0 to ${this.length - 1}`)
    }
    const first = i * this.batchSize
    const count = Math.min(this.batchSize, this.size - first)
    const selection = { index: this.#order, first, count }
    return {
      images: gatherRows(this.#images, selection, 1 / 255),
      labels: gatherIntegers(this.#labels, selection),
      size: count,
    }
  }

  dispose(): void {
    for (const t of [this.#images, this.#labels, this.#order]) t.dispose()
  }
}
