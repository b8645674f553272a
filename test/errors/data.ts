import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { FASHION_MNIST_FILES, fashionMnistFromBytes } from '../../src/data/fashion_mnist.ts'
import { decodeIdx } from '../../src/data/idx.ts'
import { findFashionMnist } from '../../src/node/fashion_mnist.ts'
import {
  Batches,
  batchNorm,
  capture,
  ImageBatches,
  loadFashionMnist,
  take,
  weightedSampler,
} from '../../src/node/index.ts'
import { idxFile, tinyFashionMnist, writeTinyFashionMnist } from '../support/idx_files.ts'
import { type Area, HASH, loose, PATH, type Place } from './refusal.ts'

const NAME = 'train-labels-idx1-ubyte'
const set = () => fashionMnistFromBytes(tinyFashionMnist()).train
const decode = (...bytes: number[]) => decodeIdx(Uint8Array.from(bytes), NAME)
const { testLabels } = tinyFashionMnist()
const varies = { '<folder>': PATH }

/** Loads a set in which the file of test labels has these bytes. */
const withLabels = (bytes: Uint8Array, ending = '.gz') => {
  return async ({ folder }: Place) => {
    await writeTinyFashionMnist(folder, ending === '' ? ['testLabels'] : [])
    await writeFile(join(folder, `${FASHION_MNIST_FILES.testLabels.stem}${ending}`), bytes)
    return loadFashionMnist({ dir: folder, verify: false })
  }
}

