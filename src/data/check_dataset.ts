// The check of a data set of images before any of it is uploaded.
import { kindOf } from '../kernels/support.ts'
import type { ImageDataset } from './fashion_mnist.ts'

/** The sizes of a data set that may not be 0. */
const SIZES = ['count', 'channels', 'height', 'width'] as const

/**
 * Throws TypeError for what is not a data set or does not hold bytes, RangeError for one without images, for sizes that its
 * bytes do not fill, and for labels that are not classes where the classes have names.
 */
export function checkDataset(operation: string, dataset: ImageDataset): void {
  requireImages(operation, dataset)
  for (const name of SIZES) {
    const size: unknown = dataset[name]
    if (Number.isSafeInteger(size) && (size as number) >= 1) continue
    const found = typeof size === 'number' ? size : kindOf(size)
    throw new RangeError(`${operation}: the data set's ${name} must be a whole number, 1 or more, not ${found}`)
  }
  const { images, labels, count, channels, height, width, classes = [] } = dataset
  const shape = [count, channels, height, width]
  const bytes = shape.reduce((product, size) => product * size, 1)
  requireBytes(`${operation}: the data set's images`, images, bytes, `[${shape.join(', ')}]`)
  requireBytes(`${operation}: the data set's labels`, labels, count, 'one an image')
  if (!Array.isArray(classes)) {
    throw new TypeError(`${operation}: the data set's classes must be an array of their names, not ${kindOf(classes)}`)
  }
  const wrong = classes.length === 0 ? -1 : labels.findIndex((label) => label >= classes.length)
  if (wrong < 0) return
  const last = classes.length - 1
  throw new RangeError(
    `${operation}: label ${wrong} (counted from 0) is ${labels[wrong]}, but there are ${classes.length} classes, 0 to ${last}`,
  )
}

/** Throws TypeError for what is not a data set, RangeError for one without images. */
export function requireImages(operation: string, dataset: Pick<ImageDataset, 'count'>): void {
  if (typeof dataset !== 'object' || dataset === null || Array.isArray(dataset)) {
    const right = 'an object { images, labels, count, channels, height, width, classes }'
    throw new TypeError(`${operation}: the data set must be ${right}, not ${kindOf(dataset)}`)
  }
  if (dataset.count === 0) throw new RangeError(`${operation}: the data set has no images; it must have at least one`)
}

function requireBytes(what: string, data: unknown, length: number, because: string): void {
  if (!(data instanceof Uint8Array)) {
    throw new TypeError(`${what} must be a Uint8Array of ${length} bytes, ${because}, not ${kindOf(data)}`)
  }
  if (data.length !== length) {
    throw new RangeError(`${what} must be a Uint8Array of ${length} bytes, ${because}, not one of ${data.length}`)
  }
}
