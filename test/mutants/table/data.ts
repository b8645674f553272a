import { type Area, mutantsOf } from '../mutant.ts'
import * as tests from './tests.ts'

const random = mutantsOf('src/tensor/random.ts', tests.random, [
  {
    id: 'random-rounds',
    find: 'round < 10',
    replace: 'round < 9',
    breaks: 'Philox runs nine rounds instead of ten.',
  },
  {
    id: 'random-carry',
    find: '(middle >>> 16) + (carry >>> 16)',
    replace: '(middle >>> 16)',
    breaks: 'A carry is lost in the high half of products.',
  },
  {
    id: 'random-key',
    find: '0xbb67ae85',
    replace: '0xbb67ae84',
    breaks: 'The second key moves by another constant.',
  },
  {
    id: 'random-block',
    find: 'Math.floor(position / 4)',
    replace: 'Math.floor(position / 3)',
    breaks: 'A block is left before its four words are used.',
  },
  {
    id: 'random-high-seed',
    find: '[seed >>> 0, Math.floor(seed / TWO_32)]',
    replace: '[seed >>> 0, 0]',
    breaks: 'Seeds that differ by 2³² give the same numbers.',
  },
  {
    id: 'random-streams',
    find: 'noise: 3',
    replace: 'noise: 2',
    breaks: 'Noise draws the numbers that shuffle.',
  },
  {
    id: 'random-uniform-bits',
    in: 'uniform',
    find: '>>> 8',
    replace: '>>> 9',
    breaks: 'Uniform numbers fill the lower half of their range.',
  },
  {
    id: 'random-normal-variance',
    find: '-2 * Math.log(u1)',
    replace: '-Math.log(u1)',
    breaks: 'Normal numbers have half the variance.',
  },
  {
    id: 'random-normal-zero',
    find: '((this.nextUint32() >>> 8) + 1) * STEP',
    replace: '(this.nextUint32() >>> 8) * STEP',
    breaks: 'A normal number may be infinite, once in 2²⁴.',
  },
  {
    id: 'random-below-surplus',
    find: 'const surplus = TWO_32 % n',
    replace: 'const surplus = 0',
    breaks: 'Some results of below() are a little more likely than others.',
  },
  {
    id: 'random-below-endless',
    find: '        low = Math.imul(word, n) >>> 0\n      }',
    replace: '      }',
    breaks: 'Where a word has to be drawn again below() never ends.',
    tests: tests.only('below equals', tests.random),
    hangs: true,
  },
  {
    id: 'random-shuffle-range',
    find: 'stream.below(i + 1)',
    replace: 'stream.below(i)',
    breaks: 'No element stays in its place: most orders never come.',
  },
  {
    id: 'random-shuffle-epoch',
    find: "new Stream(seed, 'shuffle', epoch)",
    replace: "new Stream(seed, 'shuffle')",
    breaks: 'Every epoch has the same order.',
  },
])

const idx = mutantsOf('src/data/idx.ts', tests.idx, [
  {
    id: 'idx-byte-order',
    find: 'view.getUint32(4 + 4 * i)',
    replace: 'view.getUint32(4 + 4 * i, true)',
    breaks: 'Sizes are read with the bytes in the wrong order.',
  },
  {
    id: 'idx-trailing',
    find: 'length !== wanted',
    replace: 'length < wanted',
    breaks: 'Bytes after the end are accepted.',
  },
  {
    id: 'idx-offset',
    find: 'bytes.byteOffset + headerBytes',
    replace: 'headerBytes',
    breaks: 'Data inside a larger buffer is read from that buffer’s start.',
  },
  {
    id: 'idx-overflow',
    find: 'product * Math.max(size, 1)',
    replace: 'product * size',
    breaks: 'A size of 0 hides an overflow of the others.',
  },
  {
    id: 'idx-rank',
    find: 'rank < 1 || rank > MAX_RANK',
    replace: 'rank > MAX_RANK',
    breaks: 'An array of no dimensions is accepted.',
  },
  {
    id: 'idx-header',
    find: 'const headerBytes = 4 + 4 * rank',
    replace: 'const headerBytes = 4 * rank',
    breaks: 'The data begins within the header.',
  },
])

