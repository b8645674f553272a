// A tiny Fashion-MNIST as IDX files, built byte by byte.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { FASHION_MNIST_FILES, type FashionMnistParts } from '../../src/data/fashion_mnist.ts'

type Part = keyof FashionMnistParts<unknown>

/** The four files' keys, in the order in which they are reported. */
export const fashionMnistParts: readonly Part[] = ['trainImages', 'trainLabels', 'testImages', 'testLabels']

/** An IDX file of unsigned bytes, built byte by byte and independently of the decoder. */
export function idxFile(shape: readonly number[], data: ArrayLike<number>): Uint8Array {
  const header = [0, 0, 8, shape.length]
  for (const size of shape) {
    for (const unit of [2 ** 24, 2 ** 16, 2 ** 8, 1]) header.push(Math.floor(size / unit) % 256)
  }
  return Uint8Array.from([...header, ...Array.from(data)])
}

/** A tiny data set in the form of Fashion-MNIST: 3 training and 2 test images, mostly zeros like real ones. */
export function tinyFashionMnist(): FashionMnistParts<Uint8Array> {
  const pixels = (count: number) => Array.from({ length: count * 784 }, (_, i) => (i % 5 === 0 ? (i * 7) % 256 : 0))
  return {
    trainImages: idxFile([3, 28, 28], pixels(3)),
    trainLabels: idxFile([3], [9, 0, 4]),
    testImages: idxFile([2, 28, 28], pixels(2)),
    testLabels: idxFile([2], [1, 9]),
  }
}

/** Writes the tiny set to a folder that it makes, gzipped but for the parts in `plain`. */
export async function writeTinyFashionMnist(folder: string, plain: readonly Part[] = []): Promise<void> {
  const tiny = tinyFashionMnist()
  await mkdir(folder, { recursive: true })
  for (const part of fashionMnistParts) {
    const path = join(folder, FASHION_MNIST_FILES[part].stem)
    if (plain.includes(part)) await writeFile(path, tiny[part])
    else await writeFile(`${path}.gz`, gzipSync(tiny[part]))
  }
}
