import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  FASHION_MNIST_CLASSES,
  FASHION_MNIST_FILES,
  type FashionMnistParts,
  fashionMnistFromBytes,
  take,
} from '../../src/data/fashion_mnist.ts'
import { DataError } from '../../src/errors.ts'
import { idxFile, tinyFashionMnist } from '../support/idx_files.ts'

const zeros = (n: number) => new Uint8Array(n)

test('the classes, in the order of their labels', () => {
  expect(FASHION_MNIST_CLASSES.join(', ')).toBe(
    't-shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot',
  )
})

test('the known sizes are those of 60,000 and 10,000 examples', () => {
  const { trainImages, trainLabels, testImages, testLabels } = FASHION_MNIST_FILES
  expect([trainImages.bytes, testImages.bytes]).toEqual([16 + 60_000 * 784, 16 + 10_000 * 784])
  expect([trainLabels.bytes, testLabels.bytes]).toEqual([8 + 60_000, 8 + 10_000])
})

describe('fashionMnistFromBytes', () => {
  test('gives both sets, as views of the bytes', () => {
    const bytes = tinyFashionMnist()
    const { train, test } = fashionMnistFromBytes(bytes)
    const rest = { channels: 1, height: 28, width: 28, classes: FASHION_MNIST_CLASSES }
    expect(train).toEqual({
      images: bytes.trainImages.slice(16),
      labels: Uint8Array.from([9, 0, 4]),
      count: 3,
      ...rest,
    })
    expect(test).toEqual({ images: bytes.testImages.slice(16), labels: Uint8Array.from([1, 9]), count: 2, ...rest })
    expect([train.images.buffer, train.labels.buffer]).toEqual([bytes.trainImages.buffer, bytes.trainLabels.buffer])
    bytes.trainImages[16] = 77
    expect(train.images[0]).toBe(77)
  })

  const refused: [string, Partial<FashionMnistParts<Uint8Array>>, string][] = [
    [
      'images that are not 28 x 28',
      { trainImages: idxFile([3, 28, 27], zeros(3 * 28 * 27)) },
      'train-images-idx3-ubyte: sizes [3, 28, 27], but images must be [n, 28, 28] with n at least 1',
    ],
    [
      'images of another rank',
      { testImages: idxFile([2, 784], zeros(1568)) },
      't10k-images-idx3-ubyte: sizes [2, 784], but images must be [n, 28, 28] with n at least 1',
    ],
    [
      'images with a channel dimension',
      { testImages: idxFile([2, 28, 28, 1], zeros(1568)) },
      't10k-images-idx3-ubyte: sizes [2, 28, 28, 1], but images must be [n, 28, 28] with n at least 1',
    ],
    [
      'no images',
      { trainImages: idxFile([0, 28, 28], []), trainLabels: idxFile([0], []) },
      'train-images-idx3-ubyte: sizes [0, 28, 28], but images must be [n, 28, 28] with n at least 1',
    ],
    [
      'images in the place of labels',
      { trainLabels: tinyFashionMnist().trainImages },
      'train-labels-idx1-ubyte: sizes [3, 28, 28], but labels must be [n]',
    ],
    [
      'other numbers of images and labels',
      { testLabels: idxFile([3], [1, 2, 3]) },
      't10k-labels-idx1-ubyte: 3 labels, but t10k-images-idx3-ubyte holds 2 images: there must be one label per image',
    ],
    [
      'a label that names no class',
      { trainLabels: idxFile([3], [9, 10, 255]) },
      'train-labels-idx1-ubyte: label 1 (counted from 0) is 10, labels must be 0 to 9',
    ],
    [
      'a damaged file',
      { testLabels: zeros(2) },
      't10k-labels-idx1-ubyte: cut off: 2 bytes, but an IDX file has at least 8',
    ],
  ]
  test.each(refused)('refuses %s', (_, wrong, message) => {
    const decode = () => fashionMnistFromBytes({ ...tinyFashionMnist(), ...wrong })
    expect(decode).toThrow(DataError)
    expect(decode).toThrow(new DataError(message))
  })

  test('messages use the names that are handed in', () => {
    const names = { trainImages: 'a', trainLabels: 'b', testImages: 'c', testLabels: 'd' }
    const bytes = { ...tinyFashionMnist(), testLabels: idxFile([1], [0]) }
    expect(() => fashionMnistFromBytes(bytes, names)).toThrow(
      new DataError('d: 1 labels, but c holds 2 images: there must be one label per image'),
    )
  })

  test('bytes changed and cut at random: valid sets or a DataError, nothing else', () => {
    const parts = ['trainImages', 'trainLabels', 'testImages', 'testLabels'] as const
    // Half of the changes go to the first 20 bytes, where the header is.
    const place = fc.oneof(fc.nat({ max: 19 }), fc.nat({ max: 3000 }))
    const change = fc.record({ part: fc.constantFrom(...parts), place, xor: fc.integer({ min: 1, max: 255 }) })
    const cut = fc.option(fc.record({ part: fc.constantFrom(...parts), length: place }), { freq: 4 })
    let valid = 0
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), cut, (changes, cutting) => {
        const bytes = tinyFashionMnist()
        for (const { part, place, xor } of changes) {
          const at = place % bytes[part].length
          bytes[part][at] = (bytes[part][at] ?? 0) ^ xor
        }
        if (cutting !== null) bytes[cutting.part] = bytes[cutting.part].subarray(0, cutting.length)
        try {
          const { train, test } = fashionMnistFromBytes(bytes)
          for (const set of [train, test]) {
            expect([set.images.length, set.labels.length]).toEqual([set.count * 784, set.count])
            expect(Math.max(...set.labels)).toBeLessThan(10)
          }
          valid++
        } catch (error) {
          expect(error).toBeInstanceOf(DataError)
        }
      }),
      { seed: 3, numRuns: 500 },
    )
    expect(valid).toBeGreaterThan(20)
  })
})

describe('take', () => {
  const { train } = fashionMnistFromBytes(tinyFashionMnist())

  test('gives the first examples, as a view', () => {
    const two = take(train, 2)
    expect(two).toEqual({ ...train, count: 2, images: train.images.slice(0, 1568), labels: Uint8Array.from([9, 0]) })
    expect(two.images.buffer).toBe(train.images.buffer)
    expect(two.images.byteOffset).toBe(train.images.byteOffset)
    expect(take(train, 3)).toEqual(train)
    expect(train.count).toBe(3)
  })

  test.each([0, 4, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses n = %s', (n) => {
    expect(() => take(train, n)).toThrow(
      new RangeError(`take: n is ${n}, but must be an integer from 1 to 3 (the examples in the data set)`),
    )
  })
})
