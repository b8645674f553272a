// Augmentation: what batches do to their images at random, as a function of seed, epoch and image number alone.
import { PerStep, type RowSource } from '../capture/per_step.ts'
import type { Gpu } from '../gpu/gpu.ts'
import { augmentBatch, blocksOf, type Change, EPOCH_WORDS } from '../kernels/augment.ts'
import type { Selection } from '../kernels/gather.ts'
import { stepsOf } from '../kernels/random.ts'
import { tensor } from '../tensor/create.ts'
import { requireOptions, shown } from '../tensor/options.ts'
import { ShapeError } from '../tensor/shape.ts'
import type { Tensor, TypedArray } from '../tensor/tensor.ts'
import type { CheckedField } from './check_fields.ts'

/**
 * What is done to every image at random. In the order of torchvision's usual recipe: crop, flip, then shift, rotate and zoom about
 * the middle, all of it one sampling of the original image; brightness, contrast; then the batches' `normalize`; cutout last.
 */
export interface AugmentOptions {
  /** The image is moved by a whole number of pixels from −padding to padding on each axis: torchvision's RandomCrop of its own size. */
  readonly crop?: { readonly padding: number } | undefined
  /** Mirrored left to right with this probability, which counts in steps of 2⁻³¹; true is 0.5. */
  readonly flip?: boolean | number | undefined
  /** Turned by an angle from −rotate to rotate, in degrees, from 0 to 180. */
  readonly rotate?: number | undefined
  /** Enlarged by a factor between these two, from 0.1 to 10. */
  readonly zoom?: readonly number[] | undefined
  /** Moved by a whole number of pixels, on each axis at most this share of its side; from 0 to 1. */
  readonly shift?: number | undefined
  /** 0 in a square of this side about one of the pixels, after `normalize`, as far as it lies in the image. */
  readonly cutout?: number | undefined
  /** Multiplied by a factor from max(0, 1 − brightness) to 1 + brightness, and clamped to [0, 1]. */
  readonly brightness?: number | undefined
  /**
   * k v + (1 − k) m, clamped to [0, 1], k from max(0, 1 − contrast) to 1 + contrast, m the mean of the image, of three channels as
   * 0.2989 r + 0.587 g + 0.114 b.
   */
  readonly contrast?: number | undefined
  /** What lies outside of the image: 'zeros', the default, or 'reflect', the image mirrored at its outermost pixels. */
  readonly paddingMode?: 'zeros' | 'reflect' | undefined
  /** Other fields of `Batches`, of int32 or float32 rows [height, width] or [channels, height, width], that are moved as the image is: each pixel is the nearest one. */
  readonly masks?: readonly string[] | undefined
}

/** (v − mean) / std for every pixel v; a number for all channels, or one for each. */
export interface Normalization {
  readonly mean: number | readonly number[]
  readonly std: number | readonly number[]
}

/** What batches do to their images. */
export interface ImageChanges {
  readonly augment?: AugmentOptions | undefined
  readonly normalize?: Normalization | undefined
}

/** Channels, height and width. */
type Sizes = readonly [channels: number, height: number, width: number]

/** These options in one text, whatever order they were written in; '' where there are none. */
export function textOf({ augment, normalize }: ImageChanges): string {
  const sorted = (value: object | undefined) =>
    value && Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
  const text = JSON.stringify({ augment: sorted(augment), normalize: sorted(normalize) })
  return text === '{}' ? '' : text
}

/** Where a data set stands: what is drawn for an image is a function of these two and of its number. */
export interface Epoch {
  readonly seed: number
  readonly epoch: number
}

const KNOWN = [
  'crop',
  'flip',
  'rotate',
  'zoom',
  'shift',
  'cutout',
  'brightness',
  'contrast',
  'paddingMode',
  'masks',
] as const satisfies readonly (keyof AugmentOptions)[]