export const data: Area = {
  title: 'Data',
  refusals: [
    {
      title: 'Fashion-MNIST is nowhere',
      error: 'DataError',
      text: `Fashion-MNIST was not found. Looked in:
  <folder>/fashion-mnist: no such folder
  /none: no such folder
One folder must hold train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, each plain or .gz. Any of these helps:
  npm run setup
  apt-get install dataset-fashion-mnist
  export FASHION_MNIST_DIR=/folder/with/the/four/files`,
      varies,
      run: ({ folder }) => findFashionMnist({ folders: [join(folder, 'fashion-mnist'), '/none'], chosenBy: null }),
    },
    {
      title: 'Fashion-MNIST is not where FASHION_MNIST_DIR points',
      error: 'DataError',
      text: `Fashion-MNIST was not found. Looked in, the only folder searched because FASHION_MNIST_DIR names it:
  <folder>: none of the four files
One folder must hold train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, each plain or .gz. Any of these helps:
  npm run setup, and leave out FASHION_MNIST_DIR
  apt-get install dataset-fashion-mnist, and leave out FASHION_MNIST_DIR
  export FASHION_MNIST_DIR=/folder/with/the/four/files`,
      varies,
      run: async ({ folder }) => {
        const before = process.env.FASHION_MNIST_DIR
        process.env.FASHION_MNIST_DIR = folder
        try {
          return await loadFashionMnist()
        } finally {
          if (before === undefined) delete process.env.FASHION_MNIST_DIR
          else process.env.FASHION_MNIST_DIR = before
        }
      },
    },
    {
      title: 'Fashion-MNIST is not in the folder of the option dir',
      error: 'DataError',
      text: `Fashion-MNIST was not found. Looked in, the only folder searched because the dir option names it:
  <folder>/none: no such folder
One folder must hold train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, each plain or .gz. Any of these helps:
  npm run setup, and leave out the dir option
  apt-get install dataset-fashion-mnist, and leave out the dir option
  loadFashionMnist({ dir: '/folder/with/the/four/files' })`,
      varies,
      run: ({ folder }) => loadFashionMnist({ dir: join(folder, 'none') }),
    },
    {
      title: 'Fashion-MNIST is not all there',
      error: 'DataError',
      text: `Fashion-MNIST was not found. Looked in, the only folder searched because the dir option names it:
  <folder>: lacks train-images-idx3-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte
One folder must hold train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, each plain or .gz. Any of these helps:
  npm run setup, and leave out the dir option
  apt-get install dataset-fashion-mnist, and leave out the dir option
  loadFashionMnist({ dir: '/folder/with/the/four/files' })`,
      varies,
      run: async ({ folder }) => {
        await writeFile(join(folder, `${NAME}.gz`), '')
        return loadFashionMnist({ dir: folder })
      },
    },
    {
      title: 'Fashion-MNIST is looked for in a file',
      error: 'DataError',
      text: `Fashion-MNIST was not found. Looked in, the only folder searched because the dir option names it:
  <folder>/set.zip: not a folder
One folder must hold train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, each plain or .gz. Any of these helps:
  npm run setup, and leave out the dir option
  apt-get install dataset-fashion-mnist, and leave out the dir option
  loadFashionMnist({ dir: '/folder/with/the/four/files' })`,
      varies,
      run: async ({ folder }) => {
        await writeFile(join(folder, 'set.zip'), '')
        return loadFashionMnist({ dir: join(folder, 'set.zip') })
      },
    },
    {
      title: 'a folder that cannot be read',
      error: 'DataError',
      text: `Fashion-MNIST was not found. Looked in, the only folder searched because the dir option names it:
  <path>: cannot be read (ENAMETOOLONG)
One folder must hold train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, each plain or .gz. Any of these helps:
  npm run setup, and leave out the dir option
  apt-get install dataset-fashion-mnist, and leave out the dir option
  loadFashionMnist({ dir: '/folder/with/the/four/files' })`,
      varies: { '<path>': PATH },
      run: ({ folder }) => loadFashionMnist({ dir: join(folder, 'x'.repeat(300)) }),
    },
    {
      title: 'another file than the published one',
      error: 'DataError',
      text: "<folder>/train-images-idx3-ubyte.gz: not the published file: the SHA-256 of its 2368 decompressed bytes is <sha256>, but must be c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888: delete it and fetch it again (`npm run setup` fetches what the cache folder lacks), or install Debian's package dataset-fashion-mnist, or set FASHION_MNIST_DIR to a folder that holds the right files (verify: false accepts other data of this form)",
      varies: { ...varies, '<sha256>': HASH },
      run: async ({ folder }) => {
        await writeTinyFashionMnist(folder)
        return loadFashionMnist({ dir: folder })
      },
    },
    {
      title: 'a file that is no gzip',
      error: 'DataError',
      text: "<folder>/t10k-labels-idx1-ubyte.gz: not a gzip file: delete it and fetch it again (`npm run setup` fetches what the cache folder lacks), or install Debian's package dataset-fashion-mnist, or set FASHION_MNIST_DIR to a folder that holds the right files",
      varies,
      run: withLabels(new TextEncoder().encode('<!doctype html>')),
    },
    {
      title: 'a gzip file that is cut off',
      error: 'DataError',
      text: "<folder>/t10k-labels-idx1-ubyte.gz: cut off: the gzip stream has no end: delete it and fetch it again (`npm run setup` fetches what the cache folder lacks), or install Debian's package dataset-fashion-mnist, or set FASHION_MNIST_DIR to a folder that holds the right files",
      varies,
      run: withLabels(gzipSync(testLabels).subarray(0, 14)),
    },
    {
      title: 'a gzip file that is damaged',
      error: 'DataError',
      text: "<folder>/t10k-labels-idx1-ubyte.gz: damaged gzip file (incorrect data check): delete it and fetch it again (`npm run setup` fetches what the cache folder lacks), or install Debian's package dataset-fashion-mnist, or set FASHION_MNIST_DIR to a folder that holds the right files",
      varies,
      run: withLabels(gzipSync(testLabels).map((byte, i, all) => (i === all.length - 8 ? byte ^ 1 : byte))),
    },
    {
      title: 'a gzip file that holds too much',
      error: 'DataError',
      text: "<folder>/t10k-labels-idx1-ubyte.gz: too long: decompresses to more than the 10008 bytes of t10k-labels-idx1-ubyte: delete it and fetch it again (`npm run setup` fetches what the cache folder lacks), or install Debian's package dataset-fashion-mnist, or set FASHION_MNIST_DIR to a folder that holds the right files",
      varies,
      run: withLabels(gzipSync(new Uint8Array(10_009))),
    },
    {
      title: 'a file that is too long',
      error: 'DataError',
      text: "<folder>/t10k-labels-idx1-ubyte.gz: too long: 20017 bytes, but must be at most 20016: delete it and fetch it again (`npm run setup` fetches what the cache folder lacks), or install Debian's package dataset-fashion-mnist, or set FASHION_MNIST_DIR to a folder that holds the right files",
      varies,
      run: withLabels(new Uint8Array(20_017)),
    },
    {
      title: 'a folder in the place of a file',
      error: 'DataError',
      text: "<folder>/t10k-labels-idx1-ubyte: not a regular file: delete it and fetch it again (`npm run setup` fetches what the cache folder lacks), or install Debian's package dataset-fashion-mnist, or set FASHION_MNIST_DIR to a folder that holds the right files",
      varies,
      run: async ({ folder }) => {
        await writeTinyFashionMnist(folder)
        await mkdir(join(folder, FASHION_MNIST_FILES.testLabels.stem))
        return loadFashionMnist({ dir: folder, verify: false })
      },
    },
    {
      title: 'a file that cannot be read',
      error: 'DataError',
      text: '<path>: cannot be read (EACCES): make it readable, or set FASHION_MNIST_DIR to another folder',
      varies: { '<path>': PATH },
      pinnedBy: 'test/node/fashion_mnist_damage.test.ts',
    },
    {
      title: 'IDX: less than a header',
      error: 'DataError',
      text: 'train-labels-idx1-ubyte: cut off: 3 bytes, but an IDX file has at least 8',
      cure: 'Fetch the file again: it was not written to its end.',
      run: () => decode(0, 0, 8),
    },
    {
      title: 'IDX: part of a header',
      error: 'DataError',
      text: 'train-labels-idx1-ubyte: cut off: 9 bytes, but an IDX header of rank 3 has 16',
      cure: 'Fetch the file again: it was not written to its end.',
      run: () => decode(0, 0, 8, 3, 0, 0, 0, 1, 0),
    },
    {
      title: 'IDX: another kind of file',
      error: 'DataError',
      text: 'train-labels-idx1-ubyte: not an IDX file: it starts with 1f 8b 08 00, not with 00 00 08 and its rank (this is gzip: decompress it first)',
      cure: 'Fetch the file again, or give the file that the name promises.',
      run: () => decode(0x1f, 0x8b, 8, 0, 0),
    },
    {
      title: 'IDX: another type of elements',
      error: 'DataError',
      text: 'train-labels-idx1-ubyte: IDX type 0x0d (float32) is not supported, it must be 0x08 (unsigned byte)',
      cure: 'Only files of bytes are read, as those of MNIST and Fashion-MNIST are.',
      run: () => decode(0, 0, 13, 1, 0, 0, 0, 0),
    },
    {
      title: 'IDX: too many dimensions',
      error: 'DataError',
      text: 'train-labels-idx1-ubyte: IDX rank 5 is not supported, it must be 1 to 4',
      cure: 'The file is damaged, or of another format.',
      run: () => decode(0, 0, 8, 5),
    },
    {
      title: 'IDX: sizes that overflow',
      error: 'DataError',
      text: 'train-labels-idx1-ubyte: the IDX sizes [2147483648, 2147483648, 4] overflow, their product must be below 2^53',
      cure: 'The header is damaged: fetch the file again.',
      run: () => decodeIdx(idxFile([2 ** 31, 2 ** 31, 4], []), NAME),
    },
    {
      title: 'IDX: fewer or more bytes than the sizes ask for',
      error: 'DataError',
      text: 'train-labels-idx1-ubyte: cut off: 17 bytes, but the IDX sizes [2, 3] need 18',
      cure: 'Fetch the file again.',
      run: () => decodeIdx(idxFile([2, 3], [1, 2, 3, 4, 5]), NAME),
    },
    {
      title: 'images of another size',
      error: 'DataError',
      text: 'train-images-idx3-ubyte: sizes [1, 2, 2], but images must be [n, 28, 28] with n at least 1',
      cure: 'Only images of 28 × 28 are read; the file of labels may have the name of the file of images.',
      run: () => fashionMnistFromBytes({ ...tinyFashionMnist(), trainImages: idxFile([1, 2, 2], [0, 0, 0, 0]) }),
    },
    {
      title: 'labels of several dimensions',
      error: 'DataError',
      text: 'train-labels-idx1-ubyte: sizes [3, 1], but labels must be [n]',
      cure: 'The file of images may have the name of the file of labels.',
      run: () => fashionMnistFromBytes({ ...tinyFashionMnist(), trainLabels: idxFile([3, 1], [1, 2, 3]) }),
    },
    {
      title: 'not one label an image',
      error: 'DataError',
      text: 'train-labels-idx1-ubyte: 2 labels, but train-images-idx3-ubyte holds 3 images: there must be one label per image',
      cure: 'Take both files from one data set.',
      run: () => fashionMnistFromBytes({ ...tinyFashionMnist(), trainLabels: idxFile([2], [1, 2]) }),
    },
    {
      title: 'a label that is no class',
      error: 'DataError',
      text: 'train-labels-idx1-ubyte: label 1 (counted from 0) is 10, labels must be 0 to 9',
      cure: 'The file is damaged, or of a set with more classes.',
      run: () => fashionMnistFromBytes({ ...tinyFashionMnist(), trainLabels: idxFile([3], [1, 10, 2]) }),
    },
    {
      title: 'Fashion-MNIST: an option that there is not',
      error: 'TypeError',
      text: 'loadFashionMnist: unknown option folder; known: dir, verify',
      run: () => loadFashionMnist(loose({ folder: 'samples' })),
    },
    {
      title: 'take: more examples than there are',
      error: 'RangeError',
      text: 'take: n is 4, but must be an integer from 1 to 3 (the examples in the data set)',
      run: () => take(set(), 4),
    },
    {
      title: 'take: a data set without images',
      error: 'RangeError',
      text: 'take: the data set has no images; it must have at least one',
      run: () => take({ ...set(), count: 0 }, 1),
    },
    {
      title: 'take: something that is not a data set',
      error: 'TypeError',
      text: 'take: the data set must be an object { images, labels, count, channels, height, width, classes }, not a number',
      run: () => take(loose(2), loose(set())),
    },
    {
      title: 'Batches: something that is not fields',
      error: 'TypeError',
      text: 'Batches: the fields must be an object of named arrays, such as { x: { data, shape }, y: labels }, not a Float32Array',
      run: () => new Batches(loose(new Float32Array(3))),
    },
    {
      title: 'Batches: no fields',
      error: 'TypeError',
      text: 'Batches: there are no fields; give at least one, such as { x: { data, shape } }',
      run: () => new Batches({}),
    },
    {
      title: 'Batches: fields with different numbers of rows',
      error: 'RangeError',
      text: 'Batches: y has 2 rows, but x has 3; all fields must have the same number',
      run: () => new Batches({ x: new Float32Array(3), y: new Uint8Array(2) }),
    },
    {
      title: 'Batches: a field without rows',
      error: 'RangeError',
      text: 'Batches: x has no rows; it must have at least one',
      run: () => new Batches({ x: new Float32Array(0) }),
    },
    {
      title: 'Batches: a field called size',
      error: 'TypeError',
      text: "Batches: a field can't be called size, which is the number of rows in a batch; give it another name",
      run: () => new Batches({ size: new Float32Array(3) }),
    },
    {
      title: 'Batches: a field of another kind of array',
      error: 'TypeError',
      text: 'Batches: x must be a Float32Array, an Int32Array or a Uint8Array, or { data, shape, scale } with one, not a Float64Array',
      run: () => new Batches(loose({ x: { data: new Float64Array(3) } })),
    },
    {
      title: 'Batches: an option that a field does not have',
      error: 'TypeError',
      text: 'Batches: x has offset; a field has data, shape and scale',
      run: () => new Batches(loose({ x: { data: new Float32Array(3), offset: 1 } })),
    },
    {
      title: 'Batches: a shape that is not a list',
      error: 'TypeError',
      text: 'Batches: the shape of x must be the shape of all of the data, the number of rows first, such as [60000, 28, 28], not 3',
      run: () => new Batches(loose({ x: { data: new Float32Array(3), shape: 3 } })),
    },
    {
      title: 'Batches: a shape without the number of rows',
      error: 'ShapeError',
      text: 'Batches: x has 12 numbers, which do not fill its shape\n  x [2, 2]\nThe shape is that of all rows: its first size is their number.',
      run: () => new Batches({ x: { data: new Float32Array(12), shape: [2, 2] } }),
    },
    {
      title: 'Batches: a scale for what is not bytes',
      error: 'TypeError',
      text: 'Batches: x has a scale, which is for bytes, and its data are a Float32Array; leave it out',
      run: () => new Batches({ x: { data: new Float32Array(3), scale: 2 } }),
    },
    {
      title: 'Batches: a scale that is not a number',
      error: 'TypeError',
      text: "Batches: the scale of x must be a finite float32, such as 1 / 255, not '1/255'",
      run: () => new Batches({ x: { data: new Uint8Array(3), scale: loose('1/255') } }),
    },
    {
      title: 'Batches: a sampler that is not one',
      error: 'TypeError',
      text: 'Batches: sampler must be an object { size, count, order(epoch) }, such as weightedSampler(weights), not an array',
      cure: 'Of weights make one: weightedSampler([1, 2]).',
      run: () => new Batches({ x: new Float32Array(2) }, { sampler: loose([1, 2]) }),
    },
    {
      title: 'Batches: a sampler and another order',
      error: 'TypeError',
      text: 'Batches: shuffle is given beside a sampler, which decides the order by itself; leave it out',
      run: () => new Batches({ x: new Float32Array(2) }, { sampler: weightedSampler([1, 2]), shuffle: true }),
    },
    {
      title: 'Batches: a sampler of another number of rows',
      error: 'RangeError',
      text: 'Batches: the sampler chooses from 3 rows, but there are 2',
      cure: 'Give one weight for each row.',
      run: () => new Batches({ x: new Float32Array(2) }, { sampler: weightedSampler([1, 2, 3]) }),
    },
    {
      title: 'Batches: an order of another length than an epoch',
      error: 'RangeError',
      text: 'Batches: the order has 2 entries, but an epoch takes 5',
      run: () => {
        const sampler = weightedSampler([1, 2], { count: 5 })
        new Batches({ x: new Float32Array(2) }, { sampler }).setOrder([0, 1])
      },
    },
    {
      title: 'Batches: a smaller last batch in a plan',
      error: 'RangeError',
      text: 'Batches: batch 1, the last, has 1 rows, and the plan was captured for batches of 2; leave it out by dropLast: true, or capture another plan while position is 1',
      run: () => {
        const batches = new Batches({ x: new Float32Array(3) }, { batchSize: 2 })
        capture(() => batches.next().x).run(2)
      },
    },
    {
      title: 'Batches: a run of a plan over the end of an epoch',
      error: 'RangeError',
      text: 'Batches: 3 batches are needed, but the epoch has 2 left; a run begins the next one only where it starts at its end',
      cure: 'Run as many steps as the epoch has left, then the next.',
      run: () => {
        const batches = new Batches({ x: new Float32Array(4) }, { batchSize: 2 })
        capture(() => batches.next().x).run(3)
      },
    },
    {
      title: 'weightedSampler: something that is not weights',
      error: 'TypeError',
      text: 'weightedSampler: the weights must be a list of numbers, one a row, not a number',
      run: () => weightedSampler(loose(3)),
    },
    {
      title: 'weightedSampler: a weight below 0',
      error: 'RangeError',
      text: 'weightedSampler: weight 1 must be a finite number, 0 or more, not -1',
      run: () => weightedSampler([1, -1]),
    },
    {
      title: 'weightedSampler: no weight above 0',
      error: 'RangeError',
      text: 'weightedSampler: the sum of the weights must be above 0 and finite, it is 0',
      run: () => weightedSampler([0, 0]),
    },
    {
      title: 'weightedSampler: a count that is none',
      error: 'RangeError',
      text: 'weightedSampler: count must be a whole number, 1 or more, not 0',
      run: () => weightedSampler([1, 2], { count: 0 }),
    },
    {
      title: 'weightedSampler: more rows than there are, without replacement',
      error: 'RangeError',
      text: "weightedSampler: 3 rows can't be drawn without replacement: 2 have a weight above 0",
      run: () => weightedSampler([1, 0, 2], { replacement: false }),
    },
    {
      title: 'ImageBatches: an option that there is not',
      error: 'TypeError',
      text: 'ImageBatches: unknown option shuffle; known: batchSize, augment, normalize, gpu',
      cure: 'setOrder(permutation(seed, epoch, batches.size)) shuffles; fit does so by itself.',
      run: () => new ImageBatches(set(), loose({ batchSize: 2, shuffle: true })),
    },
    {
      title: 'ImageBatches: a number of classes',
      error: 'TypeError',
      text: "ImageBatches: the data set's classes must be an array of their names, not a number",
      cure: 'Classes without names are an empty array.',
      run: () => new ImageBatches(loose({ ...set(), classes: 10 })),
    },
    {
      title: 'ImageBatches: a data set without images',
      error: 'RangeError',
      text: 'ImageBatches: the data set has no images; it must have at least one',
      run: () => new ImageBatches({ ...set(), count: 0 }),
    },
    {
      title: 'ImageBatches: something that is not a data set',
      error: 'TypeError',
      text: 'ImageBatches: the data set must be an object { images, labels, count, channels, height, width, classes }, not an array',
      cure: 'loadFashionMnist gives two such objects, train and test.',
      run: () => new ImageBatches([set()] as never),
    },
    {
      title: 'ImageBatches: a size that is not a count',
      error: 'RangeError',
      text: "ImageBatches: the data set's channels must be a whole number, 1 or more, not undefined",
      run: () => new ImageBatches({ ...set(), channels: undefined } as never),
    },
    {
      title: 'ImageBatches: images that are not as many bytes as the sizes say',
      error: 'RangeError',
      text: "ImageBatches: the data set's images must be a Uint8Array of 1568 bytes, [2, 1, 28, 28], not one of 2352",
      run: () => new ImageBatches({ ...set(), count: 2 }),
    },
    {
      title: 'ImageBatches: labels that are not bytes',
      error: 'TypeError',
      text: "ImageBatches: the data set's labels must be a Uint8Array of 3 bytes, one an image, not an Int32Array",
      run: () => new ImageBatches({ ...set(), labels: Int32Array.of(0, 1, 2) } as never),
    },
    {
      title: 'ImageBatches: a label that is not a class',
      error: 'RangeError',
      text: 'ImageBatches: label 1 (counted from 0) is 2, but there are 2 classes, 0 to 1',
      cure: 'Name a class for every label, or leave the classes empty.',
      run: () => new ImageBatches({ ...set(), labels: Uint8Array.of(0, 2, 1), classes: ['cat', 'dog'] }),
    },
    {
      title: 'ImageBatches: a batch size that is none',
      error: 'RangeError',
      text: 'ImageBatches: batchSize must be a whole number, 1 or more, not 0',
      run: () => new ImageBatches(set(), { batchSize: 0 }),
    },
    {
      title: 'ImageBatches: an order of another length',
      error: 'RangeError',
      text: 'ImageBatches: the order has 2 entries, but there are 3 images',
      cure: 'Give an image number for each image of the set: permutation(seed, epoch, batches.size).',
      run: () => new ImageBatches(set()).setOrder(Uint32Array.of(0, 1)),
    },
    {
      title: 'ImageBatches: an order with an image that there is not',
      error: 'RangeError',
      text: 'ImageBatches: the order has 3 at place 2; it must have image numbers, 0 to 2',
      run: () => new ImageBatches(set()).setOrder(Uint32Array.of(1, 2, 3)),
    },
    {
      title: 'ImageBatches: an order that is not a list',
      error: 'TypeError',
      text: 'ImageBatches: the order must be a list of image numbers, such as permutation(seed, epoch, 3), not undefined',
      run: () => new ImageBatches(set()).setOrder(undefined as never),
    },
    {
      title: 'ImageBatches: a batch that there is not',
      error: 'RangeError',
      text: 'ImageBatches: there is no batch 2; batches are numbered 0 to 1',
      run: () => new ImageBatches(set(), { batchSize: 2 }).batch(2),
    },
    {
      title: 'ImageBatches: more batches than the epoch has left',
      error: 'RangeError',
      text: 'ImageBatches: 1 batches are needed, but the epoch has 0 left; setOrder begins a new epoch',
      run: () => {
        const batches = new ImageBatches(set(), { batchSize: 3 })
        batches.next()
        batches.next()
      },
    },
    {
      title: 'ImageBatches: a plan for the last batch, run at another',
      error: 'RangeError',
      text: `ImageBatches: the plan was captured for the last batch, of 1 rows; it can only run at position 1, not at 0. For batches of 2 rows, capture another plan at an earlier position`,
      cure: 'A plan captured where a last batch of fewer rows stands takes exactly those rows.',
      run: () => {
        const batches = new ImageBatches(set(), { batchSize: 2 })
        batches.position = 1
        const plan = capture(() => batches.next())
        batches.position = 0
        plan.run()
      },
    },
    {
      title: 'ImageBatches: a batch filled up with zeros, where an operation looks across it',
      error: 'RangeError',
      text: `ImageBatches: batchNorm in training looks across the batch, and of the 2 rows of batch 1 only 1 are images, the others zeros. Train with fit, which makes a separate plan for the last batch, or train on a multiple of 2 images: take(set, 2)`,
      cure: 'Or capture a plan of your own for the last batch: set position to it before the capture.',
      run: () => {
        const batches = new ImageBatches(set(), { batchSize: 2 })
        capture(() => batchNorm(batches.next().images, { training: true })).run(2)
      },
    },
    {
      title: 'ImageBatches: a position that there is not',
      error: 'RangeError',
      text: 'ImageBatches: there is no position 3; an epoch goes from 0 to 2',
      run: () => {
        new ImageBatches(set(), { batchSize: 2 }).position = 3
      },
    },
  ],
}
