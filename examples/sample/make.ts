// Writes the sample beside this script: the first 512 training and the first 256 test images of Fashion-MNIST.
// Run: node --import tsx examples/sample/make.ts

import { writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { FASHION_MNIST_FILES, take } from '../../src/data/fashion_mnist.ts'
import { loadFashionMnist } from '../../src/node/fashion_mnist.ts'

function writeIdx(stem: string, shape: readonly number[], data: Uint8Array): void {
  const header = new DataView(new ArrayBuffer(4 + 4 * shape.length))
  header.setUint32(0, 0x0800 | shape.length)
  for (const [i, size] of shape.entries()) header.setUint32(4 + 4 * i, size)
  const bytes = Buffer.concat([new Uint8Array(header.buffer), data])
  const packed = gzipSync(bytes, { level: 9 })
  writeFileSync(new URL(`${stem}.gz`, import.meta.url), packed)
  console.log(`${stem}.gz: ${bytes.length} bytes, ${packed.length} compressed`)
}

const { train, test } = await loadFashionMnist()
const { trainImages, trainLabels, testImages, testLabels } = FASHION_MNIST_FILES
const first = take(train, 512)
const held = take(test, 256)
writeIdx(trainImages.stem, [first.count, 28, 28], first.images)
writeIdx(trainLabels.stem, [first.count], first.labels)
writeIdx(testImages.stem, [held.count, 28, 28], held.images)
writeIdx(testLabels.stem, [held.count], held.labels)