const PLAIN = { brightness: false, contrast: false, channels: null } as const

/** Which rows of a data set a batch has. */
type Picked = Selection & { readonly index: Tensor }

/** How far images may be enlarged, or made smaller. */
const MOST_ZOOM = 10

/** The changes of the images of one data set on one device. */
export class Augmentation {
  readonly #change: Omit<Change, 'epochs'>
  readonly #epochs: PerStep | null
  readonly #source: RowSource

  /**
   * Reads the options for images of these sizes. Throws TypeError or RangeError for what does not fit them.
   *
   * @param at where the data set stands when a batch is made, or when a plan with one is run
   */
  constructor(operation: string, sizes: Sizes, { augment = {}, normalize }: ImageChanges, gpu: Gpu, at: () => Epoch) {
    const change = readAugment(operation, augment, sizes)
    const numbers = normalize === undefined ? null : readNormalization(`${operation}: normalize`, normalize, sizes[0])
    this.#epochs = blocksOf(change.draws) > 0 ? new PerStep(gpu, EPOCH_WORDS, 'epochs') : null
    const channels = numbers && tensor(numbers, [sizes[0], 2], { gpu, name: 'normalize' }).keep()
    this.#change = { ...change, channels }
    this.#source = {
      row: () => {
        const { seed, epoch } = at()
        return Uint32Array.of(epoch, seed, Math.floor(seed / 2 ** 32))
      },
      advance: () => undefined,
    }
  }

  /** Whether pixels are clamped to [0, 1]. */
  get clamps(): boolean {
    return this.#change.brightness || this.#change.contrast
  }

  /** Whether anything is drawn. */
  get isRandom(): boolean {
    return this.#epochs !== null
  }

  /** The images that the selection of `index` gave, changed. */
  apply(images: Tensor, selection: Picked): Tensor {
    return this.#emit(images, selection, this.#change)
  }

  /** The masks of these images, moved as they are. */
  applyToMasks(masks: Tensor, selection: Picked): Tensor {
    const { draws, reflect, sampling } = this.#change
    const change = {
      ...PLAIN,
      draws: { ...draws, cutout: 0 },
      reflect,
      sampling: sampling === 'whole' ? sampling : 'nearest',
    } as const
    return this.#emit(masks, selection, change)
  }

  #emit(images: Tensor, selection: Picked, change: Omit<Change, 'epochs'>): Tensor {
    const epochs = this.#epochs && { storage: this.#epochs.storage, use: this.#epochs.use(this.#source) }
    const out = augmentBatch(images, selection, { ...change, epochs })
    this.#epochs?.used(this.#source)
    return out
  }

  dispose(): void {
    this.#epochs?.dispose()
    this.#change.channels?.dispose()
  }
}

/** What is known of a field before it is uploaded. */
type FieldOf = Pick<CheckedField, 'data' | 'shape' | 'scale'>

/** The changes of the fields of batches; null where none is asked for. `apply` releases what it changes. */
export interface FieldChanges {
  readonly isRandom: boolean
  apply(tensors: Readonly<Record<string, Tensor>>, selection: Picked): Readonly<Record<string, Tensor>>
  dispose(): void
}

/**
 * Reads the options of batches with these fields. Throws TypeError or RangeError for options that do not fit, where no field or
 * more than one has images, float32 rows [channels, height, width], and where a mask is not like them.
 */
