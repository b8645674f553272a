// A folder of images, a folder for each class, as a data set.
import { type Dirent, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import {
  type ImageChannels,
  MOST_PIXELS,
  type Pixels,
  pixelsOf,
  planes,
  requireChannels,
} from '../data/decode_image.ts'
import type { ImageDataset } from '../data/fashion_mnist.ts'
import { resize } from '../data/resize.ts'
import { MOST_BYTES } from '../data/sources.ts'
import { DataError } from '../errors.ts'
import { requireOptions, shown } from '../tensor/options.ts'
import { readWhole } from './files.ts'

/** Options of {@link imageFolder}. */
export interface ImageFolderOptions {
  /** The height and width to which every image is resized, or one number for both. Without it all must have the same size. */
  readonly size?: number | readonly [height: number, width: number]
  /** 1 (grey), 3 (RGB) or 4 (RGB and alpha); 3 by default. */
  readonly channels?: ImageChannels
  /**
   * What decodes the files: the package `sharp`, which is faster and knows more formats, or `js`, for PNG and JPEG. By default sharp if
   * it is installed. The two may differ by a few units in the pixels of a JPEG image.
   */
  readonly decoder?: 'sharp' | 'js'
}

/** What {@link imageFolder} gives: a data set, whose label k is the class `classes[k]`. */
export interface ImageFolder extends ImageDataset {
  /** The path of every image in the folder, in their order. */
  readonly files: readonly string[]
  /** What decoded them. */
  readonly decoder: 'sharp' | 'js'
}

/** As much of sharp as is used here. */
type Sharp = (
  bytes: Uint8Array,
  options: { limitInputPixels: number },
) => {
  toColourspace(space: string): {
    raw(options: { depth: 'uchar' }): {
      toBuffer(options: { resolveWithObject: true }): Promise<{
        data: Uint8Array
        info: { width: number; height: number; channels: number }
      }>
    }
  }
}

const ENDINGS = {
  js: ['.png', '.jpg', '.jpeg'],
  sharp: ['.png', '.jpg', '.jpeg', '.webp', '.gif', '.avif', '.tif', '.tiff'],
}
const MOST_CLASSES = 256

/**
 * Reads images from a folder that has a folder for each class, as torchvision's ImageFolder does: classes and files are sorted by name,
 * and a class may have folders of its own. `fit` and `ImageBatches` take what it gives; for `Batches` it is
 * `{ x: { data: set.images, shape: [set.count, set.channels, set.height, set.width], scale: 1 / 255 }, y: Int32Array.from(set.labels) }`.
 *
 * Grey is 0.299 R + 0.587 G + 0.114 B, and with 1 or 3 channels transparency is left out. Resizing takes the mean of the covered area
 * along an axis that shrinks, and interpolates along one that grows; the sides' ratio is not kept. Files that begin with a dot are
 * passed over.
 *
 * @throws DataError that names the file for what is not an image, is damaged or has another size; for a folder without classes, a class
 *   without images, and more than 256 classes; TypeError and RangeError for options; Error if sharp is asked for and not installed
 */
export async function imageFolder(dir: string, options: ImageFolderOptions = {}): Promise<ImageFolder> {
  requireOptions('imageFolder', options, ['size', 'channels', 'decoder'])
  const { size, channels = 3, decoder: wanted } = options
  requireChannels('imageFolder', channels)
  if (wanted !== undefined && wanted !== 'sharp' && wanted !== 'js') {
    throw new TypeError(`imageFolder: decoder must be 'sharp' or 'js', not ${shown(wanted)}`)
  }
  let sides = sidesOf(size)
  const sharp = wanted === 'js' ? null : await loadSharp(wanted === 'sharp')
  const decoder = sharp === null ? 'js' : 'sharp'
  const classes = classesOf(dir)
  const files = classes.flatMap((name, label) => filesOf(dir, name, ENDINGS[decoder]).map((file) => ({ file, label })))
  let images: Uint8Array | null = null
  for (const [i, { file }] of files.entries()) {
    const path = join(dir, file)
    const bytes = await readWhole(path, MOST_BYTES)
    if (typeof bytes === 'string') throw new DataError(`${path}: ${bytes}`)
    const pixels =
      sharp === null ? await pixelsOf('imageFolder', bytes, path, MOST_PIXELS) : await bySharp(sharp, bytes, path)
    const { width, height } = pixels
    sides ??= [height, width]
    if (size === undefined && (height !== sides[0] || width !== sides[1])) {
      const first = `${sides[0]} × ${sides[1]} as ${files[0]!.file}`
      throw new DataError(`${path}: it is ${height} pixels high and ${width} wide, not ${first}; give the option size`)
    }
    images ??= memoryFor(files.length, channels, sides)
    const picture = { data: planes(pixels, channels), shape: [channels, height, width] }
    images.set(resize(picture, ...sides).data, i * channels * sides[0] * sides[1])
  }
  const [height, width] = sides!
  const labels = Uint8Array.from(files, ({ label }) => label)
  const names = files.map(({ file }) => file)
  return { images: images!, labels, count: files.length, channels, height, width, classes, files: names, decoder }
}

function sidesOf(size: unknown): [number, number] | null {
  if (size === undefined) return null
  const sides = Array.isArray(size) ? (size as unknown[]) : [size, size]
  if (sides.length === 2 && sides.every((side) => Number.isSafeInteger(side) && (side as number) > 0)) {
    return sides as [number, number]
  }
  throw new RangeError(`imageFolder: size must be a number of pixels or [height, width], not ${shown(size)}`)
}

function memoryFor(count: number, channels: number, [height, width]: readonly [number, number]): Uint8Array {
  const bytes = count * channels * height * width
  if (bytes <= MOST_BYTES) return new Uint8Array(bytes)
  throw new RangeError(
    `imageFolder: ${count} images [${channels}, ${height}, ${width}] would have ${bytes} bytes, but must have at most ${MOST_BYTES}; ` +
      'give a smaller size',
  )
}

/** The names in a folder, sorted by code units, without those that begin with a dot. */
function entriesOf(path: string): Dirent[] {
  try {
    const all = readdirSync(path, { withFileTypes: true }).filter(({ name }) => !name.startsWith('.'))
    return all.sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch (error) {
    throw new DataError(`${path}: the folder cannot be read (${(error as NodeJS.ErrnoException).code})`, {
      cause: error,
    })
  }
}

function classesOf(dir: string): string[] {
  const entries = entriesOf(dir)
  const stray = entries.find(({ name }) => ENDINGS.sharp.includes(endingOf(name)))
  if (stray) throw new DataError(`${join(dir, stray.name)}: an image must be in the folder of its class`)
  const classes = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  if (classes.length === 0) throw new DataError(`${dir}: it does not have any folders; each class must have one`)
  if (classes.length > MOST_CLASSES) {
    throw new DataError(
      `${dir}: it has ${classes.length} folders, but labels are bytes: at most ${MOST_CLASSES} classes`,
    )
  }
  return classes
}

/** The images of a class, by their paths in `dir`. */
function filesOf(dir: string, name: string, endings: readonly string[]): string[] {
  const found: string[] = []
  const visit = (path: string): void => {
    for (const entry of entriesOf(path)) {
      const inside = join(path, entry.name)
      if (entry.isDirectory()) visit(inside)
      else if (endings.includes(endingOf(entry.name))) found.push(relative(dir, inside))
      else throw new DataError(`${inside}: not an image: its name must end with one of ${endings.join(', ')}`)
    }
  }
  visit(join(dir, name))
  if (found.length === 0)
    throw new DataError(`${join(dir, name)}: it does not have any images; each class must have one`)
  return found
}

function endingOf(name: string): string {
  return /\.[^.]*$/.exec(name)?.[0].toLowerCase() ?? ''
}

async function loadSharp(isWanted: boolean): Promise<Sharp | null> {
  const name = 'sharp' // it may be missing, so that its types are too
  try {
    return ((await import(name)) as { default: Sharp }).default
  } catch (error) {
    if (!isWanted) return null
    throw new Error(
      "imageFolder needs the package sharp for decoder: 'sharp', which can't be imported: npm install sharp",
      {
        cause: error,
      },
    )
  }
}

async function bySharp(sharp: Sharp, bytes: Uint8Array, path: string): Promise<Pixels> {
  try {
    const image = sharp(bytes, { limitInputPixels: MOST_PIXELS }).toColourspace('srgb').raw({ depth: 'uchar' })
    const { data, info } = await image.toBuffer({ resolveWithObject: true })
    return { data, width: info.width, height: info.height, channels: info.channels }
  } catch (error) {
    throw new DataError(`${path}: sharp can't decode it: ${(error as Error).message}`, { cause: error })
  }
}
