// Batches of images on the device, gathered in the step.
import { type Current, currentOn, refuseInCapture } from '../capture/current.ts'
import { PerStep, type RowSource } from '../capture/per_step.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { gatherBatch } from '../kernels/gather.ts'
import { kindOf } from '../kernels/support.ts'
import { tensor } from '../tensor/create.ts'
import { defaultGpu } from '../tensor/default.ts'
import { requireOptions, shown, tooMany } from '../tensor/options.ts'
import { sameShape } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkDataset } from './check_dataset.ts'
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
  /** Images in a batch; only the last may have fewer. At most `size`. */
  readonly batchSize: number
  /** Images in the set. */
  readonly size: number
  /** Batches in an epoch. */
  readonly length: number
  /** In parts, each as large as one buffer may be. */
  readonly #images: readonly Tensor[]
  readonly #labels: Tensor
  readonly #order: Tensor
  readonly #batches: PerStep
  readonly #plans = new WeakMap<Current, PlanOfBatches>()
  #position = 0

  /**
   * Uploads the set. Images keep the set's order until `setOrder`. A batch size above the size of the set is taken as that
   * size. Throws RangeError for a batch size below 1, for a set without images, for bytes that do not fill the set's sizes, and
   * for a label that is not one of its `classes`, if there are any; TypeError for what is not a data set of bytes, and for an
   * option that it does not have.
   */
  constructor(dataset: ImageDataset, options: { readonly batchSize?: number; readonly gpu?: Gpu } = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'ImageBatches(dataset, options)')
    requireOptions('ImageBatches', options, ['batchSize', 'gpu'])
    const { batchSize = 256, gpu = defaultGpu() } = options
    if (!Number.isSafeInteger(batchSize) || batchSize < 1) {
      throw new RangeError(`ImageBatches: batchSize must be a whole number, 1 or more, not ${shown(batchSize)}`)
    }
    checkDataset('ImageBatches', dataset)
    const { labels, count } = dataset
    this.batchSize = Math.min(batchSize, count)
    this.size = count
    this.length = Math.ceil(count / this.batchSize)
    this.#images = partsOf(dataset, gpu)
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
      throw new RangeError(`ImageBatches: there is no position ${shown(batch)}; an epoch goes from 0 to ${this.length}`)
    }
    refuseInCapture('ImageBatches: position', 'set it before plan.run()')
    this.#position = batch
  }

  /**
   * Sets the order of the images, as many image numbers as the set has images; `next` starts again at the first. Throws
   * RangeError for a list of another length or an entry that is not the number of an image, TypeError for what is not a list.
   */
  setOrder(order: Uint32Array): void {
    const isList = Array.isArray(order) || (ArrayBuffer.isView(order) && 'length' in order)
    if (!isList) {
      const right = `a list of image numbers, such as permutation(seed, epoch, ${this.size})`
      throw new TypeError(`ImageBatches: the order must be ${right}, not ${kindOf(order)}`)
    }
    if (order.length !== this.size) {
      throw new RangeError(`ImageBatches: the order has ${order.length} entries, but there are ${this.size} images`)
    }
    // JavaScript may give any list: the numbers are looked at before they become words.
    for (let place = 0; place < this.size; place++) {
      const image: unknown = order[place]
      if (Number.isInteger(image) && (image as number) >= 0 && (image as number) < this.size) continue
      const found = typeof image === 'number' ? image : kindOf(image)
      throw new RangeError(
        `ImageBatches: the order has ${found} at place ${place}; it must have image numbers, 0 to ${this.size - 1}`,
      )
    }
    this.#order.gpu.write(this.#order.storage, Uint32Array.from(order))
    this.#position = 0
  }

  /** How many images batch i of the epoch has, 0 ≤ i < length: `batchSize`, and in the last batch those that remain. */
  sizeOf(i: number): number {
    if (!Number.isInteger(i) || i < 0 || i >= this.length) {
      throw new RangeError(`ImageBatches: there is no batch ${shown(i)}; batches are numbered 0 to ${this.length - 1}`)
    }
    return Math.min(this.batchSize, this.size - i * this.batchSize)
  }

  /** Batch i of the epoch, 0 ≤ i < length: images as float32 in [0, 1], labels as int32. */
  batch(i: number): Batch {
    const size = this.sizeOf(i)
    const first = i * this.batchSize
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
    // Past the end too the recording is whole: a run says that the epoch is over.
    if (i < this.length && this.sizeOf(i) < this.batchSize) {
      plan.only = this.#position
      return this.batch(i)
    }
    const selection = { first: 0, count: this.batchSize, batches: { storage: this.#batches.storage, use } }
    const { images, labels } = gatherBatch(this.#source(), selection, SCALE)
    for (const { storage } of [images, labels]) recording.rows.set(storage, this.batchSize)
    return { images, labels, size: this.batchSize }
  }

  /** The batches of one recording, from the current position on. */
  #newPlan(): PlanOfBatches {
    const plan: PlanOfBatches = {
      only: null,
      source: {
        row: (use) => Uint32Array.of(this.#position + use),
        check: (uses, _, acrossBatch) => this.#check(uses, plan.only, acrossBatch),
        advance: (uses) => {
          this.#position += uses
        },
      },
    }
    return plan
  }

  /** Throws RangeError if a plan can't take so many batches from here. */
  #check(uses: number, only: number | null, across: string | null): void {
    for (const part of Object.values(this.#source()).flat()) part.checkUsable('gather')
    const end = this.#position + uses
    if (end > this.length) throw this.#over(uses)
    if (uses === 0) return
    const rows = this.sizeOf(this.length - 1)
    if (only !== null && this.#position !== only) {
      throw new RangeError(
        `ImageBatches: the plan was captured for the last batch, of ${rows} rows; it can only run at position ${only}, not at ` +
          `${this.#position}. For batches of ${this.batchSize} rows, capture another plan at an earlier position`,
      )
    }
    if (only === null && across !== null && this.sizeOf(end - 1) < this.batchSize) {
      throw new RangeError(
        `ImageBatches: ${across} looks across the batch, and of the ${this.batchSize} rows of batch ${end - 1} only ${rows} are ` +
          'images, the others zeros. Train with fit, which makes a separate plan for the last batch, or train on a multiple of ' +
          `${this.batchSize} images: take(set, ${this.size - rows})`,
      )
    }
  }

  /** Whether its images have the sizes of the other's. @internal */
  isLike(other: ImageBatches): boolean {
    const [own, its] = [this.#images[0]!, other.#images[0]!]
    return sameShape(own.shape.slice(1), its.shape.slice(1))
  }

  /** Releases the memory of the set. */
  dispose(): void {
    for (const part of [...this.#images, this.#labels, this.#order, this.#batches]) part.dispose()
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

/** The images on the device: as many to a buffer as it may hold. */
function partsOf({ images, count, channels, height, width }: ImageDataset, gpu: Gpu): Tensor[] {
  const bytes = channels * height * width
  const most = Math.max(1, Math.floor(gpu.pool.largest / bytes))
  return Array.from({ length: Math.ceil(count / most) }, (_, i) => {
    const rows = Math.min(most, count - i * most)
    const part = images.subarray(i * most * bytes, (i * most + rows) * bytes)
    return tensor(part, [rows, channels, height, width], { gpu, name: 'images' }).keep()
  })
}