export function changesOf(
  operation: string,
  fields: ReadonlyMap<string, FieldOf>,
  changes: ImageChanges,
  gpu: Gpu,
  at: () => Epoch,
): FieldChanges | null {
  const { augment, normalize } = changes
  if (augment === undefined && normalize === undefined) return null
  const option = augment === undefined ? 'normalize' : 'augment'
  const masks = masksOf(operation, augment)
  const ofImages = [...fields].filter(([name, { data, shape, scale }]) => {
    return !masks.includes(name) && shape.length === 4 && (data instanceof Float32Array || scale !== null)
  })
  const [image] = ofImages
  if (!image || ofImages.length > 1) {
    const found = ofImages.length === 0 ? 'there is none' : `there are ${ofImages.map(([name]) => name).join(', ')}`
    throw new TypeError(
      `${operation}: ${option} takes one field of images, float32 or bytes with a scale, of shape [count, channels, height, width]; ${found}`,
    )
  }
  const [name, { shape, data, scale }] = image
  const sizes = shape.slice(1) as unknown as Sizes
  const augmentation = new Augmentation(operation, sizes, changes, gpu, at)
  try {
    if (augmentation.clamps) checkRange(operation, name, data, scale ?? 1)
    for (const mask of masks) checkMask(operation, mask, fields.get(mask), name, sizes)
  } catch (error) {
    augmentation.dispose()
    throw error
  }
  return {
    isRandom: augmentation.isRandom,
    apply(tensors, selection) {
      const made = { ...tensors, [name]: augmentation.apply(tensors[name]!, selection) }
      for (const mask of masks) made[mask] = augmentation.applyToMasks(tensors[mask]!, selection)
      for (const key of [name, ...masks]) tensors[key]!.release('it was augmented')
      return made
    },
    dispose: () => augmentation.dispose(),
  }
}

function masksOf(operation: string, augment: AugmentOptions | undefined): readonly string[] {
  const masks: unknown = augment?.masks ?? []
  if (Array.isArray(masks) && masks.every((name) => typeof name === 'string')) return masks
  throw new TypeError(`${operation}: augment.masks must be a list of names of fields, not ${shown(masks)}`)
}

/** Brightness and contrast clamp to [0, 1]: pixels from 0 to 255 would all become 1. */
function checkRange(operation: string, name: string, data: TypedArray, scale: number): void {
  const wrong = data.findIndex((v) => v * scale < 0 || v * scale > 1 + 1e-6)
  if (wrong < 0) return
  throw new RangeError(
    `${operation}: augment.brightness and augment.contrast take images from 0 to 1, and ${name} has ${data[wrong]! * scale} at ${wrong}; ` +
      'bring them there, bytes by a scale of 1 / 255, and use normalize for the rest',
  )
}

function checkMask(operation: string, name: string, mask: FieldOf | undefined, images: string, sizes: Sizes): void {
  if (mask === undefined) throw new RangeError(`${operation}: augment.masks names ${name}, and there is no such field`)
  const { data, shape } = mask
  if (data instanceof Uint8Array) {
    throw new TypeError(`${operation}: the mask ${name} must be int32 or float32, not bytes; give an Int32Array`)
  }
  const isLike = (shape.length === 3 || shape.length === 4) && shape.at(-2) === sizes[1] && shape.at(-1) === sizes[2]
  if (isLike) return
  const right = `[count, ${sizes[1]}, ${sizes[2]}] or [count, channels, ${sizes[1]}, ${sizes[2]}]`
  throw new ShapeError(operation, `the mask ${name} must be ${right}, as high and wide as ${images}`, [[name, shape]])
}

