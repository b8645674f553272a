// Batches of images on the device, gathered in the step.
import { type Current, currentOn } from '../capture/current.ts'
import { PerStep, type RowSource } from '../capture/per_step.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { gatherBatch } from '../kernels/gather.ts'
import { tensor } from '../tensor/create.ts'
import { defaultGpu } from '../tensor/default.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { ImageDataset } from './fashion_mnist.ts'

/** Images and labels of one step, on the GPU. */
export interface Batch {
  /** float32 [size, channels, height, width], in [0, 1] */
  readonly images: Tensor
  /** int32 [size] */
  readonly labels: Tensor
  readonly size: number
}

/** How a captured step uses the batches. */
interface PlanOfBatches {
  /** The only position that the plan can run at, if it takes the last batch with fewer rows than the others. */
  only: number | null
  readonly source: RowSource
}

/** Bytes become pixels in [0, 1]. */
const SCALE = 1 / 255

/**
 * A data set on the GPU, as bytes, cut into batches in a given order. The last batch has the remaining images: 96 for
 * 60,000 images in batches of 256.
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
  readonly #batches: PerStep
  readonly #plans = new WeakMap<Current, PlanOfBatches>()
  #position = 0

  /** Uploads the set. Images keep the set's order until `setOrder`. Throws RangeError for a batch size below 1. */
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
    this.#batches = new PerStep(gpu, 1, 'batches')
  }

  /** The number of the next batch, from 0 to `length`. */
  get position(): number {
    return this.#position
  }

  set position(batch: number) {
    if (!Number.isInteger(batch) || batch < 0 || batch > this.length) {
      throw new RangeError(`ImageBatches: there is no position ${batch}; an epoch goes from 0 to ${this.length}`)
    }
    this.#position = batch
  }

  /**
   * Sets the order of the images, a list of all image numbers; `next` starts again at the first. Throws RangeError if the
   * list does not fit.
   */
  setOrder(order: Uint32Array): void {
    if (order.length !== this.size) {
      throw new RangeError(`ImageBatches: the order has ${order.length} entries, but there are ${this.size} images`)
    }
    for (const image of order) {
      if (image >= this.size)
        throw new RangeError(`ImageBatches: there is no image ${image}; images are numbered 0 to ${this.size - 1}`)
    }
    this.#order.gpu.write(this.#order.storage, new Uint32Array(order))
    this.#position = 0
  }

  /** Batch i of the epoch, 0 ≤ i < length: images as float32 in [0, 1], labels as int32. */
  batch(i: number): Batch {
    if (!Number.isInteger(i) || i < 0 || i >= this.length) {
      throw new RangeError(`ImageBatches: there is no batch ${i}; batches are numbered 0 to ${this.length - 1}`)
    }
    const first = i * this.batchSize
    const size = Math.min(this.batchSize, this.size - first)
    return { ...gatherBatch(this.#source(), { first, count: size }, SCALE), size }
  }

  /**
   * The batch at `position`, which moves on. In a captured function every run continues where the last one ended, and all its
   * batches have `batchSize` rows: where the set has no more, images are zeros and labels -100, which `crossEntropy` leaves
   * out. Captured while `position` is at a last batch with fewer rows, it gives exactly those rows, and its plan can only run
   * there. Throws RangeError when the epoch is over; so does `plan.run` for more steps than are left, and for a batch filled
   * up with zeros where the plan has an operation that looks across the batch, such as batch norm in training.
   */
  next(): Batch {
    const recording = currentOn(this.#order.gpu)
    if (!recording) {
      if (this.#position === this.length) throw this.#over(1)
      return this.batch(this.#position++)
    }
    return this.#captured(recording)
  }

  /** The next batch of a step that is being captured. */
  #captured(recording: Current): Batch {
    const plan = this.#plans.get(recording) ?? this.#newPlan()
    this.#plans.set(recording, plan)
    const use = this.#batches.use(plan.source)
    if (plan.only !== null) throw this.#over(use + 1)
    const i = this.#position + use
    if (this.#isRagged(i)) {
      plan.only = this.#position
      return this.batch(i)
    }
    const selection = { first: 0, count: this.batchSize, batches: { storage: this.#batches.storage, use } }
    return { ...gatherBatch(this.#source(), selection, SCALE), size: this.batchSize }
  }

  /** The batches of one recording, from the current position on. */
  #newPlan(): PlanOfBatches {
    const plan: PlanOfBatches = {
      only: null,
      source: {
        row: (use) => Uint32Array.of(this.#position + use),
        check: (uses, _, { acrossBatch }) => this.#check(uses, plan.only, acrossBatch),
        advance: (uses) => {
          this.#position += uses
        },
      },
    }
    return plan
  }

  /** Throws RangeError if a plan can't take so many batches from here. */
  #check(uses: number, only: number | null, across: string | null): void {
    for (const part of Object.values(this.#source())) part.checkUsable('gather')
    const end = this.#position + uses
    if (end > this.length) throw this.#over(uses)
    if (uses === 0) return
    const rows = this.size - this.batchSize * (this.length - 1)
    if (only !== null && this.#position !== only) {
      throw new RangeError(
        `ImageBatches: the plan was captured for the last batch, of ${rows} rows; it can only run at position ${only}, not at ` +
          `${this.#position}. For batches of ${this.batchSize} rows, capture another plan at an earlier position`,
      )
    }
    if (only === null && across !== null && this.#isRagged(end - 1)) {
      const whole = this.size - rows
      const cut = whole > 0 ? `a multiple of ${this.batchSize} images: take(set, ${whole})` : 'smaller batches'
      throw new RangeError(
        `ImageBatches: ${across} looks across the batch, and of the ${this.batchSize} rows of batch ${end - 1} only ${rows} are ` +
          `images, the others zeros. Train with fit, which makes a separate plan for the last batch, or train on ${cut}`,
      )
    }
  }

  /** Whether batch i is the last one and has fewer rows than the others. */
  #isRagged(i: number): boolean {
    return i === this.length - 1 && this.size < this.batchSize * this.length
  }

  /** Releases the memory of the set. */
  dispose(): void {
    for (const part of [this.#images, this.#labels, this.#order, this.#batches]) part.dispose()
  }

  #source() {
    return { images: this.#images, labels: this.#labels, index: this.#order }
  }

  #over(wanted: number): RangeError {
    const left = this.length - this.#position
    return new RangeError(
      `ImageBatches: ${wanted} batches are needed, but the epoch has ${left} left; setOrder begins a new epoch`,
    )
  }
}
