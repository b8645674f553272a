// Fashion-MNIST from the bytes of its four files.
import { DataError } from '../errors.ts'
import { shown } from '../tensor/options.ts'
import { requireImages } from './check_dataset.ts'
import { decodeIdx, type IdxArray } from './idx.ts'

/** Images of one size with one label each: at least one image, and every label names a class. */
export interface ImageDataset {
  /** [count, channels, height, width] in row-major order, one byte (0 to 255) a pixel. */
  images: Uint8Array
  /** [count], each an index into `classes`. */
  labels: Uint8Array
  count: number
  channels: number
  height: number
  width: number
  classes: readonly string[]
}

/** One value for each of the set's four files. */
export interface FashionMnistParts<T> {
  trainImages: T
  trainLabels: T
  testImages: T
  testLabels: T
}

/** One of the four files: its name without `.gz`, and its decompressed size and SHA-256. */
export interface FashionMnistFile {
  stem: string
  bytes: number
  sha256: string
}

/** The ten classes, by label. */
export const FASHION_MNIST_CLASSES: readonly string[] = Object.freeze([
  't-shirt',
  'trouser',
  'pullover',
  'dress',
  'coat',
  'sandal',
  'shirt',
  'sneaker',
  'bag',
  'ankle boot',
])

/**
 * The four files of Fashion-MNIST (Zalando, https://github.com/zalandoresearch/fashion-mnist). The hashes are of the
 * decompressed bytes, since the same data circulates in several compressions.
 */
export const FASHION_MNIST_FILES: Readonly<FashionMnistParts<FashionMnistFile>> = {
  trainImages: {
    stem: 'train-images-idx3-ubyte',
    bytes: 47_040_016,
    sha256: 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
  },
  trainLabels: {
    stem: 'train-labels-idx1-ubyte',
    bytes: 60_008,
    sha256: 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
  },
  testImages: {
    stem: 't10k-images-idx3-ubyte',
    bytes: 7_840_016,
    sha256: '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
  },
  testLabels: {
    stem: 't10k-labels-idx1-ubyte',
    bytes: 10_008,
    sha256: '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
  },
}

const stems: FashionMnistParts<string> = {
  trainImages: FASHION_MNIST_FILES.trainImages.stem,
  trainLabels: FASHION_MNIST_FILES.trainLabels.stem,
  testImages: FASHION_MNIST_FILES.testImages.stem,
  testLabels: FASHION_MNIST_FILES.testLabels.stem,
}

/**
 * Decodes the four files and checks them against each other: images [n, 28, 28], labels [n] from 0 to 9, n at least 1.
 * Any n is accepted, so a sample of the set works too. Nothing is copied: the data sets are views of the bytes.
 *
 * @param bytes the four files, decompressed
 * @param names the files' names in messages; by default their usual names
 * @throws DataError if a file is damaged or does not fit its partner
 */
export function fashionMnistFromBytes(
  bytes: FashionMnistParts<Uint8Array>,
  names: FashionMnistParts<string> = stems,
): { train: ImageDataset; test: ImageDataset } {
  return {
    train: pair(bytes.trainImages, names.trainImages, bytes.trainLabels, names.trainLabels),
    test: pair(bytes.testImages, names.testImages, bytes.testLabels, names.testLabels),
  }
}

/**
 * The first `n` examples of a data set, as a view.
 *
 * @throws RangeError unless `n` is an integer from 1 to the number of examples, and for a data set without any; TypeError for
 * what is not a data set
 */
export function take(dataset: ImageDataset, n: number): ImageDataset {
  requireImages('take', dataset)
  const { count, channels, height, width } = dataset
  if (!Number.isInteger(n) || n < 1 || n > count) {
    throw new RangeError(
      `take: n is ${shown(n)}, but must be an integer from 1 to ${count} (the examples in the data set)`,
    )
  }
  const images = dataset.images.subarray(0, n * channels * height * width)
  return { ...dataset, images, labels: dataset.labels.subarray(0, n), count: n }
}

function pair(imageBytes: Uint8Array, imageName: string, labelBytes: Uint8Array, labelName: string): ImageDataset {
  const images = decodeIdx(imageBytes, imageName)
  const labels = decodeIdx(labelBytes, labelName)
  const count = checkImages(images, imageName)
  checkLabels(labels, labelName, count, imageName)
  return {
    images: images.data,
    labels: labels.data,
    count,
    channels: 1,
    height: 28,
    width: 28,
    classes: FASHION_MNIST_CLASSES,
  }
}

function checkImages({ shape }: IdxArray, name: string): number {
  const [count, height, width] = shape
  if (shape.length !== 3 || count === undefined || count < 1 || height !== 28 || width !== 28) {
    throw new DataError(`${name}: sizes [${shape.join(', ')}], but images must be [n, 28, 28] with n at least 1`)
  }
  return count
}

function checkLabels({ shape, data }: IdxArray, name: string, count: number, imageName: string): void {
  if (shape.length !== 1) {
    throw new DataError(`${name}: sizes [${shape.join(', ')}], but labels must be [n]`)
  }
  if (data.length !== count) {
    throw new DataError(
      `${name}: ${data.length} labels, but ${imageName} holds ${count} images: there must be one label per image`,
    )
  }
  const last = FASHION_MNIST_CLASSES.length - 1
  const bad = data.findIndex((label) => label > last)
  if (bad >= 0) {
    throw new DataError(`${name}: label ${bad} (counted from 0) is ${data[bad]}, labels must be 0 to ${last}`)
  }
}