function readAugment(
  operation: string,
  options: AugmentOptions,
  [channels, height, width]: Sizes,
): Omit<Change, 'epochs' | 'channels'> {
  const name = `${operation}: augment`
  requireOptions(name, options, KNOWN)
  const { crop, flip = false, rotate = 0, zoom = [1, 1], shift = 0, cutout = 0, brightness = 0, contrast = 0 } = options
  const { paddingMode = 'zeros' } = options
  const side = Math.min(height, width)
  if (crop !== undefined) requireOptions(`${name}.crop`, crop, ['padding'])
  const padding = crop === undefined ? 0 : crop.padding
  requireWhole(`${name}.crop.padding`, padding, side - 1, `less than the sides of an image, ${height} × ${width}`)
  requireWhole(`${name}.cutout`, cutout, side, `at most the sides of an image, ${height} × ${width}`)
  const chance = typeof flip === 'boolean' ? (flip ? 0.5 : 0) : flip
  if (typeof flip !== 'boolean') requireRange(operation, 'flip', flip, 'true, false or a probability from 0 to 1', 0, 1)
  requireRange(operation, 'rotate', rotate, 'degrees from 0 to 180', 0, 180)
  requireRange(operation, 'shift', shift, 'a share of the sides, from 0 to 1', 0, 1)
  for (const [key, value] of Object.entries({ brightness, contrast })) {
    requireRange(operation, key, value, 'a finite number, 0 or more', 0, Number.MAX_VALUE)
  }
  const isZoom = Array.isArray(zoom) && zoom.length === 2 && zoom.every((z) => z >= 1 / MOST_ZOOM && z <= MOST_ZOOM)
  if (!isZoom || zoom[0]! > zoom[1]!) {
    throw new RangeError(`${name}.zoom must be two numbers from 0.1 to 10, the smaller first, not ${shown(zoom)}`)
  }
  if (paddingMode !== 'zeros' && paddingMode !== 'reflect') {
    throw new TypeError(`${name}.paddingMode must be 'zeros' or 'reflect', not ${shown(paddingMode)}`)
  }
  if (contrast > 0 && channels !== 1 && channels !== 3) {
    throw new RangeError(
      `${name}.contrast takes images of 1 or 3 channels, of which it knows the brightness, not of ${channels}`,
    )
  }
  const [least, most] = zoom as [number, number]
  const rangeOf = (by: number) => [Math.max(0, 1 - by), 1 + by - Math.max(0, 1 - by)] as const
  const [[darkest, brighter], [flattest, steeper]] = [rangeOf(brightness), rangeOf(contrast)]
  return {
    draws: {
      padding,
      flip: stepsOf(chance),
      rotate: rotate / 360,
      zoom: least,
      zoom_span: most - least,
      shift_y: Math.floor(shift * height),
      shift_x: Math.floor(shift * width),
      cutout,
      brightness: darkest,
      brightness_span: brighter,
      contrast: flattest,
      contrast_span: steeper,
    },
    sampling: rotate > 0 || least !== 1 || most !== 1 ? 'bilinear' : 'whole',
    reflect: paddingMode === 'reflect',
    brightness: brightness > 0,
    contrast: contrast > 0,
  }
}

/** The mean of each channel, and what the difference is multiplied by. */
function readNormalization(name: string, options: Normalization, channels: number): Float32Array {
  requireOptions(name, options, ['mean', 'std'])
  const list = (key: keyof Normalization, isRight: (value: number) => boolean, right: string): readonly number[] => {
    const given: unknown = options[key]
    const values: readonly unknown[] = Array.isArray(given) ? given : Array.from({ length: channels }, () => given)
    if (values.length === channels && values.every((v) => typeof v === 'number' && isRight(Math.fround(v)))) {
      return values as readonly number[]
    }
    throw new RangeError(`${name}.${key} must be ${right}, or ${channels} of them, one a channel, not ${shown(given)}`)
  }
  const mean = list('mean', Number.isFinite, 'a finite number')
  const std = list('std', (v) => v > 0 && v < Infinity, 'a finite number above 0')
  return Float32Array.from(mean.flatMap((m, c) => [m, 1 / std[c]!]))
}

function requireWhole(what: string, value: unknown, most: number, because: string): void {
  if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most) return
  throw new RangeError(`${what} must be a whole number from 0 to ${most}, ${because}, not ${shown(value)}`)
}

function requireRange(
  operation: string,
  key: string,
  given: unknown,
  right: string,
  least: number,
  most: number,
): void {
  if (typeof given === 'number' && given >= least && given <= most) return
  throw new RangeError(`${operation}: augment.${key} must be ${right}, not ${shown(given)}`)
}