const fashionMnist = mutantsOf('src/data/fashion_mnist.ts', tests.fashionMnist, [
  {
    id: 'fashion-mnist-label',
    find: 'label > last',
    replace: 'label > last + 1',
    breaks: 'The label 10 is accepted.',
  },
  {
    id: 'fashion-mnist-counts',
    find: 'data.length !== count',
    replace: 'data.length < count',
    breaks: 'More labels than images are accepted.',
  },
  {
    id: 'fashion-mnist-size',
    find: 'height !== 28 || width !== 28',
    replace: 'height !== 28',
    breaks: 'Images of another width are accepted.',
  },
  {
    id: 'fashion-mnist-take',
    find: 'n * channels * height * width',
    replace: 'n * channels * height',
    breaks: 'A part of the set has too few pixels.',
  },
  {
    id: 'fashion-mnist-take-all',
    find: 'n > count',
    replace: 'n >= count',
    breaks: 'The whole set cannot be taken.',
  },
])

const files = mutantsOf('src/node/fashion_mnist.ts', tests.fashionMnistFiles, [
  {
    id: 'fashion-mnist-verify',
    find: 'if (found === file.sha256) return bytes',
    replace: 'if (found !== "") return bytes',
    breaks: 'Files other than the published ones are accepted.',
  },
  {
    id: 'fashion-mnist-bomb',
    find: 'maxOutputLength: file.bytes',
    replace: 'maxOutputLength: 2 * file.bytes',
    breaks: 'A compressed file may be longer than it must be.',
  },
  {
    id: 'fashion-mnist-plain-first',
    find: '].find((name) => entries.has(name))',
    replace: '].findLast((name) => entries.has(name))',
    breaks: 'The compressed file goes before the plain one.',
  },
])

const batches = mutantsOf('src/data/batches.ts', tests.batches, [
  {
    id: 'batches-first',
    find: 'first: i * this.batchSize',
    replace: 'first: i',
    breaks: 'Batches overlap.',
  },
  {
    id: 'batches-last',
    find: 'Math.ceil(count / this.batchSize)',
    replace: 'Math.floor(count / this.batchSize)',
    breaks: 'The last, smaller batch is dropped.',
  },
  {
    id: 'batches-scale',
    find: '1 / 255',
    replace: '1 / 256',
    breaks: 'The brightest pixel is not quite 1.',
  },
  {
    id: 'batches-order-range',
    find: '(number as number) < this.size',
    replace: '(number as number) <= this.size',
    breaks: 'An order may name the image just past the last one.',
  },
  {
    id: 'batches-order-whole',
    find: 'Number.isInteger(number) && (number',
    replace: '!Number.isNaN(number) && (number',
    breaks: 'An order may name half an image.',
  },
  {
    id: 'batches-above',
    find: 'Math.min(batchSize, count)',
    replace: 'batchSize',
    breaks: 'A batch size above the size of the set fills a batch up to it.',
  },
  {
    id: 'batches-order-length',
    find: 'order.length !== count',
    replace: 'order.length > count',
    breaks: 'An order that leaves images out is accepted.',
  },
  {
    id: 'batches-number',
    find: 'i >= this.length',
    replace: 'i > this.length',
    breaks: 'A batch past the last one is not refused by its number.',
  },
])

const datasets = mutantsOf('src/data/check_dataset.ts', tests.batches, [
  {
    id: 'dataset-label',
    find: 'label >= classes.length',
    replace: 'label > classes.length',
    breaks: 'A label just past the last class is accepted.',
  },
  {
    id: 'dataset-bytes',
    find: 'data.length !== length',
    replace: 'data.length < length',
    breaks: 'Images behind the last one are ignored.',
  },
])

export const data: Area = {
  title: 'Random numbers and data',
  mutants: [...random, ...idx, ...fashionMnist, ...files, ...batches, ...datasets],
}
