// Batches of named arrays on the device, gathered in the step; images and labels are the most common ones.
import { type Current, currentOn, refuseInCapture } from '../capture/current.ts'
import { PerStep, type RowSource } from '../capture/per_step.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { gatherBatch, gatherRows, type Selection } from '../kernels/gather.ts'
import { kindOf } from '../kernels/support.ts'
import { tensor } from '../tensor/create.ts'
import { defaultGpu } from '../tensor/default.ts'
import { requireFlags, requireOptions, shown, tooMany } from '../tensor/options.ts'
import { checkInteger, permutation } from '../tensor/random.ts'
import { sameShape, sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { changesOf, type Epoch, type FieldChanges, type ImageChanges, textOf } from './augment.ts'
import { checkDataset } from './check_dataset.ts'
import { type BatchField, type BatchFields, type CheckedField, checkFields } from './check_fields.ts'
import type { ImageDataset } from './fashion_mnist.ts'
import type { Sampler } from './sampler.ts'

/** The rows of one step by the names of their fields, and how many there are. */
export type BatchOf<F extends BatchFields> = { readonly [K in keyof F]: Tensor } & {
  readonly size: number
}

/** Fields of which nothing is known: batches of any fields are batches of these. */
export type SomeFields = Readonly<Record<never, BatchField>>

/**
 * Options of {@link Batches}. `augment` and `normalize` change the field of images, float32 [count, channels, height, width]: the
 * first at random, as a function of `seed`, the epoch's number and the number of the image; the second in the same way always.
 */
export interface BatchesOptions extends ImageChanges {
  /** Rows in a batch, 32 unless given; a size above that of an epoch is taken as that. */
  readonly batchSize?: number
  /** Whether an epoch leaves out the rows at its end that do not fill a batch; not unless given. */
  readonly dropLast?: boolean
  /** Whether each epoch has an order of its own, as it has unless given; false: that of the data. */
  readonly shuffle?: boolean
  /** The order of an epoch is `permutation(seed, epoch, size)`; 0 unless given. */
  readonly seed?: number
  /** Chooses the rows of every epoch in place of `shuffle` and `seed`, such as {@link weightedSampler}. */
  readonly sampler?: Sampler
  /** The default device unless given. */
  readonly gpu?: Gpu
}

/** A field on the device: in parts, each as large as one buffer may be. */
interface Field {
  readonly parts: readonly Tensor[]
  readonly scale: number | null
}

/** Where batches stand, for loops that continue. */
interface PlaceOfBatches {
  readonly epoch: number
  readonly position: number
  /** The order of this epoch if it was set. */
  readonly order: ArrayLike<number> | null
  /** The seed by which images are drawn. */
  readonly drawnBy: number
}

/** How a captured step uses the batches. */
interface PlanOfBatches {
  /** The only position that the plan can run at, if it takes the last batch with fewer rows than the others. */
  only: number | null
  readonly source: RowSource
}

/** What differs between batches of any data and batches of images. */
interface Manner {
  /** As errors call the class, and a row. */
  readonly name: string
  readonly row: string
  /** What a call past the end of the epoch begins: the next epoch, or nothing, which is an error. */
  readonly goesOn: boolean
  /** Whether a plan fills up the last batch with rows that do not count. */
  readonly fills: boolean
  /** Fields that can't be in parts. */
  readonly whole: readonly string[]
}

const OF_ANY: Manner = { name: 'Batches', row: 'row', goesOn: true, fills: false, whole: [] }
const OF_IMAGES: Manner = { name: 'ImageBatches', row: 'image', goesOn: false, fills: true, whole: ['labels'] }

/** The largest number of an epoch. */
const LAST_EPOCH = 2 ** 32 - 1

/**
 * Named arrays on the GPU, cut into batches in an order that is a pure function of the seed and the epoch's number.
 *
 *     const data = new Batches({ x: { data: pixels, shape: [1000, 28, 28], scale: 1 / 255 }, y: labels }, { batchSize: 64 })
 *     for (const { x, y, size } of data) … // one epoch; the next loop takes the next one
 *     const { x, y } = data.next() // a batch, also in a captured function
 *
 * A field is a Float32Array, an Int32Array or a Uint8Array with one number a row, or `{ data, shape }` with the shape of all of the
 * data, rows first. Bytes stay uint8; with `scale` a batch has them as float32 times it.
 */
export class Batches<F extends BatchFields = SomeFields> {
  /** Rows in a batch; only the last may have fewer. */
  readonly batchSize: number
  /** Rows of the data. */
  readonly size: number
  /** Batches in an epoch. */
  readonly length: number
  /** Rows that an epoch takes: `size`, unless a sampler takes another number or `dropLast` leaves some out. */
  readonly epochSize: number
  /** Their `augment` and `normalize` as JSON, for runs that continue; '' without either. @internal */
  readonly changedBy: string
  readonly #fields: ReadonlyMap<string, Field>
  readonly #order: Tensor
  readonly #orderOf: (epoch: number) => ArrayLike<number>
  readonly #rule: string
  readonly #seed: number
  readonly #batches: PerStep
  readonly #changes: FieldChanges | null
  #drawnBy: number
  readonly #plans = new WeakMap<Current, PlanOfBatches>()
  #position = 0
  #epoch = 0
  /** The order of this epoch if it was set. */
  #given: Uint32Array | null = null

  /**
   * Uploads the fields. Throws TypeError for what is not typed arrays by names, and for options that do not fit each other;
   * ShapeError for a shape that its data do not fill; RangeError for fields of different numbers of rows, and for a batch size below 1.
   */
  constructor(fields: F, options: BatchesOptions = {}) {
    const { name } = this.manner
    if (arguments.length > 2) throw tooMany(arguments, `${name}(fields, options)`)
    requireOptions(name, options, [
      'batchSize',
      'dropLast',
      'shuffle',
      'seed',
      'sampler',
      'augment',
      'normalize',
      'gpu',
    ])
    requireFlags(name, options, ['dropLast', 'shuffle'])
    const { batchSize = 32, dropLast = false, shuffle = true, seed = 0, sampler, gpu = defaultGpu() } = options
    checkBatchSize(name, batchSize)
    checkInteger(`${name}: seed`, seed, Number.MAX_SAFE_INTEGER)
    const checked = checkFields(name, fields)
    const size = [...checked.values()][0]!.shape[0]!
    checkSampler(name, sampler, size, options)
    const count = sampler?.count ?? size
    this.size = size
    this.batchSize = Math.min(batchSize, count)
    this.length = dropLast ? Math.floor(count / this.batchSize) : Math.ceil(count / this.batchSize)
    this.epochSize = Math.min(count, this.length * this.batchSize)
    this.#seed = seed
    this.#rule = `${sampler ? 'a sampler' : shuffle ? 'shuffled' : 'that of the data'}${dropLast ? ' with dropLast' : ''}`
    this.#orderOf = (epoch) => {
      if (sampler) return sampler.order(epoch)
      return shuffle ? permutation(seed, epoch, size) : Uint32Array.from({ length: size }, (_, i) => i)
    }
    const order = this.#checkOrder(this.#orderOf(0), count)
    this.changedBy = textOf(options)
    this.#drawnBy = seed
    this.#changes = changesOf(name, checked, options, gpu, () => ({ seed: this.#drawnBy, epoch: this.#epoch }))
    this.#fields = new Map([...checked].map(([key, field]) => [key, this.#upload(key, field, gpu)]))
    this.#order = tensor(Int32Array.from(order), [count], { gpu, name: 'order' }).keep()
    this.#batches = new PerStep(gpu, 1, 'batches')
  }

  /** @internal */
  protected get manner(): Manner {
    return OF_ANY
  }

  /** The names of the fields, in their order. */
  get names(): readonly string[] {
    return [...this.#fields.keys()]
  }

  /** The number of the next batch, from 0 to `length`. */
  get position(): number {
    return this.#position
  }

  set position(batch: number) {
    const { name } = this.manner
    if (!Number.isInteger(batch) || batch < 0 || batch > this.length) {
      throw new RangeError(`${name}: there is no position ${shown(batch)}; an epoch goes from 0 to ${this.length}`)
    }
    refuseInCapture(`${name}: position`, 'set it before plan.run()')
    this.#position = batch
  }

  /** The number of the epoch, from 0. Setting it gives that epoch's order, from the first batch on. */
  get epoch(): number {
    return this.#epoch
  }

  set epoch(epoch: number) {
    const { name } = this.manner
    checkInteger(`${name}: epoch`, epoch, LAST_EPOCH)
    refuseInCapture(`${name}: epoch`, 'set it before plan.run()')
    const order = this.#checkOrder(this.#orderOf(epoch), this.#order.size)
    this.#order.checkUsable('gather')
    this.#write(order)
    this.#epoch = epoch
    this.#given = null
  }

  /** Where they stand. @internal */
  get place(): PlaceOfBatches {
    return { epoch: this.#epoch, position: this.#position, order: this.#given, drawnBy: this.#drawnBy }
  }

  /** @internal */
  set place({ epoch, position, order, drawnBy }: PlaceOfBatches) {
    this.epoch = epoch
    if (order) this.#take(order)
    this.#drawnBy = drawnBy
    this.position = position
  }

  /**
   * Sets the order of this epoch, as many row numbers as an order has; `next` starts again at the first. A row may come more
   * than once. The next epoch has its own order again. Throws RangeError for a list of another length or an entry that is not
   * the number of a row, TypeError for what is not a list.
   */
  setOrder(order: ArrayLike<number>): void {
    this.#take(order)
  }

  /** Begins an epoch of `fit`, whose seed counts where the batches have none of their own. @internal */
  beginEpoch(epoch: number, _seed: number): void {
    this.epoch = epoch
  }

  #take(order: ArrayLike<number>): void {
    this.#write(this.#checkOrder(order, this.#order.size))
    this.#given = Uint32Array.from(order)
  }

  #write(order: ArrayLike<number>): void {
    this.#order.gpu.write(this.#order.storage, Uint32Array.from(order))
    this.#position = 0
  }

  #checkOrder(order: ArrayLike<number>, count: number): ArrayLike<number> {
    const { name, row } = this.manner
    const isList = Array.isArray(order) || (ArrayBuffer.isView(order) && 'length' in order)
    if (!isList) {
      const right = `a list of ${row} numbers, such as permutation(seed, epoch, ${this.size})`
      throw new TypeError(`${name}: the order must be ${right}, not ${kindOf(order)}`)
    }
    if (order.length !== count) {
      const there = count === this.size ? `there are ${count} ${row}s` : `an epoch takes ${count}`
      throw new RangeError(`${name}: the order has ${order.length} entries, but ${there}`)
    }
    // JavaScript may give any list: the numbers are looked at before they become words.
    for (let place = 0; place < count; place++) {
      const number: unknown = order[place]
      if (Number.isInteger(number) && (number as number) >= 0 && (number as number) < this.size) continue
      const found = typeof number === 'number' ? number : kindOf(number)
      throw new RangeError(
        `${name}: the order has ${found} at place ${place}; it must have ${row} numbers, 0 to ${this.size - 1}`,
      )
    }
    return order
  }

  /** How many rows batch i of the epoch has, 0 ≤ i < length: `batchSize`, and in the last batch those that remain. */
  sizeOf(i: number): number {
    if (!Number.isInteger(i) || i < 0 || i >= this.length) {
      const { name } = this.manner
      throw new RangeError(`${name}: there is no batch ${shown(i)}; batches are numbered 0 to ${this.length - 1}`)
    }
    return Math.min(this.batchSize, this.epochSize - i * this.batchSize)
  }

  /** Batch i of the epoch, 0 ≤ i < length; `position` stays where it is. */
  batch(i: number): BatchOf<F> {
    const size = this.sizeOf(i)
    return this.#made(this.#gathered({ first: i * this.batchSize, count: size }), size)
  }

  /**
   * The batch at `position`, which moves on; after the last one the next epoch begins by itself. In a captured function every run
   * continues where the last one ended, and a run that begins at the end of an epoch begins the next. Its batches have `batchSize`
   * rows; captured while `position` is at a last batch with fewer, it gives exactly those rows, and its plan can only run there.
   * `plan.run` throws RangeError for more steps than the epoch has left, and where the last batch has fewer rows.
   */
  next(): BatchOf<F> {
    const recording = currentOn(this.#order.gpu)
    if (recording) return this.#captured(recording)
    if (this.#position === this.length) {
      if (!this.manner.goesOn) throw this.#over(1)
      this.#beginNext()
    }
    return this.batch(this.#position++)
  }

  /** The batches that the epoch has left, or those of the next epoch if it has none. Throws an Error in a captured function. */
  *[Symbol.iterator](): Generator<BatchOf<F>, void, undefined> {
    refuseInCapture(`${this.manner.name}: for … of`, 'call next() in it')
    do yield this.next()
    while (this.#position < this.length)
  }

  #beginNext(): void {
    this.epoch = this.#epoch + 1
  }

  /** Where a plan that is run now begins. */
  get #start(): number {
    return this.manner.goesOn && this.#position === this.length ? 0 : this.#position
  }

  /** The next batch of a step that is being captured. */
  #captured(recording: Current): BatchOf<F> {
    const plan = this.#plans.get(recording) ?? this.#newPlan()
    this.#plans.set(recording, plan)
    const use = this.#batches.use(plan.source)
    if (plan.only !== null) throw this.#over(use + 1)
    const i = this.#start + use
    // Past the end too the recording is whole: a run says that the epoch is over.
    if (i < this.length && this.sizeOf(i) < this.batchSize) {
      plan.only = this.#start
      return this.batch(i)
    }
    const selection = { first: 0, count: this.batchSize, batches: { storage: this.#batches.storage, use } }
    const tensors = this.#gathered(selection)
    if (this.manner.fills) for (const { storage } of Object.values(tensors)) recording.rows.set(storage, this.batchSize)
    return this.#made(tensors, this.batchSize)
  }

  /** The batches of one recording, from the current position on. */
  #newPlan(): PlanOfBatches {
    const plan: PlanOfBatches = {
      only: null,
      source: {
        row: (use) => Uint32Array.of(this.#start + use),
        check: (uses, _, acrossBatch) => this.#check(uses, plan.only, acrossBatch),
        begin: () => {
          if (this.#start !== this.#position) this.#beginNext()
        },
        advance: (uses) => {
          this.#position += uses
        },
      },
    }
    return plan
  }

  /** Throws RangeError if a plan can't take so many batches from here. */
  #check(uses: number, only: number | null, across: string | null): void {
    for (const part of this.#tensors()) part.checkUsable('gather')
    const { name, row, fills } = this.manner
    const start = this.#start
    const end = start + uses
    if (end > this.length) throw this.#over(uses)
    if (uses === 0) return
    const rows = this.sizeOf(this.length - 1)
    if (only !== null && start !== only) {
      throw new RangeError(
        `${name}: the plan was captured for the last batch, of ${rows} rows; it can only run at position ${only}, not at ` +
          `${start}. For batches of ${this.batchSize} rows, capture another plan at an earlier position`,
      )
    }
    if (only !== null || this.sizeOf(end - 1) === this.batchSize) return
    if (!fills) {
      throw new RangeError(
        `${name}: batch ${end - 1}, the last, has ${rows} rows, and the plan was captured for batches of ${this.batchSize}; leave it ` +
          `out by dropLast: true, or capture another plan while position is ${end - 1}`,
      )
    }
    if (across === null) return
    throw new RangeError(
      `${name}: ${across} looks across the batch, and of the ${this.batchSize} rows of batch ${end - 1} only ${rows} are ` +
        `${row}s, the others zeros. Train with fit, which makes a separate plan for the last batch, or train on a multiple of ` +
        `${this.batchSize} ${row}s: take(set, ${this.size - rows})`,
    )
  }

  /** Whether its fields have the names, types and sizes of the other's. @internal */
  isLike(other: Batches): boolean {
    const likeness = (batches: Batches) => {
      return [...batches.#fields].map(([key, { parts, scale }]) => [key, parts[0]!, scale === null] as const)
    }
    const [own, its] = [likeness(this), likeness(other)]
    return (
      own.length === its.length &&
      own.every(([key, a, isPlain], i) => {
        const [name, b, isOther] = its[i]!
        return (
          key === name && isPlain === isOther && a.dtype === b.dtype && sameShape(a.shape.slice(1), b.shape.slice(1))
        )
      })
    )
  }

  /** How the orders of its epochs come about, for runs that continue; null: by `setOrder`, from the seed of `fit`. @internal */
  get ordering(): { readonly seed: number; readonly rule: string } | null {
    return this.manner.goesOn ? { seed: this.#seed, rule: this.#rule } : null
  }

  /** Releases the memory of the data. */
  dispose(): void {
    for (const part of [...this.#tensors(), this.#batches, this.#changes]) part?.dispose()
  }

  #gathered(selection: Selection): Readonly<Record<string, Tensor>> {
    const tensors = this.gather(this.#fields, this.#order, selection)
    return this.#changes?.apply(tensors, { ...selection, index: this.#order }) ?? tensors
  }

  /** Whether its images are changed at random. @internal */
  get isAugmented(): boolean {
    return this.#changes?.isRandom ?? false
  }

  /** The epoch's number and the seed by which images are drawn, where neither follows from the batches' own. @internal */
  protected drawBy({ seed, epoch }: Epoch): void {
    this.#drawnBy = seed
    this.#epoch = epoch
  }

  /** The selected rows of all fields. @internal */
  protected gather(
    fields: ReadonlyMap<string, Field>,
    order: Tensor,
    selection: Selection,
  ): Readonly<Record<string, Tensor>> {
    const rows = [...fields].map(
      ([key, { parts, scale }]) => [key, gatherRows(parts, order, selection, scale)] as const,
    )
    return Object.fromEntries(rows)
  }

  #made(tensors: Readonly<Record<string, Tensor>>, size: number): BatchOf<F> {
    return { ...tensors, size } as unknown as BatchOf<F>
  }

  /** A field on the device: as many rows to a buffer as it may hold. */
  #upload(name: string, { data, shape, scale }: CheckedField, gpu: Gpu): Field {
    const [count, ...rest] = shape as [number, ...number[]]
    const numbers = sizeOf(rest)
    const fitting = Math.floor(gpu.pool.largest / Math.max(1, numbers * data.BYTES_PER_ELEMENT))
    const most = this.manner.whole.includes(name) ? count : Math.min(count, Math.max(1, fitting))
    const parts = Array.from({ length: Math.ceil(count / most) }, (_, i) => {
      const rows = Math.min(most, count - i * most)
      const part = data.subarray(i * most * numbers, (i * most + rows) * numbers)
      return tensor(part, [rows, ...rest], { gpu, name }).keep()
    })
    return { parts, scale }
  }

  #tensors(): Tensor[] {
    return [...[...this.#fields.values()].flatMap(({ parts }) => parts), this.#order]
  }

  #over(wanted: number): RangeError {
    const left = this.length - this.#start
    const { name, goesOn } = this.manner
    const cure = goesOn ? 'a run begins the next one only where it starts at its end' : 'setOrder begins a new epoch'
    return new RangeError(`${name}: ${wanted} batches are needed, but the epoch has ${left} left; ${cure}`)
  }
}

function checkBatchSize(name: string, batchSize: number): void {
  if (Number.isSafeInteger(batchSize) && batchSize >= 1) return
  throw new RangeError(`${name}: batchSize must be a whole number, 1 or more, not ${shown(batchSize)}`)
}

function checkSampler(name: string, sampler: Sampler | undefined, size: number, options: BatchesOptions): void {
  if (sampler === undefined) return
  const isOne = typeof sampler === 'object' && sampler !== null && typeof sampler.order === 'function'
  if (!isOne || !Number.isSafeInteger(sampler.count) || sampler.count < 1) {
    const right = 'an object { size, count, order(epoch) }, such as weightedSampler(weights)'
    throw new TypeError(`${name}: sampler must be ${right}, not ${kindOf(sampler)}`)
  }
  const other = (['shuffle', 'seed'] as const).find((key) => options[key] !== undefined)
  if (other !== undefined) {
    throw new TypeError(`${name}: ${other} is given beside a sampler, which decides the order by itself; leave it out`)
  }
  if (sampler.size === size) return
  throw new RangeError(`${name}: the sampler chooses from ${shown(sampler.size)} rows, but there are ${size}`)
}

/** Images and labels of one step, on the GPU. */
export type Batch = {
  /** float32 [size, channels, height, width], in [0, 1] unless normalized */
  readonly images: Tensor
  /** int32 [size] */
  readonly labels: Tensor
} & { readonly size: number }

/** Options of {@link ImageBatches}: what `Batches` has under these names. */
export interface ImageBatchesOptions extends ImageChanges {
  /** Images in a batch, 256 unless given; a size above that of the set is taken as that. */
  readonly batchSize?: number
  /** The default device unless given. */
  readonly gpu?: Gpu
}

/** Bytes become pixels in [0, 1]. */
const SCALE = 1 / 255

/**
 * A data set on the GPU, as bytes, cut into batches in a given order. The last batch has the remaining images: 96 for
 * 60,000 images in batches of 256.
 */
export class ImageBatches extends Batches<Readonly<Record<'images' | 'labels', BatchField>>> {
  /**
   * Uploads the set. Images keep the set's order until `setOrder`. A batch size above the size of the set is taken as that
   * size. Throws RangeError for a batch size below 1, for a set without images, for bytes that do not fill the set's sizes, and
   * for a label that is not one of its `classes`, if there are any; TypeError for what is not a data set of bytes, and for an
   * option that it does not have.
   */
  constructor(dataset: ImageDataset, options: ImageBatchesOptions = {}) {
    if (arguments.length > 2) throw tooMany(arguments, 'ImageBatches(dataset, options)')
    requireOptions('ImageBatches', options, ['batchSize', 'augment', 'normalize', 'gpu'])
    const { batchSize = 256, gpu = defaultGpu(), ...changes } = options
    checkBatchSize('ImageBatches', batchSize)
    checkDataset('ImageBatches', dataset)
    const { images, labels, count, channels, height, width } = dataset
    const shape = [count, channels, height, width]
    super({ images: { data: images, shape, scale: SCALE }, labels }, { ...changes, batchSize, shuffle: false, gpu })
  }

  /** @internal */
  protected override get manner(): Manner {
    return OF_IMAGES
  }

  /**
   * Sets the order of the images, as many image numbers as the set has images; `next` starts again at the first. What `augment`
   * draws is a function of `at`, the epoch's number and a seed, 0 unless given. Throws RangeError for a list of another length or an entry
   * that is not the number of an image, TypeError for what is not a list, and with `augment` where `at` is left out: every epoch would
   * have the same pictures.
   */
  override setOrder(order: ArrayLike<number>, at?: { readonly epoch: number; readonly seed?: number }): void {
    if (arguments.length > 2) throw tooMany(arguments, 'setOrder(order, at)')
    if (at !== undefined) {
      requireOptions('ImageBatches: setOrder', at, ['epoch', 'seed'])
      checkInteger('ImageBatches: epoch', at.epoch, LAST_EPOCH)
      checkInteger('ImageBatches: seed', at.seed ?? 0, Number.MAX_SAFE_INTEGER)
    } else if (this.isAugmented) {
      throw new TypeError(
        'ImageBatches: with augment every epoch has its own pictures: give its number, setOrder(order, { epoch, seed })',
      )
    }
    super.setOrder(order)
    if (at !== undefined) this.drawBy({ epoch: at.epoch, seed: at.seed ?? 0 })
  }

  /** @internal */
  override beginEpoch(epoch: number, seed: number): void {
    this.setOrder(permutation(seed, epoch, this.size), { epoch, seed })
  }

  /** Batch i of the epoch, 0 ≤ i < length: images as float32 in [0, 1], labels as int32. */
  override batch(i: number): Batch {
    return super.batch(i)
  }

  /**
   * The batch at `position`, which moves on. In a captured function every run continues where the last one ended, and all its
   * batches have `batchSize` rows: where the set has no more, images are zeros and labels -100, which `crossEntropy` leaves
   * out. Captured while `position` is at a last batch with fewer rows, it gives exactly those rows, and its plan can only run
   * there. Throws RangeError when the epoch is over; so does `plan.run` for more steps than are left, and for a batch filled
   * up with zeros where the plan has an operation that looks across the batch, such as batch norm in training.
   */
  override next(): Batch {
    return super.next()
  }

  /** Both in one dispatch. @internal */
  protected override gather(fields: ReadonlyMap<string, Field>, index: Tensor, selection: Selection) {
    const [images, labels] = [fields.get('images')!.parts, fields.get('labels')!.parts[0]!]
    return gatherBatch({ images, labels, index }, selection, SCALE)
  }
}
